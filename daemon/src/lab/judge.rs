//! The judgement: gaps, overlaps and verdicts from what was observed. Pure; no clock, no network.

use std::time::Duration;

use super::record::{Fact, Probe, Said};
use super::theory::{self, Timing};

mod fate;
pub(crate) use fate::{Expected, Fate};

/// The most nodes a lab has.
pub(crate) const NODES_MAX: usize = 7;
/// An answer later than this served nobody: it waited in a queue for an address to be resolved.
const ANSWER_LATE: Duration = Duration::from_millis(20);
/// With at least this many runs the medians are judged, by the tight bounds.
const MEDIAN_RUNS_MIN: usize = 3;

/// Whether a node is on the LAN without the client; the best node is, its successor isn't, so
/// that after a partition the client is on the wrong side.
pub(crate) fn on_far_lan(node: usize) -> bool {
    node.is_multiple_of(2)
}

/// Who holds the VIP and who can reach whom, replayed from facts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Network {
    held: [bool; NODES_MAX],
    plugged: [bool; NODES_MAX],
    trunk: bool,
}

impl Network {
    /// A whole network in which nobody holds the VIP.
    pub(crate) fn new() -> Self {
        Self { held: [false; NODES_MAX], plugged: [true; NODES_MAX], trunk: true }
    }

    /// The network after all these facts.
    pub(crate) fn after(facts: &[(Duration, Fact)]) -> Self {
        let mut network = Self::new();
        facts.iter().for_each(|(_, fact)| network.apply(*fact));
        network
    }

    fn apply(&mut self, fact: Fact) {
        match fact {
            Fact::Held(node, held) => self.held[node] = held,
            Fact::Plugged(node, plugged) => self.plugged[node] = plugged,
            Fact::Trunk(joined) => self.trunk = joined,
        }
    }

    /// The nodes that hold the VIP where somebody can see it. A node behind a pulled cable serves
    /// and disturbs nobody, so it doesn't count.
    pub(crate) fn holders(&self) -> Vec<usize> {
        (0..NODES_MAX).filter(|&node| self.held[node] && self.plugged[node]).collect()
    }

    /// The one node that holds the VIP in a whole network, if that is how things are.
    pub(crate) fn sole_holder(&self) -> Option<usize> {
        match self.holders()[..] {
            [node] if self.trunk => Some(node),
            _ => None,
        }
    }

    /// Whether two holders are on the same LAN. The two sides of a partition can't know of each
    /// other and must each have a holder, so such a pair doesn't count.
    fn conflict(&self) -> bool {
        let holders = self.holders();
        let far = holders.iter().filter(|&&node| on_far_lan(node)).count();
        let near = holders.len() - far;
        if self.trunk { holders.len() > 1 } else { far > 1 || near > 1 }
    }
}

/// For how long, between two moments, two nodes that could reach each other both held the VIP.
pub(crate) fn two_holders(facts: &[(Duration, Fact)], from: Duration, to: Duration) -> Duration {
    let mut network = Network::new();
    let mut since = Duration::ZERO;
    let mut total = Duration::ZERO;
    let end = (to, None);
    for (at, fact) in facts.iter().map(|(at, fact)| (*at, Some(*fact))).chain([end]) {
        if network.conflict() {
            total += at.min(to).saturating_sub(since.max(from));
        }
        since = at;
        if let Some(fact) = fact {
            network.apply(fact);
        }
    }
    total
}

/// When the network last began to have exactly one holder, if it has one now.
pub(crate) fn sole_holder_since(facts: &[(Duration, Fact)]) -> Option<(usize, Duration)> {
    let mut network = Network::new();
    let mut sole = None;
    for (at, fact) in facts {
        network.apply(*fact);
        sole = match (network.sole_holder(), sole) {
            (Some(node), Some((same, since))) if node == same => Some((node, since)),
            (Some(node), _) => Some((node, *at)),
            (None, _) => None,
        };
    }
    sole
}

/// How a client fared between two moments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Service {
    /// The longest time without an answer, less the interval between probes.
    pub(crate) gap: Duration,
    /// The end of the last time without an answer.
    pub(crate) served_since: Option<Duration>,
}

/// Finds the gaps in a client's service. A gap is a run of unanswered probes: a late prober makes
/// none. It lasts from the last answer before it to the first answer after it.
pub(crate) fn service(
    probes: &[Probe],
    from: Duration,
    to: Duration,
    interval: Duration,
) -> Service {
    let start = probes.partition_point(|probe| probe.sent < from);
    let end = probes.partition_point(|probe| probe.sent < to).max(start);
    let mut found = Service::default();
    let mut answered_at = from;
    let mut unanswered = false;
    let mut close = |answered_at: Duration, until: Duration| {
        let gap = until.saturating_sub(answered_at).saturating_sub(interval);
        found = Service { gap: found.gap.max(gap), served_since: Some(until) };
    };
    for probe in &probes[start..end] {
        match probe.answer {
            Some((at, _)) if at.saturating_sub(probe.sent) <= ANSWER_LATE => {
                if unanswered {
                    close(answered_at, at);
                }
                (answered_at, unanswered) = (at, false);
            }
            // The answer of one just sent may still be ahead.
            None if to.saturating_sub(probe.sent) < ANSWER_LATE => {}
            _ => unanswered = true,
        }
    }
    if unanswered {
        close(answered_at, to);
    }
    found
}

/// The median; of an even number, the upper one.
pub(crate) fn median<T: PartialOrd + Copy>(values: impl IntoIterator<Item = T>) -> Option<T> {
    let mut sorted: Vec<T> = values.into_iter().collect();
    sorted.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    sorted.get(sorted.len() / 2).copied()
}

/// What is done to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// All daemons start.
    Election,
    /// The MASTER's daemon is killed with SIGKILL.
    Kill,
    /// It is killed, and started again at once.
    Restart,
    /// It executes its program anew.
    Upgrade,
    /// It is killed together with its guard.
    Crash,
    /// The better node's daemon starts again.
    Return,
    /// The MASTER's daemon is asked to stop.
    Stop,
    /// It is, and its successor has a script to run first.
    Hook,
    /// The MASTER's cable is pulled.
    Pull,
    /// The cable is put back.
    Back,
    /// The LAN falls in two, with the client on the lesser node's side.
    Partition,
    /// The two halves become one LAN again.
    Healing,
    /// The MASTER's daemon is frozen with SIGSTOP.
    Freeze,
    /// The frozen daemon goes on.
    Thaw,
}

impl Kind {
    /// The name in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Election => "election",
            Self::Kill => "kill -9 of the MASTER",
            Self::Restart => "kill -9 and restart",
            Self::Upgrade => "upgrade in place",
            Self::Crash => "kill -9 of the guard, too",
            Self::Return => "return of the better node",
            Self::Stop => "planned stop",
            Self::Hook => "planned stop, 2 s hook",
            Self::Pull => "cable pulled",
            Self::Back => "cable back",
            Self::Partition => "partition",
            Self::Healing => "healing",
            Self::Freeze => "MASTER frozen",
            Self::Thaw => "MASTER thawed",
        }
    }

    /// The name in JSON.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Election => "election",
            Self::Kill => "kill",
            Self::Restart => "restart",
            Self::Upgrade => "upgrade",
            Self::Crash => "crash",
            Self::Return => "return",
            Self::Stop => "stop",
            Self::Hook => "hook",
            Self::Pull => "pull",
            Self::Back => "back",
            Self::Partition => "partition",
            Self::Healing => "healing",
            Self::Freeze => "freeze",
            Self::Thaw => "thaw",
        }
    }
}

/// One run of one scenario, measured. Times count from the fault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Measure {
    /// The client's longest gap.
    pub(crate) gap: Duration,
    /// The longest gap theory explains.
    pub(crate) gap_theory: Duration,
    /// How long two nodes held the VIP.
    pub(crate) two_holders: Duration,
    /// The successor's first advert: when it came, and when theory has it.
    pub(crate) takeover: Option<(Duration, Duration)>,
    /// After a healing: until there was one holder and the client served for good.
    pub(crate) healed: Option<Duration>,
    /// After a thaw: what the node said while another was MASTER.
    pub(crate) said: Option<Said>,
    /// What became of the client's TCP connection, where that is looked at.
    pub(crate) fate: Option<Fate>,
    /// What never came to pass.
    pub(crate) failure: Option<String>,
}

impl Measure {
    /// By how much the successor was late (negative: early), in milliseconds.
    pub(crate) fn late_ms(&self) -> Option<f64> {
        self.takeover.map(|(actual, theory)| millis(actual) - millis(theory))
    }

    fn gap_late_ms(&self) -> f64 {
        millis(self.gap) - millis(self.gap_theory)
    }
}

/// One bound, and whether it held.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    /// What is bounded.
    pub(crate) what: &'static str,
    /// The figure, in milliseconds: a median or the worst of all runs.
    pub(crate) measured_ms: f64,
    /// The bound, in milliseconds.
    pub(crate) bound_ms: f64,
}

impl Check {
    /// Whether the bound held.
    pub(crate) fn holds(&self) -> bool {
        self.measured_ms <= self.bound_ms
    }
}

/// What a daemon is held to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// Interval and version.
    pub(crate) timing: Timing,
    /// Whether it resets the connections of VIPs that come off.
    pub(crate) resets: bool,
}

/// Judges all runs of one scenario by its bounds.
pub(crate) fn checks(kind: Kind, terms: Terms, runs: &[Measure]) -> Vec<Check> {
    let mut checks = checks_of_routers(kind, terms.timing, runs);
    checks.extend(fate::check(kind, runs).filter(|_| terms.resets));
    checks
}

fn checks_of_routers(kind: Kind, timing: Timing, runs: &[Measure]) -> Vec<Check> {
    let many = runs.len() >= MEDIAN_RUNS_MIN;
    let typical = |values: Vec<f64>| {
        let middle = if many { median(values) } else { worst(values) };
        middle.unwrap_or(f64::INFINITY)
    };
    let either = |tight: f64, loose: f64| if many { tight } else { loose };
    let sub_second = timing.advert_int < Duration::from_secs(1);

    let first_advert = || Check {
        what: "first advert late",
        measured_ms: typical(
            runs.iter().map(|run| run.late_ms().unwrap_or(f64::INFINITY)).collect(),
        ),
        bound_ms: either(if sub_second { 2.0 } else { 1.0 }, 10.0),
    };
    // The guard has to notice, and to begin.
    let guarded_advert = || Check { bound_ms: either(5.0, 20.0), ..first_advert() };
    let gap_over_theory = |tight| Check {
        what: "gap late",
        measured_ms: typical(runs.iter().map(Measure::gap_late_ms).collect()),
        bound_ms: either(tight, 20.0),
    };
    let gap = || Check {
        what: "gap",
        measured_ms: typical(runs.iter().map(|run| millis(run.gap)).collect()),
        bound_ms: either(5.0, 20.0),
    };
    let overlap = |bound_ms| Check {
        what: "two holders",
        measured_ms: worst(runs.iter().map(|run| millis(run.two_holders)).collect())
            .unwrap_or(f64::INFINITY),
        bound_ms,
    };
    let lease = millis(timing.two_holders_max(theory::priority(1)));
    let healed = || Check {
        what: "healed",
        measured_ms: worst(
            runs.iter().map(|run| run.healed.map_or(f64::INFINITY, millis)).collect(),
        )
        .unwrap_or(f64::INFINITY),
        bound_ms: millis(timing.advert_int) + 20.0,
    };
    match kind {
        Kind::Election => vec![],
        Kind::Kill => vec![overlap(either(5.0, 20.0)), guarded_advert(), gap()],
        Kind::Restart | Kind::Upgrade => vec![overlap(either(5.0, 20.0)), gap()],
        Kind::Crash | Kind::Freeze => vec![overlap(lease), first_advert(), gap_over_theory(20.0)],
        // Until whoever goes has heard the announcement.
        Kind::Stop | Kind::Hook => vec![overlap(20.0), first_advert(), gap()],
        Kind::Partition => vec![first_advert(), gap_over_theory(20.0)],
        Kind::Pull => vec![first_advert(), gap_over_theory(5.0)],
        Kind::Return | Kind::Back | Kind::Thaw => vec![gap()],
        Kind::Healing => vec![healed()],
    }
}

/// A time in milliseconds, for people.
pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn worst(values: Vec<f64>) -> Option<f64> {
    values.into_iter().reduce(f64::max)
}

#[cfg(test)]
mod tests;
