//! What befalls a cluster, and the daemon that looks at it.

use openproxy_core::time::{Duration, Instant};
use openproxy_io_sim::NodeId;
use openproxy_io_sim::draw::{Draws, Sequence, Stream};
use openproxy_io_sim::patroni::{Fault, Setup, Version};
use serde::{Deserialize, Serialize};

use super::millis;

/// The first mishap comes no sooner, and the daemon has started by then.
const CALM_BEFORE: Duration = Duration::from_secs(15);
/// More than these, no scenario has.
pub(super) const MEMBERS_MAX: u8 = 7;
/// How long all is well at the end: a key's life, a few loops, and the time to start anew.
pub(super) const CALM_AFTER: Duration = Duration::from_secs(120);

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mishap {
    /// To the cluster.
    Cluster(Fault),
    /// The daemon no longer reaches a member.
    CutDaemon(NodeId),
    /// It does again.
    MendDaemon(NodeId),
    /// The daemon's process is stopped for so long.
    StopDaemon(#[serde(with = "millis::duration")] Duration),
    /// The daemon is killed and started again.
    RestartDaemon,
}

impl Mishap {
    /// The member that it is about, if it is about one.
    #[must_use]
    pub const fn node(&self) -> Option<NodeId> {
        match self {
            Self::CutDaemon(node)
            | Self::MendDaemon(node)
            | Self::Cluster(
                Fault::KillMachine(node)
                | Fault::StartMachine(node)
                | Fault::KillPatroni(node)
                | Fault::StartPatroni(node)
                | Fault::HangPatroni(node)
                | Fault::ResumePatroni(node)
                | Fault::CutDcs(node)
                | Fault::MendDcs(node),
            ) => Some(*node),
            Self::StopDaemon(_)
            | Self::RestartDaemon
            | Self::Cluster(
                Fault::SwitchOver
                | Fault::StopDcs
                | Fault::StartDcs
                | Fault::Pause
                | Fault::Unpause
                | Fault::Restore
                | Fault::Reinitialise,
            ) => None,
        }
    }
}

/// When something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// When.
    #[serde(rename = "at_ms", with = "millis::instant")]
    pub at: Instant,
    /// What.
    pub mishap: Mishap,
}

/// A cluster, its fate, and how its network is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The seed that all chance comes from.
    pub seed: u64,
    /// When the daemon starts.
    #[serde(rename = "starts_at_ms", with = "millis::instant")]
    pub starts_at: Instant,
    /// An answer takes this long at most, as a rule.
    #[serde(rename = "delay_max_ms", with = "millis::duration")]
    pub delay_max: Duration,
    /// So many answers in a thousand are spoilt: cut short, garbage, reset, or late by seconds.
    pub spoilt_per_mille: u16,
    /// When it is over.
    #[serde(rename = "end_ms", with = "millis::instant")]
    pub end: Instant,
    /// The cluster.
    pub setup: Setup,
    /// In order of time.
    #[serde(default)]
    pub steps: Vec<Step>,
}

impl Scenario {
    /// Whether it makes sense.
    ///
    /// # Errors
    /// What doesn't, and what is allowed there.
    pub fn check(&self) -> Result<(), String> {
        let members = self.setup.members;
        if !(1..=MEMBERS_MAX).contains(&members) {
            return Err(format!("setup.members: {members}; 1 to {MEMBERS_MAX} are allowed"));
        }
        for (index, step) in self.steps.iter().enumerate() {
            if let Some(node) = step.mishap.node().filter(|node| node.0 >= members) {
                return Err(format!("steps[{index}]: member {}; there are {members}", node.0));
            }
        }
        let is_sorted = self.steps.is_sorted_by_key(|step| step.at);
        if is_sorted { Ok(()) } else { Err("steps: in order of their time, please".to_owned()) }
    }
}

/// The scenario of a seed.
#[must_use]
pub fn scenario(seed: u64) -> Scenario {
    let mut dice = Dice(Sequence::new(Draws::new(seed), Stream::Scenario, 1));
    let version = match dice.below(4) {
        0 => Version::V2,
        1 => Version::V3,
        2 => Version::V40,
        _ => Version::V41,
    };
    let members = [3, 3, 3, 2, 5][dice.index(5)];
    // Older ones have no failsafe mode.
    let failsafe = version != Version::V2 && dice.below(2) == 0;
    let setup = Setup { members, failsafe, version };
    let starts_at = Instant::from_millis(1_000 + dice.below(5_000));
    let mut steps = Vec::new();
    let mut at = starts_at + CALM_BEFORE;
    for _ in 0..1 + dice.below(4) {
        at = at + Duration::from_millis(dice.below(90_000));
        dice.mishap(members, at, &mut steps);
    }
    if dice.below(10) == 0 {
        // The daemon starts while it reaches nobody, or few.
        let ends = starts_at + Duration::from_millis(dice.below(60_000));
        let some = dice.below(2) == 0;
        for node in (0..members).map(NodeId) {
            if some && dice.below(2) == 0 {
                continue;
            }
            steps.push(Step { at: Instant::ZERO, mishap: Mishap::CutDaemon(node) });
            steps.push(Step { at: ends, mishap: Mishap::MendDaemon(node) });
        }
    }
    steps.sort_by_key(|step| step.at);
    let last = steps.last().map_or(at, |step| step.at);
    Scenario {
        seed,
        setup,
        starts_at,
        delay_max: Duration::from_millis(1 + dice.below(20)),
        spoilt_per_mille: if dice.below(3) == 0 { 5 } else { 0 },
        steps,
        end: last + CALM_AFTER,
    }
}

struct Dice(Sequence);

impl Dice {
    fn below(&mut self, count: u64) -> u64 {
        self.0.below(count)
    }

    fn index(&mut self, count: usize) -> usize {
        usize::try_from(self.below(u64::try_from(count).unwrap_or(1))).unwrap_or_default()
    }

    /// One mishap, and its end.
    fn mishap(&mut self, members: u8, at: Instant, steps: &mut Vec<Step>) {
        let node = NodeId(u8::try_from(self.below(members.into())).unwrap_or_default());
        let until = at + Duration::from_millis(500 + self.below(80_000));
        let cluster = |from, to| (Mishap::Cluster(from), Some(Mishap::Cluster(to)));
        let (begins, ends) = match self.below(13) {
            0 | 1 => (Mishap::Cluster(Fault::SwitchOver), None),
            2 => cluster(Fault::KillMachine(node), Fault::StartMachine(node)),
            3 => cluster(Fault::KillPatroni(node), Fault::StartPatroni(node)),
            4 => cluster(Fault::HangPatroni(node), Fault::ResumePatroni(node)),
            5 => cluster(Fault::CutDcs(node), Fault::MendDcs(node)),
            6 => cluster(Fault::StopDcs, Fault::StartDcs),
            7 => cluster(Fault::Pause, Fault::Unpause),
            8 => (Mishap::CutDaemon(node), Some(Mishap::MendDaemon(node))),
            9 => (Mishap::StopDaemon(Duration::from_millis(self.below(60_000))), None),
            10 => (Mishap::Cluster(Fault::Restore), None),
            11 => (Mishap::Cluster(Fault::Reinitialise), None),
            _ => (Mishap::RestartDaemon, None),
        };
        steps.push(Step { at, mishap: begins });
        steps.extend(ends.map(|mishap| Step { at: until, mishap }));
    }
}
