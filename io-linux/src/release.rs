//! Taking off VIPs that a dead daemon left.

use std::fmt;
use std::io;
use std::path::Path;

use openproxy_core::io::{AddressError, AddressOperation, AddressRequest, Generation, RouterId};
use openproxy_core::vrrp::{RouterConfig, Vip};

use crate::netlink_worker::{dump, name_of, operate_now};
use crate::ownership::Ownership;
use crate::sysctl;

/// An address that was taken off, or couldn't be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Released {
    interface: String,
    vip: Vip,
    result: Result<(), AddressError>,
}

impl fmt::Display for Released {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.result {
            Ok(()) => write!(f, "released {} from {}", self.vip, self.interface),
            Err(error) => write!(f, "cannot release {} from {}: {error}", self.vip, self.interface),
        }
    }
}

/// Why nothing could be released.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// No netlink socket.
    #[error("cannot open a netlink socket")]
    Open(#[source] io::Error),
    /// The kernel doesn't tell of its addresses.
    #[error("cannot read the addresses of this host")]
    Dump,
}

/// Removes every address that carries our mark; with `force`, also those of the routers' VIPs that
/// don't. The caller holds the lock, so no daemon runs.
///
/// # Errors
/// [`ReleaseError`] if the addresses can't be read; a refused removal is told in the list.
pub async fn release(
    routers: &[RouterConfig],
    force: bool,
    ledger: &Path,
) -> Result<Vec<Released>, ReleaseError> {
    let ownership = Ownership::open(ledger);
    let (connection, handle, _) = rtnetlink::new_connection().map_err(ReleaseError::Open)?;
    tokio::spawn(connection);
    let snapshot = dump(&handle, &ownership).await.ok_or(ReleaseError::Dump)?;
    let mut released = Vec::new();
    for address in &snapshot.addresses {
        let vip = Vip { ip: address.ip, prefix_len: address.prefix_len };
        let interface = name_of(&snapshot, address.index).unwrap_or("?").to_owned();
        let is_named = routers
            .iter()
            .any(|router| *router.key.interface == *interface && router.vips.contains(&vip));
        let is_to_go = address.ours || (force && is_named);
        if !is_to_go {
            continue;
        }
        if address.ip.is_ipv4() {
            // What is behind it in the same subnet stays: it isn't ours, or is told of by itself.
            sysctl::promote_secondaries(&interface);
        }
        let request = AddressRequest {
            router: RouterId(0),
            generation: Generation::default(),
            index: address.index,
            vip,
            operation: AddressOperation::Remove,
        };
        let result = operate_now(&handle, &request).await;
        if result.is_ok() {
            ownership.removed(address.index, vip);
        }
        released.push(Released { interface, vip, result });
    }
    Ok(released)
}
