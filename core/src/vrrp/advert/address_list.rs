//! The addresses of a received advert.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use crate::vrrp::Vip;

/// The addresses of a received advert, still in its bytes; never empty.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AddressList<'a>(Octets<'a>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Octets<'a> {
    V4(&'a [[u8; 4]]),
    V6(&'a [[u8; 16]]),
}

impl<'a> AddressList<'a> {
    pub(super) const fn v4(octets: &'a [[u8; 4]]) -> Self {
        Self(Octets::V4(octets))
    }

    pub(super) const fn v6(octets: &'a [[u8; 16]]) -> Self {
        Self(Octets::V6(octets))
    }

    /// How many there are, 1 to 255.
    #[expect(clippy::len_without_is_empty, reason = "it never is")]
    #[must_use]
    pub const fn len(&self) -> usize {
        match self.0 {
            Octets::V4(list) => list.len(),
            Octets::V6(list) => list.len(),
        }
    }

    /// The addresses, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = IpAddr> + Clone + use<'a> {
        let (v4, v6): (&[[u8; 4]], &[[u8; 16]]) = match self.0 {
            Octets::V4(list) => (list, &[]),
            Octets::V6(list) => (&[], list),
        };
        let v4 = v4.iter().map(|octets| IpAddr::from(*octets));
        v4.chain(v6.iter().map(|octets| IpAddr::from(*octets)))
    }

    /// Whether these are exactly the addresses of `vips`, in whatever order.
    ///
    /// The RFCs speak of the addresses and their number, not of their order (RFC 3768 §7.1, RFC
    /// 9568 §7.1), and implementations differ in it.
    #[must_use]
    pub fn matches(&self, vips: &[Vip]) -> bool {
        if self.len() != vips.len() {
            return false;
        }
        let same_order = self.iter().eq(vips.iter().map(|vip| vip.ip));
        // Quadratic, but only for lists that don't begin the same way: at most 255 of each.
        same_order
            || (vips.iter().all(|vip| self.contains(vip.ip))
                && self.iter().all(|ip| vips.iter().any(|vip| vip.ip == ip)))
    }

    /// Whether this is an IPv6 list whose first address is link-local (RFC 9568 §5.2.9).
    #[must_use]
    pub fn starts_link_local(&self) -> bool {
        match self.0 {
            Octets::V4(_) => false,
            Octets::V6(list) => {
                list.first().is_some_and(|first| Ipv6Addr::from(*first).is_unicast_link_local())
            }
        }
    }

    fn contains(&self, ip: IpAddr) -> bool {
        match (self.0, ip) {
            (Octets::V4(list), IpAddr::V4(ip)) => list.contains(&ip.octets()),
            (Octets::V6(list), IpAddr::V6(ip)) => list.contains(&ip.octets()),
            (Octets::V4(_), IpAddr::V6(_)) | (Octets::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl fmt::Debug for AddressList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
