//! K10: a guard does what a planned stop would have done, and no more. K11: an exchange of programs is
//! nothing at all.

use std::time::Duration;

use openproxy_core::vrrp::{AdvertPriority, RouterConfig, StateName};
use openproxy_io_sim::NodeId;
use openproxy_io_sim::clock::SimTime;

use super::handover::is_held_elsewhere;
use super::{Id, Verdict, broken};
use crate::judge::{Exchange, Facts};

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
    let is_undisturbed = node.asked_at.is_some_and(|asked_at| facts.edge_at <= asked_at);
    let is_well = node.stops_calmly && is_undisturbed && !node.is_ailing(at);
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

/// A guard whose process makes room for another program waits for that.
///
/// # Errors
/// If it begins too soon.
pub fn k11_awaited(facts: &Facts<'_>, id: NodeId, at: SimTime) -> Verdict {
    let node = facts.node(id);
    let (Some(since), Some(config)) = (node.replaced_at, &node.config) else { return Ok(()) };
    let waited = at.since(since);
    if waited + facts.drift(waited) < heir_within(config) {
        return broken(Id::K11, id, format!("its guard waits for {waited:?} only"));
    }
    Ok(())
}

/// Written out once more: the judge must not share a mistake with the core. Where nothing is served, it
/// may be longer.
fn heir_within(config: &RouterConfig) -> Duration {
    let interval = config.interval.duration();
    let begins_within = interval.min(Duration::from_millis(50));
    (interval * 2 - begins_within).min(Duration::from_secs(1))
}

/// An exchange of programs that is over in time changes no state on any node, and moves no VIP.
pub(super) fn k11(facts: &Facts<'_>, id: NodeId, at: SimTime) -> Verdict {
    let node = facts.node(id);
    let Some(exchange) = &node.exchange else { return Ok(()) };
    // But for its own end, nothing has happened since.
    let is_undisturbed = facts.edges == exchange.edges + 1 && !node.is_ailing(at);
    if !is_undisturbed || !is_in_time(facts, id, exchange) {
        return Ok(());
    }
    // A check that must be well is asked first.
    let may_wait = exchange.state == StateName::Backup && !exchange.config.track.is_empty();
    if node.state != exchange.state && !may_wait {
        let text = format!("was {}, is {} with another program", exchange.state, node.state);
        return broken(Id::K11, id, text);
    }
    let moved = node.ours != facts.wanted(id) || exchange.at < node.ours_since.0;
    if exchange.state == StateName::Master && moved {
        return broken(Id::K11, id, "its VIPs have gone with its old program");
    }
    let mut others = facts.scenario.ids().filter(|other| *other != id);
    match others.find(|other| exchange.at < facts.node(*other).state_since) {
        Some(other) => broken(Id::K11, other, format!("{id} has another program, and it moves")),
        None => Ok(()),
    }
}

/// Whether a new program came before its guard gave up, before a MASTER's inheritance was void, and
/// before the lease of its VIPs was over.
fn is_in_time(facts: &Facts<'_>, id: NodeId, exchange: &Exchange) -> bool {
    let lasted = exchange.until.since(exchange.at);
    let is_awaited = lasted + facts.drift(lasted) < heir_within(&exchange.config);
    let Some(sent_at) = exchange.sent_at else {
        return is_awaited && exchange.state == StateName::Backup;
    };
    let known_for = exchange.known_for();
    let valid_until = exchange.at + known_for;
    let leased_until = facts.lease(id).map_or(valid_until, |lease| sent_at + lease);
    let goes_on = exchange.until + facts.kernel_bound() + facts.drift(known_for);
    is_awaited && goes_on < valid_until.min(leased_until)
}
