//! Between netlink messages and the core's words.

use std::net::IpAddr;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkMessage,
};
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressMessage, AddressProtocol, CacheInfo,
};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage, State};
use netlink_packet_route::route::{RouteAttribute, RouteMessage, RouteScope, RouteType};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::errno::Errno;
use openproxy_core::io::{
    Address, AddressError, AddressOperation, AddressRequest, InterfaceIndex, Lifetime, Link,
    MacAddress,
};
use openproxy_core::vrrp::Vip;

use crate::ownership::{Ownership, PROTOCOL};

/// Where the kernel finds what is its own (`RT_TABLE_LOCAL`).
const RT_TABLE_LOCAL: u8 = 255;
/// A lifetime without end (`INFINITY_LIFE_TIME`).
const FOREVER: u32 = u32::MAX;

/// A link; `None` for messages that aren't about one, as a bridge's about its ports.
pub(crate) fn link(message: &LinkMessage) -> Option<Link> {
    if message.header.interface_family != AddressFamily::Unspec {
        return None;
    }
    let mut name = None;
    let mut mac = None;
    let mut state = State::Unknown;
    for attribute in &message.attributes {
        match attribute {
            // It ends at the first zero, whatever the parser makes of what follows.
            LinkAttribute::IfName(text) => {
                let text = text.split('\0').next().filter(|text| !text.is_empty());
                name = text.map(Into::into).or(name);
            }
            LinkAttribute::Address(bytes) if !bytes.is_empty() => {
                mac = <[u8; 6]>::try_from(bytes.as_slice()).ok().map(MacAddress);
            }
            LinkAttribute::OperState(value) => state = *value,
            _ => {}
        }
    }
    let flags = message.header.flags;
    let has_carrier = flags.contains(LinkFlags::LowerUp)
        && matches!(state, State::Up | State::Unknown | State::NotPresent | State::Dormant);
    Some(Link {
        index: InterfaceIndex(message.header.index),
        name: name?,
        running: flags.contains(LinkFlags::Up) && has_carrier,
        mac,
    })
}

/// An address; `None` for families other than ours.
pub(crate) fn address(message: &AddressMessage, ownership: &Ownership) -> Option<Address> {
    let index = InterfaceIndex(message.header.index);
    let mut local = None;
    let mut peer = None;
    let mut flags = AddressFlags::from_bits_retain(message.header.flags.bits().into());
    let mut valid_secs = None;
    let mut protocol = None;
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(ip) => local = Some(*ip),
            AddressAttribute::Address(ip) => peer = Some(*ip),
            AddressAttribute::Flags(all) => flags = *all,
            AddressAttribute::CacheInfo(info) if info.ifa_valid != FOREVER => {
                valid_secs = Some(info.ifa_valid);
            }
            AddressAttribute::Protocol(tag) => protocol = Some(u8::from(*tag)),
            _ => {}
        }
    }
    // IFA_ADDRESS is the far end on point-to-point links; IFA_LOCAL, where it is, is ours.
    let ip = local.or(peer)?;
    let vip = Vip { ip, prefix_len: message.header.prefix_len };
    let is_v6 = ip.is_ipv6();
    let unusable = AddressFlags::Tentative | AddressFlags::Dadfailed;
    Some(Address {
        index,
        ip,
        prefix_len: vip.prefix_len,
        ours: ownership.is_ours(index, vip, protocol),
        secondary: !is_v6 && flags.contains(AddressFlags::Secondary),
        tentative: is_v6 && flags.intersects(unusable) && !flags.contains(AddressFlags::Optimistic),
        valid_secs,
        protocol: protocol.unwrap_or(0),
    })
}

/// The message for an operation on an address, with every attribute that makes it ours: a
/// replacement without them would erase the tag.
pub(crate) fn operation(request: &AddressRequest) -> NetlinkMessage<RouteNetlinkMessage> {
    let mut message = AddressMessage::default();
    let ip = request.vip.ip;
    message.header.prefix_len = request.vip.prefix_len;
    message.header.index = request.index.0;
    message.header.family = match ip {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    message.attributes.push(AddressAttribute::Local(ip));
    message.attributes.push(AddressAttribute::Address(ip));
    let (flags, lifetime) = match request.operation {
        AddressOperation::Add(lifetime) => (NLM_F_CREATE | NLM_F_EXCL, lifetime),
        AddressOperation::Renew(lifetime) => (NLM_F_CREATE | NLM_F_REPLACE, lifetime),
        AddressOperation::Remove => {
            let mut netlink = NetlinkMessage::from(RouteNetlinkMessage::DelAddress(message));
            netlink.header.flags = NLM_F_REQUEST | NLM_F_ACK;
            return netlink;
        }
    };
    message.attributes.push(AddressAttribute::Protocol(AddressProtocol::Other(PROTOCOL)));
    message.attributes.push(AddressAttribute::CacheInfo(cache_info(ip, lifetime)));
    if ip.is_ipv6() {
        // The address is wanted now, and a second holder is not found out by DAD (RFC 9568 §8.2.2).
        message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
    }
    let mut netlink = NetlinkMessage::from(RouteNetlinkMessage::NewAddress(message));
    netlink.header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
    netlink
}

/// The message that takes away the way in to an address that stays: what comes for it is no longer
/// ours, while we can still send from it.
pub(crate) fn way_in_removal(
    index: InterfaceIndex,
    ip: IpAddr,
) -> NetlinkMessage<RouteNetlinkMessage> {
    let mut message = RouteMessage::default();
    let (family, prefix_len) = match ip {
        IpAddr::V4(_) => (AddressFamily::Inet, 32),
        IpAddr::V6(_) => (AddressFamily::Inet6, 128),
    };
    message.header.address_family = family;
    message.header.destination_prefix_length = prefix_len;
    message.header.table = RT_TABLE_LOCAL;
    message.header.kind = RouteType::Local;
    // Whatever its scope is.
    message.header.scope = RouteScope::NoWhere;
    message.attributes.push(RouteAttribute::Destination(ip.into()));
    message.attributes.push(RouteAttribute::Oif(index.0));
    let mut netlink = NetlinkMessage::from(RouteNetlinkMessage::DelRoute(message));
    netlink.header.flags = NLM_F_REQUEST | NLM_F_ACK;
    netlink
}

/// A preferred lifetime of 0 keeps an IPv6 VIP from being chosen as a source address.
fn cache_info(ip: IpAddr, lifetime: Lifetime) -> CacheInfo {
    let mut info = CacheInfo::default();
    info.ifa_valid = match lifetime {
        Lifetime::Forever => FOREVER,
        Lifetime::Secs(secs) => secs,
    };
    info.ifa_preferred = if ip.is_ipv6() { 0 } else { info.ifa_valid };
    info
}

/// What the kernel's error number means for an address.
pub(crate) fn address_error(errno: i32) -> AddressError {
    let errno = Errno::from_raw(errno.abs());
    if errno == Errno::EEXIST {
        AddressError::Exists
    } else if errno == Errno::EADDRNOTAVAIL {
        AddressError::NotFound
    } else if errno == Errno::ENODEV {
        AddressError::NoInterface
    } else if errno == Errno::EPERM || errno == Errno::EACCES {
        AddressError::Denied
    } else {
        AddressError::Other(format!("{}", std::io::Error::from(errno)))
    }
}
