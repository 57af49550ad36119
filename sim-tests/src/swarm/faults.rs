//! What goes wrong in the scenario of a seed.

#![expect(clippy::wildcard_enum_match_arm, reason = "all other faults have a duration")]

use openproxy_io_sim::NodeId;
use openproxy_io_sim::clock::SimTime;
use openproxy_io_sim::draw::{Draws, Sequence, Stream};
use openproxy_io_sim::kernel::RefusedOperation;
use openproxy_io_sim::lan::NoiseKind;

use super::{calm_at, index};
use crate::fault::{Change, Fault, FaultKind, Wrong};
use crate::scenario::Scenario;

/// The kinds of faults. The numbers are part of the meaning of a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
enum Kind {
    CutOneWay,
    CutPair,
    Isolate,
    Split,
    Slow,
    Loss,
    Mangle,
    Reflect,
    Stranger,
    Stop,
    Kill,
    PowerLoss,
    Pause,
    LinkDown,
    InterfaceGone,
    NoAddress,
    Reload,
    Refuse,
    LostEvents,
    VipTaken,
    VipForeign,
    SendFails,
    SocketFails,
    SlowKernel,
    CheckFails,
    HookHangs,
    Death,
    Upgrade,
}

/// What goes well with any interval.
const QUICK: [Kind; 18] = [
    Kind::CutOneWay,
    Kind::CutPair,
    Kind::Isolate,
    Kind::Split,
    Kind::Slow,
    Kind::Loss,
    Kind::Mangle,
    Kind::Reflect,
    Kind::Stranger,
    Kind::Stop,
    Kind::Kill,
    Kind::PowerLoss,
    Kind::Pause,
    Kind::LinkDown,
    Kind::InterfaceGone,
    Kind::NoAddress,
    Kind::Reload,
    Kind::VipTaken,
];

/// What needs seconds to a minute to settle: too long for short intervals.
const SLOW: [Kind; 8] = [
    Kind::Refuse,
    Kind::LostEvents,
    Kind::VipForeign,
    Kind::SendFails,
    Kind::SocketFails,
    Kind::SlowKernel,
    Kind::CheckFails,
    Kind::HookHangs,
];

/// What needs a guard.
const GUARDED: [Kind; 2] = [Kind::Death, Kind::Upgrade];

struct Drawer {
    draws: Draws,
    count: u64,
    interval: u64,
    /// Those of the fault that is being drawn: each has its own.
    numbers: Sequence,
}

impl Drawer {
    fn new(draws: Draws, scenario: &Scenario, fault: u64) -> Self {
        let interval = u64::from(scenario.interval_centis) * 10_000_000;
        let numbers = Sequence::new(draws, Stream::Faults, fault);
        Self { draws, count: u64::from(scenario.count()), interval, numbers }
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.numbers.below(sides)
    }

    fn begin(&mut self, fault: u64) {
        self.numbers = Sequence::new(self.draws, Stream::Faults, fault);
    }

    fn node(&mut self) -> NodeId {
        NodeId(u8::try_from(self.roll(self.count)).unwrap_or(0))
    }

    fn pair(&mut self) -> (NodeId, NodeId) {
        let a = self.roll(self.count);
        let b = (a + 1 + self.roll(self.count - 1)) % self.count;
        (NodeId(u8::try_from(a).unwrap_or(0)), NodeId(u8::try_from(b).unwrap_or(1)))
    }

    /// From a tenth of an interval to a dozen intervals, short ones more often.
    fn span(&mut self) -> u64 {
        let scale = [self.interval / 10, self.interval, self.interval * 4][index(self.roll(3))];
        scale / 4 + self.roll(scale * 3)
    }

    /// How long an exchange of programs takes: often what it does take, now and then about as long as
    /// the guard waits, or longer.
    fn exchange(&mut self) -> u64 {
        const MILLI: u64 = 1_000_000;
        let heir_within = (self.interval * 2).clamp(20 * MILLI, 1_000 * MILLI);
        match self.roll(4) {
            0 | 1 => 20 * MILLI + self.roll(40 * MILLI),
            2 => self.roll(heir_within),
            _ => heir_within / 2 + self.roll(heir_within * 2),
        }
    }
}

/// Draws the faults, and sets when the scenario is calm.
pub(super) fn draw(draws: Draws, scenario: &mut Scenario) -> Vec<Fault> {
    let mut faults = draw_passing(draws, scenario);
    let mut drawer = Drawer::new(draws, scenario, 0);
    survivors(&mut drawer, scenario, &mut faults);
    faults.sort_by_key(|fault| fault.at);
    faults
}

/// Draws the faults that are over before the calm.
pub(super) fn draw_passing(draws: Draws, scenario: &mut Scenario) -> Vec<Fault> {
    let mut drawer = Drawer::new(draws, scenario, u64::MAX);
    let is_slow = drawer.interval >= 1_000_000_000;
    let mut kinds = Vec::new();
    let slow = SLOW.into_iter().filter(|_| is_slow);
    let guarded = GUARDED.into_iter().filter(|_| scenario.guarded);
    for kind in QUICK.into_iter().chain(slow).chain(guarded) {
        if drawer.roll(2) == 0 {
            kinds.push(kind);
        }
    }
    if kinds.is_empty() {
        kinds.push(Kind::Kill);
    }
    let number = 2 + drawer.roll(16);
    let mut faults: Vec<Fault> = Vec::new();
    // How long it takes to settle depends on the kinds, so the times come last.
    for fault in 0..number {
        drawer.begin(fault);
        let chosen = kinds[index(drawer.roll(u64::try_from(kinds.len()).unwrap_or(1)))];
        let mut kind = kind(&mut drawer, scenario, chosen);
        // Two troubles of one machine at once are more than twice one.
        if drawer.roll(3) == 0
            && let Some(node) = faults.last().and_then(|before| before.kind.node())
        {
            kind.move_to(node);
        }
        faults.push(Fault { at: SimTime::ZERO, until: SimTime::ZERO, kind });
    }
    scenario.faults.clone_from(&faults);
    let calm = calm_at(scenario);
    scenario.calm_at = calm;
    place(&mut drawer, &mut faults, calm);
    faults.retain_mut(|fault| fault.until <= calm);
    let mut kept: Vec<Fault> = Vec::new();
    for fault in faults {
        if !kept.iter().any(|known| known.clashes_with(&fault)) {
            kept.push(fault);
        }
    }
    freeze_before_death(&mut drawer, &mut kept);
    kept.sort_by_key(|fault| fault.at);
    kept
}

/// Who hangs is killed, by a watchdog or a person: some of those that die have been stopped before.
fn freeze_before_death(drawer: &mut Drawer, kept: &mut Vec<Fault>) {
    for position in 0..kept.len() {
        drawer.begin(2_000 + u64::try_from(position).unwrap_or(0));
        let Fault { at, until, kind: FaultKind::Death { node } } = kept[position] else {
            continue;
        };
        if drawer.roll(3) != 0 {
            continue;
        }
        let since = SimTime(at.0 - (1 + drawer.roll(drawer.interval * 4)));
        let until = SimTime(until.0 + 1);
        let freeze = Fault { at: since, until, kind: FaultKind::Pause { node } };
        if !kept.iter().any(|known| known.clashes_with(&freeze)) {
            kept.push(freeze);
        }
    }
}

/// Gives each fault its time.
fn place(drawer: &mut Drawer, faults: &mut [Fault], calm: SimTime) {
    let first = drawer.interval * 8;
    let mut before: Option<Fault> = None;
    for (position, fault) in faults.iter_mut().enumerate() {
        drawer.begin(1_000 + u64::try_from(position).unwrap_or(0));
        let span = match fault.kind {
            FaultKind::Reload { .. } | FaultKind::VipTaken { .. } => 0,
            FaultKind::Upgrade { .. } => drawer.exchange(),
            _ => drawer.span(),
        };
        let latest = calm.0.saturating_sub(span).max(first + 1);
        // Half of them gather in a few places: faults that meet are the interesting ones.
        let at = first + drawer.roll(latest - first);
        let at = if drawer.roll(2) == 0 { at } else { at - (at - first) % (drawer.interval * 60) };
        let mut at = at + drawer.roll(drawer.interval * 3);
        let meets = before.filter(|before| {
            before.kind.node().is_some_and(|node| fault.kind.node() == Some(node))
        });
        if let Some(before) = meets
            && drawer.roll(3) != 0
        {
            let lasts = before.until.0 - before.at.0 + drawer.interval;
            at = before.at.0 + drawer.roll(lasts);
        }
        (fault.at, fault.until) = (SimTime(at), SimTime(at + span));
        before = Some(fault.clone());
    }
}

/// In half of the runs, some nodes don't live to see the calm.
fn survivors(drawer: &mut Drawer, scenario: &Scenario, faults: &mut Vec<Fault>) {
    drawer.begin(u64::MAX - 1);
    if drawer.roll(2) == 0 {
        return;
    }
    let lost = drawer.roll(drawer.count);
    let first = drawer.roll(drawer.count);
    for step in 0..lost {
        let node = NodeId(u8::try_from((first + step) % drawer.count).unwrap_or(0));
        let kind = match drawer.roll(4) {
            0 => FaultKind::Kill { node },
            1 => FaultKind::PowerLoss { node },
            2 => FaultKind::LinkDown { node },
            _ => FaultKind::Isolate { node },
        };
        let back = drawer.roll(drawer.interval * 10);
        let at = SimTime(scenario.calm_at.0.saturating_sub(back));
        let fault = Fault { at, until: SimTime(scenario.end.0 + 1), kind };
        faults.retain(|known| !known.clashes_with(&fault));
        faults.push(fault);
    }
}

fn kind(drawer: &mut Drawer, scenario: &Scenario, kind: Kind) -> FaultKind {
    let (a, b) = drawer.pair();
    let node = drawer.node();
    let interval = drawer.interval;
    let per_mille = [20, 100, 300, 700][index(drawer.roll(4))];
    let from = (drawer.roll(2) == 0).then_some(a);
    match kind {
        Kind::CutOneWay => FaultKind::CutOneWay { from: a, to: b },
        Kind::CutPair => FaultKind::CutPair { a, b },
        Kind::Isolate => FaultKind::Isolate { node },
        Kind::Split => {
            let chosen = 1 + drawer.roll((1 << drawer.count) - 2);
            let group = (0..drawer.count).filter(|node| chosen & (1 << node) != 0);
            FaultKind::Split {
                group: group.map(|n| NodeId(u8::try_from(n).unwrap_or(0))).collect(),
            }
        }
        Kind::Slow => FaultKind::Slow { a, b, extra: SimTime(drawer.roll(interval / 8)) },
        Kind::Loss => {
            let noise = [NoiseKind::Loss, NoiseKind::Duplicate, NoiseKind::Reorder];
            FaultKind::Noise { from, noise: noise[index(drawer.roll(3))], per_mille }
        }
        Kind::Mangle => {
            let noise = [NoiseKind::Corrupt, NoiseKind::Truncate, NoiseKind::Ttl];
            FaultKind::Noise { from, noise: noise[index(drawer.roll(3))], per_mille }
        }
        Kind::Reflect => FaultKind::Noise { from, noise: NoiseKind::Reflect, per_mille },
        Kind::Stranger => {
            let wrong = [Wrong::Vrid, Wrong::Version, Wrong::Checksum, Wrong::Type, Wrong::Way];
            let every = SimTime(interval / 7 + 1);
            FaultKind::Stranger { wrong: wrong[index(drawer.roll(5))], every }
        }
        Kind::Stop => FaultKind::Stop { node },
        Kind::Kill => FaultKind::Kill { node },
        Kind::Death => FaultKind::Death { node },
        Kind::Upgrade => FaultKind::Upgrade { node },
        Kind::PowerLoss => FaultKind::PowerLoss { node },
        Kind::Pause => FaultKind::Pause { node },
        Kind::LinkDown => FaultKind::LinkDown { node },
        Kind::InterfaceGone => FaultKind::InterfaceGone { node },
        Kind::NoAddress => FaultKind::NoAddress { node },
        Kind::Reload => FaultKind::Reload { node, change: change(drawer, scenario) },
        Kind::Refuse => {
            let operation =
                [RefusedOperation::Add, RefusedOperation::Renew, RefusedOperation::Remove];
            FaultKind::Refuse { node, operation: operation[index(drawer.roll(3))] }
        }
        Kind::LostEvents => FaultKind::LostEvents { node },
        Kind::VipTaken => FaultKind::VipTaken { node },
        Kind::VipForeign => FaultKind::VipForeign { node },
        Kind::SendFails => FaultKind::SendFails { node },
        Kind::SocketFails => FaultKind::SocketFails { node },
        Kind::SlowKernel => {
            FaultKind::SlowKernel { node, extra: SimTime(drawer.roll(interval / 10)) }
        }
        Kind::CheckFails => FaultKind::CheckFails { node },
        Kind::HookHangs => {
            FaultKind::HookHangs { node, extra: SimTime(drawer.roll(5_000_000_000)) }
        }
    }
}

fn change(drawer: &mut Drawer, scenario: &Scenario) -> Change {
    let owns = scenario.nodes.iter().any(|node| node.priority == 255);
    match drawer.roll(4) {
        // An owner that stops to be one, or the other way round, is another cluster.
        0 if !owns => {
            Change::Priority { priority: u8::try_from(1 + drawer.roll(254)).unwrap_or(100) }
        }
        1 => Change::Preempt { preempt: drawer.roll(2) == 0 },
        2 => Change::FewerVips { fewer: drawer.roll(2) == 0 },
        _ => Change::Nothing,
    }
}
