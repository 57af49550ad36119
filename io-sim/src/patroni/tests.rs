//! The made-up cluster does what real ones were seen to do.

use openproxy_core::discovery::{ClusterAnswer, NodeAnswer};

use super::*;

const N0: NodeId = NodeId(0);

fn setup(failsafe: bool) -> Setup {
    Setup { members: 3, failsafe, version: Version::V41 }
}

fn run(cluster: &mut Cluster, span: Duration) -> Vec<(Instant, Option<NodeId>)> {
    let end = cluster.now + span;
    let mut writers = vec![(cluster.now, cluster.newest_writer().map(|(node, _)| node))];
    while cluster.next_at() <= end {
        cluster.advance(cluster.next_at());
        let writer = cluster.newest_writer().map(|(node, _)| node);
        if writers.last().is_none_or(|(_, last)| *last != writer) {
            writers.push((cluster.now, writer));
        }
    }
    cluster.advance(end);
    writers
}

fn start(failsafe: bool, seed: u64) -> Cluster {
    let mut cluster = Cluster::new(&setup(failsafe), seed, Instant::from_millis(1_000));
    run(&mut cluster, Duration::from_secs(60));
    assert_eq!(cluster.newest_writer().map(|(node, _)| node), Some(N0));
    cluster
}

/// How long after the fault nobody, and then another, accepted writes.
fn takeover(fault: Fault, seed: u64) -> (Duration, Duration, Cluster) {
    let mut cluster = start(false, seed);
    let at = cluster.now;
    cluster.suffer(fault);
    let writers = run(&mut cluster, Duration::from_secs(60));
    let lost = writers.iter().find(|(_, writer)| *writer != Some(N0)).expect("a change").0;
    let is_other = |writer: &Option<NodeId>| writer.is_some_and(|writer| writer != N0);
    let taken = writers.iter().find(|(_, writer)| is_other(writer)).expect("another").0;
    (lost.since(at), taken.since(at), cluster)
}

#[test]
fn a_switchover_takes_about_two_seconds() {
    for seed in 0..50 {
        let (lost, taken, cluster) = takeover(Fault::SwitchOver, seed);
        assert_eq!(lost, Duration::ZERO);
        assert!((1_500..=3_200).contains(&taken.as_millis()), "{taken:?}");
        assert_eq!(cluster.writers().count(), 1);
        assert!(cluster.is_calm());
    }
}

#[test]
fn a_dead_machine_s_key_lasts_and_then_another_leads() {
    for seed in 0..50 {
        let (_, taken, _) = takeover(Fault::KillMachine(N0), seed);
        assert!((22_000..=44_500).contains(&taken.as_millis()), "{taken:?}");
    }
}

#[test]
fn a_killed_patroni_leaves_two_that_accept_writes() {
    for seed in 0..50 {
        let (_, taken, cluster) = takeover(Fault::KillPatroni(N0), seed);
        assert!((20_000..=42_500).contains(&taken.as_millis()), "{taken:?}");
        assert_eq!(cluster.writers().count(), 2);
    }
}

#[test]
fn a_leader_that_is_cut_off_demotes_itself_before_its_key_ends() {
    for seed in 0..50 {
        let (lost, taken, _) = takeover(Fault::CutDcs(N0), seed);
        assert!(lost >= RETRY_TIMEOUT && lost <= Duration::from_secs(21), "{lost:?}");
        assert!(taken > lost + Duration::from_secs(5), "{lost:?} {taken:?}");
    }
}

#[test]
fn without_its_dcs_a_cluster_lives_on_in_failsafe_mode_alone() {
    for failsafe in [false, true] {
        let mut cluster = start(failsafe, 1);
        cluster.suffer(Fault::StopDcs);
        run(&mut cluster, Duration::from_secs(60));
        assert_eq!(cluster.newest_writer().is_some(), failsafe);
        cluster.suffer(Fault::StartDcs);
        run(&mut cluster, Duration::from_secs(60));
        assert_eq!(cluster.writers().count(), 1);
    }
}

#[test]
fn its_answers_can_be_read_and_none_is_odd() {
    for version in [Version::V2, Version::V3, Version::V40, Version::V41] {
        let setup = Setup { version, ..setup(true) };
        let mut cluster = Cluster::new(&setup, 3, Instant::from_millis(1_000));
        cluster.suffer(Fault::SwitchOver);
        for _ in 0..40 {
            run(&mut cluster, Duration::from_millis(100));
            for node in [N0, NodeId(1)] {
                let Reply::Body(own) = cluster.reply(node, Path::Patroni) else { panic!("up") };
                assert_eq!(NodeAnswer::parse(own.as_bytes()).expect("JSON").odd.count, 0);
                let Reply::Body(all) = cluster.reply(node, Path::Cluster) else { panic!("up") };
                let all = ClusterAnswer::parse(all.as_bytes()).expect("JSON");
                assert_eq!((all.odd.count, all.members.len()), (0, 3));
            }
        }
    }
}

#[test]
fn one_that_is_cut_off_shows_what_it_saw_and_then_hangs() {
    let mut cluster = start(false, 5);
    cluster.suffer(Fault::CutDcs(NodeId(2)));
    cluster.suffer(Fault::SwitchOver);
    run(&mut cluster, Duration::from_secs(4));
    assert_eq!(cluster.newest_writer().map(|(node, _)| node), Some(NodeId(1)));
    if let Reply::Body(stale) = cluster.reply(NodeId(2), Path::Cluster) {
        let stale = ClusterAnswer::parse(stale.as_bytes()).expect("JSON");
        assert_eq!(stale.leader().and_then(|leader| leader.name.as_deref()), Some("n0"));
    }
    run(&mut cluster, Duration::from_secs(20));
    assert_eq!(cluster.reply(NodeId(2), Path::Cluster), Reply::Silence);
}

#[test]
fn in_pause_nobody_is_promoted_or_demoted_and_all_say_so() {
    for seed in 0..50 {
        let mut cluster = start(false, seed);
        cluster.suffer(Fault::Pause);
        run(&mut cluster, Duration::from_secs(10));
        for path in [Path::Patroni, Path::Cluster] {
            let Reply::Body(body) = cluster.reply(N0, path) else { panic!("up") };
            assert!(body.contains(r#""pause":true"#), "{body}");
        }
        // A leader without its DCS goes on, and one that dies isn't followed.
        cluster.suffer(Fault::StopDcs);
        run(&mut cluster, Duration::from_secs(60));
        assert_eq!(cluster.newest_writer().map(|(node, _)| node), Some(N0));
        cluster.suffer(Fault::StartDcs);
        cluster.suffer(Fault::KillMachine(N0));
        run(&mut cluster, Duration::from_secs(60));
        assert_eq!(cluster.newest_writer(), None);
        cluster.suffer(Fault::Unpause);
        run(&mut cluster, Duration::from_secs(60));
        assert_eq!(cluster.writers().count(), 1);
    }
}
