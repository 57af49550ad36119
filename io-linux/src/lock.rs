//! One lock per network namespace, held by whoever may touch VIPs.

use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};

/// Its name in the abstract namespace, which is the network namespace's own.
const NAME: &str = "openproxy-vips";

/// The lock; it ends with the process, however that ends.
#[derive(Debug)]
pub struct VipLock(#[allow(dead_code, reason = "held, never read")] UnixListener);

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
}
