//! Whole files that must load, and what they become.

use std::net::IpAddr;
use std::time::Duration;

use openproxy_core::vrrp::{
    Check, ChecksumForm, Family, HookFailure, IntervalMismatch, Preempt, RouterConfig, Transport,
    Version, Weight,
};

use super::{GOOD, good_with, lines, load, loaded, render};

const DOCUMENTED: &str = r#"
[general.virtual_router]
interface = "eno1"
router_id = 50
priority = 150
advert_int = 3
vip_addresses = [ "192.168.0.200/24" ]
pre_promote_script = "/home/opensql/startup.sh"
pre_demote_script = "/home/opensql/cleanup.sh"
unicast_peers = [ "192.168.0.7", "192.168.0.8" ]
"#;

const POOLER: &str = include_str!("pooler.toml");

#[test]
fn a_file_that_says_no_more_than_it_must_gives_a_plain_router() {
    let loaded = loaded(GOOD);
    let [router] = &loaded.routers[..] else { panic!("one router") };
    let RouterConfig { key, version, priority, interval, vips, .. } = router.clone();
    assert_eq!(*router, RouterConfig::plain(key, version, priority, interval, vips));
}

#[test]
fn the_documented_file_loads_without_a_word() {
    let loaded = loaded(DOCUMENTED);
    assert_eq!(render(&loaded.notes), [""; 0]);
    assert_eq!(loaded.renew_interval, Duration::from_secs(5));
    let [router] = &loaded.routers[..] else { panic!("one router") };
    assert_eq!(router.key.to_string(), "eno1/50/IPv4");
    assert_eq!(router.version, Version::V2);
    assert_eq!(router.priority.get(), 150);
    assert_eq!(router.interval.duration(), Duration::from_secs(3));
    assert_eq!(router.vips.len(), 1);
    assert_eq!(router.vips[0].to_string(), "192.168.0.200/24");
    let peers: Vec<IpAddr> =
        vec!["192.168.0.7".parse().expect("IP"), "192.168.0.8".parse().expect("IP")];
    assert_eq!(router.transport, Transport::Unicast { source: None, peers: peers.into() });
    assert_eq!(router.preempt, Preempt::After(Duration::ZERO));
    assert_eq!(router.checksum, ChecksumForm::PseudoHeader);
    assert_eq!(router.interval_mismatch, IntervalMismatch::Hold);
    assert!(router.lease && !router.strict);
    assert_eq!(router.garp_refresh, Some(Duration::from_secs(60)));
    assert!(router.reset_connections);
    let promote = router.hooks.pre_promote.as_deref().expect("set");
    assert_eq!(promote, ["/home/opensql/startup.sh"]);
    assert!(router.hooks.pre_demote.is_some());
    assert_eq!(router.hooks.timeout, Duration::from_secs(10));
    assert_eq!(router.hooks.on_failure, HookFailure::Continue);
    assert!(router.track.is_empty() && router.group.is_none());
}

#[test]
fn the_poolers_file_loads_with_one_line_of_information() {
    let loaded = loaded(POOLER);
    assert_eq!(loaded.pools, 2);
    assert_eq!(loaded.routers.len(), 1);
    let notes = render(&loaded.notes);
    let [line] = &notes[..] else { panic!("{notes:#?}") };
    let start = "openproxy.toml: info: accepted and not used: general.host, ";
    assert!(line.starts_with(start), "{line}");
    for name in [
        "general.etcd",
        "general.admin_password",
        "pools.*.users",
        "pools.*.plugins",
        "pools.*.shards.*.database",
        "pools.*.shards.*.mirrors",
        "pool,",
        "user,",
    ] {
        assert!(line.contains(name), "{name}: {line}");
    }
    assert!(!line.contains("secret") && !line.contains("my_pool"), "{line}");
}

#[test]
fn the_files_poolers_ship_need_no_virtual_router() {
    assert_eq!(
        lines(
            "[pools.a.shards.0]\nservers = [ [\"db1\", 5432, \"Auto\"] ]\n\
             use_patroni = true\npatroni_port = 8765\n"
        ),
        ["openproxy.toml: info: no [general.virtual_router]: no virtual router will run"]
    );
    assert_eq!(
        lines(""),
        ["openproxy.toml: info: no [general.virtual_router]: no virtual router will run"]
    );
    assert_eq!(loaded("[general]\nrenew_interval = 100\n").renew_interval.as_millis(), 100);
}

#[test]
fn a_list_of_both_families_makes_two_routers_with_their_own_peers() {
    let text = good_with(
        "version = 3\n\
         vip_addresses = [ \"fe80::1/64\", \"192.0.2.10/24\", \"2001:db8::1/64\" ]\n\
         unicast_peers = [ \"192.0.2.7\", \"fe80::7\" ]\n\
         unicast_source = [ \"192.0.2.1\", \"fe80::2\" ]\n\
         group = \"db\"",
    );
    let loaded = loaded(&text);
    assert_eq!(render(&loaded.notes), [""; 0]);
    let [v4, v6] = &loaded.routers[..] else { panic!("two routers") };
    assert_eq!((v4.key.family, v6.key.family), (Family::V4, Family::V6));
    assert_eq!(v4.key.vrid, v6.key.vrid);
    assert_eq!(v4.vips.len(), 1);
    let v6_vips: Vec<_> = v6.vips.iter().map(ToString::to_string).collect();
    assert_eq!(v6_vips, ["fe80::1/64", "2001:db8::1/64"]);
    let unicast = |source: &str, peer: &str| Transport::Unicast {
        source: Some(source.parse().expect("IP")),
        peers: vec![peer.parse().expect("IP")].into(),
    };
    assert_eq!(v4.transport, unicast("192.0.2.1", "192.0.2.7"));
    assert_eq!(v6.transport, unicast("fe80::2", "fe80::7"));
}

#[test]
fn every_further_key_reaches_its_router() {
    let text = good_with(
        "version = 3\n\
         advert_int = 1.5\n\
         preempt_delay = 30.5\n\
         hook_timeout = 2500\n\
         hook_failure = \"abort\"\n\
         handover = \"strict\"\n\
         reset_connections = false\n\
         checksum = \"message-only\"\n\
         garp_refresh = 0\n\
         pre_promote_script = \"/bin/sh -c 'echo \\\"$1\\\"' --\"\n\
         track = [ { tcp = \"127.0.0.1:6432\", weight = -100 }, \
         { command = \"/bin/check it\", interval = 200, fall = 3, rise = 4 }, \
         { interface = \"eth1\", timeout = 700 } ]",
    );
    let loaded = loaded(&text);
    assert_eq!(render(&loaded.notes), [""; 0]);
    let router = &loaded.routers[0];
    assert_eq!(router.interval.centis(), 150);
    assert_eq!(router.preempt, Preempt::After(Duration::from_millis(30_500)));
    assert_eq!(router.hooks.timeout, Duration::from_millis(2_500));
    assert_eq!(router.hooks.on_failure, HookFailure::Abort);
    assert_eq!(router.checksum, ChecksumForm::MessageOnly);
    assert!(!router.reset_connections);
    assert_eq!(router.garp_refresh, None);
    let promote = router.hooks.pre_promote.as_deref().expect("set");
    assert_eq!(promote, ["/bin/sh", "-c", "echo \"$1\"", "--"]);
    let [tcp, command, interface] = &router.track[..] else { panic!("three checks") };
    assert_eq!(tcp.check, Check::Tcp("127.0.0.1:6432".parse().expect("address")));
    assert_eq!(tcp.weight, Weight::Change(-100));
    assert_eq!((tcp.interval.as_millis(), tcp.timeout.as_millis()), (1_000, 500));
    assert_eq!((tcp.fall, tcp.rise), (2, 2));
    assert_eq!((command.interval.as_millis(), command.timeout.as_millis()), (200, 200));
    assert_eq!((command.fall, command.rise, command.weight), (3, 4, Weight::Fault));
    assert_eq!(interface.check, Check::Interface("eth1".into()));
    assert_eq!(interface.timeout.as_millis(), 700);
}

#[test]
fn files_of_other_systems_are_read_the_same() {
    let crlf = DOCUMENTED.replace('\n', "\r\n");
    assert_eq!(loaded(&crlf).routers, loaded(DOCUMENTED).routers);
    let text = format!("\u{feff}{}", good_with("priority = 300"));
    assert_eq!(
        lines(&text),
        ["openproxy.toml:4:12: general.virtual_router.priority = 300: \
          must be a whole number from 1 to 255"]
    );
    assert_eq!(loaded(&good_with("priority = 0x96")).routers[0].priority.get(), 150);
}

#[test]
fn no_damage_to_a_file_makes_the_parser_panic() {
    let router = good_with(
        "version = 3\nadvert_int = 1.5\nunicast_peers = [ \"192.0.2.7\" ]\n\
         track = [ { tcp = \"127.0.0.1:6432\", weight = -100 } ]",
    );
    let text = format!("{router}[general]\nrenew_interval = 5_00\n[pools.p.shards.0]\na = 1\n");
    for (offset, _) in text.char_indices() {
        let (before, after) = text.split_at(offset);
        let rest = after.get(1..).unwrap_or_default();
        for junk in ["", "\"", "[", "]", "\n", "=", "é", "\0", "9", "-", ".", "{", "'''"] {
            for damaged in [format!("{before}{junk}{rest}"), format!("{before}{junk}{after}")] {
                match load("openproxy.toml", &damaged) {
                    Ok(loaded) => assert!(loaded.routers.len() <= 1),
                    Err(found) => assert!(!found.is_empty()),
                }
            }
        }
    }
}

#[test]
fn deep_nesting_is_an_error_and_no_overflow() {
    for open in ["[", "{a=", "a."] {
        let found = load("openproxy.toml", &format!("a = {}", open.repeat(100_000)));
        assert!(!found.expect_err("not TOML").is_empty());
    }
}

#[test]
fn many_routers_load_quickly() {
    let router = |vrid: u8| {
        let vips: Vec<_> = (1..=255).map(|host| format!("\"10.1.{vrid}.{host}/16\"")).collect();
        good_with(&format!("router_id = {vrid}\nvip_addresses = [ {} ]", vips.join(", ")))
            .replace("[general.virtual_router]", "[[general.virtual_router]]")
    };
    let text: String = (1..=255).map(router).collect();
    assert_eq!(loaded(&text).routers.len(), 255);
}
