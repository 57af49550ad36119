//! Events in words: one line each, with what and why.

use std::fmt;

use super::{Blocker, Event, EventKind, Reason};
use crate::io::{Address, Resets};

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(router) = &self.router {
            write!(f, "{router}: ")?;
        }
        self.kind.fmt(f)
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StateChanged { from, to, reason, .. } => write!(f, "{from} -> {to}: {reason}"),
            Self::Waiting(blocker) => write!(f, "waiting: {blocker}"),
            Self::Discarded { error, source, untold: 0 } => {
                write!(f, "discarded a packet from {source}: {error}")
            }
            Self::Discarded { error, source, untold } => {
                write!(f, "discarded a packet from {source}: {error} (and {untold} more like it)")
            }
            Self::VipAcquired(vip) => write!(f, "{vip} is on the interface"),
            Self::VipReleased(vip) => write!(f, "{vip} is off the interface"),
            Self::ConnectionsReset(resets) => write!(f, "{}", Connections(resets)),
            Self::VipRefused(vip, error) => write!(f, "cannot add {vip}: {error}"),
            Self::VipRemovalFailed(vip, error) => {
                write!(f, "cannot remove {vip}: {error}; trying again")
            }
            Self::VipTakenAway(vip) => {
                write!(f, "{vip} was removed by somebody else; putting it back")
            }
            Self::VipConverted(vip, was) => {
                write!(f, "{vip} was there already ({}); it is leased now", Attributes(was))
            }
            Self::VipForeign(vip, was) => write!(
                f,
                "{vip} is on the interface ({}) though this node isn't MASTER; \
                 `openproxy release --force` removes it",
                Attributes(was)
            ),
            Self::LeftoverRemoved(address) => write!(
                f,
                "removing {}/{}, left by an earlier process",
                address.ip, address.prefix_len
            ),
            Self::VipClaimed(ip, mac) => {
                write!(f, "{mac} announces {ip} as its own; announcing it again")
            }
            Self::ServingInPart(missing) => {
                f.write_str("nobody else took the role: serving without")?;
                missing.iter().try_for_each(|vip| write!(f, " {vip}"))
            }
            Self::SendFailed(error) => write!(f, "cannot send adverts: {error}"),
            Self::SocketFailed(interface, error) => {
                write!(f, "cannot listen on {interface}: {error}; trying again")
            }
            Self::HookStarted(kind) => write!(f, "{} started", kind.key()),
            Self::HookEnded(kind, Ok(())) => write!(f, "{} ended well", kind.key()),
            Self::HookEnded(kind, Err(error)) => write!(f, "{} failed: {error}", kind.key()),
            Self::HookTimedOut(kind) => write!(f, "{} ran too long and was killed", kind.key()),
            Self::CheckChanged(check, None) => write!(f, "check {check} is well"),
            Self::CheckChanged(check, Some(failure)) => {
                write!(f, "check {check} failed: {failure}")
            }
            Self::PriorityChanged(from, to) => write!(f, "priority {from} -> {to}"),
            Self::LongInterval { source, interval, believed: false } => write!(
                f,
                "{source} advertises every {interval}, more than ten times our interval; \
                 capped until it keeps to it"
            ),
            Self::LongInterval { source, interval, believed: true } => {
                write!(f, "{source} keeps to its interval of {interval}; believing it")
            }
            Self::VipListMismatch(source) => {
                write!(f, "{source} advertises other VIPs than ours; accepted")
            }
            Self::GlobalFirst(source) => write!(
                f,
                "{source} advertises no link-local IPv6 address first; accepted (see `strict`)"
            ),
            Self::OwnPeer => f.write_str("our own address among unicast_peers is left out"),
            Self::DualMaster(source) => write!(
                f,
                "two MASTERs: {source} is lesser and goes on advertising; it doesn't hear us"
            ),
            Self::DualMasterEnded => f.write_str("one MASTER again"),
            Self::NetlinkOverrun => f.write_str("netlink events were lost; reading all anew"),
            Self::Reloaded { added, removed, changed } => write!(
                f,
                "configuration applied: {added} routers added, {removed} removed, {changed} changed"
            ),
            Self::Released => f.write_str("all virtual routers are released"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner => f.write_str("priority 255"),
            Self::Ready => f.write_str("ready"),
            Self::MasterDown => f.write_str("no advert for the master-down interval"),
            Self::MasterReleased => f.write_str("the MASTER said priority 0"),
            Self::BetterMaster(source, priority) => {
                write!(f, "advert of {source} with priority {priority}")
            }
            Self::CannotSend => f.write_str("no advert could be sent before the lease passed"),
            Self::LeaseLapsed(late) => write!(
                f,
                "this process was stopped or starved: the lease passed {} ms ago",
                late.as_millis()
            ),
            Self::Blocked(blocker) => blocker.fmt(f),
            Self::Group => f.write_str("another router of its group left MASTER"),
            Self::Followed(source) => write!(f, "{source} advertises in its place"),
            Self::Announced(mac) => write!(f, "{mac} announces the VIPs in its place"),
            Self::NobodyFollowed => {
                f.write_str("nobody advertises in its place, and none has the VIPs now")
            }
            Self::Hurried => f.write_str("asked once more to stop"),
            Self::Inherited => f.write_str("the process before this one was MASTER"),
            Self::Resumed => f.write_str("nobody has followed: it serves on"),
        }
    }
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoInterface => "the interface doesn't exist",
            Self::LinkDown => "the interface is down or has no carrier",
            Self::NoSource => "the interface has no address to advertise from",
            Self::NoSocket => "the raw socket isn't open",
            Self::Check => "a check with weight 0 fails or hasn't been answered yet",
            Self::Refused => "the kernel refuses a VIP",
            Self::HookFailed => "pre_promote_script failed",
            Self::Group => "another router of its group is blocked",
            Self::Stopping => "stopping",
            Self::Maintenance => "in maintenance",
            Self::SteppedDown => "stepped down for a while",
        })
    }
}

/// What became of connections.
struct Connections<'a>(&'a Resets);

impl fmt::Display for Connections<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Resets { reset, left, all_found } = self.0;
        let noun = if *reset == 1 { "connection" } else { "connections" };
        write!(f, "reset {reset} TCP {noun} of VIPs that come off")?;
        match (left, all_found) {
            (0, true) => Ok(()),
            (left, true) => write!(f, "; {left} are left, for want of time"),
            (left, false) => write!(f, "; at least {left} are left, for want of time"),
        }
    }
}

/// An address's attributes, as far as they tell whose it is.
struct Attributes<'a>(&'a Address);

impl fmt::Display for Attributes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.valid_secs {
            None => f.write_str("permanent")?,
            Some(secs) => write!(f, "valid for {secs} s")?,
        }
        write!(f, ", protocol {}", self.0.protocol)
    }
}

#[cfg(test)]
mod tests;
