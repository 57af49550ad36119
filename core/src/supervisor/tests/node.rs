//! A host for one supervisor: a kernel that does what it is told unless told otherwise, and a
//! network into which tests put packets.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use super::super::Supervisor;
pub(super) use super::advert::{Advert, advert, advert_v3, datagram};
use crate::event::EventKind;
use crate::io::*;
use crate::time::{Duration, Instant};
use crate::vrrp::*;

pub(super) const INDEX: InterfaceIndex = InterfaceIndex(2);
pub(super) const OWN: &str = "10.0.0.5";
pub(super) const VIP: &str = "10.0.0.200";
pub(super) const LOW: &str = "10.0.0.1";
pub(super) const HIGH: &str = "10.0.0.9";

pub(super) fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

pub(super) fn vip(text: &str) -> Vip {
    let (ip, prefix_len) = text.split_once('/').expect("a prefix length");
    Vip { ip: self::ip(ip), prefix_len: prefix_len.parse().expect("a number") }
}

pub(super) fn priority(number: u8) -> Priority {
    Priority::new(number).expect("in range")
}

pub(super) fn centis(number: u16) -> AdverInterval {
    AdverInterval::from_centis(number).expect("in range")
}

/// Version 2, VRID 50, 1 s, one VIP.
pub(super) fn config(number: u8) -> RouterConfig {
    let key = RouterKey {
        interface: "eth0".into(),
        vrid: Vrid::new(50).expect("in range"),
        family: Family::V4,
    };
    let vips = [vip("10.0.0.200/24")].into();
    RouterConfig::plain(key, Version::V2, priority(number), centis(100), vips)
}

pub(super) fn address(text: &str, prefix_len: u8) -> Address {
    Address {
        index: INDEX,
        ip: ip(text),
        prefix_len,
        ours: false,
        secondary: false,
        tentative: false,
        valid_secs: None,
        protocol: 0,
    }
}

pub(super) fn link(running: bool) -> Link {
    let mac = Some(MacAddress([2, 0, 0, 0, 0, 5]));
    Link { index: INDEX, name: "eth0".into(), running, mac }
}

#[derive(Debug, Default)]
pub(super) struct TestInbox {
    pub(super) events: VecDeque<KernelEvent>,
    pub(super) packets: VecDeque<(SocketId, Instant, Vec<u8>)>,
    pub(super) claims: VecDeque<(InterfaceIndex, IpAddr, MacAddress)>,
    pub(super) completions: VecDeque<Completion>,
    pub(super) commands: VecDeque<Command>,
    current: Vec<u8>,
}

impl Inbox for TestInbox {
    fn next_kernel_event(&mut self) -> Option<KernelEvent> {
        self.events.pop_front()
    }

    fn next_arrival(&mut self) -> Option<Arrival<'_>> {
        let (socket, at, packet) = self.packets.pop_front()?;
        self.current = packet;
        Some(Arrival { socket, at, datagram: datagram(&self.current) })
    }

    fn next_completion(&mut self) -> Option<Completion> {
        self.completions.pop_front()
    }

    fn next_claim(&mut self) -> Option<(InterfaceIndex, IpAddr, MacAddress)> {
        self.claims.pop_front()
    }

    fn next_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }
}

/// A supervisor and its host.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) supervisor: Supervisor,
    pub(super) inbox: TestInbox,
    pub(super) now: Instant,
    pub(super) links: Vec<Link>,
    pub(super) addresses: Vec<Address>,
    pub(super) sockets: Vec<SocketId>,
    /// Answers to address operations that aren't `Ok`.
    pub(super) refuse: BTreeMap<IpAddr, AddressError>,
    pub(super) send_error: Option<SendError>,
    pub(super) socket_error: Option<SocketError>,
    pub(super) dump_fails: bool,
    /// Hooks and checks are answered by the test.
    pub(super) hooks: Vec<HookRun>,
    pub(super) killed: Vec<HookId>,
    pub(super) checks: Vec<CheckId>,
    /// All outputs, with their times.
    pub(super) log: Vec<(Instant, Output)>,
}

impl Node {
    /// A host with one interface; the first turns have been taken.
    pub(super) fn start(configs: Vec<RouterConfig>) -> Self {
        Self::start_with(configs, vec![link(true)], vec![address(OWN, 24)])
    }

    pub(super) fn start_with(
        configs: Vec<RouterConfig>,
        links: Vec<Link>,
        addresses: Vec<Address>,
    ) -> Self {
        let mut node = Self::new(configs, links, addresses);
        node.turns();
        node
    }

    /// A host on which no turn has been taken yet.
    pub(super) fn new(
        configs: Vec<RouterConfig>,
        links: Vec<Link>,
        addresses: Vec<Address>,
    ) -> Self {
        Self::of(Supervisor::new(configs), links, addresses)
    }

    /// A host on which this process is about to take its first turn.
    pub(super) fn of(supervisor: Supervisor, links: Vec<Link>, addresses: Vec<Address>) -> Self {
        Self {
            supervisor,
            inbox: TestInbox::default(),
            now: Instant::from_millis(1_000_000),
            links,
            addresses,
            sockets: Vec::new(),
            refuse: BTreeMap::new(),
            send_error: None,
            socket_error: None,
            dump_fails: false,
            hooks: Vec::new(),
            killed: Vec::new(),
            checks: Vec::new(),
            log: Vec::new(),
        }
    }

    /// Turns until nothing comes back at once.
    pub(super) fn turns(&mut self) {
        for _ in 0..100 {
            self.supervisor.turn(self.now, &mut self.inbox);
            while let Some(output) = self.supervisor.poll_output() {
                self.log.push((self.now, output.clone()));
                self.perform(output);
            }
            if self.inbox.completions.is_empty() && self.inbox.events.is_empty() {
                return;
            }
        }
        panic!("the supervisor is never done: {:?}", self.log.last());
    }

    /// Lets time pass, with a turn whenever one is due.
    pub(super) fn run(&mut self, span: Duration) {
        let end = self.now + span;
        let mut since = (self.now, 0);
        while self.supervisor.poll_timeout() <= end {
            self.now = self.now.max(self.supervisor.poll_timeout());
            self.turns();
            since = if since.0 == self.now { (self.now, since.1 + 1) } else { (self.now, 0) };
            assert!(since.1 < 100, "time stands still: {:?}", self.log.last());
        }
        self.now = end;
    }

    /// Lets time pass until the router is in this state.
    pub(super) fn run_until(&mut self, state: StateName) {
        for _ in 0..1_000 {
            if self.state() == state {
                return;
            }
            self.now = self.now.max(self.supervisor.poll_timeout());
            self.turns();
        }
        panic!("it is never {state}: {:?}", self.log.last());
    }

    /// Time passes while the process is stopped.
    pub(super) fn freeze(&mut self, span: Duration) {
        self.now = self.now + span;
    }

    pub(super) fn hear(&mut self, advert: &Advert) {
        self.hear_bytes(advert.packet());
    }

    pub(super) fn hear_bytes(&mut self, packet: Vec<u8>) {
        let socket = *self.sockets.last().expect("an open socket");
        self.inbox.packets.push_back((socket, self.now, packet));
        self.turns();
    }

    pub(super) fn state(&self) -> StateName {
        self.supervisor.routers().first().expect("a router").state()
    }

    pub(super) fn router(&self) -> &VirtualRouter {
        self.supervisor.routers().first().expect("a router")
    }

    /// The VIP as the kernel has it.
    pub(super) fn vip(&self) -> Option<&Address> {
        self.addresses.iter().find(|address| address.ip == ip(VIP))
    }

    /// Adverts sent since `from`: time, priority and interval.
    pub(super) fn sent_since(&self, from: Instant) -> Vec<(Instant, u8, AdverInterval)> {
        let sent = self.log.iter().filter(|(at, _)| *at >= from).filter_map(|(at, output)| {
            let Output::SendAdvert(send) = output else { return None };
            Some((*at, send.advert.priority.to_wire(), send.advert.interval))
        });
        sent.collect()
    }

    pub(super) fn events(&self) -> Vec<&EventKind> {
        let events = self.log.iter().filter_map(|(_, output)| match output {
            Output::Event(event) => Some(&event.kind),
            _ => None,
        });
        events.collect()
    }

    pub(super) fn announced_since(&self, from: Instant) -> usize {
        let announced =
            |(at, o): &&(Instant, Output)| *at >= from && matches!(o, Output::Announce(_));
        self.log.iter().filter(announced).count()
    }

    /// Outputs in short words, events left out.
    pub(super) fn words_since(&self, position: usize) -> Vec<String> {
        let words = self.log.iter().skip(position).filter_map(|(_, output)| match output {
            Output::SendAdvert(send) => Some(format!("advert {}", send.advert.priority)),
            Output::Address(request) => Some(match request.operation {
                AddressOperation::Add(_) => "add".to_owned(),
                AddressOperation::Renew(_) => "renew".to_owned(),
                AddressOperation::Remove => "remove".to_owned(),
            }),
            Output::Announce(_) => Some("announce".to_owned()),
            Output::RunHook(run) => Some(format!("hook {}", run.new_state)),
            _ => None,
        });
        words.collect()
    }

    /// Where in the log the first such output is.
    pub(super) fn first(&self, is_it: fn(&Output) -> bool) -> Option<usize> {
        self.log.iter().position(|(_, output)| is_it(output))
    }

    /// A MASTER whose first announcements are over.
    pub(super) fn quiet_master(config: RouterConfig) -> Self {
        let mut node = Self::start(vec![RouterConfig { garp_refresh: None, ..config }]);
        node.run(Duration::from_secs(10));
        assert_eq!(node.state(), StateName::Master);
        node
    }

    /// Somebody else announces an address.
    pub(super) fn hear_claim(&mut self, text: &str, mac: MacAddress) {
        self.inbox.claims.push_back((INDEX, ip(text), mac));
        self.turns();
    }

    /// A hook has ended.
    pub(super) fn end_hook(&mut self, id: HookId, result: Result<(), &str>) {
        let result = result.map_err(str::to_owned);
        self.inbox.completions.push_back(Completion::Hook(id, result));
        self.turns();
    }

    /// What a person wants.
    pub(super) fn command(&mut self, command: Command) {
        self.inbox.commands.push_back(command);
        self.turns();
    }

    /// The kernel says so, whatever it does.
    pub(super) fn tell(&mut self, event: KernelEvent) {
        self.inbox.events.push_back(event);
        self.turns();
    }

    pub(super) fn change_link(&mut self, running: bool) {
        self.links = vec![link(running)];
        self.tell(KernelEvent::Link(link(running)));
    }

    /// Somebody else removes an address.
    pub(super) fn take_away(&mut self, gone: IpAddr) {
        let Some(position) = self.addresses.iter().position(|a| a.ip == gone) else { return };
        let address = self.addresses.remove(position);
        self.inbox.events.push_back(KernelEvent::Address(AddressChange::Gone(address)));
        self.turns();
    }

    pub(super) fn put(&mut self, address: Address) {
        self.addresses.push(address);
        self.inbox.events.push_back(KernelEvent::Address(AddressChange::Present(address)));
        self.turns();
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::Dump => {
                let (links, addresses) = (self.links.clone(), self.addresses.clone());
                let snapshot = KernelSnapshot { links, addresses };
                let dump = (!self.dump_fails).then_some(snapshot);
                self.inbox.completions.push_back(Completion::Dump(dump));
            }
            Output::OpenSocket(id, _) => {
                let result = self.socket_error.clone().map_or(Ok(()), Err);
                if result.is_ok() {
                    self.sockets.push(id);
                }
                self.inbox.completions.push_back(Completion::Socket(id, result));
            }
            Output::SendAdvert(send) => {
                let result = self.send_error.clone().map_or(Ok(()), Err);
                let sent = Completion::AdvertSent(send.router, send.generation, result);
                self.inbox.completions.push_back(sent);
            }
            Output::Address(request) => {
                let result = self.operate(&request);
                let done = Completion::Address(request.router, request.generation, result);
                self.inbox.completions.push_back(done);
            }
            Output::RunHook(run) => self.hooks.push(run),
            Output::KillHook(id) => self.killed.push(id),
            Output::RunCheck(id, _) => self.checks.push(id),
            Output::CloseSocket(id) => self.sockets.retain(|known| *known != id),
            Output::ResetConnections(_)
            | Output::Announce(_)
            | Output::WatchClaims(_)
            | Output::PromoteSecondaries(_)
            | Output::CancelCheck(_)
            | Output::Guard(_)
            | Output::Event(_) => {}
        }
    }

    fn operate(&mut self, request: &AddressRequest) -> Result<(), AddressError> {
        if let Some(error) = self.refuse.get(&request.vip.ip) {
            return Err(error.clone());
        }
        let Vip { ip, prefix_len } = request.vip;
        let known = self.addresses.iter().position(|a| a.ip == ip && a.prefix_len == prefix_len);
        let lifetime = |lifetime| match lifetime {
            Lifetime::Forever => None,
            Lifetime::Secs(secs) => Some(secs),
        };
        let change = match (request.operation, known) {
            (AddressOperation::Add(_), Some(_)) => return Err(AddressError::Exists),
            (AddressOperation::Remove, None) => return Err(AddressError::NotFound),
            (AddressOperation::Remove, Some(position)) => {
                AddressChange::Gone(self.addresses.remove(position))
            }
            (AddressOperation::Add(secs) | AddressOperation::Renew(secs), known) => {
                let secondary = self.addresses.iter().any(|a| {
                    a.ip != ip && !a.secondary && a.prefix_len == prefix_len && a.ip.is_ipv4()
                });
                let known = known.map(|position| self.addresses.remove(position));
                let address = Address {
                    index: request.index,
                    ip,
                    prefix_len,
                    ours: true,
                    secondary: known.map_or(secondary, |known| known.secondary),
                    tentative: false,
                    valid_secs: lifetime(secs),
                    protocol: 0x70,
                };
                self.addresses.push(address);
                AddressChange::Present(address)
            }
        };
        self.inbox.events.push_back(KernelEvent::Address(change));
        Ok(())
    }
}
