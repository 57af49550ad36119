//! One virtual router: the state machine of RFC 9568 §6.4 with the rules that OpenProxy adds.
//!
//! ```text
//!                  +------------+
//!       +--------->| INITIALIZE |<----------+
//!       | blocked  +------------+  blocked  |
//!       |            |        |             |
//!       |   ready,   |        |   ready     |
//!       |   255      v        v             |
//!  +--------+  better advert, lease  +--------+
//!  | MASTER |----------------------->| BACKUP |
//!  |        |<-----------------------|        |
//!  +--------+   master-down timer    +--------+
//!       |                  +---------+
//!       +<---------------->| LEAVING |----> INITIALIZE
//!          planned stop,   +---------+
//!          stepdown
//! ```
//!
//! Whatever keeps a router from being MASTER (no link, no address, a failed check, a refused VIP,
//! shutdown, an operator's wish) is a [`Blocker`]; [`VirtualRouter::settle`] moves it in and out of
//! INITIALIZE.

mod digest;
mod duty;
mod effects;
mod election;
mod handover;
mod inheritance;
mod leftovers;
mod reconfigure;
mod refusal;
mod report;
mod resets;
mod transitions;

pub use duty::Duty;
pub(crate) use election::Heard;

use std::net::IpAddr;
use std::sync::Arc;

use super::announcing::Announcing;
use super::assertion::Assertions;
use super::hooks::{HookNews, Hooks, Host};
use super::learning::MasterInterval;
use super::peers::Peers;
use super::state::State;
use super::tracking::Tracking;
use super::vips::{Kernel, Vips};
use super::{
    AdverInterval, AdvertPriority, Advertisement, Priority, RouterConfig, RouterKey, StateName,
    master_down_interval, skew_time,
};
use crate::event::{Blocker, Event, EventKind, Reason};
use crate::interfaces::Interfaces;
use crate::io::{
    Destinations, Generation, InterfaceIndex, MacAddress, Output, RouterId, SendAdvert, SocketId,
};
use crate::time::{Duration, Instant};
use refusal::Refusal;
use report::Record;
pub use report::{Counters, LastAdvert, Report};

/// What a router needs to send adverts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Uplink {
    pub(crate) index: InterfaceIndex,
    pub(crate) mac: Option<MacAddress>,
    pub(crate) socket: SocketId,
    pub(crate) source: IpAddr,
    pub(crate) destinations: Destinations,
}

/// What handlers need around them: the time, the host, and where to put outputs.
pub(crate) struct Context<'a> {
    pub(crate) now: Instant,
    pub(crate) interfaces: &'a Interfaces,
    pub(crate) out: &'a mut Vec<Output>,
}

/// One virtual router.
#[derive(Clone, Debug)]
pub struct VirtualRouter {
    id: RouterId,
    config: RouterConfig,
    state: State,
    /// What it needs to advertise, or what is missing.
    uplink: Result<Uplink, Blocker>,
    /// The configured priority, changed by failed checks.
    priority: Priority,
    master_interval: MasterInterval,
    /// Whoever advertised last, better or lesser.
    master: Option<IpAddr>,
    vips: Vips,
    hooks: Hooks,
    tracking: Tracking,
    /// What follows from where the primary is.
    discovered_weight: i32,
    assertions: Assertions,
    announcing: Announcing,
    refusal: Refusal,
    peers: Peers,
    group_blocked: bool,
    stopping: bool,
    /// What an operator wants of it.
    duty: Duty,
    /// While it has stepped down: since when nobody has been heard who serves, if it can hear.
    silent_since: Option<Instant>,
    /// It goes on where the process before this one has ended, and hasn't entered upon that yet: void
    /// from then on.
    inherits_until: Option<Instant>,
    /// It is about to be MASTER of VIPs that an earlier process has left: they stay until then.
    keeps_leftovers: bool,
    /// It has left MASTER, or follows another, and takes its group along.
    yielded: bool,
    generation: Generation,
    send_failure_told_at: Option<Instant>,
    record: Record,
    counters: Counters,
}

impl VirtualRouter {
    pub(crate) fn new(id: RouterId, now: Instant, config: RouterConfig) -> Self {
        Self {
            id,
            state: State::Initialize(Blocker::NoInterface),
            uplink: Err(Blocker::NoInterface),
            priority: config.priority,
            master_interval: MasterInterval::new(config.interval),
            master: None,
            vips: Vips::new(id, &config.vips),
            hooks: Hooks::new(id),
            tracking: Tracking::new(id, now, &config.track),
            discovered_weight: 0,
            assertions: Assertions::default(),
            announcing: Announcing::Silent,
            refusal: Refusal::default(),
            peers: Peers::default(),
            group_blocked: false,
            stopping: false,
            duty: Duty::Full,
            silent_since: None,
            inherits_until: None,
            keeps_leftovers: false,
            yielded: false,
            generation: Generation::default(),
            send_failure_told_at: None,
            record: Record::default(),
            counters: Counters::default(),
            config,
        }
    }

    /// Interface, VRID and family.
    #[must_use]
    pub fn key(&self) -> &RouterKey {
        &self.config.key
    }

    /// What it was told to be.
    #[must_use]
    pub fn config(&self) -> &RouterConfig {
        &self.config
    }

    /// The state it is in.
    #[must_use]
    pub fn state(&self) -> StateName {
        self.state.name()
    }

    /// Its priority now, failed checks counted.
    #[must_use]
    pub fn priority(&self) -> Priority {
        self.priority
    }

    /// Whoever advertised last.
    #[must_use]
    pub fn master(&self) -> Option<IpAddr> {
        self.master
    }

    /// What it did and saw.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The VIPs that are on the interface.
    pub fn held(&self) -> impl Iterator<Item = IpAddr> {
        self.vips.held()
    }

    pub(crate) fn id(&self) -> RouterId {
        self.id
    }

    /// The number of its interface.
    pub(crate) fn index(&self) -> Option<InterfaceIndex> {
        self.vips.index()
    }

    /// The address that it advertises from.
    pub(crate) fn source(&self) -> Option<IpAddr> {
        self.uplink.as_ref().ok().map(|uplink| uplink.source)
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// Whether it has to hear and be heard.
    pub(crate) fn takes_part(&self) -> bool {
        !self.stopping || matches!(self.state, State::Leaving(_))
    }

    /// When it next has to be called, if nothing happens before.
    pub(crate) fn poll_timeout(&self) -> Instant {
        let state = match &self.state {
            State::Initialize(_) => Instant::MAX,
            State::Backup(backup) => {
                let farewell = backup.farewell.map_or(Instant::MAX, |farewell| farewell.send_by);
                backup.promote_at().min(farewell)
            }
            State::Master(master) if master.owed.is_due() => Instant::ZERO,
            State::Master(master) => {
                let reclaim_at = if master.reclaim_owed { master.reclaim_at } else { Instant::MAX };
                // While adverts go out, the lease outlives the time to the next one.
                let retry_at =
                    master.retry_at.map_or(Instant::MAX, |at| at.min(self.lease_until()));
                master.advertise_at.min(retry_at).min(reclaim_at)
            }
            State::Leaving(leaving) => leaving.until.min(leaving.renew_at),
        };
        state
            .min(self.hooks.due_at())
            .min(self.tracking.due_at())
            .min(self.vips.retry_at())
            .min(self.announcing.due_at())
            .min(self.refusal.due_at())
            .min(self.duty_due_at())
            .min(self.inherits_until.unwrap_or(Instant::MAX))
    }

    /// Whether it holds nothing and nothing of it is under way.
    pub(crate) fn is_released(&self) -> bool {
        let is_clear = self.vips.is_clear() || mutated!(RemovalsNotAwaited);
        let takes_no_part = matches!(self.state, State::Initialize(_));
        self.stopping && takes_no_part && is_clear && self.hooks.is_idle()
    }

    /// Whether it waits for the others of its group to be MASTER with it.
    pub(crate) fn waits_for_group(&self) -> bool {
        match &self.state {
            State::Backup(backup) => backup.waits_for_group,
            State::Initialize(_) | State::Master(_) | State::Leaving(_) => false,
        }
    }

    /// Whether something else than its group keeps it in INITIALIZE.
    pub(crate) fn is_blocked_itself(&self) -> bool {
        self.own_blocker().is_some()
    }

    /// Whether it has left MASTER, or taken another's advert, since [`Self::forget_yielded`].
    pub(crate) fn has_yielded(&self) -> bool {
        self.yielded
    }

    pub(crate) fn forget_yielded(&mut self) {
        self.yielded = false;
    }

    /// The interface, the socket or the address to advertise from has changed.
    pub(crate) fn set_uplink(
        &mut self,
        ctx: &mut Context<'_>,
        index: Option<InterfaceIndex>,
        uplink: Result<Uplink, Blocker>,
    ) {
        if self.vips.index() != index {
            let reset_until = self.reset_until();
            self.vips.leave_interface(&mut kernel(ctx), reset_until);
        }
        self.vips.set_interface(index);
        if self.uplink != uplink {
            let was = std::mem::replace(&mut self.uplink, uplink);
            self.settle(ctx);
            if let (Ok(was), Ok(is)) = (was, &self.uplink)
                && was.mac != is.mac
            {
                self.announce_anew(ctx);
            }
        }
    }

    /// Another router of its group is blocked, or none is any more.
    pub(crate) fn set_group_blocked(&mut self, ctx: &mut Context<'_>, blocked: bool) {
        if self.group_blocked != blocked {
            self.group_blocked = blocked;
            self.settle(ctx);
        }
    }

    /// Releases everything, for good: as the file wants it.
    ///
    /// `within` is how long whoever follows may take, the whole group of it.
    pub(crate) fn stop(&mut self, ctx: &mut Context<'_>, within: Duration) {
        self.begin_handover(ctx, within, Blocker::Stopping);
        self.leave_service(ctx);
    }

    /// Releases everything, for good, and at once.
    pub(crate) fn stop_at_once(&mut self, ctx: &mut Context<'_>) {
        self.end_handover(ctx, Reason::Hurried);
        self.leave_service(ctx);
    }

    fn leave_service(&mut self, ctx: &mut Context<'_>) {
        self.stopping = true;
        self.forgo_inheritance(ctx);
        self.tracking.stop(ctx.out);
        self.settle(ctx);
    }

    /// Due timers. Called at the end of every turn in which [`Self::poll_timeout`] has passed.
    pub(crate) fn handle_timeout(&mut self, ctx: &mut Context<'_>) {
        let mut changes = Vec::new();
        self.tracking.handle_timeout(ctx.now, ctx.out, &mut changes);
        self.apply_checks(ctx, changes);
        if self.hooks.due_at() <= ctx.now {
            self.with_hooks(ctx, |hooks, host| hooks.handle_timeout(host));
        }
        self.forgo_void_inheritance(ctx);
        if self.refusal.take_expired(ctx.now) {
            self.settle(ctx);
        }
        if self.vips.retry_at() <= ctx.now {
            self.vips.retry(&mut kernel(ctx));
        }
        if self.announcing.take_due(ctx.now, self.config.garp_refresh) {
            self.announce(ctx, self.vips.held().collect());
        }
        self.handle_duty_timeout(ctx);
        self.handle_election_timeout(ctx);
        self.handle_handover_timeout(ctx);
    }

    /// The first point after `now` on this router's grid.
    ///
    /// Grids are spread over the interval by VRID, so that many routers don't all advertise in the
    /// same instant; but sixteen neighbours share one, and so a wake-up: that costs more than they do.
    /// The first interval of a MASTER is shorter for it, never longer.
    fn next_on_grid(&self, now: Instant) -> Instant {
        let interval = self.config.interval.nanos();
        let offset = interval / 16 * u64::from(self.config.key.vrid.get() / 16);
        let phase = (now.as_nanos() % interval + interval - offset) % interval;
        now + Duration::from_nanos(interval - phase)
    }

    fn master_down(&self) -> Duration {
        master_down_interval(self.config.version, self.priority, self.master_interval.get())
    }

    fn skew(&self) -> Duration {
        skew_time(self.config.version, self.priority, self.master_interval.get())
    }

    /// Sends an advert with our priority, and awaits its result.
    fn advertise(&mut self, ctx: &mut Context<'_>) {
        let priority = AdvertPriority::Of(self.priority);
        let generation = self.send(ctx, priority, self.config.interval);
        if let State::Master(master) = &mut self.state {
            master.sent = generation.map(|generation| (generation, ctx.now));
            master.retry_at = None;
        }
    }

    fn send(
        &mut self,
        ctx: &mut Context<'_>,
        priority: AdvertPriority,
        interval: AdverInterval,
    ) -> Option<Generation> {
        let uplink = self.uplink.as_ref().ok()?;
        self.generation = Generation(self.generation.0 + 1);
        ctx.out.push(Output::SendAdvert(SendAdvert {
            router: self.id,
            generation: self.generation,
            socket: uplink.socket,
            source: uplink.source,
            destinations: uplink.destinations.clone(),
            advert: Advertisement {
                version: self.config.version,
                vrid: self.config.key.vrid,
                priority,
                interval,
                checksum: self.config.checksum,
                addresses: Arc::clone(&self.config.vips),
            },
        }));
        Some(self.generation)
    }

    fn event(&self, ctx: &mut Context<'_>, kind: EventKind) {
        ctx.out.push(Output::Event(Event { router: Some(self.config.key.clone()), kind }));
    }

    /// Lets the hooks act, and acts on what they tell.
    fn with_hooks(&mut self, ctx: &mut Context<'_>, act: impl FnOnce(&mut Hooks, &mut Host<'_>)) {
        let mut news: Vec<HookNews> = Vec::new();
        let mut host = Host {
            now: ctx.now,
            config: &self.config.hooks,
            key: &self.config.key,
            vips: &self.config.vips,
            out: ctx.out,
            news: &mut news,
        };
        act(&mut self.hooks, &mut host);
        self.apply_hook_news(ctx, news);
    }
}

fn kernel<'a>(ctx: &'a mut Context<'_>) -> Kernel<'a> {
    Kernel { now: ctx.now, interfaces: ctx.interfaces, out: ctx.out }
}

#[cfg(test)]
mod tests;
