//! What can befall a cluster.

use std::fmt;

/// Something that befalls a cluster, or that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// The process is killed (SIGKILL).
    Kill(u8),
    /// The process is asked to end (SIGTERM), and ends.
    Stop(u8),
    /// The machine loses its power.
    PowerLoss(u8),
    /// The process is stopped (SIGSTOP).
    Pause(u8),
    /// The cable is pulled.
    Unplug(u8),
    /// Nothing of the first reaches the second any more.
    Cut(u8, u8),
    /// The process is started.
    Start(u8),
    /// The machine has its power again, and starts the process.
    Boot(u8),
    /// The stopped process goes on.
    Resume(u8),
    /// The cable is plugged in.
    Plug(u8),
    /// The second hears the first again.
    Mend(u8, u8),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill(node) => write!(f, "kill n{node}"),
            Self::Stop(node) => write!(f, "stop n{node}"),
            Self::PowerLoss(node) => write!(f, "power loss n{node}"),
            Self::Pause(node) => write!(f, "pause n{node}"),
            Self::Unplug(node) => write!(f, "unplug n{node}"),
            Self::Cut(from, to) => write!(f, "cut n{from}→n{to}"),
            Self::Start(node) => write!(f, "start n{node}"),
            Self::Boot(node) => write!(f, "boot n{node}"),
            Self::Resume(node) => write!(f, "resume n{node}"),
            Self::Plug(node) => write!(f, "plug n{node}"),
            Self::Mend(from, to) => write!(f, "mend n{from}→n{to}"),
        }
    }
}
