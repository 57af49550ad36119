//! K10: a guard does what a planned stop would have done, and no more.

use std::time::Duration;

use openproxy_core::vrrp::AdvertPriority;
use openproxy_io_sim::NodeId;
use openproxy_io_sim::clock::SimTime;

use super::handover::is_held_elsewhere;
use super::{Id, Verdict, broken};
use crate::judge::Facts;

/// A guard lets go of everything within this time, though nobody follows.
pub const CUT_AFTER: Duration = Duration::from_millis(2_500);

/// A guard adds no VIP: another may have it by now. `since` is when the list last changed: a renewal
/// under way may put back what has just gone.
///
/// # Errors
/// If it does.
pub fn k10_adds(facts: &Facts<'_>, id: NodeId, since: SimTime, at: SimTime) -> Verdict {
    if facts.node(id).is_guard && at.since(since) > facts.kernel_bound() {
        return broken(Id::K10, id, "its guard adds a VIP");
    }
    Ok(())
}

/// Where all is well, a guard takes off no VIP that nobody else has.
///
/// # Errors
/// If it does.
pub fn k10_served(facts: &Facts<'_>, id: NodeId, at: SimTime) -> Verdict {
    let node = facts.node(id);
    let is_well = node.stops_calmly && node.asked_at == Some(facts.edge_at) && !node.is_ailing(at);
    let in_time = at + facts.drift(CUT_AFTER) < node.started_at + CUT_AFTER;
    let is_alike = facts.scenario.nodes.iter().all(|node| node.hooks_take.is_none());
    let hands_over = node.is_guard && facts.scenario.hands_over && is_well && in_time && is_alike;
    if hands_over && !is_held_elsewhere(facts, id, node.started_at) {
        return broken(Id::K10, id, "its guard takes off VIPs that nobody else has");
    }
    Ok(())
}

/// A guard says nothing once others may have become MASTER: two intervals after its process was last
/// known to be alive.
///
/// # Errors
/// If it does.
pub fn k10_silent(facts: &Facts<'_>, id: NodeId, priority: AdvertPriority) -> Verdict {
    let node = facts.node(id);
    if !node.is_guard {
        return Ok(());
    }
    if let AdvertPriority::Of(priority) = priority {
        return broken(Id::K10, id, format!("its guard says priority {priority}"));
    }
    let Some(config) = &node.config else { return Ok(()) };
    let known_for = config.interval.duration() * 2;
    let stopped_for = node.died_after;
    if stopped_for > known_for + facts.drift(known_for) {
        let text = format!("its guard speaks, though it had been stopped for {stopped_for:?}");
        return broken(Id::K10, id, text);
    }
    Ok(())
}

/// What a guard hasn't handed over in time is off.
pub(super) fn k10_over(facts: &Facts<'_>, id: NodeId, at: SimTime) -> Verdict {
    let node = facts.node(id);
    let is_late = node.started_at + CUT_AFTER + facts.kernel_bound() <= at;
    if node.up && node.is_guard && is_late && node.ours != 0 && !node.is_ailing(at) {
        return broken(Id::K10, id, format!("its guard keeps VIPs {:b}", node.ours));
    }
    Ok(())
}
