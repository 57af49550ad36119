//! What must hold in every run: one function for each invariant, named by its id.
//!
//! The table in `sim-tests/README.md` explains each with its bound. The letters: A is the interval of
//! adverts, D the longest way of a packet, R the longest work of a kernel.

mod guard;
mod handover;
mod kernel;
mod pause;
mod vrrp_liveness;
mod vrrp_safety;

use openproxy_io_sim::NodeId;
use openproxy_io_sim::clock::SimTime;

use crate::judge::Facts;

pub use guard::{CUT_AFTER, k10_adds, k10_served, k10_silent, k11_awaited};
pub use handover::{k9_served, overlap_max};
pub use kernel::{
    k1_lapsed, k1_renewed, k2_foreign, k2_leftovers, k4, k5_after_hook, k5_only_held, k8_released,
};
pub use pause::{p2, p2_reset, p3, p3_grid, p4};
pub use vrrp_liveness::l3;
pub use vrrp_safety::{
    FAREWELL_DELAY_MAX, Print, v2_heard, v3_silent, v4_one_zero, v4_silent, v5, v6, v7, v8_owner,
    v8_sent, v9, v10,
};

macro_rules! ids {
    ($($id:ident),* $(,)?) => {
        /// The name of an invariant.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs, reason = "each is explained in sim-tests/README.md")]
        pub enum Id { $($id),* }

        impl Id {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$id),*];

            /// The name as it is written.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$id => stringify!($id)),* }
            }
        }
    };
}

ids!(
    V1, V2, V3, V4, V5, V6, V7, V8, V9, V10, V11, V12, L1, L2, L3, L4, L5, K1, K2, K3, K4, K5, K6,
    K7, K8, K9, K10, K11, P1, P2, P3, P4,
);

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// That it holds; or which doesn't, where, and why.
pub type Verdict = Result<(), (Id, NodeId, String)>;

pub(crate) fn broken(id: Id, node: NodeId, text: impl Into<String>) -> Verdict {
    Err((id, node, text.into()))
}

/// Questions that are asked a bound after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bounded {
    /// VIPs as the state wants them: V1, V3, K3, K4.
    Vips,
    /// Two MASTERs: V2, L5.
    Masters,
    /// A dead or stopped process: K1.
    Lease,
    /// A new VIP: K5.
    Announced,
    /// A won conflict: K6.
    Reannounced,
    /// Another's announcement of a VIP that is held: K6.
    Reclaimed,
    /// An asked-for end: K8.
    Ended,
    /// VIPs that come while another hands over: K9.
    HandedOver,
    /// A process that its guard has followed: K10.
    Guarded,
    /// A program that was exchanged: K11.
    Exchanged,
    /// A crash of the MASTER: L4.
    Succeeded,
    /// Adverts that can't be sent: K1.
    Fenced,
    /// Adverts that can be sent again: L4.
    Unmuted,
    /// A check that fails: V3.
    Checked,
    /// The calm after the faults: L1, L2.
    Settled,
}

/// How many there are.
pub const BOUNDED: usize = Bounded::ALL.len();

impl Bounded {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::Vips,
        Self::Masters,
        Self::Lease,
        Self::Announced,
        Self::Reannounced,
        Self::Reclaimed,
        Self::Ended,
        Self::HandedOver,
        Self::Guarded,
        Self::Exchanged,
        Self::Succeeded,
        Self::Fenced,
        Self::Unmuted,
        Self::Checked,
        Self::Settled,
    ];
}

/// Asks what was to be asked at `at`.
///
/// # Errors
/// The invariant that doesn't hold.
pub fn ask(bounded: Bounded, facts: &Facts<'_>, node: NodeId, at: SimTime) -> Verdict {
    match bounded {
        Bounded::Vips => vrrp_safety::v1(facts, node, at)
            .and_then(|()| vrrp_safety::v3_vips(facts, node))
            .and_then(|()| kernel::k3(facts, node, at)),
        Bounded::Masters => vrrp_safety::v2(facts, at).and_then(|()| vrrp_liveness::l5(facts, at)),
        Bounded::Lease => kernel::k1(facts, node),
        Bounded::Announced => kernel::k5_in_time(facts, node, at),
        Bounded::Reannounced => kernel::k6(facts, node, at),
        Bounded::Reclaimed => kernel::k6_claimed(facts, node, at),
        Bounded::Ended => kernel::k8_in_time(facts, node),
        Bounded::HandedOver => handover::k9_over(facts, node, at),
        Bounded::Guarded => guard::k10_over(facts, node, at),
        Bounded::Exchanged => guard::k11(facts, node, at),
        Bounded::Succeeded => vrrp_liveness::l4(facts, at),
        Bounded::Fenced => kernel::k1_fenced(facts, node, at),
        Bounded::Unmuted => vrrp_liveness::l4_unmuted(facts, node),
        Bounded::Checked => vrrp_safety::v3_checked(facts, node),
        Bounded::Settled => vrrp_liveness::l1(facts).and_then(|()| vrrp_liveness::l2(facts)),
    }
}

/// What must hold at the end of a run.
///
/// # Errors
/// The invariant that doesn't hold.
pub fn at_the_end(facts: &Facts<'_>) -> Verdict {
    // A shrunk scenario may end before the cluster can have settled.
    if facts.scenario.end < facts.scenario.calm_at + facts.settling() {
        return Ok(());
    }
    vrrp_liveness::l1(facts)
        .and_then(|()| vrrp_liveness::l2(facts))
        .and_then(|()| kernel::k7(facts))
}
