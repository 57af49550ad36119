//! P: stopped processes, late wake-ups, and reloads. P1 is a case of V5, found there.

use openproxy_core::vrrp::{Lease, StateName};
use openproxy_io_sim::NodeId;
use openproxy_io_sim::clock::SimTime;

use super::vrrp_safety::Print;
use super::{Id, Verdict, broken};
use crate::judge::Facts;

/// A MASTER that goes on reads what lies there before it advertises or announces.
///
/// # Errors
/// If it does so before it has yielded.
pub fn p2(facts: &Facts<'_>, id: NodeId, at: SimTime) -> Verdict {
    let node = facts.node(id);
    let reads = node.resumed_at == Some(at) && node.better_unread;
    if reads && node.state == StateName::Master && node.changed_at != at {
        return broken(Id::P2, id, "goes on as MASTER, with the advert of a better one unread");
    }
    let has_lapsed = has_slept_through_lease(facts, id);
    let goes_on = node.state == StateName::Master && node.state_since < at;
    if node.resumed_at == Some(at) && goes_on && has_lapsed {
        return broken(Id::P2, id, "goes on as MASTER, though its lease is over");
    }
    Ok(())
}

/// A MASTER whose lease ended while it was stopped resets nothing: its VIPs may be another's.
///
/// # Errors
/// If it does.
pub fn p2_reset(facts: &Facts<'_>, id: NodeId, at: SimTime) -> Verdict {
    if facts.node(id).resumed_at == Some(at) && has_slept_through_lease(facts, id) {
        return broken(Id::P2, id, "resets connections, though its lease is over");
    }
    Ok(())
}

/// Whether it was last stopped for longer than its lease.
fn has_slept_through_lease(facts: &Facts<'_>, id: NodeId) -> bool {
    let node = facts.node(id);
    let lease = node.config.as_ref().filter(|config| config.lease);
    let lease = lease.map(|config| Lease::of(config.interval).duration());
    lease.is_some_and(|lease| node.paused_for > lease + facts.drift(lease))
}

/// Adverts are on the router's grid, however late the one before was; but for the one that is late
/// itself, and answers.
///
/// # Errors
/// If one is off it.
pub fn p3_grid(facts: &Facts<'_>, id: NodeId, at: SimTime) -> Verdict {
    let node = facts.node(id);
    let spec = &facts.scenario.nodes[id.index()];
    let Some(config) = &node.config else { return Ok(()) };
    let is_plain = node.state == StateName::Master
        && node.state_since < at
        && node.provoked_in_turn == 0
        && node.ailed_until == SimTime::ZERO
        && node.changed_at < node.state_since;
    if !is_plain || spec.drift_ppm != 0 || facts.scenario.coarse_timers {
        return Ok(());
    }
    let interval = config.interval.nanos();
    let phase = (at.0 - node.booted_at.0) % interval;
    let is_late = node.resumed_at == Some(at) && node.sent_at != Some(at);
    if is_late || phase == interval / 16 * u64::from(config.key.vrid.get() / 16) {
        return Ok(());
    }
    broken(Id::P3, id, format!("an advert {phase} ns into its interval of {interval} ns"))
}

/// A late wake-up sends one advert, not all that were missed.
///
/// # Errors
/// If it sends more.
pub fn p3(facts: &Facts<'_>, id: NodeId) -> Verdict {
    let node = facts.node(id);
    // One for the interval, one for a promotion, and answers.
    let allowed = 2 + node.provoked_in_turn;
    if node.sent_in_turn > allowed {
        return broken(Id::P3, id, format!("{} adverts in one turn", node.sent_in_turn));
    }
    Ok(())
}

/// Reading a file that is the same changes nothing.
///
/// # Errors
/// If it does.
pub fn p4(id: NodeId, before: &Print, after: &Print) -> Verdict {
    // Who couldn't send for a while finds at the same moment, perhaps, that its lease has passed.
    if before == after || before.counters.leases_lapsed < after.counters.leases_lapsed {
        return Ok(());
    }
    broken(Id::P4, id, format!("an unchanged file: before {before:?}, after {after:?}"))
}
