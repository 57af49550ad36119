//! Every error, as a person sees it.

use super::{GOOD, check, lines};

const ROUTER: &str = "openproxy.toml:";

#[test]
fn wrong_values_of_documented_keys_name_line_column_value_and_range() {
    let keyed = |line: &str| format!("{ROUTER}{line}");
    let cases: &[(&str, &str)] = &[
        (
            "interface = \"\"",
            "2:13: general.virtual_router.interface = \"\": must be the name of a network interface, 1 to 15 bytes",
        ),
        (
            "interface = \"a-name-too-long-by-far\"",
            "2:13: general.virtual_router.interface = \"a-name-too-long-by-far\": must be the name of a network interface, 1 to 15 bytes",
        ),
        (
            "interface = \"et h0\"",
            "2:13: general.virtual_router.interface = \"et h0\": must be the name of a network interface, 1 to 15 bytes",
        ),
        (
            "interface = 3",
            "2:13: general.virtual_router.interface = 3: must be the name of a network interface, 1 to 15 bytes",
        ),
        (
            "router_id = 0",
            "3:13: general.virtual_router.router_id = 0: must be a whole number from 1 to 255",
        ),
        (
            "router_id = 256",
            "3:13: general.virtual_router.router_id = 256: must be a whole number from 1 to 255",
        ),
        (
            "priority = 300",
            "4:12: general.virtual_router.priority = 300: must be a whole number from 1 to 255",
        ),
        (
            "priority = 0",
            "4:12: general.virtual_router.priority = 0: must be a whole number from 1 to 255",
        ),
        (
            "priority = -1",
            "4:12: general.virtual_router.priority = -1: must be a whole number from 1 to 255",
        ),
        (
            "priority = 1.0",
            "4:12: general.virtual_router.priority = 1.0: must be a whole number from 1 to 255",
        ),
        (
            "priority = \"150\"",
            "4:12: general.virtual_router.priority = \"150\": must be a whole number from 1 to 255",
        ),
        (
            "priority = 99999999999999999999",
            "4:12: general.virtual_router.priority = 99999999999999999999: must be a whole number from 1 to 255",
        ),
        (
            "advert_int = 0",
            "5:14: general.virtual_router.advert_int = 0: must be a whole number from 1 to 255",
        ),
        (
            "advert_int = 256",
            "5:14: general.virtual_router.advert_int = 256: must be a whole number from 1 to 255",
        ),
        (
            "advert_int = 0.5",
            "5:14: general.virtual_router.advert_int = 0.5: must be a whole number from 1 to 255; fractions need version = 3",
        ),
        (
            "advert_int = nan",
            "5:14: general.virtual_router.advert_int = nan: must be a whole number from 1 to 255",
        ),
        (
            "vip_addresses = [ ]",
            "6:17: general.virtual_router.vip_addresses = [ ]: must be a list of 1 to 255 addresses with prefix length",
        ),
        (
            "vip_addresses = \"192.0.2.10/24\"",
            "6:17: general.virtual_router.vip_addresses = \"192.0.2.10/24\": must be a list of 1 to 255 addresses with prefix length",
        ),
        (
            "vip_addresses = [ \"192.0.2.10\" ]",
            "6:19: general.virtual_router.vip_addresses[0] = \"192.0.2.10\": must be an address with a prefix length, such as \"192.0.2.10/24\" or \"2001:db8::10/64\"",
        ),
        (
            "vip_addresses = [ 5 ]",
            "6:19: general.virtual_router.vip_addresses[0] = 5: must be an address with a prefix length, such as \"192.0.2.10/24\" or \"2001:db8::10/64\"",
        ),
        (
            "vip_addresses = [ \"host/24\" ]",
            "6:19: general.virtual_router.vip_addresses[0] = \"host/24\": must be an address with a prefix length, such as \"192.0.2.10/24\" or \"2001:db8::10/64\"",
        ),
        (
            "vip_addresses = [ \"192.0.2.10/33\" ]",
            "6:19: general.virtual_router.vip_addresses[0] = \"192.0.2.10/33\": must have a prefix length from 1 to 32",
        ),
        (
            "vip_addresses = [ \"192.0.2.10/+8\" ]",
            "6:19: general.virtual_router.vip_addresses[0] = \"192.0.2.10/+8\": must have a prefix length from 1 to 32",
        ),
        (
            "vip_addresses = [ \"192.0.2.10/0\" ]",
            "6:19: general.virtual_router.vip_addresses[0] = \"192.0.2.10/0\": must have a prefix length from 1 to 32",
        ),
        (
            "vip_addresses = [ \"224.0.0.18/24\" ]",
            "6:19: general.virtual_router.vip_addresses[0] = \"224.0.0.18/24\": must be an address that a host can have on a network",
        ),
        (
            "vip_addresses = [ \"127.0.0.1/8\" ]",
            "6:19: general.virtual_router.vip_addresses[0] = \"127.0.0.1/8\": must be an address that a host can have on a network",
        ),
        (
            "vip_addresses = [ \"fe80::1/64\" ]",
            "6:19: general.virtual_router.vip_addresses[0] = \"fe80::1/64\": is an IPv6 address, which needs version = 3",
        ),
        (
            "vip_addresses = [ \"192.0.2.10/24\", \"192.0.2.10/32\" ]",
            "6:36: general.virtual_router.vip_addresses[1] = \"192.0.2.10/32\": is in the list already, on line 6",
        ),
        (
            "pre_promote_script = \"\"",
            "7:22: general.virtual_router.pre_promote_script = \"\": must be a command line as a string, with quotes as in a shell",
        ),
        (
            "pre_promote_script = \"'/bin/sh\"",
            "7:22: general.virtual_router.pre_promote_script = \"'/bin/sh\": must be a command line as a string, with quotes as in a shell",
        ),
        (
            "pre_demote_script = \"'' x\"",
            "7:21: general.virtual_router.pre_demote_script = \"'' x\": must be a command line as a string, with quotes as in a shell",
        ),
        (
            "pre_demote_script = [\"/bin/true\"]",
            "7:21: general.virtual_router.pre_demote_script = [\"/bin/true\"]: must be a command line as a string, with quotes as in a shell",
        ),
        (
            "unicast_peers = \"192.0.2.7\"",
            "7:17: general.virtual_router.unicast_peers = \"192.0.2.7\": must be a list of addresses",
        ),
        (
            "unicast_peers = [ \"node2\" ]",
            "7:19: general.virtual_router.unicast_peers[0] = \"node2\": must be the IPv4 or IPv6 address of a host",
        ),
        (
            "unicast_peers = [ \"192.0.2.10\" ]",
            "7:19: general.virtual_router.unicast_peers[0] = \"192.0.2.10\": is a VIP; it must be the address of one host alone",
        ),
        (
            "unicast_peers = [ \"2001:db8::7\" ]",
            "7:19: general.virtual_router.unicast_peers[0] = \"2001:db8::7\": is IPv6, but vip_addresses has no IPv6 address",
        ),
    ];
    for (added, expected) in cases {
        check(&[(added, &[&keyed(expected)])]);
    }
}

#[test]
fn wrong_values_of_further_keys_name_what_is_allowed() {
    let cases: &[(&str, &str)] = &[
        ("version = 1", "7:11: general.virtual_router.version = 1: must be 2 or 3"),
        ("version = \"3\"", "7:11: general.virtual_router.version = \"3\": must be 2 or 3"),
        (
            "preempt = \"no\"",
            "7:11: general.virtual_router.preempt = \"no\": must be true or false",
        ),
        (
            "preempt_delay = 1000.001",
            "7:17: general.virtual_router.preempt_delay = 1000.001: must be a number from 0 to 1000, with at most three decimals",
        ),
        (
            "preempt_delay = -1",
            "7:17: general.virtual_router.preempt_delay = -1: must be a number from 0 to 1000, with at most three decimals",
        ),
        (
            "preempt_delay = 0.0001",
            "7:17: general.virtual_router.preempt_delay = 0.0001: must be a number from 0 to 1000, with at most three decimals",
        ),
        (
            "preempt = false\npreempt_delay = 5",
            "8:17: general.virtual_router.preempt_delay = 5: is not allowed with preempt = false",
        ),
        (
            "hook_timeout = 0",
            "7:16: general.virtual_router.hook_timeout = 0: must be a whole number of milliseconds from 1 to 600000",
        ),
        (
            "hook_failure = \"stop\"",
            "7:16: general.virtual_router.hook_failure = \"stop\": must be \"continue\" or \"abort\"",
        ),
        ("lease = 1", "7:9: general.virtual_router.lease = 1: must be true or false"),
        (
            "handover = \"planned\"",
            "7:12: general.virtual_router.handover = \"planned\": is not available yet; only \"strict\" is",
        ),
        (
            "handover = \"soft\"",
            "7:12: general.virtual_router.handover = \"soft\": must be \"strict\"",
        ),
        (
            "checksum = \"rfc\"",
            "7:12: general.virtual_router.checksum = \"rfc\": must be \"pseudo-header\" or \"message-only\"",
        ),
        (
            "v2_interval_mismatch = true",
            "7:24: general.virtual_router.v2_interval_mismatch = true: must be \"hold\" or \"discard\"",
        ),
        ("strict = 0", "7:10: general.virtual_router.strict = 0: must be true or false"),
        (
            "garp_refresh = 86401",
            "7:16: general.virtual_router.garp_refresh = 86401: must be a whole number of seconds from 0 to 86400",
        ),
        (
            "group = \"\"",
            "7:9: general.virtual_router.group = \"\": must be a name of 1 to 64 bytes",
        ),
        (
            "unicast_source = 1",
            "7:18: general.virtual_router.unicast_source = 1: must be an address, or a list with one of each family",
        ),
        (
            "unicast_peers = [ \"192.0.2.7\" ]\nunicast_source = [ \"192.0.2.1\", \"192.0.2.2\" ]",
            "8:33: general.virtual_router.unicast_source[1] = \"192.0.2.2\": is a second IPv4 address; one is allowed",
        ),
        ("track = 1", "7:9: general.virtual_router.track = 1: must be a list of at most 64 tables"),
        (
            "track = [ 1 ]",
            "7:11: general.virtual_router.track[0] = 1: must be a table, such as { tcp = \"127.0.0.1:6432\" }",
        ),
        (
            "track = [ { } ]",
            "7:11: general.virtual_router.track[0]: must have exactly one of tcp, command and interface",
        ),
        (
            "track = [ { tcp = \"127.0.0.1:1\", interface = \"eth1\" } ]",
            "7:11: general.virtual_router.track[0]: must have exactly one of tcp, command and interface",
        ),
        (
            "track = [ { tcp = \"localhost:6432\" } ]",
            "7:19: general.virtual_router.track[0].tcp = \"localhost:6432\": must be an IP address and a port, such as \"127.0.0.1:6432\"",
        ),
        (
            "track = [ { tcp = \"127.0.0.1:0\" } ]",
            "7:19: general.virtual_router.track[0].tcp = \"127.0.0.1:0\": must be an IP address and a port, such as \"127.0.0.1:6432\"",
        ),
        (
            "track = [ { command = \" \" } ]",
            "7:23: general.virtual_router.track[0].command = \" \": must be a command line as a string, with quotes as in a shell",
        ),
        (
            "track = [ { interface = \"a/b\" } ]",
            "7:25: general.virtual_router.track[0].interface = \"a/b\": must be the name of a network interface, 1 to 15 bytes",
        ),
        (
            "track = [ { interface = \"eth1\", interval = 99 } ]",
            "7:44: general.virtual_router.track[0].interval = 99: must be a whole number of milliseconds from 100 to 3600000",
        ),
        (
            "track = [ { interface = \"eth1\", timeout = 1001 } ]",
            "7:43: general.virtual_router.track[0].timeout = 1001: must be a whole number of milliseconds from 1 to the interval",
        ),
        (
            "track = [ { interface = \"eth1\", fall = 0 } ]",
            "7:40: general.virtual_router.track[0].fall = 0: must be a whole number from 1 to 100",
        ),
        (
            "track = [ { interface = \"eth1\", rise = 101 } ]",
            "7:40: general.virtual_router.track[0].rise = 101: must be a whole number from 1 to 100",
        ),
        (
            "track = [ { interface = \"eth1\", weight = -254 } ]",
            "7:42: general.virtual_router.track[0].weight = -254: must be a whole number from -253 to 253",
        ),
        (
            "track = [ { interfaces = \"eth1\", tcp = \"[::1]:5432\" } ]",
            "7:13: general.virtual_router.track[0].interfaces: is not a known key; did you mean interface?",
        ),
    ];
    for (added, expected) in cases {
        check(&[(added, &[&format!("openproxy.toml:{expected}")])]);
    }
}

#[test]
fn version_3_allows_hundredths_and_nothing_finer() {
    for (interval, is_allowed) in [
        ("0.01", true),
        ("0.07", true),
        ("40.95", true),
        ("1e-2", true),
        ("40", true),
        ("0.005", false),
        ("0.015", false),
        ("40.96", false),
        ("41", false),
        ("0", false),
        ("-0.5", false),
        ("inf", false),
    ] {
        let found = lines(&super::good_with(&format!("advert_int = {interval}\nversion = 3")));
        let error = format!(
            "openproxy.toml:5:14: general.virtual_router.advert_int = {interval}: \
             must be a multiple of 0.01 from 0.01 to 40.95"
        );
        assert_eq!(!found.contains(&error), is_allowed, "{interval}: {found:?}");
    }
}

#[test]
fn an_unknown_key_of_a_router_is_an_error_with_the_nearest_name() {
    check(&[
        (
            "prioritty = 3",
            &["openproxy.toml:7:1: general.virtual_router.prioritty: \
               is not a known key; did you mean priority?"],
        ),
        (
            "virtual_ipaddress = [ ]",
            &["openproxy.toml:7:1: general.virtual_router.virtual_ipaddress: \
               is not a known key; did you mean vip_addresses?"],
        ),
        (
            "colour = 1",
            &["openproxy.toml:7:1: general.virtual_router.colour: is not a known key; the keys \
               here are interface, router_id, priority, advert_int, vip_addresses, \
               pre_promote_script, pre_demote_script, unicast_peers, unicast_source, version, \
               preempt, preempt_delay, hook_timeout, hook_failure, lease, handover, checksum, \
               v2_interval_mismatch, strict, garp_refresh, group, track"],
        ),
    ]);
}

#[test]
fn missing_keys_are_all_told_at_once() {
    let missing = |key: &str, allowed: &str| {
        format!(
            "openproxy.toml:2:1: general.virtual_router.{key}: is missing; it must be {allowed}"
        )
    };
    assert_eq!(
        lines("\n[general.virtual_router]\n"),
        [
            missing("interface", "the name of a network interface, 1 to 15 bytes"),
            missing("router_id", "a whole number from 1 to 255"),
            missing("priority", "a whole number from 1 to 255"),
            missing(
                "advert_int",
                "a whole number from 1 to 255; \
                 with version = 3 a multiple of 0.01 from 0.01 to 40.95"
            ),
            missing("vip_addresses", "a list of 1 to 255 addresses with prefix length"),
        ]
    );
}

#[test]
fn all_errors_of_all_routers_come_at_once_in_the_order_of_the_file() {
    let text = "\
[[general.virtual_router]]
interface = \"eth0\"
router_id = 0
priority = 256
advert_int = 1
vip_addresses = [ \"x\" ]
[[general.virtual_router]]
interface = \"eth0\"
router_id = 999
priority = 100
advert_int = 1
vip_addresses = [ \"192.0.2.1/24\" ]
[general]
renew_interval = 99
[pools.p.shards.0]
use_patroni = \"yes\"
patroni_port = \"http\"
patroni_timeout = 0
";
    assert_eq!(
        lines(text),
        [
            "openproxy.toml:3:13: general.virtual_router[0].router_id = 0: \
             must be a whole number from 1 to 255",
            "openproxy.toml:4:12: general.virtual_router[0].priority = 256: \
             must be a whole number from 1 to 255",
            "openproxy.toml:6:19: general.virtual_router[0].vip_addresses[0] = \"x\": must be an \
             address with a prefix length, such as \"192.0.2.10/24\" or \"2001:db8::10/64\"",
            "openproxy.toml:9:13: general.virtual_router[1].router_id = 999: \
             must be a whole number from 1 to 255",
            "openproxy.toml:14:18: general.renew_interval = 99: \
             must be a whole number of milliseconds from 100 to 86400000",
            "openproxy.toml:16:15: pools.p.shards.0.use_patroni = \"yes\": must be true or false",
            "openproxy.toml:17:16: pools.p.shards.0.patroni_port = \"http\": \
             must be a port from 1 to 65535, as a number or a string",
            "openproxy.toml:18:19: pools.p.shards.0.patroni_timeout = 0: \
             must be a whole number of milliseconds from 1 to 60000",
        ]
    );
}

#[test]
fn a_router_or_vip_that_is_there_twice_names_both_lines() {
    let array = GOOD.replace("[general.virtual_router]", "[[general.virtual_router]]");
    let again = array.replace("192.0.2.10", "192.0.2.11");
    assert_eq!(
        lines(&format!("{array}{again}")),
        ["openproxy.toml:9:13: general.virtual_router[1].router_id = 50: \
          is the router_id of an IPv4 router on eth0 already, on line 3"]
    );
    let other = array.replace("router_id = 50", "router_id = 51").replace("/24", "/32");
    assert_eq!(
        lines(&format!("{array}{other}")),
        ["openproxy.toml:12:19: general.virtual_router[1].vip_addresses[0] = \"192.0.2.10/32\": \
          is a VIP of another virtual router already, on line 6"]
    );
    let elsewhere = again.replace("eth0", "eth1");
    assert_eq!(lines(&format!("{array}{elsewhere}")), [""; 0]);
}

#[test]
fn link_local_vips_may_repeat_on_other_interfaces() {
    let one = "[[general.virtual_router]]\ninterface = \"eth0\"\nrouter_id = 1\npriority = 100\n\
               advert_int = 2\nversion = 3\nvip_addresses = [ \"fe80::1/64\" ]\n";
    let two = one.replace("eth0", "eth1");
    assert_eq!(lines(&format!("{one}{two}")), [""; 0]);
    let same = one.replace("router_id = 1", "router_id = 2");
    assert_eq!(
        lines(&format!("{one}{same}")),
        ["openproxy.toml:14:19: general.virtual_router[1].vip_addresses[0] = \"fe80::1/64\": \
          is a VIP of another virtual router already, on line 7"]
    );
}

#[test]
fn peers_must_cover_both_families_of_a_mixed_list() {
    check(&[(
        "vip_addresses = [ \"192.0.2.10/24\", \"fe80::1/64\" ]\nversion = 3\n\
         unicast_peers = [ \"192.0.2.7\" ]",
        &["openproxy.toml:8:17: general.virtual_router.unicast_peers = [ \"192.0.2.7\" ]: \
           must name peers by IPv6 address too, as vip_addresses has IPv6"],
    )]);
}

#[test]
fn strict_needs_a_link_local_address_first() {
    check(&[(
        "vip_addresses = [ \"2001:db8::1/64\" ]\nversion = 3\nstrict = true",
        &["openproxy.toml:6:17: general.virtual_router.vip_addresses = [ \"2001:db8::1/64\" ]: \
           must have a link-local IPv6 address first, as strict = true"],
    )]);
}

#[test]
fn syntax_errors_come_once_a_line_with_wrong_values_elsewhere() {
    assert_eq!(
        lines("[general.virtual_router]\ninterface = eno1\npriority = 300\nrouter_id = 07\n"),
        [
            "openproxy.toml:2:13: string values must be quoted, expected literal string",
            "openproxy.toml:3:12: general.virtual_router.priority = 300: \
             must be a whole number from 1 to 255",
            "openproxy.toml:4:13: unexpected leading zero, expected nothing",
        ]
    );
    assert_eq!(
        lines("[general]\nrenew_interval = 1000\nrenew_interval = 2000\n"),
        ["openproxy.toml:3:1: duplicate key"]
    );
}

#[test]
fn wrong_kinds_of_tables_are_told() {
    assert_eq!(
        lines("general = 1\n").first().map(String::as_str),
        Some("openproxy.toml:1:11: general = 1: must be a table")
    );
    assert_eq!(
        lines("[general]\nvirtual_router = [ 1 ]\n").first().map(String::as_str),
        Some(
            "openproxy.toml:2:18: general.virtual_router = [ 1 ]: \
             must be a table or an array of tables"
        )
    );
}

#[test]
fn text_that_is_not_utf_8_is_told_by_its_place() {
    let found = super::super::load_bytes("openproxy.toml", b"a = 1\nb = \"\xff\"\n");
    let lines = found.map_err(|found| super::render(&found)).expect_err("not UTF-8");
    assert_eq!(lines, ["openproxy.toml:2:6: this byte is not part of a UTF-8 text"]);
}
