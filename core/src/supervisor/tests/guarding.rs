//! What a process leaves: to its guard, and to the process after it.

use super::node::*;
use crate::event::{EventKind, Reason};
use crate::io::{Address, Command, Completion, GuardNote, MacAddress, Output, SendError};
use crate::supervisor::Supervisor;
use crate::time::{Duration, Instant};
use crate::vrrp::StateName::{Backup, Initialize, Leaving, Master};
use crate::vrrp::{Bequest, Check, Handover, Inheritance, RouterConfig, TrackConfig, Weight};

const SUCCESSOR: MacAddress = MacAddress([2, 0, 0, 0, 0, 9]);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A host on which a guarded process runs.
fn guarded(config: RouterConfig) -> Node {
    let supervisor = Supervisor::new(vec![config]).guarded();
    let mut node = Node::of(supervisor, vec![link(true)], vec![address(OWN, 24)]);
    node.turns();
    node
}

fn guarded_master(config: RouterConfig) -> Node {
    let mut node = guarded(RouterConfig { garp_refresh: None, ..config });
    node.run(ms(10_000));
    assert_eq!(node.state(), Master);
    node
}

/// What the guard has been told since `from`, in short words.
fn told_since(node: &Node, from: usize) -> Vec<String> {
    let told = node.log.iter().skip(from).filter_map(|(_, output)| match output {
        Output::Guard(GuardNote::Anew) => Some("anew".to_owned()),
        Output::Guard(GuardNote::Serves(_, bequest)) => {
            Some(format!("serves {}", bequest.config.vips.len()))
        }
        Output::Guard(GuardNote::Ceases(_)) => Some("ceases".to_owned()),
        Output::Guard(GuardNote::Alive(_)) => Some("alive".to_owned()),
        _ => None,
    });
    told.collect()
}

fn our_vip() -> Address {
    Address { ours: true, secondary: true, valid_secs: Some(2), ..address(VIP, 24) }
}

fn left(config: RouterConfig, until: Instant) -> Inheritance {
    Inheritance { bequest: Bequest { config, weight: 0 }, until }
}

/// When all these tests begin, and a bequest that is good for a second.
const NOW: Instant = Instant::from_millis(1_000_000);

fn in_a_second(config: RouterConfig) -> Inheritance {
    left(config, NOW + ms(1_000))
}

/// The guard of a process that was MASTER, after its first turns.
fn guard(estate: &[Inheritance], addresses: Vec<Address>) -> Node {
    let mut node = Node::of(Supervisor::guard(estate), vec![link(true)], addresses);
    assert_eq!(node.now, NOW);
    node.turns();
    node
}

/// The process that is started in place of one that was MASTER, after its first turns.
fn heir(config: RouterConfig, inheritance: Inheritance, addresses: Vec<Address>) -> Node {
    let supervisor = Supervisor::new(vec![config]).inheriting(&[inheritance]);
    let mut node = Node::of(supervisor, vec![link(true)], addresses);
    node.turns();
    node
}

fn with_vip() -> Vec<Address> {
    vec![address(OWN, 24), our_vip()]
}

#[test]
fn the_guard_knows_of_a_master_before_its_vip_is_added() {
    let mut node = guarded(config(100));
    node.run_until(Master);
    let serves = |o: &Output| matches!(o, Output::Guard(GuardNote::Serves(..)));
    let adds = |o: &Output| matches!(o, Output::Address(_));
    assert!(node.first(serves).expect("told") < node.first(adds).expect("added"));
}

#[test]
fn a_guard_hears_of_life_with_every_advert_and_of_the_end() {
    let mut node = guarded_master(config(100));
    let from = node.log.len();
    node.run(ms(3_000));
    assert_eq!(told_since(&node, from), ["alive"; 3]);
    let from = node.log.len();
    node.hear(&advert(HIGH, 200));
    assert_eq!(told_since(&node, from), ["ceases"]);
    let from = node.log.len();
    node.hear(&advert(HIGH, 200));
    assert_eq!(told_since(&node, from), [""; 0], "a BACKUP leaves nothing");
}

#[test]
fn a_master_that_cannot_send_leaves_nothing_until_it_can() {
    let mut node = guarded_master(config(100));
    let from = node.log.len();
    node.send_error = Some(SendError::Down);
    node.run(ms(500));
    assert_eq!(told_since(&node, from), ["alive", "ceases"]);
    node.send_error = None;
    node.run(ms(500));
    assert_eq!(told_since(&node, from)[2..4], ["serves 1", "alive"]);
}

#[test]
fn a_reload_and_a_weight_are_told() {
    let mut node = guarded_master(config(100));
    let from = node.log.len();
    let vips = [vip("10.0.0.200/24"), vip("10.0.0.201/24")].into();
    let longer = RouterConfig { vips, garp_refresh: None, ..config(100) };
    node.command(Command::Reload(vec![longer.clone()]));
    assert_eq!(told_since(&node, from), ["serves 2", "alive"]);
    node.command(Command::Weigh(longer.key, -10));
    let last = node.log.iter().rev().find_map(|(_, output)| match output {
        Output::Guard(GuardNote::Serves(_, bequest)) => Some(bequest.weight),
        _ => None,
    });
    assert_eq!(last, Some(-10));
}

#[test]
fn a_guard_that_missed_something_is_told_everything_again() {
    let mut node = guarded_master(config(100));
    node.inbox.completions.push_back(Completion::GuardMissed);
    node.turns();
    let from = node.log.len();
    node.run(ms(1_000));
    assert_eq!(told_since(&node, from)[..2], ["anew", "serves 1"]);
    assert!(told_since(&node, from).contains(&"alive".to_owned()));
}

#[test]
fn nobody_is_told_where_there_is_no_guard() {
    let node = Node::quiet_master(config(100));
    assert_eq!(told_since(&node, 0), [""; 0]);
}

#[test]
fn a_process_known_alive_leaves_what_others_cannot_have_taken_yet() {
    let inheritance = Bequest { config: config(100), weight: 0 }.inherited(NOW);
    assert_eq!(inheritance.until, NOW + ms(2_000));
}

#[test]
fn a_guard_says_zero_and_serves_until_another_does() {
    let mut node = guard(&[in_a_second(config(100))], with_vip());
    assert_eq!(node.state(), Leaving);
    node.run(ms(0));
    assert_eq!(node.words_since(0), ["advert 0", "renew"]);
    node.run(ms(600));
    node.hear(&advert(LOW, 50));
    assert!(node.vip().is_some());
    node.hear_claim(VIP, SUCCESSOR);
    assert!(node.vip().is_none());
    assert!(node.supervisor.is_finished());
}

#[test]
fn a_guard_that_comes_too_late_says_nothing_and_takes_off_what_is_left() {
    let mut node = guard(&[left(config(100), NOW)], with_vip());
    node.run(ms(5_000));
    assert_eq!(node.words_since(0), ["remove"]);
    assert!(node.supervisor.is_finished());
}

#[test]
fn a_guard_of_an_owner_that_comes_too_late_takes_off_what_is_left_too() {
    let mut node = guard(&[left(config(255), NOW)], with_vip());
    node.run(ms(10));
    assert_eq!(node.words_since(0), ["remove"]);
}

#[test]
fn a_strict_guard_takes_off_at_once() {
    let mut strict = RouterConfig { handover: Handover::Strict, ..config(100) };
    strict.hooks.pre_demote = Some(["down".to_owned()].into());
    let mut node = guard(&[in_a_second(strict)], with_vip());
    assert_eq!(node.words_since(0), ["advert 0", "remove", "hook INITIALIZE"]);
    assert!(!node.supervisor.is_finished(), "a hook is running");
    let id = node.hooks[0].id;
    node.end_hook(id, Ok(()));
    assert!(node.supervisor.is_finished());
}

#[test]
fn a_guard_adds_nothing() {
    let vips = [vip("10.0.0.200/24"), vip("10.0.0.201/24")].into();
    let mut node = guard(&[in_a_second(RouterConfig { vips, ..config(100) })], with_vip());
    assert_eq!(node.state(), Leaving);
    node.take_away(ip(VIP));
    node.run(ms(5_000));
    let added = |o: &Output| matches!(o, Output::Address(r) if matches!(r.operation, crate::io::AddressOperation::Add(_)));
    assert_eq!(node.first(added), None);
    assert!(node.supervisor.is_finished());
}

#[test]
fn a_guard_of_a_master_that_waited_for_its_hook_says_zero_all_the_same() {
    let mut node = guard(&[in_a_second(config(100))], vec![address(OWN, 24)]);
    assert_eq!(node.words_since(0), ["advert 0"]);
    node.run(ms(10));
    assert!(node.supervisor.is_finished());
}

#[test]
fn a_guard_without_a_link_takes_off_what_is_left() {
    let mut node =
        Node::of(Supervisor::guard(&[in_a_second(config(100))]), vec![link(false)], with_vip());
    node.turns();
    node.run(ms(2_000));
    assert_eq!(node.words_since(0), ["remove"]);
    assert!(node.supervisor.is_finished());
}

#[test]
fn a_guard_hands_over_a_whole_group_and_runs_no_check() {
    let check = TrackConfig {
        check: Check::Command(["true".to_owned()].into()),
        interval: ms(100_000),
        timeout: ms(500),
        fall: 1,
        rise: 1,
        weight: Weight::Fault,
    };
    let mut first = RouterConfig { group: Some("g".into()), ..config(100) };
    first.track = vec![check];
    let mut second = RouterConfig { vips: [vip("10.0.0.201/24")].into(), ..first.clone() };
    second.key.vrid = crate::vrrp::Vrid::new(51).expect("in range");
    let mut dying = Node::of(
        Supervisor::new(vec![first, second]).guarded(),
        vec![link(true)],
        vec![address(OWN, 24)],
    );
    dying.turns();
    for id in dying.checks.clone() {
        dying.inbox.completions.push_back(Completion::Check(id, Ok(())));
    }
    dying.turns();
    dying.run(ms(10_000));
    let estate: Vec<_> =
        dying.supervisor.routers().iter().map(|router| router.bequest().inherited(NOW)).collect();
    let mut node = guard(&estate, dying.addresses.clone());
    node.run(ms(1));
    assert_eq!(node.words_since(0), ["advert 0", "advert 0", "renew", "renew"]);
    let states: Vec<_> = node.supervisor.routers().iter().map(|router| router.state()).collect();
    assert_eq!(states, [Leaving, Leaving]);
    assert!(node.checks.is_empty());
}

#[test]
fn an_heir_serves_on_where_the_vip_is_still_there() {
    let mut with_hooks = RouterConfig { garp_refresh: None, ..config(100) };
    with_hooks.hooks.pre_promote = Some(["up".to_owned()].into());
    with_hooks.hooks.pre_demote = Some(["down".to_owned()].into());
    let mut node = heir(with_hooks.clone(), in_a_second(with_hooks), with_vip());
    assert_eq!(node.state(), Master);
    assert_eq!(node.words_since(0), ["advert 100", "announce", "renew"]);
    let inherited = EventKind::StateChanged {
        from: Initialize,
        to: Master,
        reason: Reason::Inherited,
        priority: priority(100),
    };
    assert_eq!(node.events().last(), Some(&&inherited));
    let grid = node.now;
    node.run(ms(10_000));
    let sent: Vec<_> = node.sent_since(grid + ms(1)).iter().map(|(at, ..)| at.as_nanos()).collect();
    let offset = 1_000_000_000 / 16 * 3;
    assert!(sent.len() >= 9 && sent.iter().all(|at| at % 1_000_000_000 == offset), "{sent:?}");
    let from = node.log.len();
    node.run(ms(10_000));
    assert!(node.words_since(from).iter().all(|word| word == "advert 100" || word == "renew"));
    let from = node.log.len();
    node.hear(&advert(HIGH, 200));
    assert!(node.words_since(from).contains(&"hook BACKUP".to_owned()), "it ends as any MASTER");
}

#[test]
fn an_heir_adds_what_is_missing_and_removes_what_is_not_in_its_file() {
    let inheritance = in_a_second(config(100));
    let vips = [vip("10.0.0.200/24"), vip("10.0.0.201/24")].into();
    let mut addresses = with_vip();
    addresses.push(Address { ours: true, ..address("10.0.0.202", 24) });
    let node = heir(RouterConfig { vips, ..config(100) }, inheritance, addresses);
    let mut held: Vec<_> = node.addresses.iter().map(|address| address.ip).collect();
    held.sort();
    assert_eq!(held, [ip(OWN), ip(VIP), ip("10.0.0.201")]);
    assert_eq!(node.state(), Master);
}

#[test]
fn an_heir_without_a_vip_or_too_late_begins_as_any_other() {
    let node = heir(config(100), in_a_second(config(100)), vec![address(OWN, 24)]);
    assert_eq!(node.state(), Backup);
    let node = heir(config(100), left(config(100), NOW), with_vip());
    assert_eq!(node.state(), Backup);
    assert!(node.vip().is_none(), "it is a leftover");
}

#[test]
fn an_heir_that_finds_no_link_lets_the_vip_go_when_others_may_have_it() {
    let mut down = config(100);
    down.hooks.pre_demote = Some(["down".to_owned()].into());
    let supervisor = Supervisor::new(vec![down.clone()]).inheriting(&[in_a_second(down)]);
    let mut node = Node::of(supervisor, vec![link(false)], with_vip());
    node.turns();
    node.run(ms(999));
    assert!(node.vip().is_some());
    node.run(ms(2));
    assert!(node.vip().is_none());
    assert_eq!(node.hooks.len(), 1, "the hook of the process before has run");
}

#[test]
fn an_heir_is_not_stopped_by_a_check_that_was_well() {
    let mut checked = config(100);
    checked.track = vec![TrackConfig {
        check: Check::Command(["true".to_owned()].into()),
        interval: ms(1_000),
        timeout: ms(500),
        fall: 1,
        rise: 1,
        weight: Weight::Fault,
    }];
    let mut node = heir(checked.clone(), in_a_second(checked), with_vip());
    assert_eq!(node.state(), Master);
    let id = node.checks[0];
    node.inbox.completions.push_back(Completion::Check(id, Err("no".to_owned())));
    node.turns();
    assert_eq!(node.state(), Initialize);
}

#[test]
fn what_nobody_follows_is_left_to_an_heir_and_nothing_else() {
    let mut node = guard(&[in_a_second(config(100))], with_vip());
    let estate = node.supervisor.estate(node.now);
    assert_eq!(estate.len(), 1);
    assert_eq!(estate[0].until, node.now + ms(1_000));
    node.hear(&advert(LOW, 50));
    assert_eq!(node.supervisor.estate(node.now), []);
}

#[test]
fn what_is_told_over_a_pipe_comes_back_as_it_was() {
    let mut all = config(100);
    all.group = Some("g".into());
    all.hooks.pre_demote = Some(["down".to_owned(), "now".to_owned()].into());
    let inheritance = left(all, NOW);
    let text = serde_json::to_string(&inheritance).expect("it can be written");
    assert_eq!(serde_json::from_str::<Inheritance>(&text).expect("it can be read"), inheritance);
}

#[test]
fn a_guard_lets_go_after_two_and_a_half_seconds() {
    let slow =
        RouterConfig { interval: centis(300), version: crate::vrrp::Version::V3, ..config(100) };
    let mut node = guard(&[left(slow, NOW + ms(6_000))], with_vip());
    node.run(ms(2_499));
    assert!(node.vip().is_some());
    node.run(ms(1));
    assert!(node.vip().is_none());
    assert!(node.supervisor.is_finished());
}

#[test]
fn a_guard_without_a_link_lets_go_in_time_too() {
    let estate = [left(config(100), NOW + ms(60_000))];
    let mut node = Node::of(Supervisor::guard(&estate), vec![link(false)], with_vip());
    node.turns();
    node.run(ms(2_600));
    assert!(node.vip().is_none());
    assert!(node.supervisor.is_finished());
}

#[test]
fn a_guard_whose_kernel_tells_nothing_ends_all_the_same() {
    let supervisor = Supervisor::guard(&[in_a_second(config(100))]);
    let mut node = Node::of(supervisor, vec![link(true)], with_vip());
    node.dump_fails = true;
    node.turns();
    node.run(ms(30_000));
    assert!(node.supervisor.is_finished());
}

#[test]
fn what_is_void_is_left_to_no_heir() {
    let supervisor = Supervisor::guard(&[left(config(100), NOW)]);
    assert_eq!(supervisor.estate(NOW), []);
    let supervisor = Supervisor::guard(&[in_a_second(config(100))]);
    assert_eq!(supervisor.estate(NOW)[0].until, NOW + ms(1_000), "nothing has been made longer");
}

#[test]
fn a_guard_of_an_owner_never_advertises() {
    // Its claim turns void in the moment in which its socket opens.
    let mut node =
        Node::of(Supervisor::guard(&[in_a_second(config(255))]), vec![link(false)], with_vip());
    node.turns();
    node.freeze(ms(1_000));
    node.change_link(true);
    node.run(ms(100));
    assert_eq!(node.words_since(0), ["remove"]);
}
