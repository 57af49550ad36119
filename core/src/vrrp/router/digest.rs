//! What of a router decides its future.

use std::hash::{Hash, Hasher};

use super::{Duty, VirtualRouter};
use crate::time::Instant;
use crate::vrrp::Preempt;
use crate::vrrp::state::{Backup, Leaving, Master, State};

impl VirtualRouter {
    /// See [`Supervisor::digest`](crate::supervisor::Supervisor::digest).
    pub(crate) fn digest(&self, from: Instant, hasher: &mut impl Hasher) {
        let Self {
            id: _,
            config,
            state,
            uplink,
            priority,
            master_interval,
            master,
            vips,
            hooks,
            tracking,
            discovered_weight,
            assertions,
            // Only neighbours hear of it, and nothing else waits for it.
            announcing: _,
            refusal,
            // They are only told of.
            peers: _,
            group_blocked,
            stopping,
            duty,
            silent_since,
            inherits_until,
            keeps_leftovers,
            yielded,
            generation: _,
            send_failure_told_at: _,
            record: _,
            counters: _,
        } = self;
        assert!(hooks.is_idle() && !hooks.holds_vips(), "a hook is running");
        assert!(tracking.due_at() == Instant::MAX, "a check is running, or about to");
        let grouped = config.group.is_some();
        (uplink, priority, master_interval, refusal, group_blocked, stopping).hash(hasher);
        (discovered_weight, inherits_until, keeps_leftovers, duty).hash(hasher);
        if let Duty::SteppedDown { .. } = duty {
            silent_since.hash(hasher);
        }
        (grouped && *yielded).hash(hasher);
        vips.digest(hasher);
        std::mem::discriminant(state).hash(hasher);
        match state {
            State::Initialize(blocker) => blocker.hash(hasher),
            State::Backup(backup) => {
                self.digest_backup(backup, from, hasher);
                master.hash(hasher);
            }
            State::Master(state) => {
                let Master {
                    advertise_at,
                    retry_at,
                    sent,
                    lease_until,
                    renew_at,
                    owed,
                    // These are only told of.
                    is_mute: _,
                    is_dual: _,
                    reclaim_at: _,
                    reclaim_owed: _,
                } = state;
                assert!(sent.is_none(), "an advert's result is awaited");
                assert!(!owed.is_due(), "an answer is owed");
                let renew_at = (*renew_at).max(from);
                (advertise_at, retry_at, lease_until, renew_at).hash(hasher);
                assertions.digest(from, config.interval, hasher);
                // Every other way out of MASTER sets it or clears it.
                if grouped {
                    master.hash(hasher);
                }
            }
            State::Leaving(leaving) => {
                let Leaving {
                    // The files' own: the priority 0 that is left starts it anew.
                    within: _,
                    until,
                    zero_left,
                    sent,
                    successor,
                    announced,
                    lease_until,
                    renew_at,
                } = leaving;
                assert!(sent.is_none(), "an advert's result is awaited");
                (until, zero_left, successor.is_some(), announced, lease_until, renew_at)
                    .hash(hasher);
            }
        }
    }

    fn digest_backup(&self, backup: &Backup, from: Instant, hasher: &mut impl Hasher) {
        let Backup { master_down_at, released, hold, lesser_since, farewell, waits_for_group } =
            backup;
        assert!(farewell.is_none(), "a farewell waits for the VIPs to be off");
        (master_down_at, released, hold, waits_for_group).hash(hasher);
        let lesser_since = match self.config.preempt {
            Preempt::Never => None,
            Preempt::After(delay) if delay.is_zero() => None,
            // It has been long enough, however long.
            Preempt::After(delay) => lesser_since.map(|since| since.max(from.before(delay))),
        };
        lesser_since.hash(hasher);
    }
}
