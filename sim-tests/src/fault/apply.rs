//! What a fault does to the network and to a machine.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each fault concerns one part of the world, and leaves the others alone"
)]

use std::time::Duration;

use openproxy_core::io::{AddressError, SendError, SocketError};
use openproxy_io_sim::NodeId;
use openproxy_io_sim::clock::SimTime;
use openproxy_io_sim::host::Host;
use openproxy_io_sim::lan::Lan;

use super::FaultKind;
use crate::scenario::Scenario;

fn all_pairs(nodes: u8) -> impl Iterator<Item = (NodeId, NodeId)> {
    let ids = move || (0..nodes).map(NodeId);
    ids().flat_map(move |a| ids().map(move |b| (a, b))).filter(|(a, b)| a != b)
}

/// Begins or ends what a fault does to the network.
pub fn apply_to_lan(lan: &mut Lan, nodes: u8, kind: &FaultKind, begins: bool) {
    let switch =
        |lan: &mut Lan, from, to| if begins { lan.cut(from, to) } else { lan.mend(from, to) };
    match kind {
        FaultKind::CutOneWay { from, to } => switch(lan, *from, *to),
        FaultKind::CutPair { a, b } => {
            switch(lan, *a, *b);
            switch(lan, *b, *a);
        }
        FaultKind::Isolate { node } => {
            for other in (0..nodes).map(NodeId).chain([Lan::CLIENTS]).filter(|other| other != node)
            {
                switch(lan, *node, other);
                switch(lan, other, *node);
            }
        }
        FaultKind::Split { group } => {
            for (a, b) in all_pairs(nodes) {
                if group.contains(&a) != group.contains(&b) {
                    switch(lan, a, b);
                }
            }
        }
        FaultKind::Slow { a, b, extra } => {
            let extra = if begins { extra.since(SimTime::ZERO) } else { Duration::ZERO };
            lan.delay(*a, *b, extra);
            lan.delay(*b, *a, extra);
        }
        FaultKind::Noise { from, noise, per_mille } => {
            let rate = if begins { *per_mille } else { 0 };
            for (a, b) in all_pairs(nodes).filter(|(a, _)| from.is_none_or(|from| from == *a)) {
                lan.noise(a, b, *noise, rate);
            }
        }
        _ => {}
    }
}

/// Begins or ends what a fault does to the machine that it happens to, but for what only its runner
/// can do to the process.
pub fn apply_to_host(host: &mut Host, scenario: &Scenario, kind: &FaultKind, begins: bool) {
    let extra = |extra: SimTime| if begins { extra.since(SimTime::ZERO) } else { Duration::ZERO };
    let own = scenario.own_address(host.node);
    match kind {
        FaultKind::LinkDown { .. } => {
            if let Some(event) = host.kernel.set_running(!begins) {
                host.tell(event);
            }
        }
        FaultKind::InterfaceGone { .. } => {
            let event = if begins {
                host.kernel.delete_interface()
            } else {
                host.kernel.create_interface(&[own])
            };
            // Linux tells of the addresses of a new interface after the interface itself.
            if let Some(event) = event {
                host.tell(event);
            }
        }
        FaultKind::NoAddress { .. } if begins => host.kernel.remove_foreign(own.0),
        FaultKind::NoAddress { .. } => host.kernel.add_foreign(own.0, own.1),
        FaultKind::Refuse { operation, .. } => {
            host.kernel.refuse(*operation, begins.then_some(AddressError::Denied));
        }
        FaultKind::SlowKernel { extra: by, .. } => host.troubles.slow = extra(*by),
        FaultKind::LostEvents { .. } if begins => host.troubles.loses_events = true,
        FaultKind::LostEvents { .. } => host.end_of_lost_events(),
        FaultKind::VipTaken { .. } if begins => {
            for vip in scenario.vips() {
                host.kernel.remove_foreign(vip.ip);
            }
        }
        FaultKind::VipForeign { .. } => {
            if let Some(vip) = scenario.vips().first() {
                if begins {
                    host.kernel.add_foreign(vip.ip, vip.prefix_len);
                } else if !host.kernel.has_ours(vip.ip) {
                    host.kernel.remove_foreign(vip.ip);
                }
            }
        }
        FaultKind::SendFails { .. } => {
            host.troubles.send = begins.then_some(SendError::Denied);
        }
        FaultKind::SocketFails { .. } => {
            host.troubles.socket = begins.then_some(SocketError::Denied);
        }
        FaultKind::CheckFails { .. } => host.troubles.check_fails = begins,
        FaultKind::HookHangs { extra: by, .. } => host.troubles.hook_hangs = extra(*by),
        _ => {}
    }
}
