//! Records a run for its timeline.

#![expect(clippy::wildcard_enum_match_arm, reason = "only a damaged packet gets a note")]

use std::net::IpAddr;

use openproxy_core::event::EventKind;
use openproxy_core::io::AddressChange;
use openproxy_core::vrrp::StateName;
use openproxy_io_sim::NodeId;
use openproxy_io_sim::clock::SimTime;
use openproxy_io_sim::frame::Truth;

use crate::judge::Violation;
use crate::observe::{Observation, Observer};
use crate::scenario::Scenario;
use crate::timeline::{
    Advert, Announcement, ClientSpan, Fault, Holding, Node, Phase, StateSpan, Timeline,
    Violation as Broken,
};

/// How many unanswered sends are remembered, to find each arrival's.
const SENT_MAX: usize = 64;

#[derive(Clone, Debug)]
struct Lane {
    state: Phase,
    before_pause: Phase,
    since: SimTime,
    reason: String,
    /// Recent adverts: when, and with which priority.
    sent: Vec<(SimTime, u8)>,
}

/// Observes a run, and makes its timeline.
#[derive(Debug)]
pub struct Recorder {
    lanes: Vec<Lane>,
    held: Vec<(NodeId, IpAddr, SimTime)>,
    clients: Vec<(IpAddr, NodeId, SimTime)>,
    timeline: Timeline,
}

impl Recorder {
    /// A recorder of this scenario.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        let node = |id: NodeId| Node {
            name: id.to_string(),
            address: scenario.own_address(id).0.to_string(),
            priority: scenario.nodes[id.index()].priority,
        };
        let lane = Lane {
            state: Phase::Down,
            before_pause: Phase::Down,
            since: SimTime::ZERO,
            reason: "not started".to_owned(),
            sent: Vec::new(),
        };
        let faults = scenario.faults.iter().map(|fault| Fault {
            from_ns: fault.at.0,
            to_ns: fault.until.0.min(scenario.end.0),
            text: fault.kind.to_string(),
            nodes: fault.kind.nodes(scenario.count()).iter().map(|node| node.index()).collect(),
        });
        let interval = f64::from(scenario.interval_centis) / 100.0;
        let subtitle = format!(
            "seed {}: {} routers, VRRPv{}, {}, every {interval} s",
            scenario.seed,
            scenario.nodes.len(),
            scenario.version,
            if scenario.ipv6 { "IPv6" } else { "IPv4" },
        );
        Self {
            lanes: vec![lane; scenario.nodes.len()],
            held: Vec::new(),
            clients: Vec::new(),
            timeline: Timeline {
                title: "A simulated run".to_owned(),
                subtitle,
                replay: String::new(),
                end_ns: scenario.end.0,
                nodes: scenario.ids().map(node).collect(),
                states: Vec::new(),
                holdings: Vec::new(),
                faults: faults.collect(),
                adverts: Vec::new(),
                client: Vec::new(),
                announcements: Vec::new(),
                violation: None,
            },
        }
    }

    /// The timeline, up to `end`.
    #[must_use]
    pub fn finish(mut self, end: SimTime, violation: Option<&Violation>, replay: &str) -> Timeline {
        for position in 0..self.lanes.len() {
            self.enter(end, position, Phase::Down, String::new());
        }
        for (node, ip, since) in std::mem::take(&mut self.held) {
            self.hold(node, ip, since, end);
        }
        for (ip, node, since) in std::mem::take(&mut self.clients) {
            self.see(ip, node, since, end);
        }
        replay.clone_into(&mut self.timeline.replay);
        self.timeline.end_ns = end.0;
        for fault in &mut self.timeline.faults {
            fault.to_ns = fault.to_ns.min(end.0);
        }
        self.timeline.faults.retain(|fault| fault.from_ns <= end.0);
        self.timeline.violation = violation.map(|violation| Broken {
            invariant: violation.id.to_string(),
            at_ns: violation.at.0,
            text: format!("{}: {}", violation.node, violation.text),
        });
        self.timeline
    }

    fn enter(&mut self, at: SimTime, node: usize, state: Phase, reason: String) {
        let lane = &mut self.lanes[node];
        let reason = std::mem::replace(&mut lane.reason, reason);
        let span =
            StateSpan { node, from_ns: lane.since.0, to_ns: at.0, state: lane.state, reason };
        (lane.state, lane.since) = (state, at);
        if span.to_ns > span.from_ns {
            self.timeline.states.push(span);
        }
    }

    fn holding(&self, node: NodeId, ip: IpAddr) -> Option<usize> {
        self.held.iter().position(|(holder, held, _)| *holder == node && *held == ip)
    }

    fn hold(&mut self, node: NodeId, ip: IpAddr, since: SimTime, until: SimTime) {
        let (node, vip) = (node.index(), ip.to_string());
        self.timeline.holdings.push(Holding { node, vip, from_ns: since.0, to_ns: until.0 });
    }

    fn see(&mut self, ip: IpAddr, node: NodeId, since: SimTime, until: SimTime) {
        let (vip, node) = (ip.to_string(), Some(node.index()));
        self.timeline.client.push(ClientSpan { vip, node, from_ns: since.0, to_ns: until.0 });
    }
}

impl Observer for Recorder {
    fn observe(&mut self, at: SimTime, id: NodeId, observation: Observation<'_>) {
        let node = id.index();
        match observation {
            Observation::Started(_) => {
                self.enter(at, node, Phase::Initialize, "its process begins".to_owned());
            }
            Observation::Guarded => {
                self.enter(at, node, Phase::Initialize, "its guard goes on".to_owned());
            }
            Observation::Ended(end) => {
                self.enter(at, node, Phase::Down, format!("its process ends: {end:?}"));
            }
            Observation::Paused => {
                self.lanes[node].before_pause = self.lanes[node].state;
                self.enter(at, node, Phase::Paused, "SIGSTOP".to_owned());
            }
            Observation::Resumed => {
                let state = self.lanes[node].before_pause;
                self.enter(at, node, state, "SIGCONT".to_owned());
            }
            Observation::Event(event) => {
                if let EventKind::StateChanged { to, reason, .. } = &event.kind {
                    let state = match to {
                        StateName::Initialize => Phase::Initialize,
                        StateName::Backup => Phase::Backup,
                        StateName::Master => Phase::Master,
                        StateName::Leaving => Phase::Leaving,
                    };
                    self.enter(at, node, state, reason.to_string());
                }
            }
            Observation::Sent(send) => {
                let sent = &mut self.lanes[node].sent;
                if sent.len() == SENT_MAX {
                    sent.remove(0);
                }
                sent.push((at, send.advert.priority.to_wire()));
            }
            Observation::Heard { from: Some(from), frame } => {
                let priority = frame.payload().get(2).copied().unwrap_or(0);
                let sent = self.lanes[from.index()].sent.iter().rev();
                let sent_at = sent.clone().find(|(_, known)| *known == priority);
                let sent_at = sent_at.or_else(|| sent.clone().next()).map_or(at, |(at, _)| *at);
                let note = match frame.truth {
                    Truth::Whole => String::new(),
                    truth => format!("{truth:?}").to_lowercase(),
                };
                self.timeline.adverts.push(Advert {
                    from: from.index(),
                    to: node,
                    sent_ns: sent_at.0,
                    arrived_ns: Some(at.0),
                    priority,
                    note,
                });
            }
            Observation::Lost { to } => {
                let priority = self.lanes[node].sent.last().map_or(0, |(_, priority)| *priority);
                self.timeline.adverts.push(Advert {
                    from: node,
                    to: to.index(),
                    sent_ns: at.0,
                    arrived_ns: None,
                    priority,
                    note: String::new(),
                });
            }
            Observation::Announced(announcement) => {
                for ip in &announcement.addresses {
                    let vip = ip.to_string();
                    self.timeline.announcements.push(Announcement { node, at_ns: at.0, vip });
                }
            }
            Observation::Address(AddressChange::Present(address), _) => {
                if address.ours && self.holding(id, address.ip).is_none() {
                    self.held.push((id, address.ip, at));
                }
            }
            Observation::Address(AddressChange::Gone(address), _) => {
                if let Some(position) = self.holding(id, address.ip) {
                    let (_, ip, since) = self.held.remove(position);
                    self.hold(id, ip, since, at);
                }
            }
            Observation::Client(ip) => {
                if let Some(position) = self.clients.iter().position(|entry| entry.0 == ip) {
                    let (ip, before, since) = self.clients.remove(position);
                    self.see(ip, before, since, at);
                }
                self.clients.push((ip, id, at));
            }
            Observation::Heard { from: None, .. }
            | Observation::Asked
            | Observation::Reloaded(_)
            | Observation::Reset(_)
            | Observation::Fault(..)
            | Observation::Turning(..)
            | Observation::Turned { .. } => {}
        }
    }
}
