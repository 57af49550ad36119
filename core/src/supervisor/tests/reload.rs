//! What a reload changes while a router runs.

use super::node::*;
use crate::event::EventKind;
use crate::io::{AddressError, Command, MacAddress, Output, SendError};
use crate::time::{Duration, Instant};
use crate::vrrp::StateName::{Backup, Initialize, Master};
use crate::vrrp::{CommandLine, RouterConfig, Version, Vrid};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn reload(node: &mut Node, configs: Vec<RouterConfig>) {
    node.command(Command::Reload(configs));
}

#[test]
fn leases_that_are_switched_on_do_not_lapse_at_once() {
    let mut node = Node::start(vec![RouterConfig { lease: false, ..config(100) }]);
    node.run(ms(20_000));
    assert_eq!(node.vip().map(|vip| vip.valid_secs), Some(None));
    reload(&mut node, vec![config(100)]);
    node.run(ms(10_000));
    assert_eq!(node.state(), Master);
    assert_eq!(node.vip().map(|vip| vip.valid_secs), Some(Some(2)));
    assert_eq!(node.router().counters().leases_lapsed, 0);
}

#[test]
fn leases_that_are_switched_on_lapse_when_nothing_can_be_sent() {
    let mut node = Node::start(vec![RouterConfig { lease: false, ..config(100) }]);
    node.run(ms(20_000));
    node.send_error = Some(SendError::Denied);
    reload(&mut node, vec![config(100)]);
    node.run(ms(1_900));
    assert_eq!(node.state(), Master);
    node.run(ms(400));
    assert_ne!(node.state(), Master);
}

#[test]
fn a_longer_interval_that_cannot_be_advertised_leaves_the_lease_as_it_was() {
    let mut node = Node::start(vec![config(100)]);
    node.run(ms(10_000));
    node.send_error = Some(SendError::Denied);
    reload(&mut node, vec![RouterConfig { interval: centis(300), ..config(100) }]);
    assert_eq!(node.vip().map(|vip| vip.valid_secs), Some(Some(2)));
    node.run(ms(2_300));
    assert_ne!(node.state(), Master);
}

fn in_group(vrid: u8, interface: &str, vip_text: &str) -> RouterConfig {
    let mut config = RouterConfig { group: Some("pair".into()), ..config(100) };
    config.key.vrid = Vrid::new(vrid).expect("in range");
    config.key.interface = interface.into();
    config.vips = [vip(vip_text)].into();
    config
}

fn alone(config: &RouterConfig) -> RouterConfig {
    RouterConfig { group: None, ..config.clone() }
}

#[test]
fn a_router_that_its_group_blocks_takes_part_once_it_has_left_the_group() {
    // There is no eth1.
    let pair = [in_group(50, "eth0", "10.0.0.200/24"), in_group(51, "eth1", "10.0.1.200/24")];
    let mut node = Node::start(pair.to_vec());
    node.run(ms(10_000));
    assert_eq!(node.state(), Initialize);
    reload(&mut node, pair.iter().map(alone).collect());
    assert_eq!(node.state(), Backup);
    node.run(ms(3_700));
    assert_eq!(node.state(), Master);
}

#[test]
fn a_router_that_waits_for_its_group_is_master_once_it_has_left_the_group() {
    let slow = RouterConfig { interval: centis(1_000), ..in_group(51, "eth0", "10.0.0.201/24") };
    let pair = [in_group(50, "eth0", "10.0.0.200/24"), slow];
    let mut node = Node::start(pair.to_vec());
    node.run(ms(6_000));
    assert_eq!(node.state(), Backup);
    reload(&mut node, pair.iter().map(alone).collect());
    assert_eq!(node.state(), Master, "its timer had fired");
}

#[test]
fn a_router_that_was_master_once_takes_the_group_that_it_joins_nowhere() {
    let pair = [in_group(50, "eth0", "10.0.0.200/24"), in_group(51, "eth0", "10.0.0.201/24")];
    let mut node = Node::start(pair.iter().map(alone).collect());
    node.run(ms(3_700));
    node.hear(&advert(HIGH, 200));
    node.run(ms(3_700));
    assert_eq!(node.state(), Master, "again");
    let position = node.log.len();
    reload(&mut node, pair.to_vec());
    node.run(ms(1_000));
    assert_eq!(node.state(), Master);
    assert!(!node.words_since(position).contains(&"remove".to_owned()));
}

#[test]
fn claims_of_a_vip_that_a_reload_adds_are_watched_for_and_answered() {
    let mut node = Node::start(vec![config(100)]);
    node.run(ms(10_000));
    let position = node.log.len();
    let both = [vip("10.0.0.200/24"), vip("10.0.0.201/24")];
    reload(&mut node, vec![RouterConfig { vips: both.into(), ..config(100) }]);
    let watched = |(_, output): &(Instant, Output)| match output {
        Output::WatchClaims(watch) => Some(watch.addresses.clone()),
        _ => None,
    };
    let watched: Vec<_> = node.log.iter().skip(position).filter_map(watched).collect();
    assert_eq!(watched, [both.map(|vip| vip.ip)]);
    let from = node.now + ms(1);
    node.run(ms(10_000));
    let announced = node.announced_since(from);
    node.inbox.claims.push_back((INDEX, both[1].ip, MacAddress([2, 0, 0, 0, 0, 9])));
    node.turns();
    assert_eq!(node.announced_since(from), announced + 1);
}

fn numbered(vrid: u8) -> RouterConfig {
    alone(&in_group(vrid, "eth0", &format!("10.0.0.{vrid}/24")))
}

/// How many routers the reloads since a position of the log have added, removed and changed.
fn reloaded(node: &Node, position: usize) -> Vec<(usize, usize, usize)> {
    let reloads = node.log.iter().skip(position).filter_map(|(_, output)| match output {
        Output::Event(event) => match event.kind {
            EventKind::Reloaded { added, removed, changed } => Some((added, removed, changed)),
            _ => None,
        },
        _ => None,
    });
    reloads.collect()
}

#[test]
fn what_a_reload_adds_removes_and_changes_is_told_of() {
    let changed = |vrid| RouterConfig { strict: true, ..numbered(vrid) };
    let table = [
        (vec![numbered(1), numbered(2), numbered(3)], (1, 0, 0)),
        (vec![numbered(1)], (0, 1, 0)),
        (vec![changed(1), changed(2)], (0, 0, 2)),
        (vec![changed(2), numbered(3), numbered(4), numbered(5)], (3, 1, 1)),
        (vec![], (0, 2, 0)),
    ];
    for (configs, counts) in table {
        let mut node = Node::start(vec![numbered(1), numbered(2)]);
        let position = node.log.len();
        reload(&mut node, configs);
        assert_eq!(reloaded(&node, position), [counts]);
    }
    let mut node = Node::start(vec![numbered(1), numbered(2)]);
    let position = node.log.len();
    reload(&mut node, vec![numbered(2), numbered(1)]);
    assert_eq!(reloaded(&node, position), [], "the order is no difference");
}

#[test]
fn ids_of_routers_are_never_used_again() {
    let ids = |node: &Node| -> Vec<_> {
        let routers = node.supervisor.routers().iter();
        routers.map(|router| (router.id().0, router.key().vrid.get())).collect()
    };
    let mut node = Node::start(vec![numbered(1), numbered(2)]);
    assert_eq!(ids(&node), [(0, 1), (1, 2)]);
    reload(&mut node, vec![numbered(3), numbered(2)]);
    assert_eq!(ids(&node), [(1, 2), (2, 3)]);
    reload(&mut node, vec![numbered(2), numbered(1), numbered(3), numbered(4)]);
    assert_eq!(ids(&node), [(1, 2), (2, 3), (3, 1), (4, 4)]);
}

#[test]
fn results_come_to_the_router_that_asked_after_others_were_removed() {
    let mut node = Node::start(vec![numbered(1), numbered(2), numbered(3)]);
    node.run(ms(10_000));
    reload(&mut node, vec![numbered(3)]);
    node.run(ms(3_000));
    let sent = node.router().counters().adverts_sent;
    node.run(ms(10_000));
    assert_eq!(node.router().counters().adverts_sent, sent + 10);
    assert_eq!((node.state(), node.addresses.len()), (Master, 2));
}

#[test]
fn a_router_that_comes_back_while_its_predecessor_still_stops_has_its_vips() {
    let mut node = Node::start(vec![config(100)]);
    node.run(ms(10_000));
    node.refuse.insert(ip(VIP), AddressError::Denied);
    reload(&mut node, Vec::new());
    assert!(node.router().is_stopping());
    reload(&mut node, vec![config(100)]);
    let routers = node.supervisor.routers();
    assert_eq!((routers.len(), routers[1].state()), (2, Backup));
    node.refuse.clear();
    node.run(ms(10_000));
    assert_eq!((node.supervisor.routers().len(), node.state()), (1, Master));
    node.take_away(ip(VIP));
    assert!(node.vip().is_some(), "what happens to its VIP comes to it");
    assert_eq!(node.router().counters().vips_taken_away, 1);
}

fn v3(interval: u16) -> RouterConfig {
    RouterConfig { version: Version::V3, interval: centis(interval), ..config(100) }
}

#[test]
fn a_new_interval_or_version_cuts_no_timer_short_that_runs() {
    // A router of which config, and how long its timer is after the next advert that it hears.
    let down = |interval: u64, skew: u64| Duration::from_nanos(interval * 3 + skew);
    let (second, skew) = (1_000_000_000, 609_375_000);
    let v2 = |interval| RouterConfig { interval: centis(interval), ..config(100) };
    let table = [
        (v3(100), advert_v3(HIGH, 200, 500), down(second * 5, skew * 5)),
        // More than ten times our new interval, and believed all the same.
        (v3(10), advert_v3(HIGH, 200, 500), down(second * 5, skew * 5)),
        (v3(200), advert_v3(HIGH, 200, 200), down(second * 2, skew * 2)),
        (v2(100), advert(HIGH, 200), down(second, skew)),
        (v2(200), Advert { interval: centis(200), ..advert(HIGH, 200) }, down(second * 2, skew)),
    ];
    for (config, next, expected) in table {
        let mut node = Node::start(vec![v3(100)]);
        node.hear(&advert_v3(HIGH, 200, 500));
        node.run(ms(1_000));
        reload(&mut node, vec![config]);
        let due = node.supervisor.poll_timeout().since(node.now);
        assert_eq!(due, down(second * 5, skew * 5) - ms(1_000));
        node.hear(&next);
        assert_eq!(node.supervisor.poll_timeout().since(node.now), expected);
    }
}

#[test]
fn an_interval_that_only_the_backup_has_yet_makes_it_no_master() {
    for (version, old, new) in [(Version::V3, 100, 1), (Version::V2, 1_000, 100)] {
        let every = |interval: u16| RouterConfig { version, ..v3(interval) };
        let mut node = Node::start(vec![every(old)]);
        let master = Advert { version, ..advert_v3(HIGH, 200, old) };
        node.hear(&master);
        node.run(ms(10));
        reload(&mut node, vec![every(new)]);
        for _ in 0..5 {
            node.run(centis(old).duration() - ms(10));
            assert_eq!(node.state(), Backup, "{version:?}");
            node.hear(&master);
            node.run(ms(10));
        }
        let last = node.now;
        node.run_until(Master);
        assert!(node.now.since(last) < centis(old).duration() * 4, "{version:?}");
    }
}

#[test]
fn another_span_of_refreshes_begins_with_the_reload() {
    let every = |secs: Option<u64>| {
        let garp_refresh = secs.map(Duration::from_secs);
        RouterConfig { garp_refresh, ..config(100) }
    };
    for (old, new, times) in [(None, Some(30), 2), (Some(86_400), Some(30), 2), (Some(60), None, 0)]
    {
        let mut node = Node::start(vec![every(old)]);
        node.run(ms(20_000));
        let from = node.now;
        reload(&mut node, vec![every(new)]);
        node.run(ms(70_000));
        assert_eq!(node.announced_since(from), times, "{old:?} -> {new:?}");
    }
}

#[test]
fn a_router_that_stepped_down_tries_at_once_what_the_file_changes() {
    let mut node = Node::start(vec![config(100)]);
    node.refuse.insert(ip("10.0.0.201"), AddressError::Denied);
    let list = |texts: &[&str]| texts.iter().map(|text| vip(text)).collect();
    let wrong = list(&["10.0.0.200/24", "10.0.0.201/24"]);
    node.run(ms(10_000));
    reload(&mut node, vec![RouterConfig { vips: wrong, ..config(100) }]);
    assert_eq!(node.state(), Initialize, "another node may be able to");
    reload(&mut node, vec![config(100)]);
    assert_eq!(node.state(), Backup);
}

#[test]
fn a_promotion_waits_for_no_hook_that_the_file_has_taken_away() {
    let script: CommandLine = ["true".to_owned()].into();
    let mut hooked = config(100);
    hooked.hooks.pre_demote = Some(script.clone());
    let mut both = hooked.clone();
    both.hooks.pre_promote = Some(script);
    let mut node = Node::start(vec![hooked.clone()]);
    node.run(ms(10_000));
    node.hear(&advert(HIGH, 200));
    reload(&mut node, vec![both]);
    node.run_until(Master);
    reload(&mut node, vec![hooked]);
    assert_eq!(node.vip(), None, "the demote hook runs, and the promote hook waits for it");
    let demote = node.hooks.first().expect("it runs").id;
    node.end_hook(demote, Ok(()));
    assert!(node.vip().is_some());
}

#[test]
fn a_master_advertises_at_once_what_is_new_of_its_lease_or_interval_and_nothing_else() {
    let table = [
        (RouterConfig { interval: centis(200), ..config(100) }, 1),
        (RouterConfig { lease: false, ..config(100) }, 1),
        (RouterConfig { lease: false, interval: centis(200), ..config(100) }, 1),
        (config(150), 0),
        (RouterConfig { strict: true, ..config(100) }, 0),
        (RouterConfig { garp_refresh: None, ..config(100) }, 0),
    ];
    for (config, adverts) in table {
        let mut node = Node::start(vec![self::config(100)]);
        node.run(ms(10_100));
        let from = node.now;
        reload(&mut node, vec![config]);
        assert_eq!(node.sent_since(from).len(), adverts);
        assert_eq!(node.state(), Master);
    }
}

#[test]
fn a_shorter_interval_shortens_the_lease_that_the_kernel_has_and_ours() {
    let mut node = Node::start(vec![RouterConfig { interval: centis(1_000), ..config(100) }]);
    node.run(ms(40_000));
    assert_eq!(node.vip().and_then(|vip| vip.valid_secs), Some(28));
    reload(&mut node, vec![config(100)]);
    assert_eq!(node.vip().and_then(|vip| vip.valid_secs), Some(2));
    node.freeze(ms(2_000));
    node.turns();
    assert_eq!((node.state(), node.router().counters().leases_lapsed), (Backup, 1));
}

#[test]
fn a_vip_that_goes_from_one_router_to_another_stays_on_the_interface() {
    let vips = |vrid: u8, texts: &[&str]| RouterConfig {
        vips: texts.iter().map(|text| vip(text)).collect(),
        ..numbered(vrid)
    };
    let (a, b, moved) = ("10.0.0.1/24", "10.0.0.2/24", "10.0.0.200/24");
    let with_first = [vips(1, &[a, moved]), vips(2, &[b])];
    let with_second = [vips(1, &[a]), vips(2, &[b, moved])];
    for (before, after) in [(&with_first, &with_second), (&with_second, &with_first)] {
        let mut node = Node::start(before.to_vec());
        node.run(ms(10_000));
        assert!(node.vip().is_some());
        reload(&mut node, after.to_vec());
        assert!(node.vip().is_some_and(|vip| vip.ours));
        node.run(ms(10_000));
        assert!(node.vip().is_some_and(|vip| vip.ours));
        assert_eq!(node.addresses.len(), 4);
    }
}
