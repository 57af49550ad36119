//! K: the VIPs on the interfaces, what neighbours are told, and the life of the process.

use std::time::Duration;

use openproxy_core::io::Address;
use openproxy_core::vrrp::{AdvertPriority, StateName};
use openproxy_io_sim::NodeId;
use openproxy_io_sim::clock::SimTime;
use openproxy_io_sim::kernel::Cause;
use openproxy_io_sim::lan::Lan;

use super::{Id, Verdict, broken};
use crate::judge::Facts;
use crate::scenario::HOOK_TIMEOUT;

/// After the last conflict, how long until the last announcement: claims are answered once a second.
const LAST_WORD: Duration = Duration::from_millis(1_200);

/// The VIPs of a dead or stopped process are gone after lease + 1.25 s.
pub(super) fn k1(facts: &Facts<'_>, id: NodeId) -> Verdict {
    let node = facts.node(id);
    let is_dead = !node.up || node.paused_at.is_some();
    if is_dead && node.ours != 0 {
        let text = format!("its process is dead or stopped, VIPs {:b} stay", node.ours);
        return broken(Id::K1, id, text);
    }
    Ok(())
}

/// The lease doesn't end while its MASTER advertises: each advert renews it.
///
/// # Errors
/// If it does.
pub fn k1_renewed(facts: &Facts<'_>, id: NodeId, at: SimTime) -> Verdict {
    let node = facts.node(id);
    let (Some(lease), Some(sent_at)) = (facts.lease(id), node.sent_at) else { return Ok(()) };
    let serves = facts.takes_part(id)
        && node.state == StateName::Master
        && !node.is_ailing(at)
        && !node.gate_closed
        && node.leftover == 0;
    let renewed = at.since(sent_at) > facts.kernel_bound() && at.since(sent_at) < lease;
    let is_old = node.state_since + lease < at && node.changed_at + lease < at;
    if serves && renewed && is_old {
        let text = format!("advertised at {sent_at}, and its lease ends nevertheless");
        return broken(Id::K1, id, text);
    }
    Ok(())
}

/// Nor does it lapse by its MASTER's own clock before the next advert is due, unless that was stopped.
///
/// # Errors
/// If it does.
pub fn k1_lapsed(facts: &Facts<'_>, id: NodeId, at: SimTime) -> Verdict {
    let node = facts.node(id);
    let (Some(config), Some(sent_at)) = (&node.config, node.sent_at) else { return Ok(()) };
    let interval = config.interval.duration();
    let is_due = sent_at + interval <= at + facts.drift(interval);
    if is_due || node.resumed_at == Some(at) || node.is_ailing(at) {
        return Ok(());
    }
    broken(Id::K1, id, format!("advertised at {sent_at}, and its lease has lapsed at {at}"))
}

/// A MASTER that can't send loses its VIPs with their lease: only an advert that was sent renews it.
pub(super) fn k1_fenced(facts: &Facts<'_>, id: NodeId, at: SimTime) -> Verdict {
    let node = facts.node(id);
    let Some(since) = node.mute_since else { return Ok(()) };
    // One that has been promoted since has a lease of its own.
    if node.ours != 0 && node.ours_since.0 < since && node.state_since < since {
        return broken(Id::K1, id, format!("can't send since {since}, keeps its VIPs at {at}"));
    }
    Ok(())
}

/// No advert before the VIPs that an earlier process left are gone; an owner takes them over.
///
/// # Errors
/// If there is one.
pub fn k2_leftovers(facts: &Facts<'_>, id: NodeId, priority: AdvertPriority) -> Verdict {
    let node = facts.node(id);
    let owns = node.config.as_ref().is_some_and(|config| config.priority.is_owner());
    match priority {
        AdvertPriority::Of(_) if node.leftover != 0 && !owns && node.ailments == 0 => {
            broken(Id::K2, id, format!("advertises with leftovers {:b}", node.leftover))
        }
        AdvertPriority::Of(_) | AdvertPriority::Zero => Ok(()),
    }
}

/// Nothing is removed that isn't ours. A VIP of the file may be taken for ours by a router that has
/// held it and hasn't heard yet; never by the clean-up at the start.
///
/// # Errors
/// If it is.
pub fn k2_foreign(
    facts: &Facts<'_>,
    id: NodeId,
    gone: &Address,
    cause: Cause,
    at: SimTime,
) -> Verdict {
    let node = facts.node(id);
    let cleans =
        node.state == StateName::Initialize && at.since(node.started_at) <= facts.kernel_bound();
    if cause == Cause::Process && !gone.ours && (cleans || !facts.vips.contains(&gone.ip)) {
        return broken(Id::K2, id, format!("removes {}, which isn't ours", gone.ip));
    }
    Ok(())
}

/// A kernel that refuses the VIPs makes the router step down; it is never MASTER without them,
/// unless nobody else was, and it says so.
pub(super) fn k3(facts: &Facts<'_>, id: NodeId, at: SimTime) -> Verdict {
    let node = facts.node(id);
    let is_well = node.up && node.paused_at.is_none() && node.cut_off + node.blind == 0;
    let is_refused = is_well && node.is_ailing(at);
    let told = node.in_part || facts.scenario.nodes[id.index()].hooks_take.is_some();
    if is_refused && node.state == StateName::Master && node.ours == 0 && !told {
        return broken(Id::K3, id, "MASTER without its VIPs, and doesn't say so");
    }
    Ok(())
}

/// A VIP that somebody removed is put back, or the router steps down, within R.
///
/// # Errors
/// Always: it is asked when neither has happened.
pub fn k4(id: NodeId, ours: u8) -> Verdict {
    broken(Id::K4, id, format!("MASTER with VIPs {ours:b} after somebody removed one"))
}

/// Only a MASTER announces, and only what it holds.
///
/// # Errors
/// If somebody else does, or something else.
pub fn k5_only_held(facts: &Facts<'_>, id: NodeId, announced: u8, at: SimTime) -> Verdict {
    let node = facts.node(id);
    let holds = node.present & announced == announced || node.blind > 0 || at < node.sighted_at;
    if node.state == StateName::Master && holds {
        return Ok(());
    }
    let text = format!("{} announces {announced:b}, holds {:b}", node.state, node.present);
    broken(Id::K5, id, text)
}

/// The VIPs wait for the promote hook, but no longer than a hook may run.
///
/// # Errors
/// If they don't.
pub fn k5_after_hook(facts: &Facts<'_>, id: NodeId, at: SimTime) -> Verdict {
    let node = facts.node(id);
    let opens_at = node.state_since + HOOK_TIMEOUT;
    if node.up && node.gate_closed && at + facts.drift(HOOK_TIMEOUT) < opens_at {
        return broken(Id::K5, id, "a VIP comes while the promote hook runs");
    }
    Ok(())
}

/// A VIP is announced within 10 ms of its coming.
pub(super) fn k5_in_time(facts: &Facts<'_>, id: NodeId, at: SimTime) -> Verdict {
    let node = facts.node(id);
    let (since, cause) = (node.came_at, node.ours_since.1);
    let serves = facts.takes_part(id)
        && at >= node.sighted_at
        && node.state == StateName::Master
        && node.ours == facts.wanted(id)
        && cause == Cause::Process
        && node.resumed_at.is_none_or(|resumed| resumed < since);
    if serves && !node.is_ailing(at) && node.announced_at.is_none_or(|told| told < since) {
        return broken(Id::K5, id, format!("holds the VIPs since {since}, and announces nothing"));
    }
    Ok(())
}

/// Whoever won against another MASTER announces itself again: the loser's announcement came last.
pub(super) fn k6(facts: &Facts<'_>, id: NodeId, at: SimTime) -> Verdict {
    let node = facts.node(id);
    let Some((won_at, loser)) = node.won_at else { return Ok(()) };
    let lasted = facts.takes_part(id)
        && node.state == StateName::Master
        && node.state_since < won_at
        && facts.is_clean(id, loser)
        && facts.is_clean(loser, id)
        && facts.takes_part(loser)
        && facts.links_since < won_at
        && facts.edge_at < won_at;
    // Answers are rationed: the first two of an episode are announced at once.
    // A promotion that waits for its hook is announced when the VIPs come.
    let held = node.ours == facts.wanted(id) && node.ours_since.0 < won_at && !node.gate_closed;
    let lasted = lasted && held;
    let is_fresh = node.provoked <= 2 && node.won_before.is_none();
    let told = node.announced_at.is_some_and(|told| told >= won_at);
    if lasted && is_fresh && !told && !node.is_ailing(at) {
        return broken(Id::K6, id, format!("won against {loser} at {won_at}, announces nothing"));
    }
    Ok(())
}

/// A MASTER has the last word about its VIPs: another's announcement is answered.
pub(super) fn k6_claimed(facts: &Facts<'_>, id: NodeId, at: SimTime) -> Verdict {
    let node = facts.node(id);
    let Some(claimed_at) = node.claimed_at else { return Ok(()) };
    // One that waits for its hook announces what was left here when the hook has ended.
    let lasted = facts.takes_part(id)
        && node.state == StateName::Master
        && !node.gate_closed
        && node.state_since < claimed_at
        && node.came_at < claimed_at
        && node.ours == facts.wanted(id)
        && node.resumed_at.is_none_or(|resumed| resumed < claimed_at);
    let told = node.announced_at.is_some_and(|told| told >= claimed_at);
    if lasted && !told && !node.is_ailing(at) {
        let text = format!("another announced its VIP at {claimed_at}, and has the last word");
        return broken(Id::K6, id, text);
    }
    Ok(())
}

/// The clients take the MASTER for the holder of each VIP. Of another's announcement that it
/// couldn't hear it knows nothing, nor of its own that they couldn't; its next refresh puts that
/// right.
pub(super) fn k7(facts: &Facts<'_>) -> Verdict {
    let last = facts.transition_at.max(facts.edge_at);
    if facts.scenario.end.since(last) < LAST_WORD {
        return Ok(());
    }
    let masters: Vec<NodeId> = facts
        .scenario
        .ids()
        .filter(|node| facts.is_master(*node) && facts.takes_part(*node))
        .filter(|node| facts.lan.is_open(*node, Lan::CLIENTS))
        .collect();
    let [master] = masters[..] else { return Ok(()) };
    if awaits_refresh(facts, master) {
        return Ok(());
    }
    for ip in &facts.vips[..facts.wanted(master).count_ones() as usize] {
        let holder = facts.clients.iter().find(|(known, _)| known == ip).map(|entry| entry.1);
        if holder != Some(master) {
            let text = format!("clients take {holder:?} for the holder of {ip}");
            return broken(Id::K7, master, text);
        }
    }
    Ok(())
}

/// Whether the end of the run came before the refresh that answers an announcement not heard.
fn awaits_refresh(facts: &Facts<'_>, master: NodeId) -> bool {
    let node = facts.node(master);
    let refresh = node.config.as_ref().and_then(|config| config.garp_refresh);
    node.unheard_at.is_some_and(|claimed_at| {
        node.announced_at.is_none_or(|told| told <= claimed_at)
            && refresh.is_none_or(|refresh| facts.scenario.end < claimed_at + refresh + LAST_WORD)
    })
}

/// A process that was asked to end has ended.
pub(super) fn k8_in_time(facts: &Facts<'_>, id: NodeId) -> Verdict {
    let node = facts.node(id);
    let was_stopped = node.paused_at.is_some() || node.resumed_at > node.asked_at;
    match node.asked_at {
        Some(asked_at) if node.up && !was_stopped => {
            broken(Id::K8, id, format!("was asked to end at {asked_at}, and hasn't"))
        }
        Some(_) | None => Ok(()),
    }
}

/// A process that ended by itself has left no VIP behind.
///
/// # Errors
/// If it has.
pub fn k8_released(facts: &Facts<'_>, id: NodeId) -> Verdict {
    let node = facts.node(id);
    if node.ours == 0 || node.ailments > 0 {
        return Ok(());
    }
    broken(Id::K8, id, format!("ended and left VIPs {:b}", node.ours))
}
