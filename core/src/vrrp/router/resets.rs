//! When connections through a VIP that comes off are reset.
//!
//! A client that waits for an answer hears nothing of a VIP that has moved. A reset makes it connect
//! anew, to whoever follows. It must come from this node, while the VIP is still here, and only while
//! nobody else can have it.

use super::VirtualRouter;
use crate::event::{Blocker, Reason};
use crate::time::Instant;

impl VirtualRouter {
    /// Until when the connections of VIPs that come off are reset: what comes off later may be
    /// somebody else's. `None` while it holds none, or where the file says so.
    pub(super) fn reset_until(&self) -> Option<Instant> {
        self.config.reset_connections.then(|| self.lease_until())
    }
}

/// Whether connections are reset by a router that leaves MASTER for this reason.
pub(super) fn resets(reason: &Reason) -> bool {
    match reason {
        Reason::BetterMaster(..)
        | Reason::Group
        | Reason::Followed(_)
        | Reason::Announced(_)
        | Reason::NobodyFollowed
        | Reason::Hurried => true,
        // Somebody else may have the VIPs.
        Reason::LeaseLapsed(_) | Reason::CannotSend => mutated!(ResetAfterLapse),
        Reason::Blocked(blocker) => match blocker {
            // Nobody would hear of it; and connections go on if the VIPs come back.
            Blocker::NoInterface | Blocker::LinkDown => false,
            Blocker::NoSource
            | Blocker::NoSocket
            | Blocker::Check
            | Blocker::Refused
            | Blocker::HookFailed
            | Blocker::Group
            | Blocker::Maintenance
            | Blocker::SteppedDown
            | Blocker::Stopping => true,
        },
        // Ways into a state, not out of MASTER.
        Reason::Owner
        | Reason::Ready
        | Reason::MasterDown
        | Reason::MasterReleased
        | Reason::Inherited
        | Reason::Resumed => false,
    }
}
