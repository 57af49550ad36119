//! The faults, one test for each, each on a cluster of its own.

use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::cluster::MEMBERS;
use crate::follower::{FOLLOWED_WITHIN, Follower, only_holder};
use crate::machine::{address, now, wait};
use crate::observer::Observer;
use crate::rig::{FAILOVER_MAX, Rig};

#[test]
#[ignore = "needs root, PostgreSQL, etcd and Patroni"]
fn a_switchover() {
    let mut rig = Rig::start(false);
    for round in 1..=3 {
        let to = (rig.primary + 1) % 3;
        let fault = now();
        thread::scope(|scope| {
            scope.spawn(|| rig.cluster.switch_over(rig.primary, to));
            rig.take_over(&format!("switchover {round}"), fault);
        });
        wait("a whole cluster again", FAILOVER_MAX, || rig.cluster.is_whole().then_some(()));
        rig.primary = to;
    }
}

#[test]
#[ignore = "needs root, PostgreSQL, etcd and Patroni"]
fn the_primary_s_machine_is_killed() {
    let mut rig = Rig::start(false);
    let fault = now();
    rig.cluster.kill_machine(rig.primary);
    rig.take_over("killed machine", fault);
}

#[test]
#[ignore = "needs root, PostgreSQL, etcd and Patroni"]
fn the_primary_s_cable_is_cut_and_mended() {
    let rig = Rig::start(false);
    let fault = now();
    rig.cluster.set_cable(rig.primary, false);
    let new = rig.take_over("cut cable", fault).new;
    let mended = now();
    rig.cluster.set_cable(rig.primary, true);
    wait("a whole cluster again", FAILOVER_MAX, || rig.cluster.is_whole().then_some(()));
    assert_eq!(rig.observer.confirmed_for(rig.primary, mended, now()), Duration::ZERO);
    assert!(rig.observer.confirmed(new, now()).is_some());
}

#[test]
#[ignore = "needs root, PostgreSQL, etcd and Patroni"]
fn patroni_is_killed_and_postgresql_goes_on() {
    let rig = Rig::start(false);
    let fault = now();
    rig.cluster.signal_patroni(rig.primary, Signal::SIGKILL);
    let takeover = rig.take_over("killed Patroni", fault);
    // Both accept writes now, and only one is to be told of.
    let old = rig.writers.first(rig.primary, takeover.wrote);
    println!("killed Patroni: the old primary still accepts writes: {}", old.is_some());
    assert!(old.is_some(), "or the scenario is another");
    no_needless_outage(&rig, "killed Patroni", fault, takeover.wrote);
}

#[test]
#[ignore = "needs root, PostgreSQL, etcd and Patroni"]
fn patroni_hangs_and_postgresql_goes_on() {
    let rig = Rig::start(false);
    let fault = now();
    rig.cluster.signal_patroni(rig.primary, Signal::SIGSTOP);
    let takeover = rig.take_over("hung Patroni", fault);
    no_needless_outage(&rig, "hung Patroni", fault, takeover.wrote);
    rig.cluster.signal_patroni(rig.primary, Signal::SIGCONT);
    wait("a whole cluster again", FAILOVER_MAX, || rig.cluster.is_whole().then_some(()));
    assert_eq!(rig.observer.confirmed_for(rig.primary, takeover.wrote, now()), Duration::ZERO);
}

/// How long the old primary served without being named, before the leader key was lost.
fn no_needless_outage(rig: &Rig, scenario: &str, fault: Duration, wrote: Duration) {
    let named = |line: &crate::observer::Line| {
        line.shard["primary"]["host"] == address(MEMBERS[rig.primary])
    };
    let lines = rig.observer.lines();
    let dropped = lines.iter().find(|line| line.at > fault && !named(line));
    let dropped = dropped.expect("another took over").at;
    let gap = wrote.saturating_sub(dropped);
    println!(
        "{scenario}: the old primary was named for {:.2} s, nobody for the last {:.2} s",
        (dropped - fault).as_secs_f64(),
        gap.as_secs_f64()
    );
    // Once the key is gone, another may accept writes at any moment: nobody is named until one does,
    // after Patroni's votes.
    assert!(gap <= Duration::from_secs(8), "{scenario}: {}", rig.observer.story(fault, wrote));
}

#[test]
#[ignore = "needs root, PostgreSQL, etcd and Patroni"]
fn etcd_is_stopped_without_failsafe() {
    let mut rig = Rig::start(false);
    let fault = now();
    rig.cluster.stop_etcd();
    let line = rig.observer.wait_line("no primary", FAILOVER_MAX, |line| {
        line.at > fault && line.shard["primary"]["status"] == "none"
    });
    let writes = rig.writers.of(rig.primary);
    let last = writes.last().expect("it wrote").done;
    // On a busy machine, a writer may wait for longer than the primary does.
    let demoted = rig.cluster.demoted(rig.primary).expect("its Patroni says so");
    let (after, ago) = (line.at.saturating_sub(last.max(demoted)), line.at.saturating_sub(last));
    println!(
        "etcd stopped: none {} ms after the demotion, {} ms after the last write",
        after.as_millis(),
        ago.as_millis()
    );
    assert!(after <= Duration::from_secs(1), "{after:?}: {}", rig.observer.story(fault, last));
    rig.cluster.start_etcd();
    let back = wait("a primary again", FAILOVER_MAX, || {
        (0..3).find_map(|member| Some((member, rig.writers.first(member, line.at)?)))
    });
    let published = rig.observer.wait_confirmed(back.0, line.at, Duration::from_secs(10));
    let late = published.saturating_sub(back.1.begun);
    println!("etcd back: published {} ms after the first write", late.as_millis());
    // A question that PostgreSQL's restart catches hangs for all of its second, and then the API has
    // a second of rest.
    let most = Duration::from_millis(2_500);
    assert!(late <= most, "{late:?}: {}", rig.observer.story(fault, back.1.begun));
}

/// Four daemons with thirty shards each poll a cluster that lives on its failsafe mode.
#[test]
#[ignore = "needs root, PostgreSQL, etcd and Patroni"]
fn etcd_is_stopped_with_failsafe_and_nobody_is_hurt() {
    let mut rig = Rig::start(true);
    let daemons: Vec<Observer> =
        (0..3).map(|_| Observer::start(&rig.cluster.observer, 10, 3)).collect();
    for daemon in &daemons {
        daemon.wait_confirmed(rig.primary, Duration::ZERO, Duration::from_secs(10));
    }
    let fault = now();
    rig.cluster.stop_etcd();
    rig.stays_confirmed("etcd stopped, failsafe", Duration::from_secs(60));
    let end = now();
    let gap = rig.writers.longest_gap(rig.primary, fault, end);
    assert!(gap < Duration::from_secs(1), "no write for {gap:?}");
    for daemon in &daemons {
        let confirmed = daemon.confirmed_for(rig.primary, fault, end);
        assert!(end - fault - confirmed < Duration::from_millis(20), "{:#?}", daemon.lines());
    }
    let begun = now();
    let late = Observer::start(&rig.cluster.observer, 1, 1);
    let found = late.wait_confirmed(rig.primary, begun, Duration::from_secs(10));
    println!("etcd stopped, failsafe: a new daemon finds the primary in {:?}", found - begun);
    rig.cluster.start_etcd();
    rig.stays_confirmed("etcd back, failsafe", Duration::from_secs(10));
}

/// It shows the old leader for as long as its cache lasts.
#[test]
#[ignore = "needs root, PostgreSQL, etcd and Patroni"]
fn a_replica_is_cut_off_from_etcd_during_a_switchover() {
    let rig = Rig::start(false);
    let (to, cut) = ((rig.primary + 1) % 3, (rig.primary + 2) % 3);
    rig.cluster.cut_from_etcd(cut);
    let fault = now();
    thread::scope(|scope| {
        scope.spawn(|| rig.cluster.switch_over(rig.primary, to));
        rig.take_over("cut-off replica", fault);
    });
    // For as long as it lies.
    let from = now();
    thread::sleep(Duration::from_secs(20));
    let confirmed = rig.observer.confirmed_for(to, from, now());
    println!("cut-off replica: the new one confirmed for {:.2} s of 20", confirmed.as_secs_f64());
    assert_eq!(rig.observer.confirmed_for(rig.primary, from, now()), Duration::ZERO);
}

#[test]
#[ignore = "needs root, PostgreSQL, etcd and Patroni"]
fn all_are_silent() {
    let rig = Rig::start(false);
    let fault = now();
    (0..3).for_each(|member| rig.cluster.set_cable(member, false));
    let line = rig.observer.wait_line("kept", Duration::from_secs(30), |line| {
        line.at > fault && line.shard["primary"]["why"] == "all_silent"
    });
    let primary = &line.shard["primary"];
    assert_eq!(primary["host"], address(MEMBERS[rig.primary]));
    assert!(primary["age_ms"].as_u64().is_some_and(|age| age > 0), "{primary}");
    let late = Observer::start(&rig.cluster.observer, 1, 1);
    let line = late.wait_line("none", Duration::from_secs(30), |line| {
        line.shard["primary"]["why"] == "none_answered"
    });
    assert_eq!(line.shard["primary"]["status"], "none");
    let mended = now();
    (0..3).for_each(|member| rig.cluster.set_cable(member, true));
    let primary = wait("a primary", FAILOVER_MAX, || {
        (0..3).find(|member| rig.writers.first(*member, mended).is_some())
    });
    for daemon in [&rig.observer, &late] {
        daemon.wait_confirmed(primary, mended, Duration::from_secs(30));
    }
}

/// Three nodes whose virtual router has `track_patroni = "local-primary"`.
#[test]
#[ignore = "needs root, PostgreSQL, etcd and Patroni"]
fn the_vip_follows_the_primary() {
    let mut rig = Rig::start(false);
    let start = |member: usize| Follower::start(rig.cluster.machine(member), member);
    let followers: Vec<Follower> = (0..MEMBERS.len()).map(start).collect();
    let beside = |primary: usize| (only_holder(&followers) == Some(primary)).then(now);
    wait("the VIP beside the primary", FAILOVER_MAX, || beside(rig.primary));
    let (from, to) = (rig.primary, (rig.primary + 1) % 3);
    let fault = now();
    thread::scope(|scope| {
        scope.spawn(|| rig.cluster.switch_over(from, to));
        follow(&rig, &followers, "switchover", fault);
    });
    wait("a whole cluster again", FAILOVER_MAX, || rig.cluster.is_whole().then_some(()));
    rig.primary = to;
    let fault = now();
    rig.cluster.kill_machine(to);
    follow(&rig, &followers, "PostgreSQL and Patroni killed", fault);
}

/// Waits until a new primary accepts writes and the VIP is beside it, and nowhere else.
fn follow(rig: &Rig, followers: &[Follower], scenario: &str, fault: Duration) {
    let limit = FAILOVER_MAX + FOLLOWED_WITHIN;
    let (wrote, follows) = wait("the VIP beside the new primary", limit, || {
        let primary = only_holder(followers).filter(|primary| *primary != rig.primary)?;
        Some((rig.writers.first(primary, fault)?.done, now()))
    });
    let after = follows.saturating_sub(wrote);
    println!(
        "{scenario}: the VIP beside the new primary {} ms after its first write",
        after.as_millis()
    );
    assert!(after < FOLLOWED_WITHIN);
}
