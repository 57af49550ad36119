//! Which address is whose, and what adverts may come from.

use super::*;

const INDEX: InterfaceIndex = InterfaceIndex(2);

fn address(ip: &str, prefix_len: u8) -> Address {
    Address {
        index: INDEX,
        ip: ip.parse().expect("an address"),
        prefix_len,
        ours: false,
        secondary: false,
        tentative: false,
        valid_secs: None,
        protocol: 0,
    }
}

fn with(addresses: &[Address], vips: &[&str]) -> Interfaces {
    let mut interfaces = Interfaces::default();
    interfaces.set_vips(vips.iter().map(|ip| ip.parse().expect("an address")).collect());
    for address in addresses {
        interfaces.put_address(*address);
    }
    interfaces
}

#[test]
fn a_vip_is_never_the_source_even_when_it_is_primary() {
    let vip = address("10.0.0.200", 24);
    let host = Address { secondary: true, ..address("10.0.0.7", 24) };
    let interfaces = with(&[vip, host], &["10.0.0.200"]);
    assert_eq!(interfaces.source(INDEX, Family::V4, false, None), Some(host.ip));
    let alone = with(&[vip], &["10.0.0.200"]);
    assert_eq!(alone.source(INDEX, Family::V4, false, None), None);
}

#[test]
fn the_source_stays_while_it_is_usable() {
    let (first, second) = (address("fe80::1", 64), address("fe80::2", 64));
    let interfaces = with(&[first, second], &[]);
    assert_eq!(interfaces.source(INDEX, Family::V6, false, Some(second.ip)), Some(second.ip));
    let tentative = Address { tentative: true, ..second };
    let interfaces = with(&[first, tentative], &[]);
    assert_eq!(interfaces.source(INDEX, Family::V6, false, Some(second.ip)), Some(first.ip));
}

#[test]
fn a_primary_vip_before_a_host_address_is_noticed() {
    let vip = Vip { ip: "10.0.0.200".parse().expect("an address"), prefix_len: 24 };
    let held = Address { ours: true, ..address("10.0.0.200", 24) };
    let host = Address { secondary: true, ..address("10.0.0.7", 24) };
    assert!(with(&[held, host], &["10.0.0.200"]).shadows_host(INDEX, vip));
    let elsewhere = Address { secondary: true, ..address("10.0.1.7", 24) };
    assert!(!with(&[held, elsewhere], &["10.0.0.200"]).shadows_host(INDEX, vip));
    let behind = Address { secondary: true, ..held };
    assert!(!with(&[address("10.0.0.7", 24), behind], &["10.0.0.200"]).shadows_host(INDEX, vip));
}

fn link(index: u32, name: &str) -> Link {
    Link { index: InterfaceIndex(index), name: name.into(), running: true, mac: None }
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

#[test]
fn a_link_has_its_latest_name_and_goes_with_its_addresses() {
    let mut interfaces = with(&[address("10.0.0.7", 24)], &[]);
    interfaces.put_link(link(2, "eth0"));
    interfaces.put_link(link(3, "eth1"));
    assert_eq!(interfaces.by_name("eth1"), Some(&link(3, "eth1")));
    assert_eq!(interfaces.by_index(INDEX), Some(&link(2, "eth0")));
    interfaces.put_link(link(2, "lan0"));
    assert_eq!(interfaces.by_name("eth0"), None);
    assert_eq!(interfaces.by_name("lan0"), interfaces.by_index(INDEX));
    assert_eq!(interfaces.remove_link(INDEX), Some(link(2, "lan0")));
    assert_eq!(interfaces.remove_link(INDEX), None);
    assert_eq!((interfaces.by_name("lan0"), interfaces.by_index(INDEX)), (None, None));
    assert_eq!(interfaces.all_addresses().count(), 0);
    assert!(interfaces.by_name("eth1").is_some());
}

#[test]
fn an_address_is_known_by_interface_address_and_prefix_length() {
    let first = address("10.0.0.7", 24);
    let longer = address("10.0.0.7", 32);
    let other = address("10.0.0.8", 24);
    let elsewhere = Address { index: InterfaceIndex(3), ..first };
    let mut interfaces = with(&[first, longer, other, elsewhere], &[]);
    assert_eq!(interfaces.addresses(INDEX).collect::<Vec<_>>(), [&first, &longer, &other]);
    assert_eq!(interfaces.all_addresses().count(), 4);
    let vip = |address: Address| Vip { ip: address.ip, prefix_len: address.prefix_len };
    for known in [first, longer, other] {
        assert_eq!(interfaces.find(INDEX, vip(known)), Some(&known));
    }
    assert_eq!(interfaces.find(INDEX, vip(address("10.0.0.8", 32))), None);
    let changed = Address { ours: true, ..longer };
    interfaces.put_address(changed);
    assert_eq!(interfaces.addresses(INDEX).collect::<Vec<_>>(), [&first, &changed, &other]);
    interfaces.remove_address(&first);
    assert_eq!(interfaces.addresses(INDEX).collect::<Vec<_>>(), [&changed, &other]);
    assert!(interfaces.has(INDEX, first.ip), "with another prefix length");
    interfaces.remove_address(&longer);
    assert!(!interfaces.has(INDEX, first.ip) && interfaces.has(INDEX, other.ip));
    assert!(interfaces.has(InterfaceIndex(3), first.ip));
}

#[test]
fn a_dump_is_the_truth_and_says_nothing_of_which_addresses_are_vips() {
    let vip = address("10.0.0.200", 24);
    let mut interfaces = with(&[address("10.0.0.7", 24)], &["10.0.0.200"]);
    interfaces.put_link(link(3, "eth1"));
    let (links, addresses) = (vec![link(2, "eth0")], vec![vip, address("10.0.0.8", 24)]);
    interfaces.replace(KernelSnapshot { links, addresses });
    assert_eq!(interfaces.by_name("eth1"), None);
    assert_eq!(interfaces.by_name("eth0"), Some(&link(2, "eth0")));
    assert!(!interfaces.has(INDEX, ip("10.0.0.7")));
    assert_eq!(interfaces.source(INDEX, Family::V4, false, None), Some(ip("10.0.0.8")));
}

#[test]
fn of_several_sources_the_one_in_use_stays_unless_it_is_behind_another() {
    let (first, second) = (address("10.0.0.7", 24), address("10.0.1.7", 24));
    let behind = Address { secondary: true, ..address("10.0.0.8", 24) };
    let before = Address { secondary: true, ..address("10.0.0.6", 24) };
    let all = with(&[before, first, behind, second], &[]);
    // What is in use, and what is taken.
    let table = [
        (None, first),
        (Some(first), first),
        (Some(second), second),
        (Some(behind), first),
        (Some(address("10.0.0.99", 24)), first),
    ];
    for (current, source) in table {
        let current = current.map(|address| address.ip);
        assert_eq!(all.source(INDEX, Family::V4, false, current), Some(source.ip), "{current:?}");
    }
    let secondaries = with(&[before, behind], &[]);
    assert_eq!(secondaries.source(INDEX, Family::V4, false, Some(behind.ip)), Some(before.ip));
}

#[test]
fn a_source_is_of_the_family_and_scope_that_is_asked_for() {
    let interfaces = with(
        &[address("fd00::7", 64), address("10.0.0.7", 24), address("fe80::7", 64)],
        &["fd00::200"],
    );
    let source = |family, global| interfaces.source(INDEX, family, global, None);
    assert_eq!(source(Family::V4, false), Some(ip("10.0.0.7")));
    assert_eq!(source(Family::V6, false), Some(ip("fe80::7")));
    assert_eq!(source(Family::V6, true), Some(ip("fd00::7")));
    assert_eq!(interfaces.source(InterfaceIndex(3), Family::V4, false, None), None);
}

#[test]
fn what_is_ours_or_a_vip_or_tentative_is_no_source() {
    let host = address("fe80::7", 64);
    for unusable in [
        Address { ours: true, ..host },
        Address { tentative: true, ..host },
        address("fe80::200", 64),
    ] {
        let interfaces = with(&[unusable], &["fe80::200"]);
        assert_eq!(interfaces.source(INDEX, Family::V6, false, Some(unusable.ip)), None);
    }
}

#[test]
fn a_host_address_is_shadowed_only_where_it_would_go_with_the_vip() {
    let vip = Vip { ip: ip("10.0.0.200"), prefix_len: 24 };
    let held = Address { ours: true, ..address("10.0.0.200", 24) };
    let secondary =
        |text: &str, prefix_len| Address { secondary: true, ..address(text, prefix_len) };
    // What else is there, and whether it is in danger.
    let table = [
        (secondary("10.0.0.7", 24), true),
        (address("10.0.0.7", 24), false),
        (secondary("10.0.0.7", 25), false),
        (secondary("10.0.1.7", 24), false),
        (Address { ours: true, ..secondary("10.0.0.7", 24) }, false),
        (secondary("10.0.0.201", 24), false),
        (secondary("fe80::7", 24), false),
    ];
    for (other, in_danger) in table {
        let interfaces = with(&[held, other], &["10.0.0.200", "10.0.0.201"]);
        assert_eq!(interfaces.shadows_host(INDEX, vip), in_danger, "{other:?}");
    }
    let absent = with(&[secondary("10.0.0.7", 24)], &[]);
    assert!(!absent.shadows_host(INDEX, vip));
}

#[test]
fn any_prefix_length_has_a_subnet() {
    for (prefix_len, other, same) in
        [(0, "192.0.2.7", true), (8, "10.9.9.9", true), (32, "10.0.0.7", false)]
    {
        let vip = Vip { ip: ip("10.0.0.200"), prefix_len };
        let held = Address { ours: true, ..address("10.0.0.200", prefix_len) };
        let host = Address { secondary: true, ..address(other, prefix_len) };
        let interfaces = with(&[held, host], &["10.0.0.200"]);
        assert_eq!(interfaces.shadows_host(INDEX, vip), same, "/{prefix_len}");
    }
}

#[test]
fn a_vip_of_ipv6_shadows_nothing() {
    let vip = Vip { ip: ip("fd00::200"), prefix_len: 64 };
    let held = Address { ours: true, ..address("fd00::200", 64) };
    let host = Address { secondary: true, ..address("fd00::7", 64) };
    assert!(!with(&[held, host], &["fd00::200"]).shadows_host(INDEX, vip));
}
