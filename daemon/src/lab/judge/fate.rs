//! What became of a TCP connection through the VIP, and what should have.

use std::time::Duration;

use super::{Check, Kind, Measure, millis, worst};
use crate::lab::record::{Connection, End};

/// From the announcement of the VIP to the first answer through a new connection; and from a question
/// to its answer on one that lives.
const ANSWERED_WITHIN: Duration = Duration::from_millis(50);

/// What became of the connection on which the client waited when the fault came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It lives: what was asked on it was answered after so long.
    Kept(Duration),
    /// It ended.
    Ended {
        /// How long after the fault.
        after: Duration,
        /// How.
        end: End,
        /// The first answer that the client had through another one from whoever has the VIP now.
        anew: Option<Anew>,
    },
    /// It is silent: for so long the client has waited in vain.
    Waiting(Duration),
}

/// The first answer through a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Anew {
    /// How long after the fault.
    pub(crate) after: Duration,
    /// How long after the VIP was announced; zero if before. Where it never left: after the fault.
    pub(crate) after_announcement: Duration,
    /// Who answered.
    pub(crate) node: usize,
}

/// What a client may expect that waits when a fault comes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    /// When the fault came.
    pub(crate) fault: Duration,
    /// The node that has the VIP from then on.
    pub(crate) node: usize,
    /// When that one announced it; where it never left, the fault.
    pub(crate) announced_at: Duration,
    /// When the client asked something on its connection, if it did.
    pub(crate) asked_at: Option<Duration>,
}

impl Fate {
    /// Follows a client from a fault to `now`.
    pub(crate) fn of(connections: &[Connection], expected: Expected, now: Duration) -> Self {
        let Expected { fault, node, announced_at, asked_at } = expected;
        let opened = connections.partition_point(|connection| connection.opened <= fault);
        let (before, later) = connections.split_at(opened);
        let waiting = Self::Waiting(now.saturating_sub(asked_at.unwrap_or(announced_at)));
        let Some(held) = before.last() else { return waiting };
        let Some((ended_at, end)) = held.ended else {
            let answered_after = asked_at.and_then(|asked| held.answered.checked_sub(asked));
            return answered_after.map_or(waiting, Self::Kept);
        };
        let anew = later.iter().find(|connection| connection.node == node).map(|anew| Anew {
            after: anew.opened.saturating_sub(fault),
            after_announcement: anew.opened.saturating_sub(announced_at),
            node,
        });
        Self::Ended { after: ended_at.saturating_sub(fault), end, anew }
    }

    /// Whether the client knows where it is: nothing more is to come.
    pub(crate) fn is_settled(self) -> bool {
        match self {
            Self::Kept(_) | Self::Ended { anew: Some(_), .. } => true,
            Self::Ended { anew: None, .. } | Self::Waiting(_) => false,
        }
    }

    fn kept_ms(self) -> f64 {
        match self {
            Self::Kept(answered) => millis(answered),
            Self::Ended { .. } | Self::Waiting(_) => f64::INFINITY,
        }
    }

    fn anew_ms(self) -> f64 {
        match self {
            Self::Ended { anew: Some(anew), .. } => millis(anew.after_announcement),
            Self::Kept(_) | Self::Ended { anew: None, .. } | Self::Waiting(_) => f64::INFINITY,
        }
    }

    /// Which of two is worse for the client.
    pub(crate) fn worse(self, other: Self) -> Self {
        let rank = |fate: Self| match fate {
            Self::Kept(answered) => (0, answered),
            Self::Ended { anew: Some(anew), .. } => (1, anew.after_announcement),
            Self::Ended { after, anew: None, .. } => (2, after),
            Self::Waiting(waited) => (3, waited),
        };
        if rank(other) > rank(self) { other } else { self }
    }
}

impl std::fmt::Display for Fate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Kept(_) => write!(f, "kept"),
            Self::Ended { anew: Some(anew), .. } => {
                write!(f, "back in {:.1} ms", millis(anew.after_announcement))
            }
            Self::Ended { anew: None, .. } => write!(f, "cut off"),
            Self::Waiting(waited) => write!(f, "still waiting after {:.1} s", waited.as_secs_f64()),
        }
    }
}

/// What a daemon that resets connections owes to a client that waits on one.
pub(super) fn check(kind: Kind, runs: &[Measure]) -> Option<Check> {
    let (what, figure): (_, fn(Fate) -> f64) = match kind {
        // Whoever goes can still say goodbye.
        Kind::Kill | Kind::Stop | Kind::Hook | Kind::Return => ("reconnect", Fate::anew_ms),
        // The VIP never leaves.
        Kind::Restart | Kind::Upgrade => ("answer", Fate::kept_ms),
        Kind::Election
        | Kind::Crash
        | Kind::Pull
        | Kind::Back
        | Kind::Partition
        | Kind::Healing
        | Kind::Freeze
        | Kind::Thaw => return None,
    };
    let figures = runs.iter().map(|run| run.fate.map_or(f64::INFINITY, figure));
    let measured_ms = worst(figures.collect()).unwrap_or(f64::INFINITY);
    Some(Check { what, measured_ms, bound_ms: millis(ANSWERED_WITHIN) })
}

#[cfg(test)]
mod tests;
