//! A planned stop: the VIPs stay until another has them.

use super::node::*;
use crate::event::{Blocker, EventKind, Reason};
use crate::io::{AddressError, AddressOperation, Command, Lifetime, MacAddress, Output, SendError};
use crate::time::{Duration, Instant};
use crate::vrrp::StateName::{Initialize, Leaving, Master};
use crate::vrrp::{Handover, RouterConfig, Version, Vrid};

const SUCCESSOR: MacAddress = MacAddress([2, 0, 0, 0, 0, 9]);
/// 255 / 256 of a second is the longest skew, and a tenth of the interval the margin.
const WAIT: Duration = Duration::from_micros(996_093 + 100_000);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A MASTER between two adverts, with its first announcements behind it.
fn master(config: RouterConfig) -> Node {
    let mut node = Node::quiet_master(config);
    node.run(ms(200));
    node
}

/// A MASTER whose promote hook has just ended.
fn hooked(mut config: RouterConfig) -> Node {
    config.hooks.pre_promote = Some(["up".to_owned()].into());
    let mut node = Node::start(vec![config]);
    node.run_until(Master);
    let id = node.hooks[0].id;
    node.end_hook(id, Ok(()));
    assert!(node.vip().is_some());
    node
}

fn leaving(config: RouterConfig) -> Node {
    let mut node = master(config);
    node.command(Command::Shutdown);
    assert_eq!(node.state(), Leaving);
    node
}

/// How long the VIP stays on, up to half a minute.
fn stays(node: &mut Node) -> Duration {
    let from = node.now;
    while node.vip().is_some() && node.now.since(from) < ms(30_000) {
        node.run(Duration::from_micros(500));
    }
    node.now.since(from)
}

fn about(span: Duration, expected: Duration) {
    assert!(span >= expected && span < expected + ms(2), "{span:?} instead of {expected:?}");
}

fn ended(node: &Node) -> &Reason {
    let last = node.events().into_iter().rev().find_map(|kind| match kind {
        EventKind::StateChanged { from: Leaving, to: Initialize, reason, .. } => Some(reason),
        _ => None,
    });
    last.expect("a handover that ended")
}

#[test]
fn the_vip_goes_in_the_moment_in_which_another_announces_it() {
    let mut node = leaving(config(100));
    node.run(ms(600));
    node.hear(&advert(LOW, 50));
    assert!(node.vip().is_some());
    node.hear_claim(VIP, SUCCESSOR);
    assert!(node.vip().is_none());
    assert_eq!(*ended(&node), Reason::Announced(SUCCESSOR));
    assert!(node.supervisor.is_finished());
}

#[test]
fn an_announcement_that_is_lost_costs_twenty_milliseconds() {
    let mut node = leaving(config(100));
    node.run(ms(600));
    node.hear(&advert(LOW, 50));
    node.run(ms(10));
    node.hear(&advert(HIGH, 200));
    about(stays(&mut node), ms(10));
    assert_eq!(*ended(&node), Reason::Followed(ip(LOW)), "the first is who follows");
}

#[test]
fn of_several_vips_all_are_to_be_announced_or_twenty_milliseconds_pass() {
    let vips: [_; 2] = [vip("10.0.0.200/24"), vip("10.0.0.201/24")];
    let mut node = leaving(RouterConfig { vips: vips.into(), ..config(100) });
    node.hear_claim(VIP, SUCCESSOR);
    node.hear_claim(VIP, SUCCESSOR);
    assert!(node.vip().is_some(), "one of the two");
    node.hear_claim("10.0.0.201", SUCCESSOR);
    assert!(node.vip().is_none());
    let mut node = leaving(RouterConfig { vips: vips.into(), ..config(100) });
    node.hear_claim(VIP, SUCCESSOR);
    about(stays(&mut node), ms(20));
    assert_eq!(*ended(&node), Reason::Announced(SUCCESSOR));
}

#[test]
fn an_advert_after_the_first_announcement_puts_nothing_off() {
    let vips: [_; 2] = [vip("10.0.0.200/24"), vip("10.0.0.201/24")];
    let mut node = hooked(RouterConfig { vips: vips.into(), ..config(100) });
    node.command(Command::Shutdown);
    node.hear_claim(VIP, SUCCESSOR);
    node.run(ms(10));
    node.hear(&advert(LOW, 50));
    about(stays(&mut node), ms(10));
    assert_eq!(*ended(&node), Reason::Announced(SUCCESSOR));
}

#[test]
fn with_a_promote_hook_the_announcement_is_waited_for_as_long_as_a_hook_may_run() {
    let hooked = || {
        let mut node = hooked(config(100));
        node.command(Command::Shutdown);
        node.run(ms(600));
        node.hear(&advert(LOW, 50));
        node
    };
    let mut node = hooked();
    about(stays(&mut node), ms(10_020));
    let mut node = hooked();
    node.run(ms(2_000));
    node.hear_claim(VIP, SUCCESSOR);
    assert!(node.vip().is_none());
}

#[test]
fn where_nobody_follows_the_vip_goes_after_two_zeros_and_two_longest_skews() {
    for version in [Version::V2, Version::V3] {
        let mut node = master(RouterConfig { version, ..config(100) });
        let from = node.now;
        node.command(Command::Shutdown);
        about(stays(&mut node), WAIT * 2);
        assert_eq!(*ended(&node), Reason::NobodyFollowed);
        let sent: Vec<_> = node
            .sent_since(from)
            .into_iter()
            .map(|(at, priority, _)| (at.since(from), priority))
            .collect();
        let [(first, 0), (second, 0)] = sent[..] else { panic!("{sent:?}") };
        assert_eq!(first, Duration::ZERO);
        about(second, WAIT);
    }
}

#[test]
fn in_version_3_the_wait_is_as_short_as_the_interval_lets_it_be() {
    let mut config = RouterConfig { version: Version::V3, interval: centis(1), ..config(100) };
    config.priority = priority(255);
    let mut node = leaving(config);
    about(stays(&mut node), (Duration::from_micros(9_960) + ms(50)) * 2);
}

#[test]
fn who_hands_over_neither_asserts_nor_yields_nor_counts_zeros() {
    let mut node = leaving(config(100));
    let position = node.log.len();
    node.hear(&advert(LOW, 0));
    node.hear(&advert(HIGH, 0));
    node.run(ms(100));
    assert_eq!((node.state(), node.words_since(position)), (Leaving, vec![]));
    node.hear(&advert(LOW, 50));
    node.hear(&advert(HIGH, 200));
    node.hear(&advert(HIGH, 0));
    node.run(ms(15));
    assert_eq!((node.state(), node.words_since(position)), (Leaving, vec![]));
}

#[test]
fn leases_are_short_and_renewed_until_the_vip_goes() {
    for (interval, secs) in [(1, 1), (20, 1), (99, 1), (100, 2), (4_000, 2)] {
        let mut config =
            RouterConfig { version: Version::V3, interval: centis(interval), ..config(100) };
        config.hooks.timeout = ms(20_000);
        let mut node = hooked(config);
        let position = node.log.len();
        node.command(Command::Shutdown);
        node.hear(&advert_v3(LOW, 50, interval));
        about(stays(&mut node), ms(20_020));
        assert!(matches!(ended(&node), Reason::Followed(_)), "{interval}: {}", ended(&node));
        let renewals = node.log.iter().skip(position).filter_map(|(at, output)| match output {
            Output::Address(request) => match request.operation {
                AddressOperation::Renew(lifetime) => Some((*at, lifetime)),
                AddressOperation::Add(_) | AddressOperation::Remove => None,
            },
            _ => None,
        });
        let renewals: Vec<(Instant, Lifetime)> = renewals.collect();
        assert!(renewals.iter().all(|(_, lifetime)| *lifetime == Lifetime::Secs(secs)));
        let gaps = renewals.windows(2).map(|pair| pair[1].0.since(pair[0].0));
        let expected = ms(u64::from(secs) * 250);
        assert!(gaps.clone().all(|gap| gap == expected), "{interval}: {:?}", gaps.max());
    }
}

#[test]
fn a_renewal_that_is_refused_once_is_tried_again_before_the_lease_is_over() {
    let mut node = master(config(100));
    node.refuse.insert(ip(VIP), AddressError::Other("busy".to_owned()));
    node.command(Command::Shutdown);
    node.refuse.clear();
    let position = node.log.len();
    node.run(ms(300));
    assert!(node.words_since(position).contains(&"renew".to_owned()));
    assert!(node.vip().is_some());
}

#[test]
fn of_a_group_the_slowest_decides_how_long_a_successor_may_take() {
    let grouped = |vrid, version, interval| {
        let mut config = RouterConfig { version, interval: centis(interval), ..config(100) };
        config.key.vrid = Vrid::new(vrid).expect("in range");
        config.vips = [vip(&format!("10.0.0.{vrid}/24"))].into();
        config.group = Some("both".into());
        config
    };
    let quick = grouped(51, Version::V3, 10);
    let mut node = Node::start(vec![quick, grouped(52, Version::V2, 100)]);
    node.run(ms(10_200));
    node.command(Command::Shutdown);
    assert!(node.supervisor.routers().iter().all(|router| router.state() == Leaving));
    node.run(WAIT * 2 - ms(1));
    assert_eq!(node.addresses.len(), 3, "the host's, and both VIPs");
    node.run(ms(2));
    assert_eq!(node.addresses.len(), 1);
}

#[test]
fn one_that_was_stopped_meanwhile_lets_go_at_once_and_sends_nothing() {
    let mut node = leaving(config(100));
    node.freeze(ms(10_000));
    let position = node.log.len();
    node.turns();
    assert!(node.vip().is_none());
    assert!(matches!(ended(&node), Reason::LeaseLapsed(_)));
    assert!(!node.words_since(position).iter().any(|word| word.starts_with("advert")));
}

#[test]
fn a_vip_that_somebody_removes_is_put_back_and_not_announced() {
    let mut node = leaving(config(100));
    let position = node.log.len();
    node.take_away(ip(VIP));
    assert!(node.vip().is_some());
    assert_eq!(node.words_since(position), ["add"]);
}

#[test]
fn a_zero_that_cannot_be_sent_is_tried_again_once_and_soon() {
    let mut node = master(config(100));
    node.send_error = Some(SendError::NoBuffers);
    node.command(Command::Shutdown);
    about(stays(&mut node), ms(500));
    assert_eq!(*ended(&node), Reason::NobodyFollowed);
}

#[test]
fn a_second_wish_to_stop_ends_it_at_once() {
    let mut node = leaving(config(100));
    node.command(Command::Shutdown);
    assert!(node.vip().is_none());
    assert_eq!(*ended(&node), Reason::Hurried);
    assert!(node.supervisor.is_finished());
}

#[test]
fn a_strict_one_lets_go_with_its_zero() {
    let mut node = master(RouterConfig { handover: Handover::Strict, ..config(100) });
    let position = node.log.len();
    node.command(Command::Shutdown);
    assert_eq!(node.words_since(position), ["advert 0", "remove"]);
}

#[test]
fn one_that_still_waits_for_its_promote_hook_has_nothing_to_hand_over() {
    let mut config = config(100);
    config.hooks.pre_promote = Some(["up".to_owned()].into());
    let mut node = Node::start(vec![config]);
    node.run_until(Master);
    node.command(Command::Shutdown);
    assert_eq!(node.state(), Initialize);
}

#[test]
fn its_demote_hook_runs_when_the_vip_goes() {
    let mut config = config(100);
    config.hooks.pre_demote = Some(["down".to_owned()].into());
    let mut node = leaving(config);
    assert!(node.hooks.is_empty());
    node.hear_claim(VIP, SUCCESSOR);
    assert_eq!((node.hooks[0].old_state, node.hooks[0].new_state), ("MASTER", "INITIALIZE"));
}

#[test]
fn what_takes_the_vips_use_away_ends_it_at_once() {
    let mut node = leaving(config(100));
    node.change_link(false);
    assert!(node.vip().is_none());
    assert_eq!(*ended(&node), Reason::Blocked(Blocker::LinkDown));
}

#[test]
fn a_reload_that_needs_the_vip_elsewhere_does_not_wait() {
    let elsewhere = || {
        let mut other = config(100);
        other.key.vrid = Vrid::new(9).expect("in range");
        other
    };
    for (why, file, keeps) in [
        ("it is gone from the file", vec![], true),
        ("another router has its VIP now", vec![elsewhere()], false),
    ] {
        let mut node = master(config(100));
        node.command(Command::Reload(file));
        assert_eq!(node.router().state() == Leaving, keeps, "{why}");
    }
    let other_vip = RouterConfig { vips: [vip("10.0.0.222/24")].into(), ..config(100) };
    for (why, back) in [
        ("it is in the file again", config(100)),
        ("it is, with another VIP", other_vip),
        ("its VIP is", elsewhere()),
    ] {
        let mut node = master(config(100));
        for file in [vec![], vec![back]] {
            node.command(Command::Reload(file));
        }
        let keeps = node.supervisor.routers().iter().any(|router| router.state() == Leaving);
        assert!(!keeps && node.vip().is_none(), "{why}");
    }
}
