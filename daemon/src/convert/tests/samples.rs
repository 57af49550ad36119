//! Whole files, in the manner of keepalived's samples.

use std::path::Path;

use super::super::convert;
use super::{FILE, Memory, converted, loaded, said, told};

#[test]
fn a_file_is_written_with_its_notes_in_place() {
    let converted = converted(
        "! Configuration File for keepalived\n\
         global_defs {\n\
         \x20  notification_email {\n     admin@example.com\n   }\n\
         \x20  router_id LVS_DEVEL\n\
         \x20  vrrp_garp_master_refresh 30\n}\n\
         vrrp_instance VI_1 {\n\
         \x20   state MASTER\n\
         \x20   interface eth0\n\
         \x20   virtual_router_id 51\n\
         \x20   priority 150 # best\n\
         \x20   notify_master \"/usr/local/bin/up VI_1\"\n\
         \x20   virtual_ipaddress {\n        192.168.200.16\n        192.168.200.17/24\n    }\n}\n",
    );
    assert_eq!(
        converted.toml,
        "# From k.conf, by openproxy convert.\n\
         # Look at each \"decide\" here (2), then take it away.\n\
         # k.conf:3: decide: notification_email: OpenProxy sends no mail; let your monitoring read its log,\n\
         #   or `openproxy status`\n\
         # k.conf:6: info: router_id: it is a name for mails; the log has the host's\n\
         \n\
         # vrrp_instance VI_1, k.conf:9\n\
         # k.conf:14: decide: notify_master: general.notify_script runs after each transition of every\n\
         #   router, with the arguments of notify: INSTANCE, a name such as eth0/50/IPv4, the state (LEAVING\n\
         #   besides keepalived's), the priority\n\
         [[general.virtual_router]]\n\
         interface = \"eth0\"\n\
         router_id = 51\n\
         priority = 150\n\
         advert_int = 1\n\
         version = 2\n\
         vip_addresses = [ \"192.168.200.16/32\", \"192.168.200.17/24\" ]\n\
         garp_refresh = 30\n"
    );
    assert!(converted.is_undecided());
    assert!(converted.toml.lines().all(|line| line.chars().count() <= 100));
}

/// As keepalived.conf.vrrp.localcheck.
const LOCAL_CHECKS: &str = "\
vrrp_script chk_sshd {
    script \"killall -0 sshd\"
    interval 2
    weight -4
    fall 2
    rise 2
}
vrrp_script chk_haproxy {
    script \"killall -0 haproxy\"
    interval 2
}
vrrp_script chk_http_port {
    script \"</dev/tcp/127.0.0.1/80\"
    weight -2
}
vrrp_instance VI_1 {
    interface eth0
    state MASTER
    virtual_router_id 51
    priority 100
    virtual_ipaddress {
        192.168.200.18/25
    }
    track_interface {
       eth1 weight 2   # prio = +2 if UP
       eth2 weight -2  # prio = -2 if DOWN
       eth3            # no weight, fault if down
    }
    track_script {
       chk_sshd
       chk_haproxy weight 2
       chk_http_port
    }
}
";

#[test]
fn checks_and_their_weights_are_carried_over() {
    let converted = converted(LOCAL_CHECKS);
    assert_eq!(told(&converted), Vec::<String>::new());
    let said = said(&converted.toml);
    assert!(said.contains(&"priority = 104"), "two positive weights of 2: {said:#?}");
    let from = said.iter().position(|line| *line == "track = [").expect("checks");
    assert_eq!(
        said[from..],
        [
            "track = [",
            "    { interface = \"eth1\", weight = -2 },",
            "    { interface = \"eth2\", weight = -2 },",
            "    { interface = \"eth3\" },",
            "    { command = \"killall -0 sshd\", interval = 2000, timeout = 2000, fall = 2, rise = 2, \
         weight = -4 },",
            "    { command = \"killall -0 haproxy\", interval = 2000, timeout = 2000, fall = 1, rise = 1, \
         weight = -2 },",
            "    { tcp = \"127.0.0.1:80\", interval = 1000, timeout = 1000, fall = 1, rise = 1, \
         weight = -2 },",
            "]",
        ]
    );
}

#[test]
fn a_sync_group_is_a_group_with_the_weights_that_keepalived_leaves_it() {
    let text = "\
vrrp_script s {
    script /bin/true
    weight -30
}
vrrp_sync_group G1 {
    group {
        VI_1
        VI_2 VI_9
    }
    track_script { s }
    notify_master \"/usr/local/bin/mast arg1\"
}
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    virtual_ipaddress { 192.168.200.18/25 }
    track_interface { eth2 weight -5 }
}
vrrp_instance VI_2 {
    interface eth1
    virtual_router_id 52
    virtual_ipaddress { 192.168.201.18/26 }
    track_script { s weight -1 }
}
vrrp_instance VI_3 {
    interface eth1
    virtual_router_id 53
    virtual_ipaddress { 192.168.202.18/26 }
}
";
    let converted = converted(text);
    assert_eq!(
        told(&converted),
        [
            "11 Decide notify_master",
            "5 Decide group",
            "17 Info track_interface",
            "23 Decide track_script",
        ]
    );
    let routers = loaded(&converted).routers;
    let groups: Vec<_> = routers.iter().map(|router| router.group.as_deref()).collect();
    assert_eq!(groups, [Some("G1"), Some("G1"), None]);
    let tracks: Vec<_> = routers.iter().map(|router| format!("{:?}", router.track)).collect();
    assert!(tracks[0].contains("Interface(\"eth2\")") && tracks[0].contains("Fault"), "{tracks:?}");
    for shared in &tracks[..2] {
        assert!(shared.contains("Change(-30)") && !shared.contains("Change(-1)"), "{shared}");
    }
    assert_eq!(tracks[2], "[]");

    let own = text.replace("    track_script { s }\n", "    sync_group_tracking_weight\n");
    let routers = loaded(&super::converted(&own)).routers;
    let tracks: Vec<_> = routers.iter().map(|router| format!("{:?}", router.track)).collect();
    assert!(tracks[0].contains("Change(-5)") && tracks[1].contains("Change(-1)"), "{tracks:?}");
}

#[test]
fn one_file_for_two_nodes_is_converted_for_the_one_that_is_named() {
    let files = Memory::default().with(
        FILE,
        "@high net_namespace high\n@low net_namespace low\nvrrp_instance VI_0\n{\n\tinterface eth0\n\
         \tvirtual_router_id 1\n@high\tpriority 170\n@low\tpriority 85\n\tadvert_int 12\n\tversion 3\n\
         \tvirtual_ipaddress {\n\t\t10.1.0.254/32\n\t}\n}\n",
    );
    for (id, line, priority) in [("high", 1, 170), ("low", 2, 85)] {
        let converted = convert(Path::new(FILE), id, &files).expect("it can be read");
        assert_eq!(told(&converted), [format!("{line} Decide net_namespace")]);
        let routers = loaded(&converted).routers;
        assert_eq!(routers.first().map(|router| router.priority.get()), Some(priority));
    }
}

#[test]
fn load_balancing_is_told_of_once_for_each_server_and_nothing_else_remains() {
    let converted = converted(
        "virtual_server 192.0.2.1 80 {\n    lb_algo rr\n    real_server 192.0.2.2 80 {\n        \
         weight 1\n    }\n}\nstatic_ipaddress {\n    192.0.2.9 dev eth0\n}\n",
    );
    assert_eq!(told(&converted), ["1 Decide virtual_server", "7 Decide static_ipaddress"]);
    assert_eq!(said(&converted.toml), Vec::<&str>::new());
}

#[test]
fn what_cannot_be_used_is_a_comment_and_the_rest_is_in_force() {
    let router = |name: &str, vrid: u8, ip: &str, more: &str| {
        format!(
            "vrrp_instance {name} {{\ninterface eth0\nvirtual_router_id {vrid}\n{more}\n\
             virtual_ipaddress {{\n{ip}\n}}\n}}\n"
        )
    };
    let text = [
        router("A", 1, "192.0.2.1/24", ""),
        router("SAME_ID", 1, "192.0.2.2/24", ""),
        router("SAME_VIP", 3, "192.0.2.1/24", ""),
        router("LOOPBACK", 4, "127.0.0.1/8", ""),
        router("PEER", 5, "192.0.2.5/24", "unicast_peer { 192.0.2.5 }"),
        router("NAME", 6, "192.0.2.6/24", "interface averylonginterfacename"),
        router("\"B\\nC\"", 7, "192.0.2.7/24", ""),
    ]
    .concat();
    let text = text
        + "vrrp_instance NO_ID {\ninterface eth0\nvirtual_ipaddress { 192.0.2.8 }\n}\n\
                       vrrp_instance NO_VIP {\ninterface eth0\nvirtual_router_id 9\n}\n";
    let converted = converted(&text);
    let vrids: Vec<_> =
        loaded(&converted).routers.iter().map(|router| router.key.vrid.get()).collect();
    assert_eq!(vrids, [1, 7], "{}", converted.toml);
    let notes: Vec<_> = converted.notes.iter().map(ToString::to_string).collect();
    for (line, part) in [
        (9, "is a comment, since router_id = 1 is the router_id of an IPv4 router on eth0 already"),
        (17, "is a VIP of another virtual router already"),
        (25, "must be an address that a host can have on a network"),
        (33, "is a VIP; it must be the address of one host alone"),
        (41, "must be the name of a network interface"),
        (57, "can't be converted without interface and virtual_router_id"),
        (61, "can't be converted without a virtual_ipaddress"),
    ] {
        let prefix = format!("k.conf:{line}: decide: vrrp_instance: ");
        let found = notes.iter().any(|note| note.starts_with(&prefix) && note.contains(part));
        assert!(found, "{line} {part}: {notes:#?}");
    }
    assert!(converted.toml.contains("# vip_addresses = [ \"127.0.0.1/8\" ]\n"));
}
