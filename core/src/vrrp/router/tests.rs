//! Timers of one router, as numbers.

use proptest::prelude::*;

use super::*;
use crate::io::Link;
use crate::vrrp::{Check, Family, TrackConfig, Version, Vip, Vrid, Weight};

fn config(vrid: u8, centis: u16) -> RouterConfig {
    let vrid = Vrid::new(vrid).expect("in range");
    let key = RouterKey { interface: "eth0".into(), vrid, family: Family::V4 };
    let interval = AdverInterval::from_centis(centis).expect("in range");
    let vips = [Vip { ip: [10, 0, 0, 200].into(), prefix_len: 24 }].into();
    RouterConfig::plain(key, Version::V3, Priority::OWNER, interval, vips)
}

fn router(config: RouterConfig) -> VirtualRouter {
    VirtualRouter::new(RouterId(7), Instant::ZERO, config)
}

fn uplink() -> Uplink {
    Uplink {
        index: InterfaceIndex(2),
        mac: None,
        socket: SocketId(0),
        source: [10, 0, 0, 5].into(),
        destinations: Destinations::Multicast,
    }
}

/// What a router puts out when something is done to it.
fn act(
    router: &mut VirtualRouter,
    now: Instant,
    act: impl FnOnce(&mut VirtualRouter, &mut Context<'_>),
) -> Vec<Output> {
    let (interfaces, mut out) = (Interfaces::default(), Vec::new());
    act(router, &mut Context { now, interfaces: &interfaces, out: &mut out });
    out
}

fn ready(router: &mut VirtualRouter, now: Instant) {
    act(router, now, |router, ctx| {
        router.set_uplink(ctx, Some(InterfaceIndex(2)), Ok(uplink()));
    });
}

fn stop(router: &mut VirtualRouter, ctx: &mut Context<'_>) {
    router.stop(ctx, Duration::ZERO);
}

proptest! {
    #[test]
    fn a_grid_has_a_point_in_every_interval_and_its_place_is_the_vrids(
        nanos in 0..u64::MAX / 2,
        vrid in 1..=255_u8,
        centis in 1..=4095_u16,
    ) {
        let interval = u64::from(centis) * 10_000_000;
        let now = Instant::from_nanos(nanos);
        let next = router(config(vrid, centis)).next_on_grid(now);
        prop_assert!(next > now && next.as_nanos() - nanos <= interval);
        let place = interval / 16 * u64::from(vrid / 16);
        prop_assert_eq!(next.as_nanos() % interval, place);
    }
}

#[test]
fn on_the_grid_the_next_point_is_an_interval_away() {
    let router = router(config(64, 100));
    let first = router.next_on_grid(Instant::from_millis(5_000));
    assert_eq!(first, Instant::from_millis(5_250));
    assert_eq!(router.next_on_grid(first), Instant::from_millis(6_250));
    let before = first.before(Duration::from_nanos(1));
    assert_eq!(router.next_on_grid(before), first);
}

#[test]
fn a_lease_is_held_by_a_master_that_has_one() {
    let now = Instant::from_millis(10_000);
    for (lease, until) in [(true, now + Duration::from_secs(2)), (false, Instant::MAX)] {
        let mut router = router(RouterConfig { lease, ..config(50, 100) });
        assert_eq!((router.lease_until(), router.poll_timeout()), (Instant::MAX, Instant::MAX));
        ready(&mut router, now);
        assert_eq!(router.state(), StateName::Master);
        assert_eq!(router.lease_until(), until);
        act(&mut router, now, stop);
        assert_eq!(router.lease_until(), Instant::MAX);
    }
}

#[test]
fn a_router_has_released_everything_when_it_stops_and_nothing_is_under_way() {
    let mut router = router(config(50, 100));
    assert!(!router.is_released(), "it doesn't stop");
    let now = Instant::from_millis(10_000);
    ready(&mut router, now);
    let out = act(&mut router, now, stop);
    assert!(out.iter().any(|output| matches!(output, Output::SendAdvert(_))), "priority 0");
    assert!(!router.is_released(), "its VIP is still being added");
    router.vips.set_interface(None);
    assert!(router.is_released());
}

#[test]
fn a_leftovers_demote_hook_keeps_a_router_that_stops() {
    let mut hooked = config(50, 100);
    hooked.hooks.pre_demote = Some(["down".to_owned()].into());
    let mut router = router(hooked);
    act(&mut router, Instant::ZERO, VirtualRouter::handle_leftover);
    act(&mut router, Instant::ZERO, stop);
    assert!(!router.is_released());
    let due = router.poll_timeout();
    assert_eq!(due, Instant::from_millis(10_000));
    act(&mut router, due, VirtualRouter::handle_timeout);
    let given_up = router.poll_timeout();
    act(&mut router, given_up, VirtualRouter::handle_timeout);
    assert!(router.is_released());
}

#[test]
fn what_blocks_a_router_itself_is_not_its_group() {
    let mut router = router(RouterConfig { group: Some("pair".into()), ..config(50, 100) });
    assert!(router.is_blocked_itself());
    ready(&mut router, Instant::ZERO);
    assert!(!router.is_blocked_itself());
    act(&mut router, Instant::ZERO, |router, ctx| router.set_group_blocked(ctx, true));
    assert_eq!(router.state(), StateName::Initialize);
    assert!(!router.is_blocked_itself());
}

#[test]
fn an_exit_from_master_is_known_until_it_is_forgotten() {
    let mut router = router(config(50, 100));
    ready(&mut router, Instant::ZERO);
    assert_eq!((router.state(), router.has_yielded()), (StateName::Master, false));
    act(&mut router, Instant::ZERO, stop);
    assert!(router.has_yielded());
    router.forget_yielded();
    assert!(!router.has_yielded());
}

#[test]
fn a_lease_lapses_for_a_master_that_has_one_once_it_has_passed() {
    let start = Instant::from_millis(10_000);
    let late = start + Duration::from_secs(2);
    let before = late.before(Duration::from_nanos(1));
    let table = [
        (true, before, StateName::Master),
        (true, late, StateName::Backup),
        (false, late, StateName::Master),
    ];
    for (lease, now, state) in table {
        let mut router = router(RouterConfig { lease, ..config(50, 100) });
        ready(&mut router, start);
        act(&mut router, now, VirtualRouter::check_lease);
        assert_eq!(router.state(), state);
    }
}

#[test]
fn among_equals_the_greater_address_wins_and_nobody_wins_against_itself() {
    let IpAddr::V4(own) = uplink().source else { panic!("an IPv4 address") };
    let [.., last] = own.octets();
    for (last, state) in
        [(last - 1, StateName::Master), (last, StateName::Master), (last + 1, StateName::Backup)]
    {
        let mut router = router(config(50, 100));
        let at = Instant::from_millis(10_000);
        ready(&mut router, at);
        let (source, priority) = ([10, 0, 0, last].into(), AdvertPriority::Of(Priority::OWNER));
        let heard = Heard { source, at, priority, interval: router.config.interval };
        act(&mut router, at, |router, ctx| router.handle_advert(ctx, heard));
        assert_eq!(router.state(), state, "{source}");
    }
}

#[test]
fn a_router_waits_for_a_link_that_it_tracks_and_no_longer() {
    let check = Check::Interface("uplink".into());
    let (interval, timeout) = (Duration::from_secs(1), Duration::from_millis(500));
    let weight = Weight::Fault;
    let track = vec![TrackConfig { check, interval, timeout, fall: 1, rise: 1, weight }];
    let mut router = router(RouterConfig { track, ..config(50, 100) });
    ready(&mut router, Instant::ZERO);
    assert_eq!(router.state(), StateName::Initialize, "nothing is known of the link");
    let mut interfaces = Interfaces::default();
    let index = InterfaceIndex(3);
    interfaces.put_link(Link { index, name: "uplink".into(), running: true, mac: None });
    act(&mut router, Instant::ZERO, |router, Context { now, out, .. }| {
        router.handle_links(&mut Context { now: *now, interfaces: &interfaces, out });
    });
    assert_eq!(router.state(), StateName::Master);
}
