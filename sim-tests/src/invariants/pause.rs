//! P: stopped processes, late wake-ups, and reloads. P1 is a case of V5, found there.

use openproxy_core::vrrp::StateName;
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
    Ok(())
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
    if before == after {
        return Ok(());
    }
    broken(Id::P4, id, format!("an unchanged file: before {before:?}, after {after:?}"))
}
