//! L: what must come to pass once the faults are over.

use openproxy_core::vrrp::StateName;
use openproxy_io_sim::NodeId;
use openproxy_io_sim::clock::SimTime;

use super::vrrp_safety::pairs_of_masters;
use super::{Id, Verdict, broken};
use crate::judge::Facts;

/// The cliques of the cluster as it is now.
fn cliques(facts: &Facts<'_>) -> Vec<Vec<NodeId>> {
    let mut cliques: Vec<Vec<NodeId>> = Vec::new();
    for node in facts.scenario.ids().filter(|node| facts.takes_part(*node)) {
        let (members, is_clique) = facts.clique(node);
        if is_clique && !cliques.contains(&members) {
            cliques.push(members);
        }
    }
    cliques
}

fn masters<'a>(facts: &'a Facts<'_>, clique: &'a [NodeId]) -> impl Iterator<Item = NodeId> + 'a {
    clique.iter().copied().filter(|node| facts.is_master(*node))
}

/// Each clique has exactly one MASTER.
pub(super) fn l1(facts: &Facts<'_>) -> Verdict {
    for clique in cliques(facts) {
        let count = masters(facts, &clique).count();
        if count != 1 {
            return broken(Id::L1, clique[0], format!("{count} MASTERs among {clique:?}"));
        }
    }
    Ok(())
}

/// Where the best of a clique replaces lesser ones, it is the MASTER.
pub(super) fn l2(facts: &Facts<'_>) -> Verdict {
    for clique in cliques(facts) {
        let Some(best) = clique.iter().copied().max_by_key(|node| facts.rank(*node)) else {
            continue;
        };
        // A lesser MASTER of the same priority stays: only a higher priority replaces it.
        let priority = facts.node(best).priority;
        let is_best = |node: NodeId| facts.node(node).priority == priority;
        if facts.preempts(best) && !masters(facts, &clique).any(is_best) {
            return broken(Id::L2, best, format!("the best of {clique:?} isn't MASTER"));
        }
    }
    Ok(())
}

/// Once settled, nothing changes any more.
///
/// # Errors
/// If a router changes its state.
pub fn l3(facts: &Facts<'_>, node: NodeId, at: SimTime) -> Verdict {
    if at <= facts.scenario.calm_at + facts.settling() || !facts.takes_part(node) {
        return Ok(());
    }
    broken(Id::L3, node, "changes its state long after the last fault")
}

/// After the end of a MASTER in a clique, there is another in time.
pub(super) fn l4(facts: &Facts<'_>, at: SimTime) -> Verdict {
    let Some(crash) = facts.crash else { return Ok(()) };
    if crash.by > at || facts.edge_at > crash.at {
        return Ok(());
    }
    if facts.scenario.ids().any(|node| facts.is_master(node)) {
        return Ok(());
    }
    let backup = facts.scenario.ids().find(|node| facts.node(*node).state == StateName::Backup);
    let text = format!("the MASTER ended at {}, and nobody follows", crash.at);
    broken(Id::L4, backup.unwrap_or(NodeId(0)), text)
}

/// A MASTER whose adverts could not be sent tries again after a quarter of an interval.
pub(super) fn l4_unmuted(facts: &Facts<'_>, id: NodeId) -> Verdict {
    let node = facts.node(id);
    let lasted = facts.takes_part(id)
        && node.state == StateName::Master
        && node.state_since < node.unmuted_at
        && node.resumed_at.is_none_or(|resumed| resumed < node.unmuted_at);
    if lasted && node.sent_at.is_none_or(|sent| sent < node.unmuted_at) {
        return broken(Id::L4, id, format!("can send since {}, and doesn't", node.unmuted_at));
    }
    Ok(())
}

/// Two MASTERs anywhere are explained by the network: the lesser doesn't hear the better.
pub(super) fn l5(facts: &Facts<'_>, at: SimTime) -> Verdict {
    for (better, lesser) in pairs_of_masters(facts) {
        let heard = facts.is_clean(better, lesser) && facts.are_compatible(better, lesser);
        if heard && !facts.node(better).is_ailing(at) && !facts.node(lesser).is_ailing(at) {
            let text = format!("MASTER beside {better}, though it hears that one");
            return broken(Id::L5, lesser, text);
        }
    }
    Ok(())
}
