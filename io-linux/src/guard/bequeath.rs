//! Giving the lock and what was left to the process that goes on, over the lock's own socket.

use std::borrow::Cow;
use std::io::{self, IoSlice, IoSliceMut, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, getsockopt, recvmsg, sendmsg, sockopt,
};
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, geteuid};
use openproxy_core::vrrp::Inheritance;
use serde::{Deserialize, Serialize};
use tokio::io::unix::AsyncFd;

use crate::capabilities::Lent;
use crate::lock::VipLock;
use crate::sys;

/// A guard answers at once; whoever else holds the lock never does.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);
/// Whoever has asked takes what it gets.
const TAKEN_WITHIN: Duration = Duration::from_millis(100);
/// The first byte of the answer.
const DECLINED: u8 = b'-';
const GRANTED: u8 = b'+';

/// What a process has got from the guard of the one before.
#[derive(Debug)]
pub struct Bequeathed {
    /// The lock.
    pub lock: VipLock,
    /// What was served.
    pub estate: Vec<Inheritance>,
}

/// What a guard says with the lock.
#[derive(Debug, Serialize, Deserialize)]
struct Answer<'a> {
    /// Its number. Where the daemon goes on under its own number, it is its child, too.
    guard: i32,
    /// What the daemon had lent it, whoever executes this program has lent, too.
    is_lent: bool,
    estate: Cow<'a, [Inheritance]>,
}

/// Asks whoever holds the lock for it. Nothing if it is a daemon that lives, or no guard, or somebody
/// else's.
#[must_use]
pub fn ask() -> Option<Bequeathed> {
    let mut stream = VipLock::connect(ANSWER_TIMEOUT).ok().filter(is_trusted)?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT)).ok()?;
    let lock = receive_lock(&stream).ok()??;
    let mut text = Vec::new();
    stream.read_to_end(&mut text).ok()?;
    let answer: Answer<'_> = serde_json::from_slice(&text).ok()?;
    if answer.is_lent {
        Lent::take_back();
    }
    reap(Pid::from_raw(answer.guard));
    Some(Bequeathed { lock, estate: answer.estate.into_owned() })
}

/// The guard of a program that has executed this one ends, and nobody else waits for it.
fn reap(guard: Pid) {
    // Of a process that was another, it isn't a child.
    // Without a thread, it stays as a zombie.
    let _ = thread::Builder::new().name("reaper".to_owned()).spawn(move || {
        let _ = waitpid(guard, None);
    });
}

/// Reads the first byte of an answer, and the lock that comes with it.
fn receive_lock(stream: &UnixStream) -> io::Result<Option<VipLock>> {
    let mut byte = [0];
    let mut control = nix::cmsg_space!(nix::libc::c_int);
    let mut buffers = [IoSliceMut::new(&mut byte)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(stream.as_raw_fd(), &mut buffers, Some(&mut control), flags)?;
    let is_whole = message.bytes == 1;
    let rights = message.cmsgs()?.find_map(|cmsg| match cmsg {
        ControlMessageOwned::ScmRights(fds) => fds.first().copied(),
        _ => None,
    });
    let lock = rights.map(|fd| VipLock::from(sys::received(fd)));
    Ok(lock.filter(|_| is_whole && byte == [GRANTED]))
}

/// The lock, while a guard hands over what was left: whoever asks for it gets what still is.
#[derive(Debug)]
pub struct Succession(AsyncFd<VipLock>);

impl Succession {
    /// Begins to listen; needs a runtime.
    ///
    /// # Errors
    /// If the runtime can't watch the lock.
    pub fn open(lock: VipLock) -> io::Result<Self> {
        sys::watch(lock).map(Self)
    }

    /// Somebody who asks; safe to drop.
    pub async fn asked(&self) -> Asker {
        loop {
            if let Some(asker) = Asker::accept(self.0.get_ref()) {
                return asker;
            }
            match self.0.readable().await {
                Ok(mut guard) => guard.clear_ready(),
                // The runtime ends, and with it everything.
                Err(_) => std::future::pending().await,
            }
        }
    }

    /// Gives everything; whether it was taken.
    #[must_use]
    pub fn bequeath(&self, asker: Asker, estate: &[Inheritance]) -> bool {
        asker.bequeath(estate, self.0.get_ref())
    }
}

/// Somebody who asks for the lock.
#[derive(Debug)]
pub struct Asker(UnixStream);

impl Asker {
    /// The next one; whoever may not ask is turned away.
    pub(super) fn accept(lock: &VipLock) -> Option<Self> {
        loop {
            let stream = lock.accept().ok()?;
            if is_trusted(&stream) && stream.set_write_timeout(Some(TAKEN_WITHIN)).is_ok() {
                return Some(Self(stream));
            }
        }
    }

    pub(super) fn decline(mut self) {
        // If it is gone, it needn't know.
        let _ = self.0.write_all(&[DECLINED]);
    }

    /// Gives everything; whether it was taken.
    pub(super) fn bequeath(mut self, estate: &[Inheritance], lock: &VipLock) -> bool {
        let fd = [lock.as_raw_fd()];
        let rights = [ControlMessage::ScmRights(&fd)];
        let granted = [IoSlice::new(&[GRANTED])];
        let flags = MsgFlags::MSG_NOSIGNAL;
        let sent = sendmsg::<()>(self.0.as_raw_fd(), &granted, &rights, flags, None);
        let guard = i32::try_from(std::process::id()).unwrap_or_default();
        let answer = Answer { guard, is_lent: super::is_lent(), estate: estate.into() };
        let text = serde_json::to_vec(&answer).unwrap_or_default();
        sent.is_ok() && self.0.write_all(&text).is_ok()
    }
}

/// Whether the other side is this user's, or root's: an abstract socket has no mode.
fn is_trusted(stream: &UnixStream) -> bool {
    let peer = getsockopt(stream, sockopt::PeerCredentials);
    peer.is_ok_and(|peer| peer.uid() == 0 || peer.uid() == geteuid().as_raw())
}
