//! Faults in words.

use std::fmt;

use super::{Change, Fault, FaultKind};

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}: {}", self.at, self.until, self.kind)
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CutOneWay { from, to } => write!(f, "{to} doesn't hear {from}"),
            Self::CutPair { a, b } => write!(f, "{a} and {b} don't hear each other"),
            Self::Isolate { node } => write!(f, "{node} is cut off"),
            Self::Split { group } => {
                f.write_str("cut off together:")?;
                group.iter().try_for_each(|node| write!(f, " {node}"))
            }
            Self::Slow { a, b, extra } => write!(f, "{extra} slower between {a} and {b}"),
            Self::Noise { from: Some(from), noise, per_mille } => {
                write!(f, "{noise:?} of {per_mille} ‰ of {from}'s packets")
            }
            Self::Noise { from: None, noise, per_mille } => {
                write!(f, "{noise:?} of {per_mille} ‰ of all packets")
            }
            Self::Stranger { wrong, every } => {
                write!(f, "a stranger's packets, wrong in {wrong:?}, every {every}")
            }
            Self::Stop { node } => write!(f, "{node} is asked to stop"),
            Self::Kill { node } => write!(f, "{node} is killed"),
            Self::Death { node } => write!(f, "{node} is killed, its guard goes on"),
            Self::Upgrade { node } => write!(f, "{node} executes another program in its place"),
            Self::PowerLoss { node } => write!(f, "{node} loses its power"),
            Self::Pause { node } => write!(f, "{node} is frozen"),
            Self::LinkDown { node } => write!(f, "{node}'s cable is pulled"),
            Self::InterfaceGone { node } => write!(f, "{node}'s interface is deleted"),
            Self::NoAddress { node } => write!(f, "{node} has no address"),
            Self::Refuse { node, operation } => {
                write!(f, "{node}'s kernel refuses: {operation:?}")
            }
            Self::SlowKernel { node, extra } => write!(f, "{node}'s kernel is {extra} slower"),
            Self::LostEvents { node } => write!(f, "{node} loses netlink events"),
            Self::VipTaken { node } => write!(f, "somebody removes {node}'s VIPs"),
            Self::VipForeign { node } => write!(f, "somebody adds a VIP on {node}"),
            Self::SendFails { node } => write!(f, "{node} can't send"),
            Self::SocketFails { node } => write!(f, "{node} can't open sockets"),
            Self::CheckFails { node } => write!(f, "{node}'s check fails"),
            Self::HookHangs { node, extra } => write!(f, "{node}'s hooks take {extra} longer"),
            Self::Reload { node, change } => write!(f, "{node} reads its file again: {change}"),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing is new"),
            Self::Priority { priority } => write!(f, "priority {priority}"),
            Self::Preempt { preempt: true } => f.write_str("preempts"),
            Self::Preempt { preempt: false } => f.write_str("doesn't preempt"),
            Self::Version { version } => write!(f, "version {version}"),
            Self::FewerVips { fewer: true } => f.write_str("the last VIP is left out"),
            Self::FewerVips { fewer: false } => f.write_str("all VIPs"),
            Self::Lease { lease: true } => f.write_str("leases"),
            Self::Lease { lease: false } => f.write_str("no leases"),
            Self::GarpRefresh { secs } => write!(f, "announcements every {secs} s"),
            Self::Checked { checked: true } => f.write_str("a check"),
            Self::Checked { checked: false } => f.write_str("no check"),
        }
    }
}
