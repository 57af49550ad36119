//! V: what a virtual router must never do.

use std::net::IpAddr;
use std::time::Duration;

use openproxy_core::event::Reason;
use openproxy_core::time::Instant;
use openproxy_core::vrrp::{AdvertPriority, Counters, Preempt, Priority, StateName};
use openproxy_io_sim::NodeId;
use openproxy_io_sim::clock::SimTime;
use openproxy_io_sim::kernel::Cause;

use super::{Id, Verdict, broken, k4};
use crate::judge::{Facts, Heard};

/// A VIP of ours is on the interface exactly while the router is MASTER or LEAVING, but for R after a
/// change.
pub(super) fn v1(facts: &Facts<'_>, id: NodeId, at: SimTime) -> Verdict {
    let node = facts.node(id);
    if !node.up || node.paused_at.is_some() || node.is_ailing(at) {
        return Ok(());
    }
    let wanted = facts.wanted(id);
    match node.state {
        StateName::Master | StateName::Leaving
            if node.ours & wanted != wanted && !node.is_guard =>
        {
            if node.ours_since.1 == Cause::Somebody {
                return k4(id, node.ours);
            }
            broken(Id::V1, id, format!("{} with VIPs {:b} of {wanted:b}", node.state, node.ours))
        }
        StateName::Backup if node.ours != 0 => {
            let id_of = if node.leftover != 0 { Id::K2 } else { Id::V1 };
            broken(id_of, id, format!("BACKUP with VIPs {:b}", node.ours))
        }
        StateName::Master | StateName::Leaving if node.ours & !wanted != 0 => {
            broken(Id::V1, id, format!("a VIP that is not in the file stays ({:b})", node.ours))
        }
        StateName::Initialize | StateName::Backup | StateName::Master | StateName::Leaving => {
            Ok(())
        }
    }
}

/// In a clique, two MASTERs are one again after A + D.
pub(super) fn v2(facts: &Facts<'_>, at: SimTime) -> Verdict {
    for (better, lesser) in pairs_of_masters(facts) {
        let (members, is_clique) = facts.clique(better);
        if is_clique && members.contains(&lesser) && !facts.node(better).is_ailing(at) {
            return broken(Id::V2, lesser, format!("MASTER beside {better}, which is better"));
        }
    }
    Ok(())
}

/// Two MASTERs that take part, the better first.
pub(super) fn pairs_of_masters(facts: &Facts<'_>) -> Vec<(NodeId, NodeId)> {
    let masters: Vec<NodeId> = facts
        .scenario
        .ids()
        .filter(|node| facts.is_master(*node) && facts.takes_part(*node))
        .collect();
    let mut pairs = Vec::new();
    for a in &masters {
        for b in &masters {
            if facts.rank(*a) > facts.rank(*b) {
                pairs.push((*a, *b));
            }
        }
    }
    pairs
}

/// A MASTER that has read the advert of a better one is MASTER no more.
///
/// # Errors
/// If it still is.
pub fn v2_heard(facts: &Facts<'_>, id: NodeId, at: SimTime) -> Verdict {
    let node = facts.node(id);
    if node.better_unread && node.state == StateName::Master && node.changed_at != at {
        let invariant = if node.resumed_at == Some(at) { Id::P2 } else { Id::V2 };
        return broken(invariant, id, "still MASTER after the advert of a better one");
    }
    Ok(())
}

/// In INITIALIZE: no VIP, but for R after a change.
pub(super) fn v3_vips(facts: &Facts<'_>, id: NodeId) -> Verdict {
    let node = facts.node(id);
    let is_idle = node.up && node.paused_at.is_none() && node.ailments == 0;
    if is_idle && node.state == StateName::Initialize && node.ours != 0 {
        let invariant = if node.leftover != 0 { Id::K2 } else { Id::V3 };
        return broken(invariant, id, format!("INITIALIZE with VIPs {:b}", node.ours));
    }
    Ok(())
}

/// In INITIALIZE: no advert.
///
/// # Errors
/// If there is one.
pub fn v3_silent(facts: &Facts<'_>, id: NodeId) -> Verdict {
    match facts.node(id).state {
        StateName::Initialize => broken(Id::V3, id, "an advert in INITIALIZE"),
        StateName::Backup | StateName::Master | StateName::Leaving => Ok(()),
    }
}

/// How long a MASTER that yields may keep its last advert back for its VIPs to be off.
pub const FAREWELL_DELAY_MAX: Duration = Duration::from_millis(50);

/// A BACKUP sends nothing, but for the farewell of one that has just yielded; one that is LEAVING
/// nothing but priority 0.
///
/// # Errors
/// If it sends something else.
pub fn v4_silent(facts: &Facts<'_>, id: NodeId, at: SimTime, priority: AdvertPriority) -> Verdict {
    let node = facts.node(id);
    match node.state {
        StateName::Backup if node.farewells == 0 => {
            broken(Id::V4, id, "an advert of a BACKUP that owes no farewell")
        }
        StateName::Backup if node.ours != 0 => {
            let early = facts.drift(FAREWELL_DELAY_MAX) + FAREWELL_DELAY_MAX / 1_000;
            if at + early < node.state_since + FAREWELL_DELAY_MAX {
                return broken(Id::V4, id, "the farewell before the VIPs are off");
            }
            Ok(())
        }
        StateName::Leaving if priority != AdvertPriority::Zero => {
            broken(Id::V4, id, format!("LEAVING, and says {priority}"))
        }
        StateName::Leaving if node.zeros_sent > 1 => v4_second_zero(facts, id, at),
        StateName::Initialize | StateName::Backup | StateName::Master | StateName::Leaving => {
            Ok(())
        }
    }
}

/// The second priority 0 comes after the longest skew.
fn v4_second_zero(facts: &Facts<'_>, id: NodeId, at: SimTime) -> Verdict {
    let node = facts.node(id);
    let Some(config) = &node.config else { return Ok(()) };
    let skew_max = facts.skew_unit(id, config.interval.duration()) * 255 / 256;
    let early = at.since(node.state_since) + facts.drift(skew_max) < skew_max;
    if node.zeros_sent > 2 || early && !node.is_ailing(at) {
        return broken(Id::V4, id, format!("priority 0 number {} at {at}", node.zeros_sent));
    }
    Ok(())
}

/// A MASTER that is asked to end says one priority 0, two if nobody answers the first; a BACKUP none.
/// So does one that inherits only then what it hands over.
///
/// # Errors
/// If it says more or fewer.
pub fn v4_one_zero(facts: &Facts<'_>, id: NodeId) -> Verdict {
    let node = facts.node(id);
    let Some(owes_zero) = node.owes_zero else { return Ok(()) };
    let expected = u32::from(owes_zero);
    let again = u32::from(owes_zero && facts.scenario.hands_over);
    let is_expected = (expected..=expected + again).contains(&node.zeros_sent);
    if is_expected || node.ailments > 0 || node.cut_off > 0 {
        return Ok(());
    }
    broken(Id::V4, id, format!("{} priority 0 at its end, not {expected}", node.zeros_sent))
}

/// No takeover before the last respected advert is old enough (V5, and V11 where its interval was
/// learned; V12 where preemption is off; P1 in the turn after a pause).
///
/// # Errors
/// If it comes too soon.
pub fn v5(facts: &Facts<'_>, id: NodeId, at: SimTime) -> Verdict {
    let node = facts.node(id);
    let Some(config) = &node.config else { return Ok(()) };
    if config.priority.is_owner() {
        return Ok(());
    }
    let own = config.interval.duration();
    // Who has heard nothing yet waits from its start, as if an advert had come then.
    let silence = Heard { at: node.state_since, from: id, priority: 255, interval: own };
    let heard = node.respected.unwrap_or(silence);
    // Beyond ten times our own, an interval needs to be heard twice before it is believed.
    let is_plain = heard.interval <= own * 10;
    let believed = if is_plain { heard.interval } else { own };
    // What it found unread as it woke up counts from its arrival, so it may act soon; but not at once.
    let has_lapsed = node.respected.is_none() && node.resumed_at == Some(node.state_since);
    if has_lapsed && at == node.state_since {
        return broken(Id::P1, id, "its lease was over, and it takes over as it wakes up");
    }
    let down = believed * 3 + facts.skew(id, believed);
    let tolerance = facts.drift(down);
    let mut earliest = heard.at + down;
    if let Some(released_at) = node.released_at {
        earliest = earliest.min(released_at + facts.skew(id, believed.min(own)));
    }
    let delays = matches!(config.preempt, Preempt::After(_)) && node.unsure_since_when;
    if at + tolerance < earliest && node.changed_at <= heard.at && !has_lapsed && !delays {
        let invariant = if node.resumed_at == Some(at) {
            Id::P1
        } else if heard.priority < node.priority.get() {
            Id::V12
        } else if believed > own {
            Id::V11
        } else {
            Id::V5
        };
        let text = format!("takes over at {at}; {} advertised at {}", heard.from, heard.at);
        return broken(invariant, id, format!("{text}, so not before {earliest}"));
    }
    // What lies unread after a pause may not be all that came; it is no reason to act at once.
    let read = node.respected.is_some_and(|heard| heard.at + node.paused_for > at);
    if node.resumed_at == Some(at) && read && node.changed_at != at {
        return broken(Id::P1, id, "takes over as it wakes up, by an old advert");
    }
    // It may come later by a greater skew, and after a pause; by nothing else.
    let skew_max = facts.skew_max().max(believed);
    let latest = heard.at + believed * 3 + skew_max;
    let woken = node.resumed_at.map_or(SimTime::ZERO, |resumed| resumed + believed + skew_max);
    let mut latest = latest.max(woken) + tolerance * 2;
    if let Some(released_at) = node.released_at
        && node.respected.is_some()
        && node.changed_at <= released_at
    {
        let skew = facts.skew(id, believed.max(own)) + tolerance;
        latest = latest.min((released_at + skew).max(woken));
    }
    let waits_longer = matches!(config.preempt, Preempt::After(delay) if delay > Duration::ZERO);
    if at > latest && is_plain && !waits_longer {
        let text = format!("takes over at {at}; {} advertised at {}", heard.from, heard.at);
        return broken(Id::L4, id, format!("{text}, so not after {latest}"));
    }
    Ok(())
}

/// A check that fails keeps a router from being MASTER, or lowers its priority.
pub(super) fn v3_checked(facts: &Facts<'_>, id: NodeId) -> Verdict {
    let node = facts.node(id);
    let (Some(weight), Some(config)) =
        (facts.scenario.nodes[id.index()].check_weight, &node.config)
    else {
        return Ok(());
    };
    let since = node.check_fails_since.filter(|since| node.started_at < *since);
    let was_stopped = node.paused_at.is_some() || node.resumed_at > since;
    if !node.up || since.is_none() || was_stopped || node.asked_at.is_some() {
        return Ok(());
    }
    if weight == 0 {
        return match node.state {
            StateName::Initialize | StateName::Leaving => Ok(()),
            StateName::Backup | StateName::Master => {
                broken(Id::V3, id, format!("{} with a failed check of weight 0", node.state))
            }
        };
    }
    let expected = config.priority.weighted(i32::from(weight));
    if node.priority == expected {
        return Ok(());
    }
    broken(Id::V3, id, format!("priority {} with a failed check, not {expected}", node.priority))
}

/// Adverts are no more than the interval, the promotion and what was heard ask for.
///
/// # Errors
/// If they are.
pub fn v6(facts: &Facts<'_>, id: NodeId, at: SimTime) -> Verdict {
    let node = facts.node(id);
    let Some(config) = &node.config else { return Ok(()) };
    let interval = u64::try_from(config.interval.duration().as_nanos()).unwrap_or(1).max(1);
    let elapsed = u64::try_from(at.since(node.state_since).as_nanos()).unwrap_or(u64::MAX);
    let allowed = (elapsed + elapsed / 1000 + 1) / interval + 2 + node.provoked;
    if node.sent <= allowed || node.ailed_until > SimTime::ZERO || node.ailments > 0 {
        return Ok(());
    }
    broken(
        Id::V6,
        id,
        format!("{} adverts since {}, {allowed} at most", node.sent, node.state_since),
    )
}

/// What of a core must not change when it reads a packet that is to be discarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Print {
    /// The router's state.
    pub state: StateName,
    /// Whom it takes for the MASTER.
    pub master: Option<IpAddr>,
    /// Its priority.
    pub priority: Priority,
    /// Its next timer.
    pub timeout: Instant,
    /// Its counters.
    pub counters: Counters,
    /// Packets discarded.
    pub discards: u64,
}

/// A packet with a wrong TTL, checksum, version, type, length, VRID or our own source changes
/// nothing, sends nothing, and is counted once.
///
/// # Errors
/// If it does, or isn't.
pub fn v7(facts: &Facts<'_>, id: NodeId, before: &Print, after: &Print) -> Verdict {
    let node = facts.node(id);
    let expected = Print { discards: before.discards + u64::from(node.bad_unread), ..*before };
    if *after == expected && node.sent_in_turn == 0 {
        return Ok(());
    }
    // Each turn looks at the lease first, and that has no timer.
    if after.counters.leases_lapsed > before.counters.leases_lapsed {
        return Ok(());
    }
    let text = format!("{} bad packets; before {before:?}, after {after:?}", node.bad_unread);
    broken(Id::V7, id, text)
}

/// Who isn't an owner never says 255.
///
/// # Errors
/// If it does.
pub fn v8_sent(facts: &Facts<'_>, id: NodeId, priority: AdvertPriority) -> Verdict {
    let owns = facts.node(id).config.as_ref().is_some_and(|config| config.priority.is_owner());
    match priority {
        AdvertPriority::Of(priority) if priority.is_owner() && !owns => {
            broken(Id::V8, id, "says 255 and is no owner")
        }
        AdvertPriority::Of(_) | AdvertPriority::Zero => Ok(()),
    }
}

/// An owner never yields to a lesser.
///
/// # Errors
/// If it does.
pub fn v8_owner(facts: &Facts<'_>, id: NodeId, winner: AdvertPriority) -> Verdict {
    let owns = facts.node(id).priority.is_owner();
    match winner {
        AdvertPriority::Of(priority) if owns && !priority.is_owner() => {
            broken(Id::V8, id, format!("an owner yields to {priority}"))
        }
        AdvertPriority::Of(_) | AdvertPriority::Zero => Ok(()),
    }
}

/// Whoever yields, yields to a better one: higher priority, or the same and a greater address.
///
/// # Errors
/// If it yields to a lesser one.
pub fn v9(facts: &Facts<'_>, id: NodeId, reason: &Reason) -> Verdict {
    let Reason::BetterMaster(source, AdvertPriority::Of(priority)) = reason else {
        return Ok(());
    };
    if (*priority, *source) > facts.rank(id) {
        return Ok(());
    }
    broken(Id::V9, id, format!("yields to {source} with {priority}"))
}

/// After a turn the next timer lies ahead, and not further than any timer can.
///
/// # Errors
/// If it doesn't.
pub fn v10(facts: &Facts<'_>, id: NodeId, again: bool, wait: Duration) -> Verdict {
    const LONGEST: Duration = Duration::from_secs(3 * 255 + 1);
    if !again && wait == Duration::ZERO {
        return broken(Id::V10, id, "its next timer is due already");
    }
    match facts.node(id).state {
        StateName::Backup | StateName::Master | StateName::Leaving if wait > LONGEST => {
            broken(Id::V10, id, format!("its next timer is due in {wait:?}"))
        }
        StateName::Initialize | StateName::Backup | StateName::Master | StateName::Leaving => {
            Ok(())
        }
    }
}
