//! Every value that is wrong by itself, as a person sees it.

use super::super::LogFormat;
use super::{GOOD, check, lines, loaded};

/// Checks a table of (lines added to [`GOOD`], place, key and value, what is wrong).
fn check_each(cases: &[(&str, &str, &str, &str)]) {
    for (added, place, key, message) in cases {
        let line = format!("openproxy.toml:{place}: general.virtual_router.{key}: {message}");
        check(&[(added, &[&line])]);
    }
}

#[test]
fn wrong_values_of_documented_keys_name_line_column_value_and_range() {
    check_each(&[
        (
            "interface = \"\"",
            "2:13",
            "interface = \"\"",
            "must be the name of a network interface, 1 to 15 bytes",
        ),
        (
            "interface = \"a-name-too-long-by-far\"",
            "2:13",
            "interface = \"a-name-too-long-by-far\"",
            "must be the name of a network interface, 1 to 15 bytes",
        ),
        (
            "interface = \"et h0\"",
            "2:13",
            "interface = \"et h0\"",
            "must be the name of a network interface, 1 to 15 bytes",
        ),
        (
            "interface = 3",
            "2:13",
            "interface = 3",
            "must be the name of a network interface, 1 to 15 bytes",
        ),
        ("router_id = 0", "3:13", "router_id = 0", "must be a whole number from 1 to 255"),
        ("router_id = 256", "3:13", "router_id = 256", "must be a whole number from 1 to 255"),
        ("priority = 300", "4:12", "priority = 300", "must be a whole number from 1 to 255"),
        ("priority = 0", "4:12", "priority = 0", "must be a whole number from 1 to 255"),
        ("priority = -1", "4:12", "priority = -1", "must be a whole number from 1 to 255"),
        ("priority = 1.0", "4:12", "priority = 1.0", "must be a whole number from 1 to 255"),
        (
            "priority = \"150\"",
            "4:12",
            "priority = \"150\"",
            "must be a whole number from 1 to 255",
        ),
        (
            "priority = 99999999999999999999",
            "4:12",
            "priority = 99999999999999999999",
            "must be a whole number from 1 to 255",
        ),
        ("advert_int = 0", "5:14", "advert_int = 0", "must be a whole number from 1 to 255"),
        ("advert_int = 256", "5:14", "advert_int = 256", "must be a whole number from 1 to 255"),
        (
            "advert_int = 0.5",
            "5:14",
            "advert_int = 0.5",
            "must be a whole number from 1 to 255; fractions need version = 3",
        ),
        ("advert_int = nan", "5:14", "advert_int = nan", "must be a whole number from 1 to 255"),
        (
            "vip_addresses = [ ]",
            "6:17",
            "vip_addresses = [ ]",
            "must be a list of 1 to 255 addresses with prefix length",
        ),
        (
            "vip_addresses = \"192.0.2.10/24\"",
            "6:17",
            "vip_addresses = \"192.0.2.10/24\"",
            "must be a list of 1 to 255 addresses with prefix length",
        ),
        (
            "vip_addresses = [ \"192.0.2.10\" ]",
            "6:19",
            "vip_addresses[0] = \"192.0.2.10\"",
            "must be an address with a prefix length, such as \"192.0.2.10/24\" or \
             \"2001:db8::10/64\"",
        ),
        (
            "vip_addresses = [ 5 ]",
            "6:19",
            "vip_addresses[0] = 5",
            "must be an address with a prefix length, such as \"192.0.2.10/24\" or \
             \"2001:db8::10/64\"",
        ),
        (
            "vip_addresses = [ \"host/24\" ]",
            "6:19",
            "vip_addresses[0] = \"host/24\"",
            "must be an address with a prefix length, such as \"192.0.2.10/24\" or \
             \"2001:db8::10/64\"",
        ),
        (
            "vip_addresses = [ \"192.0.2.10/33\" ]",
            "6:19",
            "vip_addresses[0] = \"192.0.2.10/33\"",
            "must have a prefix length from 1 to 32",
        ),
        (
            "vip_addresses = [ \"192.0.2.10/+8\" ]",
            "6:19",
            "vip_addresses[0] = \"192.0.2.10/+8\"",
            "must have a prefix length from 1 to 32",
        ),
        (
            "vip_addresses = [ \"192.0.2.10/0\" ]",
            "6:19",
            "vip_addresses[0] = \"192.0.2.10/0\"",
            "must have a prefix length from 1 to 32",
        ),
        (
            "vip_addresses = [ \"224.0.0.18/24\" ]",
            "6:19",
            "vip_addresses[0] = \"224.0.0.18/24\"",
            "must be an address that a host can have on a network",
        ),
        (
            "vip_addresses = [ \"127.0.0.1/8\" ]",
            "6:19",
            "vip_addresses[0] = \"127.0.0.1/8\"",
            "must be an address that a host can have on a network",
        ),
        (
            "vip_addresses = [ \"fe80::1/64\" ]",
            "6:19",
            "vip_addresses[0] = \"fe80::1/64\"",
            "is an IPv6 address, which needs version = 3",
        ),
        (
            "vip_addresses = [ \"192.0.2.10/24\", \"192.0.2.10/32\" ]",
            "6:36",
            "vip_addresses[1] = \"192.0.2.10/32\"",
            "is in the list already, on line 6",
        ),
        (
            "pre_promote_script = \"\"",
            "7:22",
            "pre_promote_script = \"\"",
            "must be a command line as a string, with quotes as in a shell",
        ),
        (
            "pre_promote_script = \"'/bin/sh\"",
            "7:22",
            "pre_promote_script = \"'/bin/sh\"",
            "must be a command line as a string, with quotes as in a shell",
        ),
        (
            "pre_demote_script = \"'' x\"",
            "7:21",
            "pre_demote_script = \"'' x\"",
            "must be a command line as a string, with quotes as in a shell",
        ),
        (
            "pre_demote_script = [\"/bin/true\"]",
            "7:21",
            "pre_demote_script = [\"/bin/true\"]",
            "must be a command line as a string, with quotes as in a shell",
        ),
        (
            "unicast_peers = \"192.0.2.7\"",
            "7:17",
            "unicast_peers = \"192.0.2.7\"",
            "must be a list of addresses",
        ),
        (
            "unicast_peers = [ \"node2\" ]",
            "7:19",
            "unicast_peers[0] = \"node2\"",
            "must be the IPv4 or IPv6 address of a host",
        ),
        (
            "unicast_peers = [ \"192.0.2.10\" ]",
            "7:19",
            "unicast_peers[0] = \"192.0.2.10\"",
            "is a VIP; it must be the address of one host alone",
        ),
        (
            "unicast_peers = [ \"2001:db8::7\" ]",
            "7:19",
            "unicast_peers[0] = \"2001:db8::7\"",
            "is IPv6, but vip_addresses has no IPv6 address",
        ),
    ]);
}

#[test]
fn wrong_values_of_further_keys_name_what_is_allowed() {
    check_each(&[
        ("version = 1", "7:11", "version = 1", "must be 2 or 3"),
        ("version = \"3\"", "7:11", "version = \"3\"", "must be 2 or 3"),
        ("preempt = \"no\"", "7:11", "preempt = \"no\"", "must be true or false"),
        (
            "preempt_delay = 1000.001",
            "7:17",
            "preempt_delay = 1000.001",
            "must be a number from 0 to 1000, with at most three decimals",
        ),
        (
            "preempt_delay = -1",
            "7:17",
            "preempt_delay = -1",
            "must be a number from 0 to 1000, with at most three decimals",
        ),
        (
            "preempt_delay = 0.0001",
            "7:17",
            "preempt_delay = 0.0001",
            "must be a number from 0 to 1000, with at most three decimals",
        ),
        (
            "preempt = false\npreempt_delay = 5",
            "8:17",
            "preempt_delay = 5",
            "is not allowed with preempt = false",
        ),
        (
            "hook_timeout = 0",
            "7:16",
            "hook_timeout = 0",
            "must be a whole number of milliseconds from 1 to 600000",
        ),
        (
            "hook_failure = \"stop\"",
            "7:16",
            "hook_failure = \"stop\"",
            "must be \"continue\" or \"abort\"",
        ),
        ("lease = 1", "7:9", "lease = 1", "must be true or false"),
        ("handover = \"soft\"", "7:12", "handover = \"soft\"", "must be \"planned\" or \"strict\""),
        (
            "reset_connections = \"no\"",
            "7:21",
            "reset_connections = \"no\"",
            "must be true or false",
        ),
        (
            "checksum = \"rfc\"",
            "7:12",
            "checksum = \"rfc\"",
            "must be \"pseudo-header\" or \"message-only\"",
        ),
        (
            "v2_interval_mismatch = true",
            "7:24",
            "v2_interval_mismatch = true",
            "must be \"hold\" or \"discard\"",
        ),
        ("strict = 0", "7:10", "strict = 0", "must be true or false"),
        (
            "garp_refresh = 86401",
            "7:16",
            "garp_refresh = 86401",
            "must be a whole number of seconds from 0 to 86400",
        ),
        ("group = \"\"", "7:9", "group = \"\"", "must be a name of 1 to 64 bytes"),
        (
            "unicast_source = 1",
            "7:18",
            "unicast_source = 1",
            "must be an address, or a list with one of each family",
        ),
        (
            "unicast_peers = [ \"192.0.2.7\" ]\nunicast_source = [ \"192.0.2.1\", \
             \"192.0.2.2\" ]",
            "8:33",
            "unicast_source[1] = \"192.0.2.2\"",
            "is a second IPv4 address; one is allowed",
        ),
        ("track = 1", "7:9", "track = 1", "must be a list of at most 64 tables"),
        (
            "track = [ 1 ]",
            "7:11",
            "track[0] = 1",
            "must be a table, such as { tcp = \"127.0.0.1:6432\" }",
        ),
        (
            "track = [ { } ]",
            "7:11",
            "track[0]",
            "must have exactly one of tcp, command and interface",
        ),
        (
            "track = [ { tcp = \"127.0.0.1:1\", interface = \"eth1\" } ]",
            "7:11",
            "track[0]",
            "must have exactly one of tcp, command and interface",
        ),
        (
            "track = [ { tcp = \"localhost:6432\" } ]",
            "7:19",
            "track[0].tcp = \"localhost:6432\"",
            "must be an IP address and a port, such as \"127.0.0.1:6432\"",
        ),
        (
            "track = [ { tcp = \"127.0.0.1:0\" } ]",
            "7:19",
            "track[0].tcp = \"127.0.0.1:0\"",
            "must be an IP address and a port, such as \"127.0.0.1:6432\"",
        ),
        (
            "track = [ { command = \" \" } ]",
            "7:23",
            "track[0].command = \" \"",
            "must be a command line as a string, with quotes as in a shell",
        ),
        (
            "track = [ { interface = \"a/b\" } ]",
            "7:25",
            "track[0].interface = \"a/b\"",
            "must be the name of a network interface, 1 to 15 bytes",
        ),
        (
            "track = [ { interface = \"eth1\", interval = 99 } ]",
            "7:44",
            "track[0].interval = 99",
            "must be a whole number of milliseconds from 100 to 3600000",
        ),
        (
            "track = [ { interface = \"eth1\", timeout = 1001 } ]",
            "7:43",
            "track[0].timeout = 1001",
            "must be a whole number of milliseconds from 1 to the interval",
        ),
        (
            "track = [ { interface = \"eth1\", fall = 0 } ]",
            "7:40",
            "track[0].fall = 0",
            "must be a whole number from 1 to 100",
        ),
        (
            "track = [ { interface = \"eth1\", rise = 101 } ]",
            "7:40",
            "track[0].rise = 101",
            "must be a whole number from 1 to 100",
        ),
        (
            "track = [ { interface = \"eth1\", weight = -254 } ]",
            "7:42",
            "track[0].weight = -254",
            "must be a whole number from -253 to 253",
        ),
        (
            "track = [ { interfaces = \"eth1\", tcp = \"[::1]:5432\" } ]",
            "7:13",
            "track[0].interfaces",
            "is not a known key; did you mean interface?",
        ),
    ]);
}

#[test]
fn a_user_is_a_name_other_than_root() {
    let with = |value: &str| format!("[general]\nuser = {value}\n");
    assert_eq!(loaded(&with("\"openproxy\"")).user.as_deref(), Some("openproxy"));
    assert_eq!(loaded("").user, None);
    for value in ["\"root\"", "\"\"", "\"a b\"", "\"a:b\"", "\"../a\"", "7"] {
        let found = lines(&with(value));
        let error = format!(
            "openproxy.toml:2:8: general.user = {value}: must be the name of a user other than root"
        );
        assert!(found.contains(&error), "{found:?}");
    }
}

#[test]
fn realtime_is_a_priority_that_the_kernel_has() {
    let with = |value: &str| format!("[general]\nrealtime = {value}\n{}", GOOD);
    assert_eq!(loaded(GOOD).realtime_priority(), None);
    for priority in [1, 99] {
        let found = loaded(&with(&priority.to_string()));
        assert_eq!(found.realtime_priority(), Some(priority));
    }
    for value in ["0", "100", "-1", "true", "\"20\"", "20.0"] {
        assert_eq!(
            lines(&with(value)),
            [format!(
                "openproxy.toml:2:12: general.realtime = {value}: must be a whole number from 1 to 99"
            )]
        );
    }
    let without_routers = loaded("[general]\nrealtime = 20\n");
    assert_eq!((without_routers.realtime, without_routers.realtime_priority()), (Some(20), None));
}

#[test]
fn the_log_is_text_unless_the_file_says_otherwise() {
    let format = |line: &str| loaded(&format!("{GOOD}\n[general]\n{line}\n"));
    assert_eq!(format("").log_format, LogFormat::Text);
    assert_eq!(format("log_format = \"text\"").log_format, LogFormat::Text);
    assert_eq!(format("log_format = \"json\"").log_format, LogFormat::Json);
    assert_eq!(
        lines("[general]\nlog_format = \"JSON\"\n"),
        [
            "openproxy.toml:2:14: general.log_format = \"JSON\": must be \"text\" or \"json\"",
            "openproxy.toml: info: no [general.virtual_router]: no virtual router will run",
        ]
    );
}
