//! Connecting to whoever listens on a Unix socket, with an end.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};

/// Connects to whoever listens at a path; a name in the abstract namespace begins with a zero byte.
///
/// Whoever listens and takes nobody has a full queue in the end, and the kernel lets those wait who
/// come then.
///
/// # Errors
/// If nobody listens, or the queue stays full for so long ([`io::ErrorKind::TimedOut`]).
pub fn connect_within(path: &Path, within: Duration) -> io::Result<UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // What bounds writes bounds the wait for room in the queue, too (unix(7) doesn't say so).
    socket.set_write_timeout(Some(within))?;
    socket.connect(&SockAddr::unix(path)?).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => io::Error::new(io::ErrorKind::TimedOut, TOO_MANY),
        _ => error,
    })?;
    socket.set_write_timeout(None)?;
    Ok(socket.into())
}

const TOO_MANY: &str = "too many wait there to be heard";

#[cfg(test)]
mod tests {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr, UnixListener};

    use nix::sys::socket::{Backlog, listen};

    use super::*;

    const LONG: Duration = Duration::from_secs(600);
    const SHORT: Duration = Duration::from_millis(1);

    fn kind(path: &Path, within: Duration) -> Result<(), io::ErrorKind> {
        connect_within(path, within).map(drop).map_err(|error| error.kind())
    }

    #[test]
    fn a_full_queue_is_waited_for_so_long_and_no_longer() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("socket");
        assert_eq!(kind(&path, LONG), Err(io::ErrorKind::NotFound));
        let listener = UnixListener::bind(&path).expect("a socket");
        listen(&listener, Backlog::new(1).expect("small")).expect("it listens");
        let taken: Vec<_> = std::iter::from_fn(|| connect_within(&path, SHORT).ok()).collect();
        assert!((1..=2).contains(&taken.len()), "{taken:?}");
        assert_eq!(kind(&path, SHORT), Err(io::ErrorKind::TimedOut));
        // Once there is room, whoever waits gets it.
        let waiting = std::thread::spawn(move || (kind(&path, LONG), path));
        drop(listener.accept().expect("somebody waits"));
        let (connected, path) = waiting.join().expect("it ends");
        assert_eq!(connected, Ok(()));
        drop(listener);
        assert_eq!(kind(&path, LONG), Err(io::ErrorKind::ConnectionRefused));
    }

    #[test]
    fn a_name_without_a_file_is_found_too() {
        let name = format!("openproxy-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("short");
        let _listener = UnixListener::bind_addr(&address).expect("a socket");
        assert_eq!(kind(Path::new(&format!("\0{name}")), LONG), Ok(()));
    }
}
