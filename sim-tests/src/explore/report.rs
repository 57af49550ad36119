//! What came of an exploration.

use std::fmt;

use openproxy_io_sim::clock::SimTime;

use super::action::Action;
use super::settings::Configuration;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// In each configuration.
    pub configurations: Vec<Explored>,
}

/// What was found in one configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explored {
    /// Which.
    pub configuration: Configuration,
    /// How many states it can be in.
    pub states: u64,
    /// How many steps between them were taken.
    pub transitions: u64,
    /// How many pairs of clusters with the same key were compared.
    pub comparisons: u64,
    /// The longest that cliques took to settle after the last change.
    pub worst: Worst,
    /// The longest that others took: where some don't hear each other, or in one direction alone.
    pub worst_elsewhere: SimTime,
    /// The longest that a VIP was left on a dead machine while a successor had it that had waited
    /// for the silence of the dead.
    pub worst_overlap: SimTime,
    /// The same with a successor that hadn't: it preempted, or was released by another MASTER.
    pub worst_overlap_unbound: SimTime,
    /// What must not be, by the shortest way to it; more faults were not looked at then.
    pub violation: Option<Violation>,
}

/// The longest that anything took, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Worst {
    /// How long.
    pub took: SimTime,
    /// How long it might have taken.
    pub bound: SimTime,
    /// What befell the cluster, and when.
    pub trace: Vec<(SimTime, Action)>,
}

/// Something that must not be, and how it came to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What befell the cluster, and when.
    pub trace: Vec<(SimTime, Action)>,
    /// What is wrong.
    pub what: String,
}

impl Report {
    /// How many states there are.
    #[must_use]
    pub fn states(&self) -> u64 {
        self.configurations.iter().map(|explored| explored.states).sum()
    }

    /// How many steps were taken.
    #[must_use]
    pub fn transitions(&self) -> u64 {
        self.configurations.iter().map(|explored| explored.transitions).sum()
    }

    /// The longest that cliques took to settle, in whichever configuration.
    #[must_use]
    pub fn worst_convergence(&self) -> SimTime {
        let all = self.configurations.iter().map(|explored| explored.worst.took);
        all.max().unwrap_or(SimTime::ZERO)
    }

    /// The first violation, and in which configuration.
    #[must_use]
    pub fn violation(&self) -> Option<(&Configuration, &Violation)> {
        self.configurations.iter().find_map(|explored| {
            explored.violation.as_ref().map(|violation| (&explored.configuration, violation))
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for explored in &self.configurations {
            writeln!(f, "{explored}")?;
        }
        write!(f, "{} states, {} steps", self.states(), self.transitions())
    }
}

impl fmt::Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.configuration)?;
        writeln!(f, "  {} states, {} steps", self.states, self.transitions)?;
        if self.comparisons > 0 {
            writeln!(f, "  {} pairs compared", self.comparisons)?;
        }
        let Worst { took, bound, trace } = &self.worst;
        writeln!(f, "  cliques settle within {took} of {bound} after: {}", Steps(trace))?;
        write!(f, "  others within {}", self.worst_elsewhere)?;
        write!(f, "; a VIP is left for {}", self.worst_overlap)?;
        write!(f, ", for {} where nobody waits", self.worst_overlap_unbound)?;
        match &self.violation {
            Some(violation) => write!(f, "\n  VIOLATION {violation}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, after: {}", self.what, Steps(&self.trace))
    }
}

struct Steps<'a>(&'a [(SimTime, Action)]);

impl fmt::Display for Steps<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("the start");
        }
        for (position, (at, action)) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { ", " };
            write!(f, "{separator}{at} {action}")?;
        }
        Ok(())
    }
}
