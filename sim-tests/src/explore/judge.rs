//! What must hold in every state, and when a cluster has settled.

use openproxy_core::event::{Event, EventKind, Reason};
use openproxy_core::vrrp::StateName;

use super::machine::Machine;
use super::setup::{NODES_MAX, Packet};
use super::world::World;

/// Watches a cluster for a while.
#[derive(Clone, Debug, Default)]
pub(super) struct Judge {
    /// The last moment at which something changed, or wasn't as it will have to be.
    pub(super) unsettled_until: Option<u64>,
    /// What must never be.
    pub(super) violation: Option<String>,
    /// For how long a VIP was on a dead machine and on its successor at once, in nanoseconds: on
    /// one that waited for the silence of the dead, and on any other.
    pub(super) overlap: u64,
    pub(super) overlap_unbound: u64,
    is_settled: bool,
    before: Option<(StateName, bool)>,
    /// The last change of state was for the silence of a MASTER.
    was_silence: bool,
    /// Since its last turn: changes of state, adverts, and adverts with priority 0.
    changes: u32,
    sent: u32,
    released: u32,
}

impl Judge {
    pub(super) fn assert(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds && self.violation.is_none() {
            self.violation = Some(what());
        }
    }

    /// A quantum begins.
    pub(super) fn begin(&mut self, world: &World) {
        self.unsettled_until = None;
        self.is_settled = is_settled(world);
    }

    /// Time has passed, and nothing has changed yet.
    pub(super) fn tick(&mut self, now: u64) {
        if !self.is_settled {
            self.unsettled_until = Some(now);
        }
    }

    /// Something has happened, and everybody has acted on it.
    pub(super) fn look(&mut self, world: &mut World) {
        self.is_settled = is_settled(world);
        self.watch_duals(world);
    }

    /// Two MASTERs of which the lesser hears the better must be one after an interval and the time
    /// that a packet takes.
    fn watch_duals(&mut self, world: &mut World) {
        let (now, count) = (world.now(), world.setup().count);
        let most = world.setup().interval + world.setup().travel;
        for better in 0..count {
            for lesser in (0..count).filter(|lesser| *lesser != better) {
                let is_dual = world.setup().is_better(better, lesser)
                    && world.machines[better].is_master()
                    && world.machines[lesser].is_master()
                    && world.is_open(better, lesser);
                let since = &mut world.dual_since[better * NODES_MAX + lesser];
                *since = is_dual.then(|| since.unwrap_or(now));
                let since = *since;
                self.assert(since.is_none_or(|since| now <= since + most), || {
                    format!("n{lesser} is MASTER although it hears n{better}")
                });
            }
        }
    }

    pub(super) fn before_turns(&mut self, machine: &Machine) {
        self.before = Some((machine.state(), machine.vip.is_some()));
        (self.changes, self.sent, self.released) = (0, 0, 0);
    }

    pub(super) fn told(&mut self, event: &Event) {
        if let EventKind::StateChanged { reason, .. } = &event.kind {
            self.was_silence = *reason == Reason::MasterDown;
            self.changes += 1;
        }
    }

    pub(super) fn sent(&mut self, packet: Packet) {
        if packet.releases {
            self.released += 1;
        } else {
            self.sent += 1;
        }
    }

    /// A process has acted, and waits again.
    pub(super) fn after_turns(&mut self, world: &World, node: usize) {
        let Some((before, had_vip)) = self.before.take() else { return };
        let machine = &world.machines[node];
        let after = machine.state();
        let was_master = before == StateName::Master;
        let is_master = after == StateName::Master;
        if self.changes > 0 {
            self.unsettled_until = Some(world.now());
        }
        let (sent, released) = (self.sent, self.released);
        let serves = matches!(after, StateName::Master | StateName::Leaving);
        self.assert(machine.vip.is_some() == serves, || {
            let has = if serves { "without" } else { "with" };
            format!("n{node} is {after} {has} its VIP")
        });
        let is_leaving = before == StateName::Leaving && after == StateName::Leaving;
        self.assert(was_master || is_master || is_leaving || sent + released == 0, || {
            format!("n{node} sends adverts as {after}")
        });
        self.assert(!is_leaving || sent == 0, || format!("n{node} is LEAVING and advertises"));
        let stops = was_master && matches!(after, StateName::Initialize | StateName::Leaving);
        let says_so = u32::from(stops && machine.is_linked());
        self.assert(released == says_so || is_leaving && released == 1, || {
            format!("n{node} says priority 0 {released} times on its way from {before} to {after}")
        });
        // One that finds its lease passed is BACKUP first, perhaps only until it has read the rest.
        let takes_back = was_master && is_master && !had_vip && self.changes == 0;
        self.assert(!takes_back, || format!("n{node} takes back its VIP after its lease"));
        let takes_part = after != StateName::Initialize;
        self.assert(!machine.is_running() || takes_part == machine.is_linked(), || {
            let link = if machine.is_linked() { "a" } else { "no" };
            format!("n{node} is {after} with {link} link")
        });
        if !had_vip && machine.vip.is_some() {
            self.watch_leftovers(world, node);
        }
    }

    /// A VIP has come on: whoever this router took for the MASTER may still have it only for the
    /// time by which a lease is longer than the master-down interval.
    ///
    /// It must have taken over for that MASTER's silence. One that preempts waits for no silence,
    /// and one that hears two MASTERs can be released by the one when the other has just died.
    fn watch_leftovers(&mut self, world: &World, node: usize) {
        let setup = world.setup();
        for (other, machine) in world.machines.iter().enumerate() {
            let Some(gone_at) = machine.vip.filter(|_| other != node) else { continue };
            let is_leftover = !machine.is_running() && machine.is_linked();
            let is_pair = world.is_open(node, other) && world.is_open(other, node);
            if !is_leftover || !is_pair || machine.renewal_heard & (1 << node) == 0 {
                continue;
            }
            let overlap = gone_at.saturating_sub(world.now());
            let preempts = setup.preempt && !setup.is_no_lesser(other, node);
            if preempts || !self.was_silence {
                self.overlap_unbound = self.overlap_unbound.max(overlap);
                continue;
            }
            self.overlap = self.overlap.max(overlap);
            let most = setup.promised_lease().saturating_sub(setup.down(node));
            self.assert(overlap <= most, || {
                format!("n{node} has the VIP {overlap} ns before n{other}'s lease is over")
            });
        }
    }
}

/// Whether everybody that takes part is MASTER or hears one, and no MASTER hears a better one; with
/// preemption, a BACKUP must hear one that is no lesser.
///
/// In a clique that is one MASTER, and with preemption one of the best.
fn is_settled(world: &World) -> bool {
    let setup = world.setup();
    let up = |node: &usize| world.machines[*node].is_up();
    (0..setup.count).filter(up).all(|node| {
        let mut masters = (0..setup.count)
            .filter(|other| *other != node && world.machines[*other].is_master())
            .filter(|other| world.is_open(*other, node));
        if world.machines[node].state() == StateName::Master {
            masters.all(|other| setup.is_better(node, other))
        } else {
            masters.any(|other| !setup.preempt || setup.is_no_lesser(other, node))
        }
    })
}

/// How long a cluster may take to settle if it consists of cliques: groups in which everybody hears
/// everybody, and nobody else. `None` if it doesn't.
pub(super) fn settles_within(world: &World) -> Option<u64> {
    let setup = world.setup();
    let up: Vec<usize> = (0..setup.count).filter(|node| world.machines[*node].is_up()).collect();
    let hears = |a: usize, b: usize| a == b || world.is_open(a, b);
    let are_cliques = up.iter().all(|a| {
        let is_mutual = |b: &usize| hears(*a, *b) == hears(*b, *a);
        let is_transitive =
            |b: &usize| !hears(*a, *b) || up.iter().all(|c| !hears(*b, *c) || hears(*a, *c));
        up.iter().all(|b| is_mutual(b) && is_transitive(b))
    });
    let longest = up.iter().map(|node| setup.down(*node)).max().unwrap_or(0);
    are_cliques.then(|| longest + 2 * setup.travel)
}
