//! What is allowed, and worth a word.

use std::time::Duration;

use super::super::crash_overlap;
use super::{check, good_with, lines, loaded};

#[test]
fn a_priority_above_192_at_one_second_may_leave_two_holders() {
    check(&[
        ("advert_int = 1", &[]),
        ("advert_int = 1\npriority = 192", &[]),
        (
            "advert_int = 1\npriority = 200",
            &["openproxy.toml:4:12: warning: general.virtual_router.priority = 200: leaves two \
               holders for up to 32 ms after a crash of the MASTER; none with a priority of at \
               most 192, or with advert_int = 2"],
        ),
        ("advert_int = 2\npriority = 254", &[]),
        (
            "advert_int = 0.5\nversion = 3",
            &["openproxy.toml:5:14: info: general.virtual_router.advert_int = 0.5: leaves two \
               holders for up to 793 ms after a crash of the MASTER: a lease can't be shorter than \
               1 s; from 1.5 s on there are none, whatever the priorities"],
        ),
        (
            "advert_int = 1\npriority = 200\nlease = false",
            &["openproxy.toml:7:9: warning: general.virtual_router.lease = false: leaves the \
               VIPs on a node whose process is killed, hangs or is stopped"],
        ),
    ]);
}

#[test]
fn the_overlap_is_known_for_each_router() {
    let overlap = |added: &str| crash_overlap(&loaded(&good_with(added)).routers[0]);
    assert_eq!(overlap(""), Some(Duration::ZERO));
    assert_eq!(overlap("priority = 255\nadvert_int = 1"), Some(Duration::from_nanos(246_093_750)));
    assert_eq!(overlap("lease = false"), None);
}

#[test]
fn an_ipv6_list_without_leading_link_local_is_accepted_with_a_warning() {
    check(&[(
        "vip_addresses = [ \"2001:db8::1/64\" ]\nversion = 3",
        &["openproxy.toml:6:17: warning: general.virtual_router.vip_addresses = \
           [ \"2001:db8::1/64\" ]: should have a link-local IPv6 address first (RFC 9568 section \
           5.2.9); strict peers discard adverts without one"],
    )]);
}

#[test]
fn keys_without_effect_are_told() {
    check(&[
        (
            "priority = 255\npreempt = false",
            &["openproxy.toml:7:11: warning: general.virtual_router.preempt = false: has no \
               effect: priority 255 takes over at once, always"],
        ),
        (
            "priority = 255\npreempt_delay = 2.5",
            &["openproxy.toml:7:17: warning: general.virtual_router.preempt_delay = 2.5: has no \
               effect: priority 255 takes over at once, always"],
        ),
        (
            "priority = 255\ntrack = [ { interface = \"eth1\", weight = -10 } ]",
            &["openproxy.toml:7:11: warning: general.virtual_router.track[0] = { interface = \
               \"eth1\", weight = -10 }: has no effect: priority 255 is never changed by a weight"],
        ),
        (
            "track = [ { interface = \"eth1\", weight = 10 } ]",
            &["openproxy.toml:7:42: warning: general.virtual_router.track[0].weight = 10: raises \
               the priority while the check fails"],
        ),
        (
            "checksum = \"message-only\"",
            &["openproxy.toml:7:12: warning: general.virtual_router.checksum = \"message-only\": \
               has an effect only with version = 3 and IPv4"],
        ),
        (
            "version = 3\nv2_interval_mismatch = \"hold\"",
            &["openproxy.toml:8:24: warning: general.virtual_router.v2_interval_mismatch = \
               \"hold\": has an effect only with version = 2"],
        ),
        (
            "strict = true",
            &["openproxy.toml:7:10: warning: general.virtual_router.strict = true: has an effect \
               only on IPv6"],
        ),
        (
            "unicast_source = \"192.0.2.1\"",
            &["openproxy.toml:7:18: warning: general.virtual_router.unicast_source = \
               \"192.0.2.1\": has no effect without unicast_peers"],
        ),
        (
            "unicast_peers = [ ]",
            &["openproxy.toml:7:17: info: general.virtual_router.unicast_peers = [ ]: names no \
               peer: adverts are sent by multicast"],
        ),
        (
            "unicast_peers = [ \"192.0.2.7\", \"192.0.2.7\" ]",
            &["openproxy.toml:7:32: warning: general.virtual_router.unicast_peers[1] = \
               \"192.0.2.7\": is in the list already"],
        ),
        (
            "group = \"db\"",
            &["openproxy.toml:7:9: warning: general.virtual_router.group = \"db\": has no \
               effect: no other router is in group \"db\""],
        ),
    ]);
}

#[test]
fn near_misses_of_our_keys_elsewhere_are_warnings() {
    let text = "\
[general]
renew_intervall = 1000
[general.virtual-router]
[genral]
[virtual_router]
[pools.p]
use_patroni = true
[pools.p.shards.0]
patroni_prot = 8008
";
    assert_eq!(
        lines(text),
        [
            "openproxy.toml:2:1: warning: general.renew_intervall: \
             is not used; did you mean renew_interval?",
            "openproxy.toml:3:10: warning: general.virtual-router: \
             is not used; did you mean virtual_router?",
            "openproxy.toml:4:2: warning: genral: is not used; did you mean general?",
            "openproxy.toml:5:2: warning: virtual_router: \
             is not used here; it belongs into [general]",
            "openproxy.toml:7:1: warning: pools.p.use_patroni: \
             is not used here; it belongs into a shard",
            "openproxy.toml:9:1: warning: pools.p.shards.0.patroni_prot: \
             is not used; did you mean patroni_port?",
            "openproxy.toml: info: no [general.virtual_router]: no virtual router will run",
        ]
    );
}
