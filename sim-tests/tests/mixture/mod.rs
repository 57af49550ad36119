//! Scenarios of everything that can go wrong, at whole milliseconds.

use openproxy_io_sim::NodeId;
use openproxy_io_sim::clock::SimTime;
use openproxy_io_sim::draw::{Draws, Stream};
use openproxy_io_sim::kernel::RefusedOperation;
use openproxy_io_sim::lan::NoiseKind;
use openproxy_sim_tests::fault::{Fault, FaultKind, Wrong};
use openproxy_sim_tests::scenario::{NodeSpec, Scenario};

/// How long a packet travels.
pub(crate) const DELAY: SimTime = SimTime::from_millis(1);

/// Numbers for one scenario.
struct Dice {
    draws: Draws,
    thrown: u64,
}

impl Dice {
    /// A number from `low` to `high`.
    fn pick<T: TryFrom<u64>>(&mut self, low: u64, high: u64) -> T {
        self.thrown += 1;
        let drawn = self.draws.between(Stream::Scenario, 0, self.thrown, low, high);
        T::try_from(drawn).unwrap_or_else(|_| panic!("{drawn} is too large"))
    }

    fn millis(&mut self, low: u64, high: u64) -> SimTime {
        SimTime::from_millis(self.pick(low, high))
    }

    fn is(&mut self, per_cent: u64) -> bool {
        self.pick::<u64>(1, 100) <= per_cent
    }
}

/// The scenario of a seed. In every other one the clocks drift, and what nodes do by them is at no
/// whole millisecond.
pub(crate) fn scenario(seed: u64) -> Scenario {
    let mut dice = Dice { draws: Draws::new(seed), thrown: 0 };
    let count = dice.pick(2, 4);
    let priorities: Vec<u8> = (0..count).map(|_| dice.pick(1, 255)).collect();
    let mut scenario = Scenario::calm(&priorities);
    scenario.seed = seed;
    scenario.coarse_timers = true;
    (scenario.delay_min, scenario.delay_max) = (DELAY, DELAY);
    // An operation takes between an eighth of this and all of it.
    scenario.kernel_takes_max = SimTime::ZERO;
    scenario.version = if dice.is(30) { 2 } else { 3 };
    scenario.interval_centis = match scenario.version {
        2 => dice.pick::<u16>(1, 3) * 100,
        _ => dice.pick(100, 300),
    };
    scenario.unicast = dice.is(30);
    scenario.ipv6 = scenario.version == 3 && dice.is(20);
    scenario.lease = dice.is(70);
    scenario.vips = dice.pick(1, 3);
    scenario.guarded = dice.is(50);
    for node in &mut scenario.nodes {
        spread(&mut dice, node, seed % 2 == 1);
    }
    scenario.end = SimTime::from_secs(45);
    let faults = dice.pick(1, 5);
    for _ in 0..faults {
        let fault = fault(&mut dice, count, scenario.guarded);
        if !scenario.faults.iter().any(|known| known.clashes_with(&fault)) {
            scenario.faults.push(fault);
        }
    }
    scenario
}

fn spread(dice: &mut Dice, node: &mut NodeSpec, drifts: bool) {
    node.preempt_delay = match dice.pick(0, 3) {
        0 => None,
        1 => Some(dice.millis(0, 5_000)),
        _ => Some(SimTime::ZERO),
    };
    node.hooks_take = dice.is(30).then(|| dice.millis(0, 1_000));
    node.check_weight = dice.is(30).then(|| dice.pick::<i16>(0, 99) - 99);
    node.drift_ppm = if drifts { dice.pick::<i32>(0, 1_000) - 500 } else { 0 };
    node.starts_at = dice.millis(0, 3_000);
}

/// Any but a reload, which takes the turmoil runner half a second longer.
#[expect(clippy::wildcard_enum_match_arm, reason = "most last as long as they are drawn to")]
fn fault(dice: &mut Dice, count: u64, is_guarded: bool) -> Fault {
    let position = dice.pick::<u64>(0, count - 1);
    let id = |position: u64| NodeId(u8::try_from(position % count).expect("few"));
    let (node, other) = (id(position), id(position + dice.pick::<u64>(1, count - 1)));
    let noise = NoiseKind::ALL[dice.pick::<usize>(0, NoiseKind::ALL.len() as u64 - 1)];
    let per_mille = dice.pick(50, 500);
    let extra = dice.millis(1, 400);
    let mut kinds = vec![
        FaultKind::Kill { node },
        FaultKind::PowerLoss { node },
        FaultKind::Stop { node },
        FaultKind::Pause { node },
        FaultKind::CutOneWay { from: node, to: other },
        FaultKind::CutPair { a: node, b: other },
        FaultKind::Isolate { node },
        FaultKind::Split { group: vec![node] },
        FaultKind::LinkDown { node },
        FaultKind::InterfaceGone { node },
        FaultKind::NoAddress { node },
        FaultKind::Noise { from: Some(node), noise, per_mille },
        FaultKind::Noise { from: None, noise: NoiseKind::Loss, per_mille },
        FaultKind::Slow { a: node, b: other, extra },
        FaultKind::Stranger { wrong: Wrong::Checksum, every: extra },
        FaultKind::SlowKernel { node, extra },
        FaultKind::HookHangs { node, extra },
        FaultKind::CheckFails { node },
        FaultKind::VipTaken { node },
        FaultKind::VipForeign { node },
        FaultKind::SendFails { node },
        FaultKind::SocketFails { node },
        FaultKind::LostEvents { node },
        FaultKind::Refuse { node, operation: RefusedOperation::Add },
    ];
    if is_guarded && dice.is(40) {
        kinds = vec![FaultKind::Death { node }, FaultKind::Upgrade { node }];
    }
    let kind = kinds.swap_remove(dice.pick(0, kinds.len() as u64 - 1));
    let at = dice.millis(3_000, 28_000);
    let lasts = dice.millis(100, 15_000);
    let lasts = match kind {
        // About as long as a guard waits.
        FaultKind::Upgrade { .. } => SimTime(lasts.0 / 15_000_000 * 2_000_000),
        _ => lasts,
    };
    Fault { at, until: at + lasts.since(SimTime::ZERO), kind }
}
