//! What is wrong with keys, tables and routers, as a person sees it.

use super::{GOOD, check, lines};

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
               preempt, preempt_delay, hook_timeout, hook_failure, lease, handover, \
               reset_connections, checksum, v2_interval_mismatch, strict, garp_refresh, group, \
               track, track_patroni, track_weight, track_shards"],
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

#[test]
fn a_pooler_s_password_is_in_nothing_that_is_said() {
    for line in [
        "password = \"hunter2",
        "password = hunter2",
        "password = \"x\" \"hunter2\"",
        "password = [ \"hunter2\"",
        "password \"hunter2\"",
        "passwordd = \"hunter2\"",
    ] {
        let table = "[pools.p.users.0]\nusername = \"a\"\n";
        let said = lines(&format!("{table}{line}\n[general]\nuser = \"root\"\n"));
        assert!(!said.is_empty() && said.iter().all(|line| !line.contains("hunter2")), "{said:?}");
    }
}
