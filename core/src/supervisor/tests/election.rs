//! Rules of the election beyond the table.

use super::node::*;
use crate::event::EventKind;
use crate::io::{Command, SendError};
use crate::time::{Duration, Instant};
use crate::vrrp::StateName::{Backup, Initialize, Master};
use crate::vrrp::{IntervalMismatch, Preempt, Priority, RouterConfig, Version};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn v3(number: u8, interval: u16) -> RouterConfig {
    RouterConfig { version: Version::V3, interval: centis(interval), ..config(number) }
}

fn master() -> Node {
    let mut node = Node::start(vec![config(100)]);
    node.run(ms(3_700));
    assert_eq!(node.state(), Master);
    node
}

#[test]
fn the_owner_starts_as_master_and_is_never_lowered() {
    let node = Node::start(vec![config(255)]);
    assert_eq!(node.state(), Master);
    assert!(node.vip().is_some());
}

#[test]
fn the_owner_preempts_even_when_preempt_is_off() {
    let mut node = Node::start(vec![RouterConfig { preempt: Preempt::Never, ..config(255) }]);
    node.hear(&advert(HIGH, 255));
    assert_eq!(node.state(), Backup, "an equal owner with a higher address wins");
    for _ in 0..5 {
        node.run(ms(1_000));
        node.hear(&advert(LOW, 254));
    }
    assert_eq!(node.state(), Master);
}

#[test]
fn adverts_keep_their_grid_without_drift() {
    let mut node = Node::start(vec![v3(100, 1)]);
    node.run(ms(100));
    let from = node.now;
    node.run(ms(15_000));
    let sent = node.sent_since(from);
    assert!((1_499..=1_501).contains(&sent.len()), "{} adverts", sent.len());
    for pair in sent.windows(2) {
        assert_eq!(pair[1].0.since(pair[0].0), ms(10));
    }
}

#[test]
fn a_late_wake_up_sends_one_advert() {
    let mut node = Node::start(vec![RouterConfig { lease: false, ..v3(100, 1) }]);
    node.run(ms(100));
    node.freeze(ms(500));
    let from = node.now;
    node.turns();
    assert_eq!(node.sent_since(from).len(), 1);
}

#[test]
fn repeated_zeros_do_not_put_an_election_off() {
    let mut node = Node::start(vec![config(100)]);
    node.hear(&advert(HIGH, 200));
    let start = node.now;
    while node.state() == Backup {
        node.hear(&advert(HIGH, 0));
        node.run(ms(100));
        assert!(node.now.since(start) < ms(1_000));
    }
    let takeover = node.sent_since(start)[0].0;
    assert_eq!(takeover.since(start), Duration::from_nanos(609_375_000));
}

#[test]
fn a_zero_from_somebody_who_is_not_master_starts_no_election() {
    let mut node = Node::start(vec![config(100)]);
    node.hear(&advert(HIGH, 200));
    node.hear(&advert(LOW, 0));
    assert_eq!(node.router().counters().zeros_ignored, 1);
    node.run(ms(3_000));
    assert_eq!(node.state(), Backup);
}

#[test]
fn a_backup_learns_a_version_3_interval() {
    let mut node = Node::start(vec![v3(100, 100)]);
    node.hear(&advert_v3(HIGH, 200, 500));
    node.run(ms(15_000 + 3_046));
    assert_eq!(node.state(), Backup);
    node.run(ms(1));
    assert_eq!(node.state(), Master, "3 × 5 s + 156/256 × 5 s");
}

#[test]
fn without_preemption_a_lesser_master_stays() {
    let mut node = Node::start(vec![RouterConfig { preempt: Preempt::Never, ..config(200) }]);
    for _ in 0..10 {
        node.hear(&advert(LOW, 50));
        node.run(ms(1_000));
    }
    assert_eq!(node.state(), Backup);
    node.run(ms(3_000));
    assert_eq!(node.state(), Master, "it is silent now");
}

#[test]
fn preempt_delay_runs_from_the_first_advert_heard() {
    let delayed = RouterConfig { preempt: Preempt::After(ms(10_000)), ..config(200) };
    let mut node = Node::start(vec![delayed.clone()]);
    let start = node.now;
    while node.state() == Backup {
        node.hear(&advert(LOW, 50));
        node.run(ms(1_000));
        assert!(node.now.since(start) < ms(20_000));
    }
    let takeover = node.sent_since(start)[0].0.since(start);
    assert!(takeover > ms(10_000) && takeover < ms(13_300), "{takeover:?}");
    let mut silent = Node::start(vec![delayed]);
    silent.run(ms(3_300));
    assert_eq!(silent.state(), Master, "nothing is delayed when nobody is MASTER");
}

#[test]
fn a_yielding_master_says_so_after_its_vips_are_off_with_the_winners_interval() {
    let mut node = Node::start(vec![v3(100, 1)]);
    node.run(ms(100));
    let position = node.log.len();
    node.hear(&advert_v3(HIGH, 200, 100));
    assert_eq!(node.words_since(position), ["remove", "advert 100"]);
    let sent = node.sent_since(node.now);
    assert_eq!(sent.last().map(|(_, _, interval)| *interval), Some(centis(100)));
}

#[test]
fn the_answer_to_a_lesser_master_is_an_advert_and_announcements_and_bounded() {
    let mut node = master();
    node.run(ms(10_000));
    let from = node.now;
    for _ in 0..1_000 {
        node.hear(&advert(LOW, 50));
        node.run(ms(1));
    }
    let sent = node.sent_since(from).len();
    assert!((3..=5).contains(&sent), "{sent} adverts in a second: the grid's, and few answers");
    assert!((2..=3).contains(&node.announced_since(from)));
    assert!(node.events().iter().any(|kind| matches!(kind, EventKind::DualMaster(_))));
    node.run(ms(5_000));
    assert!(node.events().contains(&&EventKind::DualMasterEnded));
}

/// A lesser MASTER that doesn't hear us, for so long; its last advert is its farewell.
fn dual_for(node: &mut Node, span: Duration) {
    let end = node.now + span;
    while node.now < end {
        node.hear(&advert(LOW, 50));
        node.run(ms(1_000));
    }
    node.hear(&advert(LOW, 50));
}

#[test]
fn the_end_of_two_masters_is_announced_however_long_it_took() {
    for secs in [3, 10, 60, 300, 301, 302] {
        let mut node = master();
        node.run(ms(10_000));
        dual_for(&mut node, Duration::from_secs(secs));
        let last_heard = node.now + ms(1);
        node.run(ms(4_000));
        let ended = |kind: &&EventKind| matches!(kind, EventKind::DualMasterEnded);
        assert_eq!(node.events().iter().filter(|kind| ended(kind)).count(), 1, "{secs} s");
        assert!(node.announced_since(last_heard) > 0, "{secs} s");
    }
}

#[test]
fn a_farewell_of_a_short_episode_is_answered_and_announced_at_once() {
    let mut node = master();
    node.run(ms(10_000));
    node.hear(&advert(LOW, 50));
    node.run(ms(200));
    let (from, position) = (node.now, node.log.len());
    node.hear(&advert(LOW, 50));
    assert_eq!(node.words_since(position), ["advert 100", "announce"]);
    node.run(ms(10_000));
    assert_eq!(node.announced_since(from), 1, "and nothing is owed");
}

#[test]
fn a_farewell_that_was_not_announced_at_once_is_announced_when_all_is_quiet() {
    let mut node = master();
    node.run(ms(10_000));
    // Of three MASTERs, each of the lesser two sends an advert, and one a farewell.
    for source in [LOW, "10.0.0.2", LOW] {
        node.hear(&advert(source, 50));
        node.run(ms(1));
    }
    let from = node.now;
    node.run(ms(4_000));
    assert!(node.announced_since(from) > 0);
}

#[test]
fn a_process_that_was_stopped_is_backup_before_it_reads_anything() {
    let mut node = master();
    node.freeze(ms(10_000));
    let gone = node.addresses.pop().expect("the VIP expired");
    assert_eq!(gone.ip, ip(VIP));
    let change = crate::io::AddressChange::Gone(gone);
    node.inbox.events.push_back(crate::io::KernelEvent::Address(change));
    let from = node.now;
    node.hear(&advert(LOW, 50));
    assert_eq!(node.state(), Backup);
    assert_eq!(node.sent_since(from), [], "it sends nothing");
    assert!(node.vip().is_none(), "and puts nothing back");
    assert_eq!(node.router().counters().leases_lapsed, 1);
}

#[test]
fn an_advert_counts_from_its_arrival() {
    let mut node = Node::start(vec![config(100)]);
    node.hear(&advert(HIGH, 200));
    let arrived = node.now + ms(1_000);
    node.freeze(ms(10_000));
    let socket = node.sockets[0];
    node.inbox.packets.push_back((socket, arrived, advert(HIGH, 200).packet()));
    node.turns();
    // It is nine seconds old, and may not be the last that came: one interval and the skew more.
    node.run(ms(1_600));
    assert_eq!(node.state(), Backup);
    node.run(ms(10));
    assert_eq!(node.state(), Master, "its sender has been silent since");
}

#[test]
fn a_backup_that_was_stopped_believes_a_fresh_queued_advert() {
    let mut node = Node::start(vec![config(100)]);
    node.hear(&advert(HIGH, 200));
    node.freeze(ms(10_000));
    node.hear(&advert(HIGH, 200));
    assert_eq!(node.state(), Backup, "timers come last");
}

#[test]
fn a_failed_send_is_tried_again_and_fences() {
    let mut node = master();
    node.send_error = Some(SendError::Denied);
    let from = node.now;
    let lease = node.vip().and_then(|vip| vip.valid_secs);
    assert_eq!(lease, Some(2));
    let position = node.log.len();
    node.run(ms(1_900));
    assert!(node.sent_since(from).len() > 5, "every quarter of an interval");
    assert!(!node.words_since(position).contains(&"renew".to_owned()));
    node.run(ms(400));
    assert_ne!(node.state(), Master, "its lease has passed");
}

#[test]
fn an_interval_mismatch_from_a_better_router_holds_off_promotion() {
    let other = Advert { interval: centis(300), ..advert(HIGH, 200) };
    let mut node = Node::start(vec![config(100)]);
    for _ in 0..10 {
        node.hear(&other);
        node.run(ms(3_000));
        assert_eq!(node.state(), Backup);
    }
    node.run(ms(6_700));
    assert_eq!(node.state(), Master, "it is silent now");
    node.hear(&other);
    assert_eq!(node.state(), Backup, "a lesser MASTER yields");
    let letter = RouterConfig { interval_mismatch: IntervalMismatch::Discard, ..config(100) };
    let mut discarding = Node::start(vec![letter]);
    for _ in 0..4 {
        discarding.hear(&other);
        discarding.run(ms(1_000));
    }
    assert_eq!(discarding.state(), Master);
}

#[test]
fn a_lower_priority_recomputes_the_skew_and_keeps_the_time_that_passed() {
    let mut node = Node::start(vec![config(100)]);
    node.run(ms(1_000));
    let due = node.supervisor.poll_timeout();
    node.command(Command::Reload(vec![config(200)]));
    let by = Duration::from_nanos(1_000_000_000 / 256 * 100);
    assert_eq!(node.supervisor.poll_timeout(), due.before(by));
}

#[test]
fn a_reload_that_changes_nothing_moves_nothing() {
    let mut node = master();
    let (due, position) = (node.supervisor.poll_timeout(), node.log.len());
    node.command(Command::Reload(vec![config(100)]));
    assert_eq!((node.supervisor.poll_timeout(), node.log.len()), (due, position));
}

#[test]
fn a_new_interval_is_advertised_at_once_and_leased_accordingly() {
    let mut node = master();
    let slower = RouterConfig { interval: centis(300), ..config(100) };
    let from = node.now;
    node.command(Command::Reload(vec![slower]));
    assert_eq!(node.sent_since(from), [(from, 100, centis(300))]);
    assert_eq!(node.vip().and_then(|vip| vip.valid_secs), Some(7));
    assert_eq!(node.state(), Master);
}

#[test]
fn a_new_priority_never_drops_a_vip() {
    let mut node = master();
    let position = node.log.len();
    node.command(Command::Reload(vec![config(42)]));
    assert_eq!(node.state(), Master);
    assert!(!node.words_since(position).contains(&"remove".to_owned()));
    assert_eq!(node.router().priority(), Priority::new(42).expect("in range"));
}

#[test]
fn routers_of_a_group_move_together() {
    let in_group = |vrid, vip_text: &str| {
        let mut config = config(100);
        config.key.vrid = crate::vrrp::Vrid::new(vrid).expect("in range");
        config.vips = [vip(vip_text)].into();
        config.group = Some("pg".into());
        config
    };
    let pair = vec![in_group(50, "10.0.0.200/24"), in_group(51, "10.0.0.201/24")];
    let mut node = Node::start(pair);
    for _ in 0..6 {
        node.hear(&advert(HIGH, 200));
        node.run(ms(1_000));
    }
    let states = |node: &Node| -> Vec<_> {
        node.supervisor.routers().iter().map(|router| router.state()).collect()
    };
    assert_eq!(states(&node), [Backup, Backup], "one of them still hears its MASTER");
    node.run(ms(4_000));
    assert_eq!(states(&node), [Master, Master]);
    node.hear(&advert(HIGH, 200));
    assert_eq!(states(&node), [Backup, Backup]);
    node.change_link(false);
    assert_eq!(states(&node), [Initialize, Initialize]);
}

#[test]
fn timers_of_an_idle_backup_are_in_the_future() {
    let mut node = Node::start(vec![config(100)]);
    for _ in 0..20 {
        node.hear(&advert(HIGH, 200));
        assert!(node.supervisor.poll_timeout() > node.now);
        assert!(node.supervisor.poll_timeout() < Instant::MAX);
        node.run(ms(333));
    }
}
