//! What both runners tell of a run, as it happens.

use std::net::IpAddr;
use std::time::Duration;

use openproxy_core::event::Event;
use openproxy_core::io::{AddressChange, Announcement, ResetConnections, SendAdvert};
use openproxy_core::supervisor::Supervisor;
use openproxy_core::vrrp::RouterConfig;
use openproxy_io_sim::NodeId;
use openproxy_io_sim::clock::SimTime;
use openproxy_io_sim::frame::Frame;
use openproxy_io_sim::host::Agenda;
use openproxy_io_sim::kernel::Cause;

use crate::fault::Fault;

/// How a process came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// It was asked to, and released everything.
    Finished,
    /// It was killed.
    Killed,
    /// Its machine lost its power.
    PowerLost,
    /// Another program is executed in its place, and the guard waits for that.
    Replaced,
}

/// Something that happened in a run.
#[derive(Clone, Copy, Debug)]
pub enum Observation<'a> {
    /// A process began, with this configuration.
    Started(&'a RouterConfig),
    /// A process came to its end.
    Ended(End),
    /// A process was killed, or nobody has come to take its place, and its guard goes on.
    Guarded,
    /// A process was asked to end (SIGTERM).
    Asked,
    /// A process was stopped (SIGSTOP).
    Paused,
    /// A stopped process goes on; these packets lie unread.
    Resumed,
    /// A process was given another configuration, or the same again.
    Reloaded(&'a RouterConfig),
    /// The core told an event.
    Event(&'a Event),
    /// An advert was handed to the network.
    Sent(&'a SendAdvert),
    /// A packet came to a node's socket.
    Heard {
        /// Who sent it; `None` for a stranger.
        from: Option<NodeId>,
        /// The packet.
        frame: &'a Frame,
    },
    /// A packet of this node did not reach another.
    Lost {
        /// Where it didn't arrive.
        to: NodeId,
    },
    /// Addresses were announced.
    Announced(&'a Announcement),
    /// Connections of addresses that are about to come off were reset.
    Reset(&'a ResetConnections),
    /// An address of a node's kernel changed.
    Address(&'a AddressChange, Cause),
    /// The clients take this node for the holder of an address now.
    Client(IpAddr),
    /// A fault begins or ends. The node is the first that it concerns.
    Fault(&'a Fault, bool),
    /// A turn is about to be taken, in which this is all that there is to do; a timer counts as
    /// anything.
    Turning(&'a Supervisor, Agenda),
    /// A turn was taken; how long until the next, which follows at once if there is news.
    Turned {
        /// The core.
        supervisor: &'a Supervisor,
        /// Whether something else has come up already.
        again: bool,
        /// Until its next timer, by its own clock.
        wait: Duration,
    },
}

/// Whoever wants to know what happens in a run.
pub trait Observer {
    /// At `at`, on `node`, something happened.
    fn observe(&mut self, at: SimTime, node: NodeId, observation: Observation<'_>);

    /// Whether the run may stop here: a violation has been seen.
    fn is_satisfied(&self) -> bool {
        false
    }
}

/// Nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nobody;

impl Observer for Nobody {
    fn observe(&mut self, _: SimTime, _: NodeId, _: Observation<'_>) {}
}

impl<A: Observer, B: Observer> Observer for (A, B) {
    fn observe(&mut self, at: SimTime, node: NodeId, observation: Observation<'_>) {
        self.0.observe(at, node, observation);
        self.1.observe(at, node, observation);
    }

    fn is_satisfied(&self) -> bool {
        self.0.is_satisfied() || self.1.is_satisfied()
    }
}
