//! One VIP: whether it is there, and what is under way for it.

use crate::interfaces::Interfaces;
use crate::io::{AddressOperation, Generation, InterfaceIndex, Lifetime};
use crate::time::Instant;
use crate::vrrp::Vip;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Entry {
    pub(super) vip: Vip,
    pub(super) present: bool,
    /// The kernel has taken it from us, and nothing has told since that it is gone or somebody's.
    pub(super) ours: bool,
    pub(super) in_flight: Option<(Generation, AddressOperation)>,
    pub(super) renew: bool,
    /// Remove and add again: it has come before a host address of its subnet.
    pub(super) reorder: bool,
    /// Refused, or not removable: not before this.
    pub(super) retry_at: Option<Instant>,
    /// `RTM_DELADDR` events of our own making that are still to be heard.
    pub(super) own_removals: u32,
    /// The kernel refused it when last asked.
    pub(super) refused: bool,
    /// Its connections are reset before it is removed, if that is before this.
    pub(super) reset_until: Option<Instant>,
}

impl Entry {
    pub(super) fn new(vip: Vip) -> Self {
        Self {
            vip,
            present: false,
            ours: false,
            in_flight: None,
            renew: false,
            reorder: false,
            retry_at: None,
            own_removals: 0,
            refused: false,
            reset_until: None,
        }
    }

    /// Whether it is being added or removed: the result says whether it is there.
    pub(super) fn is_coming_or_going(&self) -> bool {
        match self.in_flight {
            Some((_, AddressOperation::Add(_) | AddressOperation::Remove)) => true,
            Some((_, AddressOperation::Renew(_))) | None => false,
        }
    }

    /// One that an earlier process left may not have been asked for yet: it waits for a hook. It is to
    /// go nevertheless.
    pub(super) fn find_leftover(&mut self, interfaces: &Interfaces, index: Option<InterfaceIndex>) {
        let is_settled = self.in_flight.is_none()
            && self.own_removals == 0
            && !mutated!(RefusedRenewalForgotten);
        self.present |= is_settled && interfaces.has_ours(index, self.vip);
    }

    /// It is off the interface.
    pub(super) fn mark_gone(&mut self) {
        self.present = false;
        self.ours = false;
        self.reset_until = None;
    }

    /// Whether its removal is under way.
    pub(super) fn is_going(&self) -> bool {
        matches!(self.in_flight, Some((_, AddressOperation::Remove)))
    }

    /// What it needs next, if nothing is under way for it.
    pub(super) fn next_operation(
        &mut self,
        wanted: Option<Lifetime>,
        adds: bool,
    ) -> Option<AddressOperation> {
        if self.in_flight.is_some() || self.retry_at.is_some() {
            return None;
        }
        match (wanted, self.present) {
            (None, false) => None,
            (None, true) => {
                self.own_removals += 1;
                Some(AddressOperation::Remove)
            }
            (Some(lifetime), false) if adds || mutated!(GuardAdds) => {
                Some(AddressOperation::Add(lifetime))
            }
            (Some(_), false) => None,
            (Some(_), true) if self.reorder && adds => {
                self.reorder = false;
                self.own_removals += 1;
                Some(AddressOperation::Remove)
            }
            (Some(lifetime), true) if self.renew => {
                self.renew = false;
                Some(AddressOperation::Renew(lifetime))
            }
            (Some(_), true) => None,
        }
    }
}
