//! A service manager's ear: the socket that `NOTIFY_SOCKET` names.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// So long something may take on any machine before it counts as never.
const NEVER: Duration = Duration::from_secs(60);
/// Within this, it wants a sign of life.
const WATCHDOG_USEC: &str = "2000000";

/// One that only listens.
pub(crate) struct Manager {
    path: PathBuf,
    socket: UnixDatagram,
}

impl Manager {
    /// One whose socket is in this folder.
    pub(crate) fn new(folder: &Path) -> Self {
        let path = folder.join("notify.sock");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        Self { path, socket }
    }

    /// What it starts a daemon with.
    pub(crate) fn variables(&self) -> [(&'static str, String); 2] {
        let path = self.path.to_str().expect("UTF-8").to_owned();
        [("NOTIFY_SOCKET", path), ("WATCHDOG_USEC", WATCHDOG_USEC.to_owned())]
    }

    /// The next letter, without its last line end.
    #[track_caller]
    fn next(&self) -> String {
        self.next_within(NEVER).expect("a letter")
    }

    /// The next letter, if one comes.
    pub(crate) fn next_within(&self, within: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(within)).expect("a socket");
        let mut bytes = [0; 4_096];
        let len = self.socket.recv(&mut bytes).ok()?;
        Some(str::from_utf8(&bytes[..len]).expect("UTF-8").trim_end().to_owned())
    }

    /// The next letter that isn't this one.
    #[track_caller]
    pub(crate) fn next_but(&self, skipped: &str) -> String {
        loop {
            let letter = self.next();
            if letter != skipped {
                return letter;
            }
        }
    }

    /// Waits for a letter; those before it.
    #[track_caller]
    pub(crate) fn until(&self, wanted: &str) -> Vec<String> {
        let mut before = Vec::new();
        loop {
            match self.next() {
                letter if letter == wanted => return before,
                letter => before.push(letter),
            }
        }
    }
}
