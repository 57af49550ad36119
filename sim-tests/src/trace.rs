//! What happened in a run, in order: a hash to compare runs by, and lines for people.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the seldom observations are hashed by their words"
)]

use std::fmt::Write as _;

use openproxy_core::io::AddressChange;
use openproxy_core::vrrp::AdvertPriority;
use openproxy_io_sim::NodeId;
use openproxy_io_sim::clock::SimTime;
use openproxy_io_sim::frame::Truth;

use crate::observe::{Observation, Observer};

/// The hash of everything observed so far (FNV-1a, 64 bits, over words).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceHash(u64);

impl Default for TraceHash {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl std::fmt::Display for TraceHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl TraceHash {
    fn put(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(29);
    }

    fn put_text(&mut self, text: &str) {
        for byte in text.bytes() {
            self.put(u64::from(byte));
        }
    }
}

impl Observer for TraceHash {
    fn observe(&mut self, at: SimTime, node: NodeId, observation: Observation<'_>) {
        self.put(at.0);
        self.put(u64::from(node.0));
        match observation {
            Observation::Sent(send) => {
                self.put(1);
                self.put(u64::from(send.advert.priority.to_wire()));
                self.put(send.generation.0);
            }
            Observation::Heard { from, frame } => {
                self.put(2);
                self.put(from.map_or(u64::MAX, |from| u64::from(from.0)));
                for word in frame.bytes().chunks(8) {
                    let mut bytes = [0; 8];
                    bytes[..word.len()].copy_from_slice(word);
                    self.put(u64::from_le_bytes(bytes));
                }
            }
            Observation::Lost { to } => self.put(3 + (u64::from(to.0) << 8)),
            Observation::Turned { wait, .. } => {
                self.put(4);
                self.put(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX));
            }
            Observation::Turning(..) => self.put(5),
            other => {
                let mut line = String::new();
                describe(&other, &mut line);
                self.put_text(&line);
            }
        }
    }
}

/// One thing that happened, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When.
    pub at: SimTime,
    /// On which node.
    pub node: NodeId,
    /// What.
    pub text: String,
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (secs, nanos) = (self.at.0 / 1_000_000_000, self.at.0 % 1_000_000_000);
        write!(f, "{secs:>6}.{nanos:09} {} {}", self.node, self.text)
    }
}

/// Everything that happened, in words; the turns themselves are left out.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    /// In order.
    pub lines: Vec<Line>,
}

impl Observer for Lines {
    fn observe(&mut self, at: SimTime, node: NodeId, observation: Observation<'_>) {
        let mut text = String::new();
        describe(&observation, &mut text);
        if !text.is_empty() {
            self.lines.push(Line { at, node, text });
        }
    }
}

fn describe(observation: &Observation<'_>, line: &mut String) {
    let result = match observation {
        Observation::Started(config) => {
            write!(line, "process begins, priority {}", config.priority)
        }
        Observation::Ended(end) => write!(line, "process ends: {end:?}"),
        Observation::Guarded => write!(line, "its guard goes on"),
        Observation::Asked => write!(line, "SIGTERM"),
        Observation::Paused => write!(line, "SIGSTOP"),
        Observation::Resumed => write!(line, "SIGCONT"),
        Observation::Reloaded(config) => write!(line, "reload, priority {}", config.priority),
        Observation::Event(event) => write!(line, "{event}"),
        Observation::Sent(send) => match send.advert.priority {
            AdvertPriority::Zero => write!(line, "-> advert, priority 0"),
            AdvertPriority::Of(priority) => write!(line, "-> advert, priority {priority}"),
        },
        Observation::Heard { from, frame } => {
            let priority = frame.payload().get(2).copied().unwrap_or(0);
            let from = from.map_or_else(|| "a stranger".to_owned(), |from| from.to_string());
            match frame.truth {
                Truth::Whole => write!(line, "<- advert of {from}, priority {priority}"),
                truth => write!(line, "<- packet of {from}: {truth:?}"),
            }
        }
        Observation::Lost { to } => write!(line, "-- lost on the way to {to}"),
        Observation::Announced(announcement) => {
            write!(line, "announces {:?}", announcement.addresses)
        }
        Observation::Reset(reset) => write!(line, "resets connections of {:?}", reset.addresses),
        Observation::Address(AddressChange::Present(address), cause) => {
            write!(line, "+ {}/{} ({cause:?})", address.ip, address.prefix_len)
        }
        Observation::Address(AddressChange::Gone(address), cause) => {
            write!(line, "- {}/{} ({cause:?})", address.ip, address.prefix_len)
        }
        Observation::Client(ip) => write!(line, "clients: {ip} is here"),
        Observation::Fault(fault, true) => write!(line, "fault begins: {}", fault.kind),
        Observation::Fault(fault, false) => write!(line, "fault is over: {}", fault.kind),
        Observation::Turning(..) | Observation::Turned { .. } => Ok(()),
    };
    debug_assert!(result.is_ok(), "writing to a string can't fail");
}
