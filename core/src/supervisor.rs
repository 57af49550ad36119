//! All virtual routers of a process, and the turn in which they act.
//!
//! The turn is the same for every driver, so that the order of things is decided here and nowhere
//! else: leases first, since a process that was stopped must notice before it believes anything;
//! then what the kernel says; then every advert that has arrived, so that no timer fires over one
//! that lies unread; then results and wishes; and then, always, the timers that are due, so that no
//! flood of packets can silence a MASTER.

mod digest;
mod discards;
mod duty;
mod groups;
mod guarding;
mod ports;
mod receive;
mod reload;
#[cfg(test)]
mod tests;
mod uplinks;

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::event::{Event, EventKind};
use crate::interfaces::Interfaces;
use crate::io::{Command, Completion, Inbox, InterfaceIndex, Output, RouterId};
use crate::time::{Duration, Instant};
use crate::vrrp::{Context, RouterConfig, VirtualRouter};
pub use discards::Discards;
use guarding::Guarding;
use ports::Ports;
use uplinks::Dump;

/// Beyond the longest that hooks may take, how long a shutdown may take.
const SHUTDOWN_MARGIN: Duration = Duration::from_secs(5);
/// One that is asked to stop as it begins waits so long for its link, to hand over what it inherits.
const ENTERED_WITHIN: Duration = Duration::from_secs(1);

/// All virtual routers of a process.
#[derive(Clone, Debug)]
pub struct Supervisor {
    /// In order of their ids.
    routers: Vec<VirtualRouter>,
    /// Each router's next deadline, in the same order: a contiguous list is scanned in no time.
    deadlines: Vec<Instant>,
    /// When each router's lease passes, in the same order.
    leases: Vec<Instant>,
    /// Whose VIP an address is.
    vip_owners: BTreeMap<IpAddr, RouterId>,
    interfaces: Interfaces,
    ports: Ports,
    discards: Discards,
    dump: Dump,
    /// Clean-up removals that are still under way; nobody listens before they have ended.
    cleaning: usize,
    /// One of these removals was refused.
    is_unclean: bool,
    /// The addresses that are watched for claims, as last asked for.
    watched: BTreeMap<InterfaceIndex, Vec<IpAddr>>,
    /// Links, addresses or sockets have changed: uplinks are to be found anew.
    uplinks_stale: bool,
    /// Whether any router has a group, or is being stopped: most turns need look at neither.
    any_grouped: bool,
    any_stopping: bool,
    next_router: u32,
    /// A shutdown was asked for, and ends at the latest then.
    shutdown_by: Option<Instant>,
    told_released: bool,
    guarding: Guarding,
    out: Vec<Output>,
    /// What the driver takes, from the end.
    ready: Vec<Output>,
}

impl Supervisor {
    /// A supervisor of these routers. Their first turn asks for a dump of links and addresses.
    #[must_use]
    pub fn new(configs: Vec<RouterConfig>) -> Self {
        let mut supervisor = Self {
            routers: Vec::new(),
            deadlines: Vec::new(),
            leases: Vec::new(),
            vip_owners: BTreeMap::new(),
            interfaces: Interfaces::default(),
            ports: Ports::default(),
            discards: Discards::default(),
            dump: Dump::first(),
            cleaning: 0,
            is_unclean: false,
            watched: BTreeMap::new(),
            uplinks_stale: false,
            any_grouped: false,
            any_stopping: false,
            next_router: 0,
            shutdown_by: None,
            told_released: false,
            guarding: Guarding::Alone,
            out: Vec::new(),
            ready: Vec::new(),
        };
        supervisor.apply(Instant::ZERO, configs);
        supervisor
    }

    /// The routers, in the order in which they came.
    #[must_use]
    pub fn routers(&self) -> &[VirtualRouter] {
        &self.routers
    }

    /// Links and addresses as the core knows them.
    #[must_use]
    pub fn interfaces(&self) -> &Interfaces {
        &self.interfaces
    }

    /// How many packets were discarded, and why.
    #[must_use]
    pub fn discards(&self) -> &Discards {
        &self.discards
    }

    /// When the next turn is due, if nothing happens before; [`Instant::MAX`] for never.
    #[must_use]
    pub fn poll_timeout(&self) -> Instant {
        let routers = self.deadlines.iter().copied().min().unwrap_or(Instant::MAX);
        let shutdown = self.shutdown_by.unwrap_or(Instant::MAX);
        let own = self.ports.retry_at().min(self.dump.due_at()).min(shutdown);
        routers.min(own).min(self.guarding_due_at())
    }

    /// The next thing to do for the driver.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.ready.pop()
    }

    /// Whether a shutdown has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.told_released && self.ready.is_empty()
    }

    /// Takes one turn. Afterwards, [`Self::poll_output`] has what there is to do.
    pub fn turn(&mut self, now: Instant, inbox: &mut impl Inbox) {
        if !mutated!(LapseNoticedLast) {
            self.check_leases(now);
        }
        while let Some(event) = inbox.next_kernel_event() {
            self.handle_kernel_event(now, event);
        }
        self.find_uplinks(now);
        if mutated!(TimersBeforeArrivals) {
            self.handle_timeouts(now);
        }
        while let Some(arrival) = inbox.next_arrival() {
            let at = arrival.at;
            self.handle_arrival(now, arrival);
            if at > now {
                // It came after the turn began: under a flood, there would always be one more.
                break;
            }
        }
        while let Some((index, ip, mac)) = inbox.next_claim() {
            let owner = self.vip_owners.get(&ip).copied();
            if let Some(position) = owner.and_then(|id| self.position(id))
                && self.interfaces.by_index(index).is_some_and(|link| link.mac != Some(mac))
            {
                self.with_router(now, position, |router, ctx| router.handle_claim(ctx, ip, mac));
            }
        }
        while let Some(completion) = inbox.next_completion() {
            self.handle_completion(now, completion);
        }
        while let Some(command) = inbox.next_command() {
            self.handle_command(now, command);
        }
        self.find_uplinks(now);
        self.handle_timeouts(now);
        if mutated!(LapseNoticedLast) {
            self.check_leases(now);
        }
        if self.any_grouped {
            self.settle_groups(now);
        }
        self.hand_over_inheritance(now);
        self.watch_claims();
        self.finish_stopped(now);
        self.tell_alive(now);
        self.hand_out();
    }

    /// Puts out what the turn has come to, after what hasn't been taken yet; usually that is nothing.
    fn hand_out(&mut self) {
        self.out.reverse();
        self.out.append(&mut self.ready);
        std::mem::swap(&mut self.out, &mut self.ready);
    }

    fn check_leases(&mut self, now: Instant) {
        if mutated!(LapseUnnoticed) {
            return;
        }
        for position in 0..self.leases.len() {
            if self.leases.get(position).is_some_and(|until| *until <= now) {
                self.with_router(now, position, VirtualRouter::check_lease);
            }
        }
    }

    fn handle_completion(&mut self, now: Instant, completion: Completion) {
        match completion {
            Completion::Dump(snapshot) => self.handle_dump(now, snapshot),
            Completion::Socket(id, result) => self.handle_socket(now, id, result),
            Completion::AdvertSent(id, generation, result) => {
                self.with_router_id(now, id, |router, ctx| {
                    router.handle_advert_sent(ctx, generation, result);
                });
            }
            Completion::Address(uplinks::CLEANER, _, result) => {
                self.handle_cleaned(now, result);
            }
            Completion::Address(id, generation, result) => {
                self.with_router_id(now, id, |router, ctx| {
                    router.handle_address_result(ctx, generation, result);
                });
            }
            Completion::ConnectionsReset(id, resets) => {
                self.with_router_id(now, id, |router, ctx| {
                    router.handle_connections_reset(ctx, resets);
                });
            }
            Completion::Hook(id, result) => {
                self.with_router_id(now, id.0, |router, ctx| {
                    router.handle_hook_result(ctx, id, result);
                });
            }
            Completion::GuardMissed => self.handle_guard_missed(now),
            Completion::Check(id, result) => {
                self.with_router_id(now, id.0, |router, ctx| {
                    router.handle_check_result(ctx, id, result);
                });
            }
        }
    }

    fn handle_command(&mut self, now: Instant, command: Command) {
        match command {
            Command::Reload(configs) if self.shutdown_by.is_none() => self.reload(now, configs),
            Command::Reload(_) => {}
            Command::Weigh(key, weight) => {
                let is_it = |r: &VirtualRouter| *r.key() == key && !r.is_stopping();
                if let Some(position) = self.routers.iter().position(is_it) {
                    self.with_router(now, position, |r, ctx| r.set_discovered_weight(ctx, weight));
                }
            }
            Command::SetDuty(keys, duty) => self.set_duty(now, &keys, duty),
            Command::Shutdown if self.shutdown_by.is_some() => {
                for position in 0..self.routers.len() {
                    self.with_router(now, position, VirtualRouter::stop_at_once);
                }
            }
            Command::Shutdown => {
                let ends = self.routers.iter().map(|r| r.end_max(self.successor_within(r)));
                self.begin_shutdown(now, ends.max());
                for position in 0..self.routers.len() {
                    if self.routers.get(position).is_some_and(|router| router.may_inherit(now)) {
                        // What it may yet hand over it isn't to let go of.
                        let by = now + ENTERED_WITHIN;
                        self.with_router(now, position, |router, _| router.hurry_inheritance(by));
                    } else {
                        self.stop(now, position);
                    }
                }
            }
        }
    }

    /// Begins to end, though something is left of it after `end_max`.
    fn begin_shutdown(&mut self, now: Instant, end_max: Option<Duration>) {
        let by = now + end_max.unwrap_or_default() + SHUTDOWN_MARGIN;
        self.shutdown_by = Some(if mutated!(ShutdownUnbounded) { Instant::MAX } else { by });
        self.any_stopping = true;
    }

    fn handle_timeouts(&mut self, now: Instant) {
        if self.ports.retry_at() <= now {
            self.ports.retry(now, &mut self.out);
        }
        if self.dump.take_due(now) {
            self.out.push(Output::Dump);
        }
        for position in 0..self.deadlines.len() {
            if self.deadlines.get(position).is_some_and(|deadline| *deadline <= now) {
                self.with_router(now, position, VirtualRouter::handle_timeout);
            }
        }
    }

    /// Lets go of routers that have released everything, and ends a shutdown.
    fn finish_stopped(&mut self, now: Instant) {
        if self.any_stopping && self.routers.iter().any(VirtualRouter::is_released) {
            self.routers.retain(|router| !router.is_released());
            self.index_routers(now);
        }
        let Some(by) = self.shutdown_by else { return };
        // One that is asked to end as it begins still removes what an earlier process has left.
        let all_gone = self.routers.is_empty() && self.has_cleaned();
        if !self.told_released && (all_gone || by <= now) {
            self.told_released = true;
            self.shutdown_by = Some(Instant::MAX);
            self.out.push(Output::Event(Event { router: None, kind: EventKind::Released }));
        }
    }

    /// Stops one router, for good.
    fn stop(&mut self, now: Instant, position: usize) {
        let Some(router) = self.routers.get(position) else { return };
        let within = self.successor_within(router);
        self.with_router(now, position, |router, ctx| router.stop(ctx, within));
    }

    fn position(&self, id: RouterId) -> Option<usize> {
        self.routers.binary_search_by_key(&id, VirtualRouter::id).ok()
    }

    fn with_router_id(
        &mut self,
        now: Instant,
        id: RouterId,
        act: impl FnOnce(&mut VirtualRouter, &mut Context<'_>),
    ) {
        if let Some(position) = self.position(id) {
            self.with_router(now, position, act);
        }
    }

    /// Calls one router, and notes its new deadlines.
    fn with_router(
        &mut self,
        now: Instant,
        position: usize,
        act: impl FnOnce(&mut VirtualRouter, &mut Context<'_>),
    ) {
        let (Some(router), Some(deadline), Some(lease)) = (
            self.routers.get_mut(position),
            self.deadlines.get_mut(position),
            self.leases.get_mut(position),
        ) else {
            return;
        };
        let (stood, from) = (router.standing(), self.out.len());
        act(router, &mut Context { now, interfaces: &self.interfaces, out: &mut self.out });
        *deadline = router.poll_timeout();
        *lease = router.lease_until();
        if router.standing() != stood {
            self.tell_standing(position, from);
        }
    }
}
