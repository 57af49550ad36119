//! K9: a planned stop is no gap, and no lasting overlap.

use std::time::Duration;

use openproxy_core::event::{Blocker, Reason};
use openproxy_core::vrrp::StateName;
use openproxy_io_sim::NodeId;
use openproxy_io_sim::clock::SimTime;

use super::{Id, Verdict, broken};
use crate::judge::Facts;

/// From the first advert of whoever follows, should its announcement be lost.
const ANNOUNCED_WITHIN: Duration = Duration::from_millis(20);

/// One that leaves MASTER because it was asked to end: where all is well, it hands over, and to
/// somebody who has the VIPs by then.
///
/// # Errors
/// If there is a gap.
pub fn k9_served(
    facts: &Facts<'_>,
    id: NodeId,
    (from, to): (StateName, StateName),
    reason: &Reason,
    at: SimTime,
) -> Verdict {
    let node = facts.node(id);
    // A fault that began since may be the reason.
    let is_well = node.stops_calmly && node.asked_at == Some(facts.edge_at) && !node.is_ailing(at);
    let was_stopped = node.resumed_at.is_some_and(|resumed| resumed > node.state_since);
    let serves = node.ours == facts.wanted(id) && !node.gate_closed;
    match (from, to, reason) {
        (StateName::Master, StateName::Initialize, Reason::Blocked(Blocker::Stopping))
            if is_well && serves && facts.scenario.hands_over =>
        {
            broken(Id::K9, id, "is asked to end, and lets go at once")
        }
        (StateName::Leaving, _, Reason::LeaseLapsed(_)) if !was_stopped => {
            broken(Id::K9, id, "its lease lapses while it hands over")
        }
        (StateName::Leaving, _, Reason::NobodyFollowed)
            if node.zeros_sent < 2 && !node.is_ailing(node.state_since) =>
        {
            broken(Id::K9, id, "it hasn't covered the loss of its priority 0")
        }
        (StateName::Leaving, _, Reason::NobodyFollowed) if is_well => {
            broken(Id::K9, id, "ends its handover before anybody could follow")
        }
        (StateName::Leaving, _, Reason::Followed(_) | Reason::Announced(_)) if is_well => {
            // Who has no promote hook expects none elsewhere.
            let is_unlike = matches!(reason, Reason::Followed(_))
                && facts.scenario.nodes[id.index()].hooks_take.is_none()
                && facts.scenario.nodes.iter().any(|node| node.hooks_take.is_some());
            if is_unlike || is_held_elsewhere(facts, id, node.state_since) {
                return Ok(());
            }
            broken(Id::K9, id, "lets go of VIPs that nobody else has")
        }
        _ => Ok(()),
    }
}

/// Whether another serves, or two that have followed since then in the same moment are about to agree which.
pub(super) fn is_held_elsewhere(facts: &Facts<'_>, id: NodeId, since: SimTime) -> bool {
    let others = || facts.scenario.ids().filter(|other| *other != id);
    let holds = |other| {
        let both_want = facts.wanted(id) & facts.wanted(other);
        facts.is_master(other) && facts.node(other).ours & both_want == both_want
    };
    let has_followed = |other: &NodeId| {
        let other = facts.node(*other);
        other.state != StateName::Initialize && other.state_since >= since
    };
    let followers = others().filter(has_followed).count();
    followers > 1 || others().any(holds)
}

/// How long two may hold the VIPs after whoever follows has them.
pub fn overlap_max(facts: &Facts<'_>) -> Duration {
    let bound = facts.delay_max + ANNOUNCED_WITHIN + facts.kernel_bound();
    bound + facts.drift(bound)
}

/// One that hands over lets go once another has announced the VIPs.
pub(super) fn k9_over(facts: &Facts<'_>, id: NodeId, at: SimTime) -> Verdict {
    let node = facts.node(id);
    let hands_over = node.up
        && node.state == StateName::Leaving
        && node.paused_at.is_none()
        && node.resumed_at.is_none_or(|resumed| resumed < node.state_since)
        && node.cut_off == 0
        && !node.is_ailing(at);
    let overlap = overlap_max(facts);
    let has_followed = |other: &NodeId| {
        let follower = facts.node(*other);
        facts.takes_part(*other)
            && facts.is_master(*other)
            && follower.ours == facts.wanted(*other)
            && follower.came_at >= node.state_since
            && follower.came_at + overlap <= at
            && follower.resumed_at.is_none_or(|resumed| resumed < follower.came_at)
            && !follower.is_ailing(at)
            && facts.is_clean(*other, id)
            && facts.links_since < follower.came_at
    };
    match facts.scenario.ids().filter(|other| *other != id).find(has_followed) {
        Some(follower) if hands_over => {
            broken(Id::K9, id, format!("keeps its VIPs, though {follower} has announced them"))
        }
        Some(_) | None => Ok(()),
    }
}
