//! The core's platform on a simulated machine, inside a host of turmoil.
//!
//! A [`Machine`] outlives its turmoil host: its kernel keeps addresses and leases when a process is
//! killed. A [`SimPlatform`] is one process on it; it ends with the future that owns it. Once its
//! machine has been told that the process is over, nothing that is dropped late can touch it.
//!
//! Turmoil's traps, and what is done about them: a message takes between nothing and a tick, so
//! that each carries its own time of arrival; timers fire at whole milliseconds; an unbiased
//! `select!` is not repeatable. Time is turmoil's [`sim_elapsed`](turmoil::sim_elapsed), the same on
//! all hosts; no `std` or tokio instant leaves the host that it was read on.

mod datagram;
#[cfg(test)]
mod tests;
mod wire;

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;

use openproxy_core::io::{
    Arrival, Command, Completion, Inbox, InterfaceIndex, KernelEvent, MacAddress, Output, Platform,
};
use openproxy_core::time::{Duration, Instant};
use tokio::time::sleep;
use turmoil::net::UdpSocket;

use crate::NodeId;
use crate::clock::{Clock, SimTime};
use crate::frame::Frame;
use crate::gate::Gate;
use crate::host::{Host, TURNS_AT_ONCE_MAX};
use datagram::{DATAGRAM_LEN_MAX, Parcel};
pub use wire::{Held, Told, Wire};

/// Turmoil's tick, and the delay of each of its messages. Shorter ones, and fractions, make its
/// clocks go wrong.
pub const TICK: Duration = Duration::from_millis(1);
/// Where frames are sent, on each host.
const PORT: u16 = 112;

/// The address of a machine's turmoil host: one network carries the frames of both families.
#[must_use]
pub fn turmoil_address(node: NodeId) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, 11 + node.0).into()
}

/// The time inside a turmoil host.
///
/// # Panics
/// Outside of one.
#[must_use]
pub fn time() -> SimTime {
    let elapsed = turmoil::sim_elapsed().expect("called inside a turmoil host");
    SimTime::ZERO + elapsed
}

/// Waits until `at`, inside a turmoil host; for ever if that is never.
pub async fn sleep_until(at: SimTime) {
    if at == SimTime::MAX {
        return std::future::pending().await;
    }
    sleep(at.since(time())).await;
}

/// A machine, and who runs on it.
#[derive(Debug)]
pub struct Machine {
    /// Which.
    pub node: NodeId,
    /// Its kernel, and what its process has open.
    pub host: RefCell<Host>,
    /// Closed while its process is stopped.
    pub gate: Gate,
    clock: Cell<Clock>,
    news: tokio::sync::Notify,
    processes: Cell<u32>,
    is_running: Cell<bool>,
}

impl Machine {
    /// A machine on which no process runs yet.
    #[must_use]
    pub fn new(host: Host, clock: Clock) -> Self {
        Self {
            node: host.node,
            host: RefCell::new(host),
            gate: Gate::default(),
            clock: Cell::new(clock),
            news: tokio::sync::Notify::new(),
            processes: Cell::new(0),
            is_running: Cell::new(false),
        }
    }

    /// Whether a process runs, or is stopped.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.is_running.get()
    }

    /// A process is about to begin.
    pub fn begin_process(&self) {
        self.processes.set(self.processes.get() + 1);
        self.is_running.set(true);
        self.gate.open();
    }

    /// The process is over, and with it everything it had open. Comes before its future is dropped.
    pub fn end_process(&self) {
        self.is_running.set(false);
        self.host.borrow_mut().kill_process();
    }

    /// The machine's clock, for times that are told to its process.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock.get()
    }

    /// The machine boots: its clock starts again.
    pub fn set_clock(&self, clock: Clock) {
        self.clock.set(clock);
    }

    /// Tells the process that something may have happened.
    pub fn wake(&self) {
        self.news.notify_one();
    }

    /// Lets the kernel do what is due.
    pub fn advance(&self, now: SimTime, wire: &RefCell<Wire>) {
        let (local, mut host) = (self.clock().local(now), self.host.borrow_mut());
        if host.due_at() <= local {
            let mut wire = wire.borrow_mut();
            wire.set_time(now);
            host.advance(local, &mut *wire);
            self.wake();
        }
    }

    /// A packet comes from the network.
    pub fn receive(&self, now: SimTime, from: Option<NodeId>, frame: &Frame, wire: &RefCell<Wire>) {
        if self.host.borrow_mut().receive(self.clock().local(now), frame) {
            let mut wire = wire.borrow_mut();
            wire.set_time(now);
            wire.tell(self.node, Told::Heard { from, frame: frame.clone() });
            self.wake();
        }
    }
}

/// The outside world of one process.
#[derive(Debug)]
pub struct SimPlatform {
    machine: Rc<Machine>,
    wire: Rc<RefCell<Wire>>,
    socket: UdpSocket,
    /// Which of the machine's processes this is.
    process: u32,
    current: Option<Frame>,
    turned_at: SimTime,
    turns: u32,
}

impl SimPlatform {
    /// The platform of the process that the machine has just begun.
    ///
    /// # Errors
    /// If another process of this host has the port.
    pub async fn open(machine: Rc<Machine>, wire: Rc<RefCell<Wire>>) -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?;
        let process = machine.processes.get();
        let (turned_at, turns) = (SimTime::ZERO, 0);
        Ok(Self { machine, wire, socket, process, current: None, turned_at, turns })
    }

    fn is_alive(&self) -> bool {
        self.machine.is_running() && self.machine.processes.get() == self.process
    }

    /// What the network card does, whether or not the process is stopped.
    fn receive(&self) {
        let mut buffer = [0; DATAGRAM_LEN_MAX];
        while let Ok((len, _)) = self.socket.try_recv_from(&mut buffer) {
            let Some(parcel) = buffer.get(..len).and_then(Parcel::from_bytes) else { continue };
            let (now, from) = (time(), Some(parcel.from));
            if parcel.at <= now {
                self.machine.receive(now, from, &parcel.frame, &self.wire);
            } else {
                let held = Held { to: self.machine.node, from, frame: parcel.frame };
                self.wire.borrow_mut().hold(parcel.at, held);
            }
        }
    }

    /// Turns follow each other only so often while no time passes.
    fn count_turn(&mut self) {
        let now = time();
        self.turns = if self.turned_at == now { self.turns + 1 } else { 0 };
        self.turned_at = now;
        assert!(self.turns < TURNS_AT_ONCE_MAX, "{} never waits", self.machine.node);
    }
}

impl Platform for SimPlatform {
    fn now(&self) -> Instant {
        self.machine.clock().local(time())
    }

    async fn wait(&mut self, deadline: Instant) {
        let at = self.machine.clock().global(deadline);
        loop {
            self.machine.advance(time(), &self.wire);
            self.receive();
            let runs = self.machine.gate.is_open();
            if runs && (self.machine.host.borrow().has_news() || at <= time()) {
                return self.count_turn();
            }
            tokio::select! {
                biased;
                // Whatever comes of it is seen in the next round.
                _ = self.socket.readable() => {}
                () = self.machine.news.notified() => {}
                () = self.machine.gate.pass(), if !runs => {}
                () = sleep_until(at), if runs => {}
            }
        }
    }

    fn perform(&mut self, output: Output) {
        if !self.is_alive() {
            return;
        }
        let (now, local) = (time(), self.now());
        let mut wire = self.wire.borrow_mut();
        wire.set_time(now);
        let mut host = self.machine.host.borrow_mut();
        host.perform(local, output, &mut *wire);
        host.tell_changes(&mut *wire);
        while let Some((to, parcel)) = wire.next_outgoing() {
            let address = SocketAddr::new(turmoil_address(to), PORT);
            self.socket
                .try_send_to(&parcel.to_bytes(), address)
                .expect("all machines have hosts, and links never refuse");
        }
    }
}

impl Inbox for SimPlatform {
    fn next_kernel_event(&mut self) -> Option<KernelEvent> {
        self.machine.host.borrow_mut().next_kernel_event()
    }

    fn next_arrival(&mut self) -> Option<Arrival<'_>> {
        let (socket, at, frame) = self.machine.host.borrow_mut().take_arrival()?;
        let datagram = self.current.insert(frame).datagram();
        Some(Arrival { socket, at, datagram })
    }

    fn next_completion(&mut self) -> Option<Completion> {
        self.machine.host.borrow_mut().next_completion()
    }

    fn next_claim(&mut self) -> Option<(InterfaceIndex, IpAddr, MacAddress)> {
        self.machine.host.borrow_mut().next_claim()
    }

    fn next_command(&mut self) -> Option<Command> {
        self.machine.host.borrow_mut().next_command()
    }
}
