//! Shards, how Patroni is asked for them, and which routers follow their primaries.

use openproxy_core::discovery::coupling::Track;
use openproxy_core::discovery::{FileRole, Scheme, TlsId};

use super::*;

/// A shard of three servers, on lines 1 to 3.
const SHARD: &str = "\
[pools.p.shards.0]
servers = [ [\"10.0.0.1\", 5432, \"Auto\"], [\"DB2\", 5433, \"primary\"], [\"::1\", 5434] ]
use_patroni = true
";

/// Each case: what follows [`SHARD`], and what is said of it.
fn check_shard(cases: &[(&str, &[&str])]) {
    for (added, expected) in cases {
        let found = lines(&format!("{SHARD}{added}\n"));
        let own: Vec<_> =
            found.iter().filter(|line| !line.contains(" info: no [general")).collect();
        assert_eq!(own, *expected, "{added}");
    }
}

#[test]
fn a_shard_reaches_discovery_with_its_defaults() {
    let loaded = loaded(&format!("[general]\nrenew_interval = 2000\n{SHARD}"));
    let [shard] = &loaded.discovery.shards[..] else { panic!("one shard") };
    assert_eq!(shard.id.to_string(), "p/0");
    assert_eq!(shard.renew_interval.as_secs(), 2);
    let servers = shard.servers.iter();
    let servers: Vec<_> = servers.map(|server| (server.address.to_string(), server.role)).collect();
    let expected = [
        ("10.0.0.1:5432", FileRole::Auto),
        ("db2:5433", FileRole::Primary),
        ("[::1]:5434", FileRole::Auto),
    ];
    assert_eq!(servers, expected.map(|(address, role)| (address.to_owned(), role)));
    let patroni = shard.patroni.expect("Patroni is used");
    assert_eq!((patroni.port, patroni.scheme), (8008, Scheme::Http));
    assert_eq!((patroni.timeout.as_millis(), patroni.lag_bytes_max), (1000, 1 << 30));
    assert!(!patroni.watch_primary);
}

#[test]
fn what_patroni_is_asked_by_is_read_and_shared() {
    let tls = "patroni_scheme = \"https\"\npatroni_ca = \"/ca.pem\"\n\
               patroni_server_name = \"db.example\"\n\
               patroni_certificate = \"/own.pem\"\npatroni_key = \"/own.key\"\n\
               patroni_lag_max = 5\npatroni_timeout = 700\npatroni_port = \"8765\"\n";
    let other = SHARD.replace("shards.0", "shards.1");
    let plain = SHARD.replace("shards.0", "shards.2").replace("true", "false");
    let loaded = loaded(&format!("{SHARD}{tls}{other}{tls}{plain}"));
    let [first, second, third] = &loaded.discovery.shards[..] else { panic!("three") };
    assert_eq!(first.patroni, second.patroni);
    assert_eq!(third.patroni, None);
    let patroni = first.patroni.expect("Patroni is used");
    assert_eq!((patroni.port, patroni.scheme), (8765, Scheme::Https(TlsId(0))));
    assert_eq!((patroni.timeout.as_millis(), patroni.lag_bytes_max), (700, 5));
    let [settings] = &loaded.discovery.tls[..] else { panic!("one way to speak TLS") };
    assert_eq!(settings.server_name.as_deref(), Some("db.example"));
    assert_eq!(settings.key.as_deref(), Some(std::path::Path::new("/own.key")));
}

#[test]
fn wrong_servers_are_errors_where_patroni_is_asked_and_warnings_elsewhere() {
    let text = |servers: &str, uses: bool| {
        format!("[pools.p.shards.0]\nuse_patroni = {uses}\nservers = {servers}\n")
    };
    let form = "must be [ HOST, PORT, ROLE ], such as [ \"192.168.0.8\", 5432, \"Auto\" ]";
    let cases = [
        ("[ \"db1\" ]", form),
        ("[ [ \"db1\" ] ]", form),
        ("[ [ \"db1\", 5432, \"Auto\", 1 ] ]", form),
        ("[ [ 1, 5432 ] ]", "must begin with a host, as a string"),
        ("[ [ \"10.0.1\", 5432 ] ]", "must begin with an IP address or the name of a host"),
        ("[ [ \"db1\", 0 ] ]", "must have a port from 1 to 65535 in the second place"),
        (
            "[ [ \"db1\", 5432, \"leader\" ] ]",
            "must have \"Auto\", \"Primary\", \"Replica\" or \"Mirror\" in the third place",
        ),
        ("[]", "must be a list of 1 to 100 servers, each [ HOST, PORT, ROLE ]"),
    ];
    for (servers, message) in cases {
        let needed = lines(&text(servers, true));
        assert!(needed[0].starts_with("openproxy.toml:3:1"), "{needed:?}");
        assert!(needed[0].ends_with(message), "{needed:?}");
        let idle = lines(&text(servers, false));
        assert!(idle[0].contains(": warning: "), "{idle:?}");
        assert!(idle[0].ends_with(&format!("{message}; left out of the topology")), "{idle:?}");
    }
    let twice = lines(&text("[ [ \"db1\", 1 ], [ \"DB1\", 1 ] ]", true));
    assert_eq!(
        twice[0],
        "openproxy.toml:3:27: warning: pools.p.shards.0.servers[1] = [ \"DB1\", 1 ]: \
         is in the list already"
    );
}

#[test]
fn tls_keys_that_say_half_or_nothing_are_told() {
    check_shard(&[
        (
            "patroni_scheme = \"https\"\npatroni_key = \"/k.pem\"",
            &["openproxy.toml:5:15: pools.p.shards.0.patroni_key = \"/k.pem\": \
               needs patroni_certificate beside it"],
        ),
        (
            "patroni_ca = \"/ca.pem\"",
            &["openproxy.toml:4:14: warning: pools.p.shards.0.patroni_ca = \"/ca.pem\": \
               has no effect without patroni_scheme = \"https\""],
        ),
        (
            "patroni_scheme = \"https\"\npatroni_ca = \"ca.pem\"",
            &["openproxy.toml:5:14: pools.p.shards.0.patroni_ca = \"ca.pem\": \
               must be a path that begins with /"],
        ),
        (
            "patroni_scheme = \"ftp\"",
            &["openproxy.toml:4:18: pools.p.shards.0.patroni_scheme = \"ftp\": \
               must be \"http\" or \"https\""],
        ),
    ]);
}

#[test]
fn a_router_follows_all_shards_of_patroni_or_those_that_are_named() {
    let other = SHARD.replace("p.shards.0", "q.shards.7");
    let plain = SHARD.replace("shards.0", "shards.1").replace("true", "false");
    let shards = format!("{SHARD}{other}{plain}");
    let reachable = good_with("track_patroni = \"primary-reachable\"\ntrack_weight = 70\n");
    let following = loaded(&format!("{reachable}{shards}"));
    let [router] = &following.discovery.routers[..] else { panic!("one") };
    assert_eq!(router.key, following.routers[0].key);
    assert_eq!(router.track, Track::PrimaryReachable { penalty: 70 });
    let names: Vec<_> = router.shards.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["p/0", "q/7"]);
    let watched = |loaded: &Loaded| -> Vec<bool> {
        let patroni = loaded.discovery.shards.iter().filter_map(|shard| shard.patroni);
        patroni.map(|patroni| patroni.watch_primary).collect()
    };
    assert_eq!(watched(&following), [true, true]);
    let local = good_with("track_patroni = \"local-primary\"\ntrack_shards = [ \"q/7\" ]\n");
    let loaded = loaded(&format!("{local}{shards}"));
    assert_eq!(loaded.discovery.routers[0].track, Track::LocalPrimary);
    assert_eq!(loaded.discovery.routers[0].shards.len(), 1);
    assert_eq!(watched(&loaded), [false, false]);
}

#[test]
fn what_could_not_follow_is_refused() {
    let of = |added: &str| {
        let found = lines(&format!("{}{SHARD}", good_with(added)));
        found.into_iter().find(|line| !line.contains("info:")).unwrap_or_default()
    };
    for (added, end) in [
        ("track_patroni = \"primary\"", "must be \"primary-reachable\" or \"local-primary\""),
        (
            "track_patroni = \"local-primary\"\npreempt = false",
            "is not allowed with preempt = false: the VIPs would never follow",
        ),
        (
            "track_patroni = \"local-primary\"\npriority = 155",
            "needs a priority of at most 154: the primary's node gets 100 more",
        ),
        (
            "track_patroni = \"local-primary\"\ntrack_weight = 5",
            "has no effect with \"local-primary\": the primary's node gets 100 more",
        ),
        ("track_weight = 5", "has no effect without track_patroni"),
        (
            "track_patroni = \"local-primary\"\ntrack_shards = [ \"p/1\" ]",
            "is no shard with use_patroni = true",
        ),
        (
            "track_patroni = \"local-primary\"\ntrack_shards = [ 1 ]",
            "must be a string such as \"my_pool/0\"",
        ),
        (
            "track_patroni = \"primary-reachable\"\npreempt = false",
            "none of them takes over for that",
        ),
    ] {
        assert!(of(added).ends_with(end), "{added}: {}", of(added));
    }
    let alone = lines(&good_with("track_patroni = \"local-primary\""));
    assert!(alone[0].ends_with("needs a shard with use_patroni = true"), "{alone:?}");
}

#[test]
fn the_status_table_says_where_the_daemon_tells_what_it_knows() {
    assert_eq!(loaded(GOOD).status, crate::config::StatusConfig::default());
    let text = "[general.status]\nsocket = \"/tmp/o.sock\"\nlisten = \"0.0.0.0:9127\"\n";
    let status = loaded(text).status;
    assert_eq!(status.socket, std::path::Path::new("/tmp/o.sock"));
    assert_eq!(status.listen.map(|address| address.port()), Some(9127));
    assert!(lines(text)[0].ends_with("lets everybody who can connect read the topology"));
    for (line, end) in [
        (
            "listen = \"localhost:1\"",
            "must be an IP address and a port, such as \"127.0.0.1:9127\"",
        ),
        ("socket = \"o.sock\"", "must be a path that begins with /"),
        ("sockt = \"/o.sock\"", "is not a known key; did you mean socket?"),
    ] {
        let found = lines(&format!("[general.status]\n{line}\n"));
        assert!(found[0].ends_with(end), "{found:?}");
    }
}
