//! The rest of a topology: replicas, addresses and names.

use super::super::*;
use super::lab::{Lab, at, server, shard};
use super::script::{
    FAILSAFE, NODES, Rules, healthy, lab, own, primary, replica, started, view, with,
};

/// What the second node is, once all is settled.
fn second(lab: &mut Rules) -> Replica {
    lab.pass(10_000);
    let address = server(NODES[1]).address;
    let mut replicas = lab.topology().replicas.iter();
    replicas.find(|replica| replica.address == address).expect("a replica").clone()
}

/// A view in which the second node is of this role, and has more.
fn with_second(role: &str, more: &str) -> String {
    let member = r#""name": "n2", "role": "replica""#;
    view(1, 5).replace(member, &format!(r#""name": "n2", "role": "{role}"{more}"#))
}

#[test]
fn a_replica_is_of_the_kind_that_itself_or_the_others_say() {
    let more = r#""replication_state": "streaming","#;
    let cases = [
        ("replica", "", "replica", ReplicaKind::Async),
        ("replica", r#""sync_standby": true,"#, "replica", ReplicaKind::Sync),
        ("replica", "", "sync_standby", ReplicaKind::Sync),
        ("replica", r#""quorum_standby": true,"#, "replica", ReplicaKind::Quorum),
        ("replica", "", "quorum_standby", ReplicaKind::Quorum),
        ("standby_leader", "", "replica", ReplicaKind::StandbyLeader),
        ("uninitialized", "", "replica", ReplicaKind::Other),
    ];
    for (role, flag, listed, kind) in cases {
        let mut lab = lab(healthy());
        lab.node(2).own = Ok(own(2, role, "running", 5, &format!("{more}{flag}")));
        lab.views(&with_second(listed, ""));
        assert_eq!(second(&mut lab).kind, kind, "{role} {flag} {listed}");
    }
}

#[test]
fn a_replica_that_is_tagged_is_left_alone_whoever_says_so() {
    let tags = r#""tags": {"noloadbalance": true}"#;
    for (by_itself, by_others) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut lab = lab(healthy());
        if by_itself {
            lab.node(2).own = Ok(with(&replica(2, 5), tags));
        }
        if by_others {
            lab.views(&with_second("replica", &format!(", {tags}")));
        }
        let tagged = by_itself || by_others;
        let replica = second(&mut lab);
        assert_eq!((replica.no_load_balance, replica.eligible), (tagged, !tagged));
    }
}

#[test]
fn a_replica_has_the_state_that_it_says_until_it_falls_silent() {
    let mut lab = started();
    assert_eq!(second(&mut lab).state, Some(State::Streaming));
    lab.fails(2, &AskFailure::Refused);
    assert_eq!(second(&mut lab).state, None);
}

#[test]
fn a_replica_that_was_too_far_behind_must_come_well_below_the_bound() {
    let mut lab = started();
    let megabyte = 1_u64 << 20;
    let written = 4096 * megabyte;
    let xlog = |what: &str, at: u64| format!(r#""xlog": {{"{what}": {at}}},"#);
    lab.node(1).own = Ok(own(1, "primary", "running", 5, &xlog("location", written)));
    for (lag, eligible) in [(1000, true), (1100, false), (1000, false), (500, true), (1000, true)] {
        let lag = lag * megabyte;
        let position = xlog("replayed_location", written - lag);
        lab.node(2).own = Ok(own(2, "replica", "running", 5, &position));
        let replica = second(&mut lab);
        assert_eq!((replica.lag_bytes, replica.eligible), (Some(lag), eligible));
    }
}

#[test]
fn a_member_that_cannot_be_asked_is_listed_and_not_read_from() {
    let fourth = r#"{"name": "n4", "role": "replica", "state": "streaming", "timeline": 5,
        "host": "10.0.0.4", "port": 5432},"#;
    let mut lab = lab(healthy());
    lab.views(&view(1, 5).replace("\"members\": [", &format!("\"members\": [{fourth}")));
    lab.pass(6_000);
    assert_eq!(lab.confirmed(), Some("n1"));
    let topology = lab.topology();
    assert!(!topology.primary_unconfigured);
    let names: Vec<_> = topology.replicas.iter().map(|r| r.name.as_deref()).collect();
    assert_eq!(names, [Some("n2"), Some("n3"), Some("n4")]);
    let flags = topology.replicas.iter().map(|replica| (replica.configured, replica.eligible));
    assert!(flags.eq([(true, true), (true, true), (false, false)]));
}

#[test]
fn failsafe_is_what_the_primary_says_of_itself() {
    for (by, expected) in [(1, true), (2, false), (3, false)] {
        let mut lab = started();
        assert!(!lab.topology().failsafe);
        let own = if by == 1 { primary(1, 5) } else { replica(by, 5) };
        lab.node(by).own = Ok(with(&own, FAILSAFE));
        lab.pass(2_000);
        assert_eq!((lab.topology().failsafe, lab.confirmed()), (expected, Some("n1")), "{by}");
    }
}

#[test]
fn postgresql_is_where_the_members_list_says_that_it_listens() {
    let mut lab = lab(healthy());
    lab.views(&view(1, 5).replace("\"port\": 5432", "\"port\": 6000"));
    lab.pass(6_000);
    let ports = |lab: &Rules| {
        let topology = lab.topology();
        let named = topology.primary.named().expect("a primary").address.port;
        let replicas = topology.replicas.iter().map(|replica| replica.address.port);
        (named, replicas.collect::<Vec<_>>())
    };
    assert_eq!(ports(&lab), (6000, vec![6000, 6000]));
}

#[test]
fn a_member_is_known_by_its_host_where_it_is_alone_there() {
    // Its Patroni gives no name, and is listed under one that is known elsewhere alone.
    let mut config = shard(&NODES);
    config.servers[0].address.port = 6432;
    let mut lab = Lab::new(healthy(), &[config], at(0));
    lab.node(1).own = Ok(primary(1, 5).replace(r#"{"name": "n1"}"#, "{}"));
    lab.views(&view(1, 5).replace("http://10.0.0.1:8008", "http://pod-1:8008"));
    lab.pass(6_000);
    let named = lab.primary().confirmed().expect("a primary");
    assert_eq!((named.name.as_deref(), named.address.port), (Some("n1"), 5432));
}

#[test]
fn a_node_is_named_as_it_names_itself_though_no_list_is_to_be_had() {
    let mut lab = lab(healthy());
    (1..=3).for_each(|index| lab.node(index).view = Err(AskFailure::Closed));
    lab.pass(6_000);
    assert_eq!(lab.confirmed(), Some("n1"));
    let replicas = lab.topology().replicas.iter().map(|replica| replica.name.as_deref());
    assert!(replicas.eq([Some("n2"), Some("n3")]));
}

#[test]
fn by_the_file_the_first_primary_is_it_and_what_is_called_a_replica_is_read_from() {
    let mut config = ShardConfig { patroni: None, ..shard(&["a", "b", "c", "d"]) };
    let roles = [FileRole::Auto, FileRole::Primary, FileRole::Replica, FileRole::Primary];
    for (server, role) in config.servers.iter_mut().zip(roles) {
        server.role = role;
    }
    let mut lab = Lab::new(healthy(), &[config], at(0));
    lab.pass(1_000);
    let named = lab.primary().confirmed().expect("by the file");
    assert_eq!(named.address, server("b").address);
    let replicas = lab.topology().replicas.iter();
    let replicas: Vec<_> = replicas.map(|r| (r.address.host.as_str(), r.eligible)).collect();
    assert_eq!(replicas, [("a", false), ("c", true), ("d", false)]);
}
