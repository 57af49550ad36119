//! The daemon of a machine, and what it has not read yet.

use std::collections::VecDeque;
use std::hash::Hash;
use std::net::IpAddr;

use openproxy_core::io::{
    AddressChange, Arrival, Command, Completion, Datagram, Inbox, InterfaceIndex, KernelEvent,
    MacAddress, SocketId,
};
use openproxy_core::supervisor::Supervisor;
use openproxy_core::time::Instant;
use openproxy_core::vrrp::RouterConfig;

use super::key::Relative;
use super::setup::{Packet, Setup};

/// A process. Times are those of the world, in nanoseconds.
#[derive(Clone, Debug)]
pub(super) struct Process {
    pub(super) supervisor: Supervisor,
    pub(super) queues: Queues,
}

/// What has happened to a process since its last turn.
#[derive(Clone, Debug, Default)]
pub(super) struct Queues {
    pub(super) socket: Option<SocketId>,
    pub(super) events: VecDeque<KernelEvent>,
    pub(super) arrivals: VecDeque<(u64, Packet)>,
    pub(super) completions: VecDeque<Completion>,
    pub(super) command: Option<Command>,
}

/// An inbox for one turn.
struct Turn<'a> {
    setup: &'a Setup,
    ahead: u64,
    queues: &'a mut Queues,
}

impl Process {
    pub(super) fn new(config: RouterConfig) -> Self {
        Self { supervisor: Supervisor::new(vec![config]), queues: Queues::default() }
    }

    /// Takes a turn on a clock that is `ahead` of the world's.
    pub(super) fn turn(&mut self, now: u64, ahead: u64, setup: &Setup) {
        let mut inbox = Turn { setup, ahead, queues: &mut self.queues };
        self.supervisor.turn(Instant::from_nanos(now + ahead), &mut inbox);
    }

    /// Whether a turn would find anything.
    pub(super) fn has_news(&self) -> bool {
        let Queues { socket: _, events, arrivals, completions, command } = &self.queues;
        !(events.is_empty() && arrivals.is_empty() && completions.is_empty() && command.is_none())
    }

    /// Hands over everything that decides its future.
    pub(super) fn digest(&self, now: u64, ahead: u64, hasher: &mut Relative) {
        let Queues { socket, events, arrivals, completions, command } = &self.queues;
        assert!(completions.is_empty() && command.is_none(), "something is under way");
        (socket, arrivals).hash(hasher);
        // A paused process has what happened to its kernel still before it.
        events.len().hash(hasher);
        for event in events {
            match event {
                KernelEvent::Link(link) => link.hash(hasher),
                KernelEvent::Address(AddressChange::Present(address)) => {
                    (true, address).hash(hasher);
                }
                KernelEvent::Address(AddressChange::Gone(address)) => {
                    (false, address).hash(hasher);
                }
                KernelEvent::LinkGone(_) | KernelEvent::Overrun => unreachable!("never told"),
            }
        }
        let oldest = arrivals.front().map_or(now, |(at, _)| *at);
        hasher.move_to(now + ahead);
        self.supervisor.digest(Instant::from_nanos(oldest + ahead), hasher);
        hasher.move_to(now);
    }
}

impl Inbox for Turn<'_> {
    fn next_kernel_event(&mut self) -> Option<KernelEvent> {
        self.queues.events.pop_front()
    }

    fn next_arrival(&mut self) -> Option<Arrival<'_>> {
        let (at, packet) = self.queues.arrivals.pop_front()?;
        let socket = self.queues.socket?;
        let datagram = Datagram::V4(self.setup.frame(packet).bytes());
        Some(Arrival { socket, at: Instant::from_nanos(at + self.ahead), datagram })
    }

    fn next_completion(&mut self) -> Option<Completion> {
        self.queues.completions.pop_front()
    }

    fn next_claim(&mut self) -> Option<(InterfaceIndex, IpAddr, MacAddress)> {
        None
    }

    fn next_command(&mut self) -> Option<Command> {
        self.queues.command.take()
    }
}
