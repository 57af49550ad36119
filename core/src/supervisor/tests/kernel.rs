//! Addresses, leases, leftovers and refusals.

use super::node::*;
use crate::event::EventKind;
use crate::io::{
    Address, AddressChange, AddressError, Command, InterfaceIndex, KernelEvent, Link, MacAddress,
    Output,
};
use crate::time::Duration;
use crate::vrrp::RouterConfig;
use crate::vrrp::StateName::{Backup, Initialize, Master};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn master() -> Node {
    let mut node = Node::start(vec![config(100)]);
    node.run(ms(3_700));
    assert_eq!(node.state(), Master);
    node
}

#[test]
fn a_lease_is_renewed_with_every_advert_and_only_then() {
    let mut node = master();
    node.run(ms(10_000));
    let from = node.log.len();
    node.run(ms(10_000));
    let words = node.words_since(from);
    let adverts = words.iter().filter(|word| *word == "advert 100").count();
    let renewals = words.iter().filter(|word| *word == "renew").count();
    assert_eq!((adverts, renewals), (10, 10));
}

#[test]
fn at_the_shortest_interval_renewals_are_half_a_second_apart() {
    let mut fast = config(100);
    fast.version = crate::vrrp::Version::V3;
    fast.interval = centis(1);
    let mut node = Node::start(vec![fast]);
    node.run(ms(1_000));
    let from = node.log.len();
    node.run(ms(10_000));
    let renewals = node.words_since(from).iter().filter(|word| *word == "renew").count();
    assert!((19..=20).contains(&renewals), "{renewals} renewals in 10 s");
}

#[test]
fn a_vip_that_somebody_removes_is_put_back_and_announced() {
    let mut node = master();
    let (from, position) = (node.now, node.log.len());
    node.take_away(ip(VIP));
    assert_eq!(node.words_since(position), ["add", "announce"]);
    assert!(node.vip().is_some());
    assert_eq!(node.router().counters().vips_taken_away, 1);
    assert_eq!(node.announced_since(from), 1);
}

#[test]
fn a_vip_that_was_there_is_converted_to_a_lease() {
    let mut node = Node::start_with(
        vec![config(100)],
        vec![link(true)],
        vec![address(OWN, 24), address(VIP, 24)],
    );
    let foreign = |kind: &&EventKind| matches!(kind, EventKind::VipForeign(..));
    assert!(node.events().iter().any(foreign), "a second holder that nobody else reports");
    assert!(node.vip().is_some(), "what isn't ours stays");
    node.run(ms(3_700));
    let vip = *node.vip().expect("the VIP");
    assert_eq!((vip.ours, vip.valid_secs), (true, Some(2)));
    assert!(node.events().iter().any(|kind| matches!(kind, EventKind::VipConverted(..))));
}

#[test]
fn the_same_address_with_another_prefix_is_removed_at_promotion() {
    let mut node = Node::start_with(
        vec![config(100)],
        vec![link(true)],
        vec![address(OWN, 24), address(VIP, 32)],
    );
    node.run(ms(3_700));
    let prefixes: Vec<_> =
        node.addresses.iter().filter(|a| a.ip == ip(VIP)).map(|a| a.prefix_len).collect();
    assert_eq!(prefixes, [24]);
}

#[test]
fn leftovers_are_removed_before_listening_and_nothing_else() {
    let leftover = Address { ours: true, valid_secs: Some(2), ..address(VIP, 24) };
    let old = Address { ours: true, ..address("10.0.0.222", 24) };
    let node = Node::start_with(
        vec![config(100)],
        vec![link(true)],
        vec![address(OWN, 24), leftover, old, address("10.0.0.77", 24)],
    );
    let left: Vec<_> = node.addresses.iter().map(|address| address.ip).collect();
    assert_eq!(left, [ip(OWN), ip("10.0.0.77")]);
    let position_of = |wanted: fn(&Output) -> bool| {
        node.log.iter().position(|(_, output)| wanted(output)).expect("it was put out")
    };
    let removed = position_of(|output| matches!(output, Output::Address(_)));
    let opened = position_of(|output| matches!(output, Output::OpenSocket(..)));
    assert!(removed < opened);
}

#[test]
fn a_leftover_that_cannot_be_removed_is_tried_again_beside_the_election() {
    let leftover = Address { ours: true, valid_secs: Some(60), ..address(VIP, 24) };
    let old = Address { ours: true, ..address("10.0.0.222", 24) };
    let mut node =
        Node::new(vec![config(100)], vec![link(true)], vec![address(OWN, 24), leftover, old]);
    for refused in [VIP, "10.0.0.222"] {
        node.refuse.insert(ip(refused), AddressError::Denied);
    }
    node.turns();
    assert_eq!(node.state(), Backup, "it takes part all the same");
    node.run(ms(1_100));
    assert_eq!(node.addresses.len(), 3, "still refused");
    node.refuse.clear();
    node.run(ms(2_000));
    let left: Vec<_> = node.addresses.iter().map(|address| address.ip).collect();
    assert_eq!(left, [ip(OWN)]);
}

#[test]
fn an_owners_leftover_goes_with_a_promotion_that_is_broken_off() {
    let leftover = Address { ours: true, valid_secs: Some(60), ..address(VIP, 24) };
    let mut owner = config(255);
    owner.hooks.pre_promote = Some(["up".to_owned()].into());
    let mut node =
        Node::start_with(vec![owner], vec![link(true)], vec![address(OWN, 24), leftover]);
    assert_eq!(node.state(), Master);
    assert!(node.vip().is_some(), "its hook still runs");
    node.change_link(false);
    assert_eq!(node.state(), Initialize);
    assert!(node.vip().is_none());
}

#[test]
fn an_owners_leftover_goes_with_the_file_that_named_it() {
    let leftovers = [VIP, "10.0.0.201"];
    let mut owner = config(255);
    owner.hooks.pre_promote = Some(["up".to_owned()].into());
    owner.vips = leftovers.map(|text| vip(&format!("{text}/24"))).into();
    let mut addresses = vec![address(OWN, 24)];
    for text in leftovers {
        let leftover = Address { ours: true, secondary: true, ..address(text, 24) };
        addresses.push(Address { valid_secs: Some(60), ..leftover });
    }
    let mut node = Node::start_with(vec![owner.clone()], vec![link(true)], addresses);
    owner.vips = [vip("10.0.0.200/24")].into();
    node.command(Command::Reload(vec![owner]));
    let is_dropped = |address: &Address| address.ip == ip("10.0.0.201");
    assert!(!node.addresses.iter().any(is_dropped), "though the hook still runs");
    let id = node.hooks[0].id;
    node.end_hook(id, Ok(()));
    assert!(node.vip().is_some());
    assert_eq!(node.state(), Master);
}

#[test]
fn a_vip_that_was_removed_unheard_needs_no_removal() {
    let mut node = master();
    node.addresses.retain(|address| address.ip != ip(VIP));
    node.hear(&advert("10.0.0.9", 200));
    assert_eq!(node.state(), Backup);
    assert_eq!(node.router().held().count(), 0);
    let told: Vec<_> = node
        .events()
        .into_iter()
        .filter(|e| matches!(e, EventKind::VipRemovalFailed(..)))
        .collect();
    assert_eq!(told, Vec::<&EventKind>::new());
}

#[test]
fn a_vip_that_was_replaced_unheard_is_made_ours_again() {
    let mut node = Node::start(vec![RouterConfig { lease: false, ..config(100) }]);
    node.run(ms(3_700));
    node.addresses.retain(|address| address.ip != ip(VIP));
    node.addresses.push(address(VIP, 24));
    node.inbox.events.push_back(KernelEvent::Overrun);
    node.turns();
    node.run(ms(100));
    assert!(node.vip().expect("it is there").ours);
    assert_eq!(node.state(), Master);
}

#[test]
fn a_vip_whose_lease_ended_is_gone_though_its_removal_is_refused() {
    let mut node = master();
    node.refuse.insert(ip(VIP), AddressError::Denied);
    node.freeze(ms(5_000));
    // As it wakes up it asks for the removal, and then reads that there is none to remove.
    node.take_away(ip(VIP));
    assert_eq!(node.state(), Backup);
    assert_eq!(node.router().held().count(), 0);
}

#[test]
fn an_owner_that_cannot_serve_keeps_nothing() {
    let leftover = Address { ours: true, valid_secs: Some(2), ..address(VIP, 24) };
    for (links, addresses) in
        [(vec![link(false)], vec![address(OWN, 24), leftover]), (vec![link(true)], vec![leftover])]
    {
        let node = Node::start_with(vec![config(255)], links, addresses);
        assert_eq!(node.state(), Initialize);
        assert!(node.vip().is_none(), "it lay there while nobody was MASTER here");
    }
}

#[test]
fn an_owner_keeps_its_leftover() {
    let leftover = Address { ours: true, valid_secs: Some(2), ..address(VIP, 24) };
    let node =
        Node::start_with(vec![config(255)], vec![link(true)], vec![address(OWN, 24), leftover]);
    assert!(!node.words_since(0).contains(&"remove".to_owned()));
    assert!(node.words_since(0).contains(&"announce".to_owned()));
}

#[test]
fn a_refused_vip_makes_a_master_step_down_for_longer_each_time() {
    let mut node = Node::start(vec![config(100)]);
    node.refuse.insert(ip(VIP), AddressError::Other("IPv6 is disabled".to_owned()));
    let position = node.log.len();
    node.run(ms(3_610));
    assert_eq!(node.state(), Initialize);
    assert_eq!(node.words_since(position), ["advert 100", "add", "advert 0"]);
    node.run(ms(1_001));
    assert_eq!(node.state(), Backup);
    // Another MASTER has its turn, and goes.
    node.hear(&advert(HIGH, 200));
    node.run(ms(3_610));
    assert_eq!(node.state(), Initialize);
    node.run(ms(1_900));
    assert_eq!(node.state(), Initialize, "two seconds this time");
}

#[test]
fn nobody_else_takes_the_role_so_what_can_be_held_is_held() {
    let mut two = config(100);
    two.vips = [vip("10.0.0.200/24"), vip("10.0.0.201/24")].into();
    let mut node = Node::start(vec![two]);
    node.refuse.insert(ip("10.0.0.201"), AddressError::Other("no".to_owned()));
    node.run(ms(3_610 + 1_000 + 3_610 + 10));
    assert_eq!(node.state(), Master);
    assert!(node.vip().is_some());
    let in_part = |kind: &&EventKind| matches!(kind, EventKind::ServingInPart(_));
    assert_eq!(node.events().iter().filter(|kind| in_part(kind)).count(), 1);
    node.refuse.clear();
    node.run(ms(2_100));
    assert_eq!(node.router().held().count(), 2, "the rest is tried again");
}

#[test]
fn a_vip_that_came_before_the_hosts_address_is_put_behind_it() {
    let mut node = master();
    // The host's address is deleted and added again: the VIP is primary now.
    node.addresses.retain(|address| address.ip != ip(OWN));
    for vip in &mut node.addresses {
        vip.secondary = false;
    }
    let vip = *node.vip().expect("the VIP");
    let change = AddressChange::Present(vip);
    node.inbox.events.push_back(KernelEvent::Address(change));
    let position = node.log.len();
    node.put(Address { secondary: true, ..address(OWN, 24) });
    let words = node.words_since(position);
    assert!(words.windows(2).any(|pair| pair == ["remove", "add"]), "{words:?}");
    assert_eq!(node.state(), Master);
}

#[test]
fn lost_events_are_made_up_for_by_a_dump() {
    let mut node = master();
    node.addresses.retain(|address| address.ip != ip(VIP));
    node.inbox.events.push_back(KernelEvent::Overrun);
    node.turns();
    assert!(node.vip().is_some(), "the VIP that vanished unseen is back");
    assert!(node.events().contains(&&EventKind::NetlinkOverrun));
}

#[test]
fn a_claim_of_our_vip_by_another_is_answered_once_a_second() {
    let mut node = master();
    node.run(ms(10_000));
    let from = node.now;
    let rival = MacAddress([2, 0, 0, 0, 0, 9]);
    for _ in 0..500 {
        node.inbox.claims.push_back((INDEX, ip(VIP), rival));
        node.turns();
        node.run(ms(1));
    }
    assert_eq!(node.announced_since(from), 1);
    assert_eq!(node.router().counters().vips_claimed, 500);
    let watched = |(_, output): &&(crate::time::Instant, Output)| matches!(output, Output::WatchClaims(watch) if watch.addresses == [ip(VIP)]);
    assert!(node.log.iter().any(|entry| watched(&entry)));
}

#[test]
fn vips_that_leave_the_file_leave_the_interface_and_the_rest_stays() {
    let mut two = config(100);
    two.vips = [vip("10.0.0.200/24"), vip("10.0.0.201/24")].into();
    let mut node = Node::start(vec![two]);
    node.run(ms(3_700));
    let position = node.log.len();
    let other = RouterConfig { vips: [vip("10.0.0.201/24")].into(), ..config(100) };
    node.command(Command::Reload(vec![other]));
    assert_eq!(node.words_since(position), ["remove"]);
    assert_eq!(node.state(), Master);
    assert!(node.vip().is_none());
}

#[test]
fn a_router_that_leaves_the_file_says_so_and_is_gone() {
    let mut node = master();
    let position = node.log.len();
    node.command(Command::Reload(Vec::new()));
    node.run(ms(3_000));
    let words = node.words_since(position);
    assert_eq!((words.first(), words.last()), (Some(&"advert 0".into()), Some(&"remove".into())));
    assert!(node.supervisor.routers().is_empty());
    assert!(!node.supervisor.is_finished(), "the daemon goes on");
}

#[test]
fn a_router_recovers_when_its_interface_comes_back_under_another_number() {
    let mut node = master();
    node.links.clear();
    node.addresses.clear();
    node.inbox.events.push_back(KernelEvent::LinkGone(INDEX));
    node.turns();
    assert_eq!(node.state(), Initialize);
    let index = InterfaceIndex(7);
    let again = Link { index, ..link(true) };
    node.inbox.events.push_back(KernelEvent::Link(again));
    node.put(Address { index, ..address(OWN, 24) });
    assert_eq!(node.state(), Backup);
    node.run(ms(3_700));
    assert_eq!(node.vip().map(|vip| vip.index), Some(index));
}

fn change_mac(node: &mut Node) -> MacAddress {
    let mac = MacAddress([2, 0, 0, 0, 1, 5]);
    node.links = vec![Link { mac: Some(mac), ..link(true) }];
    node.inbox.events.push_back(KernelEvent::Link(node.links[0].clone()));
    node.turns();
    mac
}

#[test]
fn a_new_mac_address_of_a_master_is_announced_at_once_and_repeated() {
    let mut node = master();
    node.run(ms(10_000));
    let (from, position) = (node.now, node.log.len());
    let mac = change_mac(&mut node);
    assert_eq!(node.announced_since(from), 1);
    node.run(ms(6_000));
    assert_eq!(node.announced_since(from), 4);
    for (_, output) in node.log.iter().skip(position) {
        if let Output::Announce(announcement) = output {
            assert_eq!((announcement.mac, &*announcement.addresses), (mac, &[ip(VIP)][..]));
        }
    }
}

#[test]
fn a_new_mac_address_of_a_backup_is_nobodys_business() {
    let mut node = master();
    node.hear(&advert(HIGH, 200));
    let from = node.now;
    change_mac(&mut node);
    node.run(ms(3_000));
    assert_eq!((node.state(), node.announced_since(from)), (Backup, 0));
}

#[test]
fn an_interface_that_is_renamed_keeps_no_vip() {
    let renamed = Link { name: "eth9".into(), ..link(true) };
    let mut node = Node::quiet_master(RouterConfig { lease: false, ..config(100) });
    node.tell(KernelEvent::Link(renamed.clone()));
    assert_eq!((node.state(), node.vip()), (Initialize, None));
    node.tell(KernelEvent::Link(link(true)));
    node.run_until(Master);
    assert!(node.vip().is_some_and(|vip| vip.ours));
    // Another has its name at once.
    let other = Link { index: InterfaceIndex(3), ..link(true) };
    node.inbox.events.push_back(KernelEvent::Link(renamed));
    node.tell(KernelEvent::Link(other));
    assert_eq!((node.state(), node.vip()), (Initialize, None));
}

#[test]
fn a_vip_that_is_being_put_back_when_its_interface_is_renamed_is_removed_too() {
    let mut node = Node::quiet_master(RouterConfig { lease: false, ..config(100) });
    let gone = AddressChange::Gone(Address { ours: true, ..address(VIP, 24) });
    node.addresses.retain(|address| address.ip != ip(VIP));
    node.inbox.events.push_back(KernelEvent::Address(gone));
    node.tell(KernelEvent::Link(Link { name: "eth9".into(), ..link(true) }));
    assert_eq!(node.vip(), None);
}
