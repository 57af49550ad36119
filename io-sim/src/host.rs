//! One machine: its kernel, and what the process on it has open: netlink, sockets, hooks, checks.
//!
//! It is the [`Inbox`] of the supervisor that runs on it, and carries out that supervisor's outputs.
//! All times are of the machine's own clock.

use std::collections::VecDeque;
use std::net::IpAddr;

use openproxy_core::io::{
    AddressChange, AddressRequest, Announcement, Arrival, CheckId, Command, Completion, GuardNote,
    HookId, Inbox, InterfaceIndex, KernelEvent, MacAddress, Output, ResetConnections, SendAdvert,
    SendError, SocketError, SocketId, Will,
};
use openproxy_core::time::{Duration, Instant};
use openproxy_core::vrrp::{Family, Inheritance};

use crate::NodeId;
use crate::draw::{Draws, Stream};
use crate::frame::Frame;
use crate::kernel::{Cause, Kernel};

/// How many packets a socket keeps unread; then the newest is dropped, as Linux does.
const UNREAD_MAX: usize = 64;
/// So many turns in one moment mean that a process will never wait.
pub const TURNS_AT_ONCE_MAX: u32 = 1_000;
/// How long a check takes.
const CHECK_TAKES: Duration = Duration::from_millis(1);
/// How long it takes until a killed hook has been reaped.
const REAPED_AFTER: Duration = Duration::from_millis(1);

/// What is around a machine.
pub trait Surroundings {
    /// Puts an advert on the network.
    fn send(&mut self, node: NodeId, send: &SendAdvert);

    /// Announces addresses on the network.
    fn announce(&mut self, node: NodeId, announcement: &Announcement);

    /// Connections of addresses that are about to come off are reset.
    fn connections_reset(&mut self, node: NodeId, reset: &ResetConnections);

    /// An address of the machine came, changed or went, whether or not the process is told.
    fn address_changed(&mut self, node: NodeId, change: &AddressChange, cause: Cause);
}

/// What goes wrong on a machine now.
#[derive(Clone, Debug, Default)]
pub struct Troubles {
    /// Adverts can't be sent.
    pub send: Option<SendError>,
    /// Sockets can't be opened.
    pub socket: Option<SocketError>,
    /// The kernel takes so much longer for each operation.
    pub slow: Duration,
    /// Netlink events get lost, and then an overrun is told.
    pub loses_events: bool,
    /// Checks fail.
    pub check_fails: bool,
    /// Hooks take so much longer.
    pub hook_hangs: Duration,
}

/// How the hooks of a machine behave.
#[derive(Clone, Copy, Debug, Default)]
pub struct HookPlan {
    /// How long each runs.
    pub takes: Duration,
    /// Whether each ends with a status that isn't 0.
    pub fails: bool,
}

#[derive(Clone, Debug)]
enum Operation {
    Dump,
    Address(AddressRequest),
}

#[derive(Clone, Copy, Debug)]
struct Socket {
    id: SocketId,
    index: InterfaceIndex,
    family: Family,
}

/// What there is to do in a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agenda {
    /// Packets alone: no result has come.
    Packets,
    /// A command alone.
    Commands,
    /// Anything.
    Anything,
}

/// A machine.
#[derive(Clone, Debug)]
pub struct Host {
    /// Which.
    pub node: NodeId,
    /// Its kernel.
    pub kernel: Kernel,
    /// What goes wrong on it.
    pub troubles: Troubles,
    /// How hooks behave on it.
    pub hook_plan: HookPlan,
    draws: Draws,
    kernel_takes_max: Duration,
    operations_begun: u64,
    process: Process,
    /// What the guard of the process knows, which outlives it.
    will: Will,
}

/// What ends with the process.
#[derive(Clone, Debug, Default)]
struct Process {
    sockets: Vec<Socket>,
    arrivals: VecDeque<(SocketId, Instant, Frame)>,
    current: Option<Frame>,
    events: VecDeque<KernelEvent>,
    overrun: bool,
    completions: VecDeque<Completion>,
    claims: VecDeque<(InterfaceIndex, IpAddr, MacAddress)>,
    commands: VecDeque<Command>,
    /// The netlink worker's queue: one after the other.
    operations: VecDeque<(Instant, Operation)>,
    hooks: Vec<(Instant, HookId, Result<(), String>)>,
    checks: Vec<(Instant, CheckId)>,
    watched: Vec<(InterfaceIndex, Vec<IpAddr>)>,
}

impl Host {
    /// A machine on which no process runs yet. Each operation takes its kernel up to
    /// `kernel_takes_max`.
    #[must_use]
    pub fn new(node: NodeId, draws: Draws, kernel: Kernel, kernel_takes_max: Duration) -> Self {
        Self {
            node,
            kernel,
            troubles: Troubles::default(),
            hook_plan: HookPlan::default(),
            draws,
            kernel_takes_max,
            operations_begun: 0,
            process: Process::default(),
            will: Will::default(),
        }
    }

    /// The process is gone, and with it everything it had open; nothing of it is tidied up.
    pub fn kill_process(&mut self) {
        self.process = Process::default();
        self.will = Will::default();
    }

    /// When [`Self::advance`] has something to do.
    #[must_use]
    pub fn due_at(&self) -> Instant {
        let process = &self.process;
        let operation = process.operations.front().map_or(Instant::MAX, |(at, _)| *at);
        let mut due = operation.min(self.kernel.due_at());
        for (at, _, _) in &process.hooks {
            due = due.min(*at);
        }
        for (at, _) in &process.checks {
            due = due.min(*at);
        }
        due
    }

    /// Lets kernel, worker, hooks and checks do what is due.
    pub fn advance(&mut self, now: Instant, around: &mut impl Surroundings) {
        while let Some((at, _)) = self.process.operations.front()
            && *at <= now
            && let Some((_, operation)) = self.process.operations.pop_front()
        {
            let completion = match operation {
                // Whoever can't be told of changes can't be told of everything either.
                Operation::Dump if self.troubles.loses_events => Completion::Dump(None),
                Operation::Dump => Completion::Dump(Some(self.kernel.snapshot())),
                Operation::Address(request) => {
                    let result = self.kernel.operate(now, &request);
                    Completion::Address(request.router, request.generation, result)
                }
            };
            self.process.completions.push_back(completion);
        }
        self.kernel.expire(now);
        while let Some(hook) = self.process.hooks.iter().position(|(at, _, _)| *at <= now) {
            let (_, id, result) = self.process.hooks.remove(hook);
            self.process.completions.push_back(Completion::Hook(id, result));
        }
        while let Some(check) = self.process.checks.iter().position(|(at, _)| *at <= now) {
            let (_, id) = self.process.checks.remove(check);
            let failed = Err("connection refused".to_owned());
            let result = if self.troubles.check_fails { failed } else { Ok(()) };
            self.process.completions.push_back(Completion::Check(id, result));
        }
        self.tell_changes(around);
    }

    /// Hands on what changed in the kernel, to the process and to whoever watches.
    pub fn tell_changes(&mut self, around: &mut impl Surroundings) {
        while let Some((change, cause)) = self.kernel.take_change() {
            around.address_changed(self.node, &change, cause);
            self.tell(KernelEvent::Address(change));
        }
    }

    /// A netlink event for the process, if it gets there.
    pub fn tell(&mut self, event: KernelEvent) {
        if !self.troubles.loses_events {
            self.process.events.push_back(event);
        } else if !self.process.overrun {
            self.process.overrun = true;
            self.process.events.push_back(KernelEvent::Overrun);
        }
    }

    /// Events get through again; what was lost stays lost.
    pub fn end_of_lost_events(&mut self) {
        self.troubles.loses_events = false;
        if std::mem::take(&mut self.process.overrun) {
            self.process.events.push_back(KernelEvent::Overrun);
        }
    }

    /// A packet from the network: into each socket that it is for.
    ///
    /// Returns whether any took it.
    pub fn receive(&mut self, now: Instant, frame: &Frame) -> bool {
        let mut taken = false;
        // The kernel looks at the header once, here; the bytes are handed out on reading.
        if !self.kernel.is_running() || !frame.is_handed_on(|ip| self.kernel.has(ip)) {
            return false;
        }
        let family = Family::of(frame.source());
        for socket in &self.process.sockets {
            let fits = socket.family == family && Some(socket.index) == self.kernel.index();
            if fits && self.process.arrivals.len() < UNREAD_MAX {
                self.process.arrivals.push_back((socket.id, now, frame.clone()));
                taken = true;
            }
        }
        taken
    }

    /// Somebody announced an address on the network.
    pub fn hear_claim(&mut self, ip: IpAddr, mac: MacAddress) {
        let Some(index) = self.kernel.index() else { return };
        let watches = |(watched, list): &(InterfaceIndex, Vec<IpAddr>)| {
            *watched == index && list.contains(&ip)
        };
        if self.kernel.is_running()
            && mac != crate::kernel::mac(self.node)
            && self.process.watched.iter().any(watches)
        {
            self.process.claims.push_back((index, ip, mac));
        }
    }

    /// A wish for the process.
    pub fn command(&mut self, command: Command) {
        self.process.commands.push_back(command);
    }

    /// Whether a turn would find anything.
    #[must_use]
    pub fn has_news(&self) -> bool {
        let process = &self.process;
        !(process.arrivals.is_empty()
            && process.completions.is_empty()
            && process.events.is_empty()
            && process.claims.is_empty()
            && process.commands.is_empty())
    }

    /// What a turn would find.
    #[must_use]
    pub fn agenda(&self) -> Agenda {
        let process = &self.process;
        let others = !process.completions.is_empty()
            || !process.events.is_empty()
            || !process.claims.is_empty();
        match (others, process.arrivals.is_empty(), process.commands.is_empty()) {
            (false, false, true) => Agenda::Packets,
            (false, true, false) => Agenda::Commands,
            (true, _, _) | (false, true, true) | (false, false, false) => Agenda::Anything,
        }
    }

    /// The next packet that lies unread, for a process that can't borrow it from here.
    pub fn take_arrival(&mut self) -> Option<(SocketId, Instant, Frame)> {
        self.process.arrivals.pop_front()
    }

    /// Whether a hook runs.
    #[must_use]
    pub fn runs_hook(&self) -> bool {
        !self.process.hooks.is_empty()
    }

    /// What the process leaves to its guard, should it die now.
    #[must_use]
    pub fn estate(&self) -> Vec<Inheritance> {
        self.will.estate()
    }

    /// What it leaves to the program that takes its place, having said last that it is alive.
    #[must_use]
    pub fn estate_to_heir(&self, now: Instant) -> Vec<Inheritance> {
        let mut will = self.will.clone();
        will.note(GuardNote::Alive(now));
        will.estate()
    }

    /// Begins an effect.
    pub fn perform(&mut self, now: Instant, output: Output, around: &mut impl Surroundings) {
        match output {
            Output::Dump => self.enqueue(now, Operation::Dump),
            Output::Address(request) => self.enqueue(now, Operation::Address(request)),
            // Nobody is connected.
            Output::ResetConnections(reset) => around.connections_reset(self.node, &reset),
            Output::OpenSocket(id, spec) => {
                let result = self.troubles.socket.clone().map_or(Ok(()), Err);
                if result.is_ok() {
                    let (index, family) = (spec.index, spec.family);
                    self.process.sockets.push(Socket { id, index, family });
                }
                self.process.completions.push_back(Completion::Socket(id, result));
            }
            Output::CloseSocket(id) => {
                self.process.sockets.retain(|socket| socket.id != id);
                self.process.arrivals.retain(|(socket, _, _)| *socket != id);
            }
            Output::SendAdvert(send) => {
                let result = self.send(&send, around);
                let sent = Completion::AdvertSent(send.router, send.generation, result);
                self.process.completions.push_back(sent);
            }
            Output::Announce(announcement) => {
                if self.kernel.is_running() {
                    around.announce(self.node, &announcement);
                }
            }
            Output::WatchClaims(watch) => {
                self.process.watched.retain(|(index, _)| *index != watch.index);
                self.process.watched.push((watch.index, watch.addresses));
            }
            Output::PromoteSecondaries(_) => self.kernel.promote_secondaries(),
            Output::RunHook(run) => {
                let ends_at = now + self.hook_plan.takes + self.troubles.hook_hangs;
                let failed = Err("exit status: 1".to_owned());
                let result = if self.hook_plan.fails { failed } else { Ok(()) };
                self.process.hooks.push((ends_at, run.id, result));
            }
            Output::KillHook(id) => {
                let hooks = &mut self.process.hooks;
                if let Some(hook) = hooks.iter_mut().find(|(_, known, _)| *known == id) {
                    *hook = (now + REAPED_AFTER, id, Err("signal: 9 (SIGKILL)".to_owned()));
                }
            }
            Output::RunCheck(id, _) => self.process.checks.push((now + CHECK_TAKES, id)),
            Output::CancelCheck(id) => self.process.checks.retain(|(_, known)| *known != id),
            Output::Guard(note) => self.will.note(note),
            Output::Event(_) => {}
        }
    }

    fn send(&mut self, send: &SendAdvert, around: &mut impl Surroundings) -> Result<(), SendError> {
        if let Some(error) = &self.troubles.send {
            return Err(error.clone());
        }
        if !self.kernel.is_running() {
            return Err(SendError::Down);
        }
        // Linux refuses a source address that the machine doesn't have (EADDRNOTAVAIL).
        if !self.kernel.has(send.source) {
            return Err(SendError::Other("cannot assign requested address".to_owned()));
        }
        around.send(self.node, send);
        Ok(())
    }

    fn enqueue(&mut self, now: Instant, operation: Operation) {
        self.operations_begun += 1;
        let most = u64::try_from(self.kernel_takes_max.as_nanos()).unwrap_or(u64::MAX);
        let key = u64::from(self.node.0);
        let takes =
            self.draws.between(Stream::KernelDelay, key, self.operations_begun, most / 8, most);
        let begins = self.process.operations.back().map_or(now, |(at, _)| now.max(*at));
        let ends = begins + Duration::from_nanos(takes) + self.troubles.slow;
        self.process.operations.push_back((ends, operation));
    }
}

impl Inbox for Host {
    fn next_kernel_event(&mut self) -> Option<KernelEvent> {
        self.process.events.pop_front()
    }

    fn next_arrival(&mut self) -> Option<Arrival<'_>> {
        let (socket, at, frame) = self.take_arrival()?;
        let datagram = self.process.current.insert(frame).datagram();
        Some(Arrival { socket, at, datagram })
    }

    fn next_completion(&mut self) -> Option<Completion> {
        self.process.completions.pop_front()
    }

    fn next_claim(&mut self) -> Option<(InterfaceIndex, IpAddr, MacAddress)> {
        self.process.claims.pop_front()
    }

    fn next_command(&mut self) -> Option<Command> {
        self.process.commands.pop_front()
    }
}
