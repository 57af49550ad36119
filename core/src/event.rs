//! Facts for logs, metrics and tests.

mod text;

use std::net::IpAddr;

use crate::io::{Address, AddressError, MacAddress, Resets, SendError, SocketError};
use crate::time::Duration;
use crate::vrrp::{
    AdverInterval, AdvertPriority, Check, DecodeError, HookKind, Priority, RouterKey, StateName,
    Vip,
};

/// How loud an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Of interest when looking for something.
    Debug,
    /// What a person wants to have in the log.
    Info,
    /// Something is wrong, and service goes on.
    Warn,
    /// Something is wrong that takes service away, or soon will.
    Error,
}

/// Something that happened, and to which router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The router; `None` for what concerns the whole daemon.
    pub router: Option<RouterKey>,
    /// What happened.
    pub kind: EventKind,
}

/// Why a router changed its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// All that it needs is there, and its priority is 255.
    Owner,
    /// All that it needs is there.
    Ready,
    /// No advert came for the master-down interval.
    MasterDown,
    /// The MASTER said priority 0, and nobody better came within the skew time.
    MasterReleased,
    /// A better router advertises.
    BetterMaster(IpAddr, AdvertPriority),
    /// Its own lease had passed: the process was stopped or starved for this long.
    LeaseLapsed(Duration),
    /// Its own lease has passed: the kernel takes no advert.
    CannotSend,
    /// It can't be MASTER now.
    Blocked(Blocker),
    /// Another router of its group left MASTER.
    Group,
    /// This one advertises in its place.
    Followed(IpAddr),
    /// From this address, somebody announces a VIP in its place.
    Announced(MacAddress),
    /// It has said that it goes, and nobody advertises in its place.
    NobodyFollowed,
    /// It was asked once more to stop.
    Hurried,
    /// The process before this one was MASTER.
    Inherited,
    /// It was about to hand over, and nobody has followed.
    Resumed,
}

/// What keeps a router in INITIALIZE.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Blocker {
    /// The interface doesn't exist.
    NoInterface,
    /// The interface is down or has no carrier.
    LinkDown,
    /// The interface has no address to send adverts from.
    NoSource,
    /// The raw socket isn't open.
    NoSocket,
    /// A check with weight 0 fails or hasn't been answered yet.
    Check,
    /// The kernel refused a VIP; another node gets its turn.
    Refused,
    /// The promote hook failed, and `hook_failure` is `abort`.
    HookFailed,
    /// Another router of its group is blocked.
    Group,
    /// It is being stopped.
    Stopping,
    /// An operator has put it in maintenance.
    Maintenance,
    /// An operator had it step down for a while.
    SteppedDown,
}

impl Blocker {
    /// Whether something is wrong, as opposed to a wish.
    #[must_use]
    pub const fn is_fault(&self) -> bool {
        match self {
            Self::NoInterface
            | Self::LinkDown
            | Self::NoSource
            | Self::NoSocket
            | Self::Check
            | Self::Refused
            | Self::HookFailed
            | Self::Group => true,
            Self::Stopping | Self::Maintenance | Self::SteppedDown => false,
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A router changed its state.
    StateChanged {
        /// The state it left.
        from: StateName,
        /// The state it is in.
        to: StateName,
        /// Why.
        reason: Reason,
        /// Its priority at that moment.
        priority: Priority,
    },
    /// A router waits in INITIALIZE for something else than before.
    Waiting(Blocker),
    /// Packets were discarded: the first of its kind from this source in a minute.
    Discarded {
        /// Why.
        error: DecodeError,
        /// Who sent it.
        source: IpAddr,
        /// How many more like it were not told of since the last event.
        untold: u64,
    },
    /// A VIP is on the interface.
    VipAcquired(Vip),
    /// A VIP is off the interface.
    VipReleased(Vip),
    /// TCP connections through VIPs that come off were reset.
    ConnectionsReset(Resets),
    /// The kernel refuses a VIP.
    VipRefused(Vip, AddressError),
    /// The kernel refuses to remove a VIP; it is tried again.
    VipRemovalFailed(Vip, AddressError),
    /// Somebody else removed a VIP while it was held; it is being put back.
    VipTakenAway(Vip),
    /// A VIP was there already, without a lease or not ours; it is ours now.
    VipConverted(Vip, Address),
    /// A VIP that isn't ours is on the interface while this node isn't MASTER.
    VipForeign(Vip, Address),
    /// An address left by an earlier process was removed.
    LeftoverRemoved(Address),
    /// Another host announces a VIP of ours as its own.
    VipClaimed(IpAddr, MacAddress),
    /// The kernel refuses some VIPs, nobody else takes the role: the others are served.
    ServingInPart(Vec<Vip>),
    /// An advert could not be sent; told of at most once a minute.
    SendFailed(SendError),
    /// A raw socket could not be opened; it is tried again.
    SocketFailed(String, SocketError),
    /// A hook was started.
    HookStarted(HookKind),
    /// A hook ended: well, or with this failure.
    HookEnded(HookKind, Result<(), String>),
    /// A hook ran for too long, and was killed.
    HookTimedOut(HookKind),
    /// A check failed, for this reason, or is well again.
    CheckChanged(Check, Option<String>),
    /// The priority changed with the checks or the file.
    PriorityChanged(Priority, Priority),
    /// The MASTER's interval is more than ten of ours: capped until it keeps it, or believed.
    LongInterval {
        /// The MASTER.
        source: IpAddr,
        /// What it says.
        interval: AdverInterval,
        /// Whether it is believed now.
        believed: bool,
    },
    /// The VIPs that a peer advertises are not ours; its adverts are accepted.
    VipListMismatch(IpAddr),
    /// A peer's IPv6 list doesn't begin with a link-local address; its adverts are accepted.
    GlobalFirst(IpAddr),
    /// Our own address is among the unicast peers, and left out: one file serves all nodes.
    OwnPeer,
    /// Two MASTERs: this peer goes on advertising although it is lesser, so it doesn't hear us.
    DualMaster(IpAddr),
    /// There is one MASTER again.
    DualMasterEnded,
    /// Netlink events were lost; links and addresses are read anew.
    NetlinkOverrun,
    /// The routers were changed.
    Reloaded {
        /// How many are new.
        added: usize,
        /// How many are gone.
        removed: usize,
        /// How many are different.
        changed: usize,
    },
    /// All virtual routers are released.
    Released,
}

impl Event {
    /// How loud it is.
    #[must_use]
    pub fn level(&self) -> Level {
        match &self.kind {
            EventKind::VipReleased(_)
            | EventKind::HookStarted(_)
            | EventKind::HookEnded(_, Ok(())) => Level::Debug,
            EventKind::StateChanged {
                reason:
                    Reason::LeaseLapsed(_)
                    | Reason::CannotSend
                    | Reason::NobodyFollowed
                    | Reason::Resumed,
                ..
            } => Level::Warn,
            EventKind::StateChanged { .. }
            | EventKind::Waiting(_)
            | EventKind::VipAcquired(_)
            | EventKind::ConnectionsReset(Resets { left: 0, all_found: true, .. })
            | EventKind::LeftoverRemoved(_)
            | EventKind::CheckChanged(_, None)
            | EventKind::PriorityChanged(..)
            | EventKind::OwnPeer
            | EventKind::DualMasterEnded
            | EventKind::Reloaded { .. }
            | EventKind::Released => Level::Info,
            EventKind::Discarded { .. }
            | EventKind::ConnectionsReset(_)
            | EventKind::VipRemovalFailed(..)
            | EventKind::VipTakenAway(_)
            | EventKind::VipConverted(..)
            | EventKind::VipClaimed(..)
            | EventKind::SendFailed(_)
            | EventKind::HookEnded(_, Err(_))
            | EventKind::HookTimedOut(_)
            | EventKind::CheckChanged(_, Some(_))
            | EventKind::LongInterval { .. }
            | EventKind::VipListMismatch(_)
            | EventKind::GlobalFirst(_)
            | EventKind::NetlinkOverrun => Level::Warn,
            EventKind::VipRefused(..)
            | EventKind::VipForeign(..)
            | EventKind::ServingInPart(_)
            | EventKind::SocketFailed(..)
            | EventKind::DualMaster(_) => Level::Error,
        }
    }
}
