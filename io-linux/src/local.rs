//! Which addresses are this node's.

use std::net::IpAddr;

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::SockaddrStorage;

/// All addresses of all interfaces; `None` if the kernel doesn't tell.
#[must_use]
pub fn local_addresses() -> Option<Vec<IpAddr>> {
    let interfaces = getifaddrs().ok()?;
    Some(interfaces.filter_map(|interface| ip(&interface.address?)).collect())
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    if let Some(v4) = address.as_sockaddr_in() {
        return Some(v4.ip().into());
    }
    address.as_sockaddr_in6().map(|v6| v6.ip().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_address_is_ours_and_a_documentation_one_is_not() {
        let addresses = local_addresses().expect("Linux tells");
        assert!(addresses.contains(&IpAddr::from([127, 0, 0, 1])), "{addresses:?}");
        assert!(!addresses.contains(&IpAddr::from([192, 0, 2, 1])));
    }
}
