//! From an advert that was received to one that can be sent.

use super::*;

pub(super) fn vip(ip: IpAddr) -> Vip {
    let prefix_len = match ip {
        IpAddr::V4(_) => 24,
        IpAddr::V6(_) => 64,
    };
    Vip { ip, prefix_len }
}

/// What must be sent so that `received` is received.
pub(super) fn sent(received: &Received<'_>) -> Sent {
    Advertisement {
        version: received.version,
        vrid: received.vrid,
        priority: received.priority,
        interval: received.interval,
        checksum: received.checksum,
        addresses: received.addresses.iter().map(vip).collect(),
    }
}
