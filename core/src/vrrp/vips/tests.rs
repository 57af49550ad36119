//! One operation at a time for each VIP, whatever comes in between.

#![allow(clippy::wildcard_enum_match_arm, reason = "a test picks the outputs that it is about")]

use super::*;
use crate::io::AddressRequest;

const INDEX: InterfaceIndex = InterfaceIndex(2);
const LEASE: Lifetime = Lifetime::Secs(2);
const ADD: AddressOperation = AddressOperation::Add(LEASE);
const RENEW: AddressOperation = AddressOperation::Renew(LEASE);
const REMOVE: AddressOperation = AddressOperation::Remove;

fn vip(last: u8) -> Vip {
    Vip { ip: [10, 0, 0, last].into(), prefix_len: 24 }
}

fn address(vip: Vip, ours: bool) -> Address {
    let Vip { ip, prefix_len } = vip;
    let (secondary, tentative, valid_secs, protocol) = (false, false, None, 0);
    Address { index: INDEX, ip, prefix_len, ours, secondary, tentative, valid_secs, protocol }
}

/// VIPs, and what their router has around them.
struct Bench {
    vips: Vips,
    now: Instant,
    interfaces: Interfaces,
    out: Vec<Output>,
    news: Vec<VipNews>,
}

impl Bench {
    fn new(vips: &[Vip]) -> Self {
        let mut vips = Vips::new(RouterId(7), vips);
        vips.set_interface(Some(INDEX));
        let (interfaces, now) = (Interfaces::default(), Instant::from_millis(1_000));
        Self { vips, now, interfaces, out: Vec::new(), news: Vec::new() }
    }

    /// With these VIPs on the interface, and ours.
    fn held(vips: &[Vip]) -> Self {
        let mut bench = Self::new(vips);
        for request in bench.act(|vips, kernel| vips.acquire(kernel, LEASE)) {
            bench.interfaces.put_address(address(request.vip, true));
            bench.end(request, Ok(()));
        }
        bench.news.clear();
        bench
    }

    /// What an action asks for.
    fn act(&mut self, act: impl FnOnce(&mut Vips, &mut Kernel<'_>)) -> Vec<AddressRequest> {
        let Self { vips, now, interfaces, out, .. } = self;
        act(vips, &mut Kernel { now: *now, interfaces, out });
        let requests = self.out.drain(..).map(|output| match output {
            Output::Address(request) => request,
            other => panic!("{other:?} isn't about addresses"),
        });
        requests.collect()
    }

    fn end(
        &mut self,
        request: AddressRequest,
        result: Result<(), AddressError>,
    ) -> Vec<AddressRequest> {
        let mut news = std::mem::take(&mut self.news);
        let requests = self.act(|vips, kernel| {
            vips.handle_result(kernel, request.generation, result, &mut news);
        });
        self.news = news;
        requests
    }

    fn change(&mut self, change: AddressChange) -> Vec<AddressRequest> {
        let mut news = std::mem::take(&mut self.news);
        match change {
            AddressChange::Present(address) => self.interfaces.put_address(address),
            AddressChange::Gone(address) => self.interfaces.remove_address(&address),
        }
        let requests = self.act(|vips, kernel| vips.handle_change(kernel, change, &mut news));
        self.news = news;
        requests
    }

    fn resync(&mut self) -> Vec<AddressRequest> {
        let mut news = std::mem::take(&mut self.news);
        let requests = self.act(|vips, kernel| vips.resync(kernel, &mut news));
        self.news = news;
        requests
    }

    fn take_news(&mut self) -> Vec<VipNews> {
        std::mem::take(&mut self.news)
    }

    fn is_held(&self, vip: Vip) -> bool {
        self.vips.held().any(|held| held == vip.ip)
    }
}

fn operations(requests: &[AddressRequest]) -> Vec<(Vip, AddressOperation)> {
    requests.iter().map(|request| (request.vip, request.operation)).collect()
}

fn release(bench: &mut Bench) -> Vec<AddressRequest> {
    bench.act(|vips, kernel| vips.release(kernel, None))
}

#[test]
fn one_that_a_late_renewal_put_back_is_removed_when_it_is_not_wanted() {
    let mut bench = Bench::held(&[vip(100)]);
    let renewal = bench.act(|vips, kernel| vips.renew(kernel, LEASE));
    assert_eq!(operations(&renewal), [(vip(100), RENEW)]);
    // The kernel is slow: the lease ends first, and the router leaves MASTER.
    bench.change(AddressChange::Gone(address(vip(100), true)));
    assert_eq!(release(&mut bench), []);
    bench.change(AddressChange::Present(address(vip(100), true)));
    let removal = bench.end(renewal[0], Ok(()));
    assert_eq!(operations(&removal), [(vip(100), REMOVE)]);
}

#[test]
fn one_that_is_gone_after_its_renewal_is_not_removed_again() {
    let mut bench = Bench::held(&[vip(100)]);
    let renewal = bench.act(|vips, kernel| vips.renew(kernel, LEASE));
    bench.change(AddressChange::Gone(address(vip(100), true)));
    release(&mut bench);
    assert_eq!(bench.end(renewal[0], Ok(())), []);
}

#[test]
fn each_vip_is_added_once_and_is_held_when_the_kernel_says_so() {
    let mut bench = Bench::new(&[vip(1), vip(2)]);
    assert!(bench.vips.is_clear());
    let adds = bench.act(|vips, kernel| vips.acquire(kernel, LEASE));
    assert_eq!(operations(&adds), [(vip(1), ADD), (vip(2), ADD)]);
    assert!(adds.iter().all(|add| (add.router, add.index) == (RouterId(7), INDEX)));
    assert_ne!(adds[0].generation, adds[1].generation);
    assert!(!bench.vips.is_clear(), "both are under way");
    assert_eq!(bench.act(|vips, kernel| vips.renew(kernel, LEASE)), [], "nothing is there yet");
    assert_eq!(bench.end(adds[1], Ok(())), []);
    assert_eq!(bench.take_news(), [VipNews::Acquired(vip(2))]);
    assert_eq!((bench.is_held(vip(1)), bench.is_held(vip(2))), (false, true));
    assert_eq!(bench.end(adds[1], Ok(())), [], "its result is known");
    assert_eq!(bench.take_news(), []);
}

#[test]
fn a_release_while_an_add_is_under_way_is_made_up_for_afterwards() {
    let mut bench = Bench::new(&[vip(1)]);
    let adds = bench.act(|vips, kernel| vips.acquire(kernel, LEASE));
    assert_eq!(release(&mut bench), []);
    let removals = bench.end(adds[0], Ok(()));
    assert_eq!(operations(&removals), [(vip(1), REMOVE)]);
    assert_eq!(bench.take_news(), []);
    assert_eq!(bench.end(removals[0], Ok(())), []);
    assert_eq!(bench.take_news(), [VipNews::Released(vip(1))]);
    assert!(bench.vips.is_clear());
}

#[test]
fn an_acquisition_while_a_removal_is_under_way_is_made_up_for_afterwards() {
    let mut bench = Bench::held(&[vip(1)]);
    let removals = release(&mut bench);
    assert_eq!(operations(&removals), [(vip(1), REMOVE)]);
    assert_eq!(bench.act(|vips, kernel| vips.acquire(kernel, LEASE)), []);
    assert!(bench.is_held(vip(1)), "it is there until the kernel says that it isn't");
    let adds = bench.end(removals[0], Ok(()));
    assert_eq!(operations(&adds), [(vip(1), ADD)]);
}

#[test]
fn a_renewal_is_asked_for_once_at_a_time_and_only_of_what_is_held() {
    let mut bench = Bench::held(&[vip(1)]);
    let renewals = bench.act(|vips, kernel| vips.renew(kernel, LEASE));
    assert_eq!(operations(&renewals), [(vip(1), RENEW)]);
    assert_eq!(bench.act(|vips, kernel| vips.renew(kernel, LEASE)), [], "one is under way");
    let again = bench.end(renewals[0], Ok(()));
    assert_eq!(operations(&again), [(vip(1), RENEW)]);
    assert_eq!(bench.end(again[0], Ok(())), []);
    release(&mut bench);
    assert_eq!(bench.act(|vips, kernel| vips.renew(kernel, LEASE)), []);
    assert_eq!(bench.take_news(), []);
}

#[test]
fn a_refused_vip_is_tried_again_when_it_is_time() {
    let mut bench = Bench::new(&[vip(1), vip(2)]);
    let adds = bench.act(|vips, kernel| vips.acquire(kernel, LEASE));
    bench.end(adds[0], Ok(()));
    bench.take_news();
    assert_eq!(bench.end(adds[1], Err(AddressError::Denied)), []);
    assert_eq!(bench.take_news(), [VipNews::Refused(vip(2), AddressError::Denied)]);
    assert_eq!(bench.vips.refused().collect::<Vec<_>>(), [vip(2)]);
    assert_eq!(bench.vips.retry_at(), Instant::MAX, "its router says when");
    let at = bench.now + Duration::from_secs(2);
    bench.vips.retry_refused_at(at);
    assert_eq!(bench.vips.retry_at(), at);
    bench.now = at.before(Duration::from_nanos(1));
    assert_eq!(bench.act(Vips::retry), []);
    bench.now = at;
    let retries = bench.act(Vips::retry);
    assert_eq!(operations(&retries), [(vip(2), ADD)]);
    bench.end(retries[0], Ok(()));
    assert_eq!(bench.vips.refused().count(), 0);
    assert!(bench.is_held(vip(2)));
}

#[test]
fn a_removal_that_fails_is_tried_again_after_a_second() {
    let mut bench = Bench::held(&[vip(1)]);
    let removals = release(&mut bench);
    assert_eq!(bench.end(removals[0], Err(AddressError::Denied)), []);
    assert_eq!(bench.take_news(), [VipNews::RemovalFailed(vip(1), AddressError::Denied)]);
    let at = bench.now + Duration::from_secs(1);
    assert_eq!(bench.vips.retry_at(), at);
    bench.now = at;
    let again = bench.act(Vips::retry);
    assert_eq!(operations(&again), [(vip(1), REMOVE)]);
    // Of one that failed, no event comes; this one is of the second.
    bench.change(AddressChange::Gone(address(vip(1), true)));
    assert_eq!(bench.end(again[0], Ok(())), []);
    assert!(bench.vips.is_clear());
}

#[test]
fn a_vip_or_an_interface_that_is_gone_is_released() {
    for error in [AddressError::NotFound, AddressError::NoInterface] {
        let mut bench = Bench::held(&[vip(1)]);
        let removals = release(&mut bench);
        assert_eq!(bench.end(removals[0], Err(error)), []);
        assert_eq!(bench.take_news(), [VipNews::Released(vip(1))]);
        assert!(bench.vips.is_clear());
    }
}

#[test]
fn after_a_removal_that_found_nothing_somebody_elses_is_noticed() {
    let mut bench = Bench::held(&[vip(1)]);
    let removals = release(&mut bench);
    bench.end(removals[0], Err(AddressError::NotFound));
    let adds = bench.act(|vips, kernel| vips.acquire(kernel, LEASE));
    bench.end(adds[0], Ok(()));
    bench.take_news();
    let again = bench.change(AddressChange::Gone(address(vip(1), true)));
    assert_eq!(operations(&again), [(vip(1), ADD)]);
    assert_eq!(bench.take_news(), [VipNews::TakenAway(vip(1))]);
}

#[test]
fn a_vip_that_is_there_already_is_renewed_and_told_of_if_it_is_not_ours() {
    for (ours, converted) in [(true, 0), (false, 1)] {
        let mut bench = Bench::new(&[vip(1)]);
        bench.interfaces.put_address(address(vip(1), ours));
        let adds = bench.act(|vips, kernel| vips.acquire(kernel, LEASE));
        let renewals = bench.end(adds[0], Err(AddressError::Exists));
        assert_eq!(operations(&renewals), [(vip(1), RENEW)]);
        let news = bench.take_news();
        let was = VipNews::Converted(vip(1), address(vip(1), false));
        assert_eq!(news.iter().filter(|item| **item == was).count(), converted);
        assert_eq!(news.last(), Some(&VipNews::Acquired(vip(1))));
        assert_eq!(news.len(), 1 + converted);
    }
}

#[test]
fn what_cannot_be_renewed_is_still_ours_to_remove_unless_it_is_anothers() {
    for ours in [true, false] {
        let mut bench = Bench::held(&[vip(1)]);
        let renewals = bench.act(|vips, kernel| vips.renew(kernel, LEASE));
        bench.interfaces.remove_address(&address(vip(1), true));
        bench.interfaces.put_address(address(vip(1), ours));
        assert_eq!(bench.change(AddressChange::Present(address(vip(1), ours))), []);
        bench.end(renewals[0], Err(AddressError::Denied));
        assert_eq!(bench.take_news(), [VipNews::Refused(vip(1), AddressError::Denied)]);
        assert_eq!(bench.is_held(vip(1)), ours);
        assert_eq!(release(&mut bench).len(), usize::from(ours));
    }
}

#[test]
fn what_is_gone_when_its_renewal_is_refused_is_not_held() {
    let mut bench = Bench::held(&[vip(1)]);
    let renewals = bench.act(|vips, kernel| vips.renew(kernel, LEASE));
    bench.interfaces.remove_address(&address(vip(1), true));
    bench.change(AddressChange::Gone(address(vip(1), true)));
    bench.end(renewals[0], Err(AddressError::Denied));
    assert!(!bench.is_held(vip(1)));
    assert_eq!(release(&mut bench), []);
}

#[test]
fn what_cannot_be_renewed_is_removed_though_the_kernel_never_told_of_it() {
    let mut bench = Bench::new(&[vip(100)]);
    let add = bench.act(|vips, kernel| vips.acquire(kernel, LEASE));
    bench.end(add[0], Ok(()));
    let renewal = bench.act(|vips, kernel| vips.renew(kernel, LEASE));
    assert_eq!(bench.end(renewal[0], Err(AddressError::Denied)), []);
    assert_eq!(operations(&release(&mut bench)), [(vip(100), REMOVE)]);
}

#[test]
fn what_could_neither_be_removed_nor_added_again_is_removed_though_the_kernel_told_nothing() {
    for is_gone in [false, true] {
        let mut bench = Bench::new(&[vip(100)]);
        let add = bench.act(|vips, kernel| vips.acquire(kernel, LEASE));
        bench.end(add[0], Ok(()));
        let removal = release(&mut bench);
        bench.end(removal[0], Err(AddressError::Denied));
        let again = bench.act(|vips, kernel| vips.acquire(kernel, LEASE));
        assert_eq!(operations(&again), [(vip(100), ADD)]);
        if is_gone {
            bench.change(AddressChange::Gone(address(vip(100), true)));
        }
        assert_eq!(bench.end(again[0], Err(AddressError::Denied)), []);
        let removals: &[_] = if is_gone { &[] } else { &[(vip(100), REMOVE)] };
        assert_eq!(operations(&release(&mut bench)), removals);
    }
}

#[test]
fn what_was_lost_is_found_by_comparing_and_nothing_else_is_touched() {
    let mut bench = Bench::held(&[vip(1), vip(2)]);
    bench.interfaces.remove_address(&address(vip(2), true));
    let adds = bench.resync();
    assert_eq!(operations(&adds), [(vip(2), ADD)]);
    assert_eq!(bench.take_news(), [VipNews::TakenAway(vip(2))]);
    assert_eq!(bench.resync(), [], "it is being put back");
    assert_eq!(bench.take_news(), []);
}

#[test]
fn the_result_of_what_is_under_way_decides_and_not_a_dump_before_it() {
    let mut bench = Bench::held(&[vip(1)]);
    let renewals = bench.act(|vips, kernel| vips.renew(kernel, LEASE));
    bench.interfaces.remove_address(&address(vip(1), true));
    assert_eq!(bench.resync(), []);
    assert_eq!((bench.take_news(), bench.is_held(vip(1))), (Vec::new(), true));
    assert_eq!(bench.end(renewals[0], Ok(())), []);
}

#[test]
fn a_dump_shows_leftovers_and_what_is_not_ours() {
    let mut bench = Bench::new(&[vip(1), vip(2)]);
    bench.interfaces.put_address(address(vip(1), true));
    bench.interfaces.put_address(address(vip(2), false));
    let removals = bench.resync();
    assert_eq!(operations(&removals), [(vip(1), REMOVE)]);
    assert_eq!(bench.take_news(), [VipNews::Foreign(vip(2), address(vip(2), false))]);
}

#[test]
fn after_a_dump_no_event_of_an_own_removal_is_to_come() {
    let mut bench = Bench::held(&[vip(1)]);
    let removals = release(&mut bench);
    bench.end(removals[0], Ok(()));
    // Its event was lost.
    bench.interfaces.remove_address(&address(vip(1), true));
    bench.resync();
    let adds = bench.act(|vips, kernel| vips.acquire(kernel, LEASE));
    bench.end(adds[0], Ok(()));
    bench.take_news();
    bench.change(AddressChange::Gone(address(vip(1), true)));
    assert_eq!(bench.take_news(), [VipNews::TakenAway(vip(1))]);
}

#[test]
fn another_interface_begins_with_nothing() {
    let mut bench = Bench::held(&[vip(1)]);
    bench.vips.set_interface(Some(INDEX));
    assert!(bench.is_held(vip(1)), "it is the same");
    bench.vips.set_interface(None);
    assert!(bench.vips.is_clear());
    assert_eq!(bench.vips.index(), None);
    assert_eq!(bench.act(|vips, kernel| vips.acquire(kernel, LEASE)), []);
    bench.vips.set_interface(Some(InterfaceIndex(3)));
    let adds = bench.act(|vips, kernel| vips.acquire(kernel, LEASE));
    assert_eq!(adds[0].index, InterfaceIndex(3));
}

#[test]
fn vips_that_leave_the_list_are_removed_and_awaited_and_the_rest_stays() {
    let mut bench = Bench::held(&[vip(1), vip(2)]);
    let list = [vip(2), vip(3)].into();
    let requests = bench.act(|vips, kernel| vips.set_list(kernel, &list, None));
    assert_eq!(operations(&requests), [(vip(3), ADD), (vip(1), REMOVE)]);
    assert!(!bench.is_held(vip(1)) && bench.is_held(vip(2)));
    bench.end(requests[0], Ok(()));
    assert_eq!(operations(&release(&mut bench)).len(), 2);
    let denied = Err(AddressError::Denied);
    bench.end(requests[1], denied);
    assert_eq!(bench.vips.retry_at(), bench.now + Duration::from_secs(1));
    bench.now = bench.now + Duration::from_secs(1);
    assert_eq!(operations(&bench.act(Vips::retry)), [(vip(1), REMOVE)]);
}

#[test]
fn the_same_address_with_another_prefix_is_another_address() {
    let other = Vip { prefix_len: 32, ..vip(1) };
    let mut bench = Bench::held(&[vip(1)]);
    let removals = release(&mut bench);
    bench.end(removals[0], Ok(()));
    bench.take_news();
    bench.interfaces.remove_address(&address(vip(1), true));
    bench.interfaces.put_address(address(other, false));
    bench.interfaces.put_address(address(vip(9), false));
    let requests = bench.act(|vips, kernel| vips.acquire(kernel, LEASE));
    assert_eq!(operations(&requests), [(other, REMOVE), (vip(1), ADD)]);
    let generations = [removals[0], requests[0], requests[1]].map(|request| request.generation);
    assert!(generations.is_sorted_by(|a, b| a < b), "each has its own: {generations:?}");
    assert_eq!(bench.end(requests[0], Ok(())), [], "no VIP of ours is meant");
    bench.end(requests[1], Ok(()));
    assert_eq!(bench.take_news(), [VipNews::Acquired(vip(1))]);
    assert_eq!(bench.change(AddressChange::Gone(address(other, false))), []);
    assert_eq!(bench.take_news(), []);
}

#[test]
fn the_event_of_an_own_removal_is_known_however_late_it_comes() {
    let mut bench = Bench::held(&[vip(1)]);
    let removals = release(&mut bench);
    bench.end(removals[0], Ok(()));
    let adds = bench.act(|vips, kernel| vips.acquire(kernel, LEASE));
    bench.end(adds[0], Ok(()));
    bench.take_news();
    let gone = AddressChange::Gone(address(vip(1), true));
    assert_eq!(bench.change(gone), []);
    assert_eq!((bench.take_news(), bench.is_held(vip(1))), (Vec::new(), true));
    assert_eq!(operations(&bench.change(gone)), [(vip(1), ADD)]);
    assert_eq!(bench.take_news(), [VipNews::TakenAway(vip(1))], "the second isn't ours");
}

#[test]
fn a_vip_before_the_hosts_address_is_removed_and_added_again() {
    let mut bench = Bench::held(&[vip(1)]);
    bench.interfaces.put_address(Address { secondary: true, ..address(vip(9), false) });
    let removals = bench.change(AddressChange::Present(address(vip(1), true)));
    assert_eq!(operations(&removals), [(vip(1), REMOVE)]);
    assert!(bench.is_held(vip(1)), "until it is gone");
    let adds = bench.end(removals[0], Ok(()));
    assert_eq!(operations(&adds), [(vip(1), ADD)]);
    bench.end(adds[0], Ok(()));
    assert_eq!(bench.take_news(), [VipNews::Released(vip(1)), VipNews::Acquired(vip(1))]);
    bench.change(AddressChange::Gone(address(vip(1), true)));
    assert_eq!((bench.take_news(), bench.is_held(vip(1))), (Vec::new(), true));
}

#[test]
fn what_could_not_be_removed_is_added_again_and_so_announced() {
    let mut bench = Bench::held(&[vip(1)]);
    let removals = release(&mut bench);
    bench.end(removals[0], Err(AddressError::Denied));
    bench.take_news();
    let adds = bench.act(|vips, kernel| vips.acquire(kernel, LEASE));
    assert_eq!(operations(&adds), [(vip(1), ADD)]);
    assert_eq!(bench.vips.retry_at(), Instant::MAX);
    let renewals = bench.end(adds[0], Err(AddressError::Exists));
    assert_eq!(operations(&renewals), [(vip(1), RENEW)]);
    assert_eq!(bench.take_news(), [VipNews::Acquired(vip(1))]);
}

#[test]
fn what_is_under_way_when_the_interface_goes_has_no_result_that_counts() {
    let mut bench = Bench::new(&[vip(1)]);
    let adds = bench.act(|vips, kernel| vips.acquire(kernel, LEASE));
    bench.vips.set_interface(None);
    assert_eq!(bench.end(adds[0], Ok(())), []);
    assert_eq!((bench.take_news(), bench.is_held(vip(1))), (Vec::new(), false));
}

#[test]
fn a_vip_that_stays_and_is_wanted_again_is_renewed_and_told() {
    let mut bench = Bench::held(&[vip(1)]);
    let removals = release(&mut bench);
    assert_eq!(bench.act(|vips, kernel| vips.acquire(kernel, LEASE)), [], "one at a time");
    let next = bench.end(removals[0], Err(AddressError::Denied));
    assert_eq!(bench.take_news(), [VipNews::Acquired(vip(1))]);
    assert_eq!(operations(&next), [(vip(1), RENEW)]);
}

#[test]
fn a_vip_that_went_before_its_removal_was_refused_is_told_when_it_is_back() {
    let mut bench = Bench::held(&[vip(1)]);
    let removals = release(&mut bench);
    assert_eq!(bench.act(|vips, kernel| vips.acquire(kernel, LEASE)), []);
    assert_eq!(bench.change(AddressChange::Gone(address(vip(1), true))), []);
    let adds = bench.end(removals[0], Err(AddressError::Denied));
    assert_eq!((bench.take_news(), operations(&adds)), (Vec::new(), vec![(vip(1), ADD)]));
    bench.end(adds[0], Ok(()));
    assert_eq!(bench.take_news(), [VipNews::Acquired(vip(1))]);
}

/// Somebody's VIP was made ours, and no event told of it: what the interface was last known to have
/// is still somebody's. When a later renewal is refused, ours is removed all the same.
#[test]
fn what_was_made_ours_unheard_is_removed_when_its_renewal_is_refused() {
    let mut bench = Bench::new(&[vip(1)]);
    bench.interfaces.put_address(address(vip(1), false));
    let adds = bench.act(|vips, kernel| vips.acquire(kernel, LEASE));
    let conversions = bench.end(adds[0], Err(AddressError::Exists));
    assert_eq!(operations(&conversions), [(vip(1), RENEW)]);
    bench.end(conversions[0], Ok(()));
    let renewals = bench.act(|vips, kernel| vips.renew(kernel, LEASE));
    assert_eq!(release(&mut bench), [], "one at a time");
    let removals = bench.end(renewals[0], Err(AddressError::Denied));
    assert_eq!(operations(&removals), [(vip(1), REMOVE)]);
}

#[test]
fn what_is_off_by_our_own_removal_is_not_removed_again_before_its_event_is_heard() {
    let mut bench = Bench::held(&[vip(1)]);
    let removals = release(&mut bench);
    assert_eq!(bench.end(removals[0], Ok(())), []);
    assert_eq!(release(&mut bench), [], "the interface has it still, as far as is known");
}

#[test]
fn a_vip_that_somebody_removes_for_us_is_not_told_as_taken_away() {
    let mut bench = Bench::held(&[vip(1)]);
    let removals = release(&mut bench);
    bench.end(removals[0], Err(AddressError::Denied));
    bench.take_news();
    let gone = AddressChange::Gone(address(vip(1), true));
    bench.change(gone);
    assert_eq!((bench.take_news(), bench.is_held(vip(1))), (Vec::new(), false));
    bench.act(|vips, kernel| vips.acquire(kernel, LEASE));
    bench.change(gone);
    assert_eq!(bench.take_news(), [], "it isn't there yet");
}

#[test]
fn one_whose_renewal_is_under_way_is_reset_after_it_and_not_once_the_lease_is_over() {
    for late in [false, true] {
        let mut bench = Bench::held(&[vip(1)]);
        let renewal = bench.act(|vips, kernel| vips.renew(kernel, LEASE));
        let until = bench.now + Duration::from_secs(1);
        assert_eq!(bench.act(|vips, kernel| vips.release(kernel, Some(until))), []);
        if late {
            bench.now = until;
        }
        let Bench { vips, now, interfaces, out, news } = &mut bench;
        let mut kernel = Kernel { now: *now, interfaces, out };
        vips.handle_result(&mut kernel, renewal[0].generation, Ok(()), news);
        let words = out.iter().map(|output| match output {
            Output::ResetConnections(reset) => (true, reset.addresses.clone()),
            Output::Address(request) => (false, vec![request.vip.ip]),
            other => panic!("{other:?} isn't about addresses"),
        });
        let words: Vec<_> = words.collect();
        let (reset, removed) = ((true, vec![vip(1).ip]), (false, vec![vip(1).ip]));
        let expected = if late { vec![removed] } else { vec![reset, removed] };
        assert_eq!(words, expected, "late: {late}");
    }
}
