//! From a seed to a scenario.
//!
//! A seed first draws which kinds of faults exist in its run at all, each with one half: when
//! everything goes wrong all the time, most things hide behind each other. Then it draws the
//! cluster, and the faults among those kinds. What a seed means changes with this file.

mod faults;

use openproxy_io_sim::clock::SimTime;
use openproxy_io_sim::draw::{Draws, Stream};

use crate::judge::settling;
use crate::scenario::{NodeSpec, Scenario};

/// How long each run is, in intervals.
pub const INTERVALS: u64 = 600;
/// How much of that comes after everything has settled, at least.
const CALM_INTERVALS: u64 = 20;
/// Intervals of adverts that are drawn often, in hundredths of a second; a sixth draw is of any up to
/// four seconds.
const INTERVALS_CENTIS: [u16; 5] = [1, 10, 100, 300, 4_000];
const INTERVAL_DRAWN_MAX: u64 = 400;

/// What is drawn. The numbers are part of the meaning of a seed.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
enum Topic {
    Interval = 1,
    Version,
    Family,
    Unicast,
    Vips,
    Lease,
    Count,
    Priorities,
    Priority,
    Preempt,
    Drift,
    Hooks,
    Checks,
    MixedIntervals,
    Delay,
    Starts,
    Handover,
    Guard,
}

/// The dice of one seed.
#[derive(Clone, Copy, Debug)]
struct Dice(Draws);

impl Dice {
    /// A number below `sides`.
    fn roll(self, topic: Topic, counter: u64, sides: u64) -> u64 {
        self.0.between(Stream::Scenario, topic as u64, counter, 0, sides - 1)
    }
}

/// The scenario of a seed.
#[must_use]
pub fn scenario(seed: u64) -> Scenario {
    let dice = Dice(Draws::new(seed));
    let any = || 1 + dice.roll(Topic::Interval, 1, INTERVAL_DRAWN_MAX);
    let often = INTERVALS_CENTIS.get(index(dice.roll(Topic::Interval, 0, 6)));
    let interval = often.copied().unwrap_or_else(|| u16::try_from(any()).expect("four seconds"));
    scenario_at(seed, interval)
}

/// The scenario of a seed, with this interval.
#[must_use]
pub fn scenario_at(seed: u64, interval_centis: u16) -> Scenario {
    let draws = Draws::new(seed);
    let dice = Dice(draws);
    let interval = u64::from(interval_centis) * 10_000_000;
    let can_be_v2 = interval_centis.is_multiple_of(100) && interval_centis <= 25_500;
    let version = if can_be_v2 && dice.roll(Topic::Version, 0, 2) == 0 { 2 } else { 3 };
    // Half of all clusters have three nodes; two to seven are allowed.
    let count = [2, 3, 3, 3, 3, 4, 5, 7][index(dice.roll(Topic::Count, 0, 8))];
    let delay =
        [interval / 200, interval / 50, interval / 20][index(dice.roll(Topic::Delay, 0, 3))];
    let delay_max = delay.min(20_000_000);
    let mut scenario = Scenario {
        seed,
        version,
        ipv6: version == 3 && dice.roll(Topic::Family, 0, 4) == 0,
        unicast: dice.roll(Topic::Unicast, 0, 4) == 0,
        vips: [1, 1, 2, 3][index(dice.roll(Topic::Vips, 0, 4))],
        lease: dice.roll(Topic::Lease, 0, 8) != 0,
        hands_over: dice.roll(Topic::Handover, 0, 4) != 0,
        guarded: dice.roll(Topic::Guard, 0, 2) == 0,
        interval_centis,
        delay_min: SimTime(delay_max / 8),
        delay_max: SimTime(delay_max),
        kernel_takes_max: SimTime((interval / 50).min(500_000)),
        coarse_timers: false,
        nodes: (0..count).map(|node| spec(dice, version, interval, node)).collect(),
        calm_at: SimTime::ZERO,
        end: SimTime(interval * INTERVALS),
        faults: Vec::new(),
    };
    scenario.faults = faults::draw(draws, &mut scenario);
    scenario
}

/// Three routers at 1 s for as long as `end`, with faults all along: the scenario that speed is
/// measured with.
#[must_use]
pub fn long_run(end: SimTime) -> Scenario {
    let mut scenario = Scenario::calm(&[150, 100, 50]);
    scenario.end = end;
    let part = SimTime::from_secs(INTERVALS);
    let mut faults = Vec::new();
    for number in 0..end.0 / part.0 {
        let mut of_part = Scenario { end: part, seed: number, ..scenario.clone() };
        for mut fault in faults::draw_passing(Draws::new(number), &mut of_part) {
            fault.at.0 += number * part.0;
            fault.until.0 += number * part.0;
            faults.push(fault);
        }
    }
    scenario.calm_at = SimTime(end.0.saturating_sub(2 * part.0));
    faults.retain(|fault| fault.until < scenario.calm_at);
    scenario.faults = faults;
    scenario
}

fn spec(dice: Dice, version: u8, interval: u64, node: u64) -> NodeSpec {
    let is_slow = interval >= 1_000_000_000;
    let priority = match dice.roll(Topic::Priorities, 0, 4) {
        0 => 100,
        1 => [255, 200, 100, 100, 50, 10, 1][index(node)],
        2 => [100, 101, 102, 103, 104, 105, 106][index(node)],
        _ => u8::try_from(dice.roll(Topic::Priority, node, 254) + 1).unwrap_or(100),
    };
    let preempt_delay = match dice.roll(Topic::Preempt, 0, 4) {
        0 | 1 => Some(SimTime::ZERO),
        2 if dice.roll(Topic::Preempt, 1 + node, 2) == 0 => None,
        2 => Some(SimTime::ZERO),
        _ if dice.roll(Topic::Preempt, 1 + node, 4) == 0 => Some(SimTime(interval * 2)),
        _ => None,
    };
    let drifts = dice.roll(Topic::Drift, 0, 2) == 0;
    let drift = i32::try_from(dice.roll(Topic::Drift, 1 + node, 1001)).unwrap_or(0) - 500;
    let has_hooks = is_slow && dice.roll(Topic::Hooks, 0, 8) == 0;
    let has_checks = is_slow && dice.roll(Topic::Checks, 0, 8) == 0;
    let is_mixed = version == 3 && dice.roll(Topic::MixedIntervals, 0, 8) == 0;
    let factor = [1, 2, 5, 40][index(dice.roll(Topic::MixedIntervals, 1 + node, 4))];
    let centis = u16::try_from(interval / 10_000_000 * factor).ok().filter(|it| *it <= 4_095);
    let starts_together = dice.roll(Topic::Starts, 0, 2) == 0;
    let starts_at =
        if starts_together { 0 } else { dice.roll(Topic::Starts, 1 + node, 8) * interval };
    NodeSpec {
        priority,
        preempt_delay,
        interval_centis: centis.filter(|_| is_mixed),
        version: None,
        drift_ppm: if drifts { drift } else { 0 },
        hooks_take: has_hooks
            .then(|| SimTime(dice.roll(Topic::Hooks, 1 + node, 3_000) * 1_000_000)),
        check_weight: has_checks.then(|| [0, -20, -100][index(dice.roll(Topic::Checks, 1, 3))]),
        starts_at: SimTime(starts_at),
    }
}

fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(0)
}

/// The moment at which the faults must be over, so that there is time to settle and to be calm.
fn calm_at(scenario: &Scenario) -> SimTime {
    let interval = u64::from(scenario.interval_centis) * 10_000_000;
    let settling = u64::try_from(settling(scenario).as_nanos()).unwrap_or(u64::MAX);
    let after = settling.saturating_add(interval * CALM_INTERVALS);
    SimTime(scenario.end.0.saturating_sub(after).max(interval * 50))
}
