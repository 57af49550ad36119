//! One lock per network namespace, held by whoever may touch VIPs.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use crate::connect::connect_within;

/// Its name in the abstract namespace, which is the network namespace's own.
const NAME: &str = "openproxy-vips";

/// The lock: a socket that only one can have. A guard has it together with its daemon, and answers
/// there; it ends with the last process that has it, however that ends.
#[derive(Debug)]
pub struct VipLock(UnixListener);

/// Why the lock can't be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds it.
    #[error("another openproxy holds the VIPs of this network namespace")]
    Held,
    /// Anything else.
    #[error("cannot take the lock @{NAME}")]
    Other(#[source] io::Error),
}

impl VipLock {
    /// Takes the lock.
    ///
    /// # Errors
    /// [`LockError::Held`] while another process has it.
    pub fn acquire() -> Result<Self, LockError> {
        let address = SocketAddr::from_abstract_name(NAME).map_err(LockError::Other)?;
        match UnixListener::bind_addr(&address) {
            Ok(listener) => Ok(Self(listener)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(LockError::Held),
            Err(error) => Err(LockError::Other(error)),
        }
    }

    /// Connects to whoever holds it: for so long, since nobody need be there who takes anybody.
    pub(crate) fn connect(within: Duration) -> io::Result<UnixStream> {
        connect_within(Path::new(&format!("\0{NAME}")), within)
    }

    /// Whether it is the lock, and no other file.
    pub(crate) fn is_it(&self) -> bool {
        let name = |address: SocketAddr| address.as_abstract_name() == Some(NAME.as_bytes());
        self.0.local_addr().is_ok_and(name)
    }

    /// The same lock, for another process.
    pub(crate) fn share(&self) -> io::Result<OwnedFd> {
        self.0.as_fd().try_clone_to_owned()
    }

    /// From now on, [`Self::accept`] doesn't wait.
    pub(crate) fn set_nonblocking(&self) -> io::Result<()> {
        self.0.set_nonblocking(true)
    }

    /// The next one who asks for it.
    pub(crate) fn accept(&self) -> io::Result<UnixStream> {
        self.0.accept().map(|(stream, _)| stream)
    }
}

impl From<OwnedFd> for VipLock {
    fn from(fd: OwnedFd) -> Self {
        Self(fd.into())
    }
}

impl AsFd for VipLock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for VipLock {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
