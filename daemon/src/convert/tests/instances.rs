//! What single keywords of an instance do.

use super::{converted, loaded, said, told};

/// An instance on lines 1 to 6, and more lines from 7 on.
fn instance(added: &str) -> String {
    format!(
        "vrrp_instance VI_1 {{\n    state BACKUP\n    interface eth0\n    virtual_router_id 51\n\
         \x20   virtual_ipaddress {{\n        192.0.2.10/24\n    }}\n{added}\n}}\n"
    )
}

/// With keepalived's defaults where they aren't ours.
const PLAIN: [&str; 8] = [
    "[[general.virtual_router]]",
    "interface = \"eth0\"",
    "router_id = 51",
    "priority = 100",
    "advert_int = 1",
    "version = 2",
    "vip_addresses = [ \"192.0.2.10/24\" ]",
    "garp_refresh = 0",
];

/// Lines that are added, lines that come of it, and what is told.
type Case<'a> = (&'a str, &'a [&'a str], &'a [&'a str]);

fn check(cases: &[Case<'_>]) {
    for (added, lines, notes) in cases {
        let converted = converted(&instance(added));
        let said = said(&converted.toml);
        let new: Vec<_> = said.iter().copied().filter(|line| !PLAIN.contains(line)).collect();
        assert_eq!(new, *lines, "{added}");
        let names = |line: &&str| line.split(" = ").next().map(str::to_owned);
        let missing = PLAIN.iter().find(|line| !said.iter().any(|new| names(new) == names(line)));
        assert_eq!(missing, None, "{added}");
        assert_eq!(told(&converted), *notes, "{added}");
    }
}

#[test]
fn defaults_that_differ_are_written_out() {
    let converted = converted(&instance(""));
    assert_eq!(said(&converted.toml), PLAIN);
    assert_eq!(told(&converted), Vec::<String>::new());
    assert!(!converted.is_undecided());
}

#[test]
fn intervals_are_rounded_as_keepalived_rounds_them() {
    check(&[
        ("advert_int 3", &["advert_int = 3"], &[]),
        ("advert_int 1.4", &[], &["1 Info advert_int"]),
        ("advert_int 1.5", &["advert_int = 2"], &["1 Info advert_int"]),
        ("advert_int 0.2", &[], &["1 Info advert_int"]),
        ("version 3\nadvert_int 0.07", &["advert_int = 0.07", "version = 3"], &[]),
        (
            "version 3\nadvert_int 0.015",
            &["advert_int = 0.02", "version = 3"],
            &["1 Info advert_int"],
        ),
        ("vrrp_version 3", &[], &["8 Decide vrrp_version"]),
        (
            "version 3\nadvert_int 50",
            &["advert_int = 40.95", "version = 3"],
            &["1 Info advert_int"],
        ),
        // Its own default, for what keepalived can't use.
        ("advert_int 300", &[], &["8 Decide advert_int"]),
        ("advert_int soon", &[], &["8 Decide advert_int"]),
        ("advert_int", &[], &["8 Decide advert_int"]),
    ]);
}

#[test]
fn priorities_are_keepaliveds() {
    check(&[
        ("priority 150", &["priority = 150"], &[]),
        ("priority 300", &[], &["8 Decide priority"]),
        ("priority 255", &["priority = 255"], &["1 Info state"]),
        ("priority 255\nstate MASTER", &["priority = 255"], &[]),
        ("state MASTER\npriority 120", &["priority = 120"], &[]),
        ("state MASTER\npriority 300", &[], &["9 Decide priority"]),
        // keepalived 2.2.7 says so in its log.
        ("state MASTER", &["priority = 255"], &["1 Decide priority"]),
    ]);
}

#[test]
fn preemption_is_what_keepalived_makes_of_it() {
    check(&[
        ("nopreempt", &["preempt = false"], &[]),
        ("preempt_delay 3.2554", &["preempt_delay = 3.256"], &[]),
        ("preempt", &[], &[]),
        ("nopreempt\nstate MASTER\npriority 100", &[], &["8 Decide nopreempt"]),
        ("preempt_delay 3\nstate MASTER\npriority 100", &[], &["8 Info preempt_delay"]),
        ("preempt_delay 3\nnopreempt", &["preempt = false"], &["8 Info preempt_delay"]),
        ("preempt_delay 2000", &[], &["8 Decide preempt_delay"]),
    ]);
}

#[test]
fn unicast_is_carried_over() {
    check(&[
        (
            "unicast_src_ip 192.0.2.1\nunicast_peer {\n192.0.2.2\n192.0.2.3 min_ttl 3 max_ttl 255\n\
             192.0.2.2\n}",
            &["unicast_peers = [ \"192.0.2.2\", \"192.0.2.3\" ]", "unicast_source = \"192.0.2.1\""],
            &["11 Info min_ttl", "11 Decide max_ttl"],
        ),
        ("mcast_src_ip 192.0.2.1", &[], &["8 Decide mcast_src_ip"]),
        (
            "unicast_peer {\n2001:db8::1\nnode2\n}",
            &[],
            &["10 Decide unicast_peer", "9 Decide unicast_peer"],
        ),
        ("unicast_ttl 255", &[], &[]),
        ("unicast_ttl 64", &[], &["8 Decide unicast_ttl"]),
        ("mcast_dst_ip 224.0.0.18", &[], &[]),
        ("mcast_dst_ip 224.0.0.19", &[], &["8 Decide mcast_dst_ip"]),
    ]);
}

#[test]
fn nothing_is_lost_silently() {
    check(&[
        ("authentication {\nauth_type PASS\nauth_pass 1111\n}", &[], &["8 Decide authentication"]),
        ("use_vmac vrrp.51\nvmac_xmit_base", &[], &["8 Decide use_vmac", "9 Info vmac_xmit_base"]),
        (
            "notify_master \"/a b\" root\nnotify /c",
            &[],
            &["8 Decide notify_master", "9 Decide notify"],
        ),
        ("smtp_alert", &[], &["8 Decide smtp_alert"]),
        ("smtp_alert off", &[], &[]),
        ("virtual_routes {\n192.0.2.0/24 via 192.0.2.1\n}", &[], &["8 Decide virtual_routes"]),
        ("accept", &[], &[]),
        ("no_accept", &[], &["8 Decide no_accept"]),
        ("garp_master_delay 10", &[], &["8 Info garp_master_delay"]),
        ("garp_master_refresh 60", &["garp_refresh = 60"], &[]),
        ("frobnicate 7", &[], &["8 Decide frobnicate"]),
        ("strict_mode on", &[], &["1 Decide strict_mode"]),
        ("strict_mode off", &[], &[]),
        ("v3_checksum_as_v2 true\nversion 3", &["version = 3", "checksum = \"message-only\""], &[]),
    ]);
}

#[test]
fn addresses_are_carried_over_with_keepaliveds_prefix_lengths() {
    check(&[
        (
            "virtual_ipaddress {\n192.0.2.11\n192.0.2.12/24 dev eth0 label eth0:1 scope link\n\
             192.0.2.10/24\nfe80::1/64\n192.0.2.300\n}",
            &["vip_addresses = [ \"192.0.2.10/24\", \"192.0.2.11/32\", \"192.0.2.12/24\" ]"],
            &[
                "10 Decide label",
                "10 Info scope",
                "13 Decide virtual_ipaddress",
                "11 Decide virtual_ipaddress",
                "12 Decide virtual_ipaddress",
            ],
        ),
        ("virtual_ipaddress {\n192.0.2.11 dev eth1\n}", &[], &["9 Decide virtual_ipaddress"]),
        (
            "virtual_ipaddress_excluded { 192.0.2.11 }",
            &[],
            &["8 Decide virtual_ipaddress_excluded"],
        ),
    ]);
}

#[test]
fn excluded_addresses_of_the_other_family_are_a_router_in_the_same_group() {
    let text = instance("priority 150\nvirtual_ipaddress_excluded {\n2001:db8::10\n}");
    let converted = converted(&text);
    assert_eq!(told(&converted), ["10 Decide virtual_ipaddress_excluded"]);
    let routers = loaded(&converted).routers;
    let shown: Vec<_> = routers
        .iter()
        .map(|router| {
            let vips: Vec<_> = router.vips.iter().map(ToString::to_string).collect();
            format!("{} v{} {:?} {}", router.key, router.version, router.group, vips.join(" "))
        })
        .collect();
    assert_eq!(
        shown,
        [
            "eth0/51/IPv4 v2 Some(\"VI_1\") 192.0.2.10/24",
            "eth0/51/IPv6 v3 Some(\"VI_1\") 2001:db8::10/128",
        ]
    );
    assert!(routers.iter().all(|router| router.priority.get() == 150));
}

#[test]
fn an_ipv6_instance_is_version_3_and_strict_as_it_says() {
    let text = "global_defs {\nvrrp_strict\n}\nvrrp_instance V {\ninterface eth0\n\
                virtual_router_id 1\nversion 2\nunicast_peer {\nfe80::2\n}\n\
                virtual_ipaddress {\nfe80::1/64\n2001:db8::1\n}\n}\n";
    let converted = converted(text);
    assert_eq!(told(&converted), ["4 Decide strict_mode", "4 Decide unicast_ttl"]);
    assert_eq!(
        said(&converted.toml),
        [
            "[[general.virtual_router]]",
            "interface = \"eth0\"",
            "router_id = 1",
            "priority = 100",
            "advert_int = 1",
            "version = 3",
            "vip_addresses = [ \"fe80::1/64\", \"2001:db8::1/128\" ]",
            "unicast_peers = [ \"fe80::2\" ]",
            "garp_refresh = 0",
            "strict = true",
        ]
    );
}

/// An instance with a script and an interface that it tracks.
fn tracking(script: &str, tracked: &str, priority: &str) -> String {
    format!(
        "vrrp_script s {{\nscript /bin/true\n{script}\n}}\n{}",
        instance(&format!("priority {priority}\n{tracked}"))
    )
}

/// A script's lines, what tracks it, the priority; then priority, weights and what is told.
type WeightCase<'a> = (&'a str, &'a str, &'a str, u8, &'a [i16], &'a [&'a str]);

#[test]
fn weights_give_the_same_priority_while_well_and_while_failed() {
    use openproxy_core::vrrp::Weight;
    let cases: [WeightCase<'_>; 15] = [
        ("", "track_script { s }", "100", 100, &[0], &[]),
        ("weight -20", "track_script { s }", "100", 100, &[-20], &[]),
        // 120 while it is well, 100 while it isn't.
        ("weight 20", "track_script { s }", "100", 120, &[-20], &[]),
        ("weight 20 reverse", "track_script { s }", "100", 80, &[20], &[]),
        ("weight -20 reverse", "track_script { s }", "100", 100, &[20], &[]),
        ("weight 20", "track_script { s weight -5 }", "100", 100, &[-5], &[]),
        ("weight 20", "track_script { s weight 0 }", "100", 100, &[0], &[]),
        ("weight 20", "track_interface { eth1 weight 7 }", "100", 107, &[-7], &[]),
        ("weight 20", "track_interface {\neth1\neth2 weight -7\n}", "100", 100, &[0, -7], &[]),
        ("weight 200", "track_script { s }", "100", 254, &[-200], &["5 Decide priority"]),
        ("", "track_script { s weight 0 reverse }", "100", 100, &[], &["13 Decide track_script"]),
        ("weight 254", "track_script { s }", "100", 100, &[0], &["3 Decide weight"]),
        ("weight 20", "track_script { s\nt }", "100", 120, &[-20], &["14 Decide track_script"]),
        ("", "track_interface { eth0 weight 5 }", "100", 100, &[], &["13 Info track_interface"]),
        (
            "weight 20",
            "track_script { s }",
            "255",
            255,
            &[],
            &["13 Decide track_script", "5 Info state"],
        ),
    ];
    for (script, tracked, given, priority, weights, notes) in cases {
        let converted = converted(&tracking(script, tracked, given));
        let routers = loaded(&converted).routers;
        let [router] = &routers[..] else { panic!("one router: {routers:?}") };
        assert_eq!(router.priority.get(), priority, "{script} {tracked}");
        let found: Vec<i16> = router
            .track
            .iter()
            .map(|track| match track.weight {
                Weight::Fault => 0,
                Weight::Change(weight) => weight,
            })
            .collect();
        assert_eq!(found, weights, "{script} {tracked}");
        let mut told = told(&converted);
        told.sort();
        assert_eq!(told, notes, "{script} {tracked}");
    }
}

#[test]
fn scripts_keep_their_pace_and_their_words() {
    const PACE: &str = "interval = 1000, timeout = 1000, fall = 1, rise = 1";
    let cases = [
        ("script \"killall -0 sshd\"", format!("command = \"killall -0 sshd\", {PACE}"), ""),
        ("script \"</dev/tcp/127.0.0.1/80\"", format!("tcp = \"127.0.0.1:80\", {PACE}"), ""),
        ("script \"</dev/tcp/::1/80\"", format!("tcp = \"[::1]:80\", {PACE}"), ""),
        (
            "script \"</dev/tcp/db/80\"",
            format!("command = \"/bin/sh -c '</dev/tcp/db/80'\", {PACE}"),
            "",
        ),
        (
            "script \"/bin/sh -c 'exit 0 # x' \\\"a b\\\"\"",
            format!("command = \"/bin/sh -c 'exit 0 # x' 'a b'\", {PACE}"),
            "",
        ),
        (
            "script '/bin/sh -c \"exit 0\"'",
            format!("command = \"/bin/sh -c 'exit 0'\", {PACE}"),
            "",
        ),
        ("script /bin/x a b", format!("command = \"/bin/x\", {PACE}"), "Decide script"),
        (
            "script /x\ninterval 2\ntimeout 1\nfall 3\nrise 4",
            "command = \"/x\", interval = 2000, timeout = 1000, fall = 3, rise = 4".to_owned(),
            "",
        ),
        (
            "script /x\ntimeout 10",
            "command = \"/x\", interval = 1000, timeout = 1000, fall = 1, rise = 1".to_owned(),
            "Decide timeout",
        ),
        (
            "script /x\ninterval 0.5",
            "command = \"/x\", interval = 500, timeout = 500, fall = 1, rise = 1".to_owned(),
            "Info interval",
        ),
        ("script /x\ninterval 0", format!("command = \"/x\", {PACE}"), "Decide interval"),
        ("script /x\nfall 0\nuser root", format!("command = \"/x\", {PACE}"), "Decide fall"),
    ];
    for (lines, expected, note) in cases {
        let text = format!("vrrp_script s {{\n{lines}\n}}\n{}", instance("track_script { s }"));
        let converted = converted(&text);
        let expected = format!("    {{ {expected} }},");
        assert!(said(&converted.toml).contains(&expected.as_str()), "{lines}: {}", converted.toml);
        let first = told(&converted).first().cloned().unwrap_or_default();
        assert!(first.ends_with(note) && first.is_empty() == note.is_empty(), "{lines}: {first}");
    }
}
