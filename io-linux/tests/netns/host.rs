//! A host of a test: a namespace with one interface, and the platform in it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use netlink_packet_route::link::{InfoData, InfoVeth};
use openproxy_core::io::{
    Address, AddressChange, AddressError, AddressOperation, AddressRequest, Command, Completion,
    Datagram, Generation, Inbox as _, InterfaceIndex, KernelEvent, KernelSnapshot, MacAddress,
    Output, Platform as _, RouterId, SocketId,
};
use openproxy_core::time::Instant;
use openproxy_core::vrrp::Vip;
use openproxy_io_linux::{LinuxPlatform, ProcessRunner};
use rtnetlink::{Handle, LinkUnspec, LinkVeth};
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::namespace::Namespace;

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
pub(crate) const ROUTER: RouterId = RouterId(1);

/// A packet that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) socket: SocketId,
    pub(crate) at: Instant,
    pub(crate) read_at: Instant,
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) ttl: u8,
    pub(crate) payload: Vec<u8>,
}

/// All that came from the inbox and wasn't taken yet.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) kernel: Vec<KernelEvent>,
    pub(crate) arrivals: Vec<Received>,
    pub(crate) completions: Vec<Completion>,
    pub(crate) claims: Vec<(InterfaceIndex, IpAddr, MacAddress)>,
    pub(crate) commands: Vec<Command>,
}

impl Seen {
    /// The first address of this kind that came or changed.
    pub(crate) fn present(&self, is_it: impl Fn(&Address) -> bool) -> Option<Address> {
        self.kernel.iter().find_map(|event| match event {
            KernelEvent::Address(AddressChange::Present(address)) if is_it(address) => {
                Some(*address)
            }
            _ => None,
        })
    }

    pub(crate) fn gone(&self, ip: IpAddr) -> Option<Address> {
        self.kernel.iter().find_map(|event| match event {
            KernelEvent::Address(AddressChange::Gone(address)) if address.ip == ip => {
                Some(*address)
            }
            _ => None,
        })
    }

    /// The latest word on whether a link is running.
    pub(crate) fn running(&self, wanted: InterfaceIndex) -> Option<bool> {
        self.kernel.iter().rev().find_map(|event| match event {
            KernelEvent::Link(link) if link.index == wanted => Some(link.running),
            _ => None,
        })
    }

    /// Takes a completion out.
    pub(crate) fn take<T>(&mut self, is_it: impl Fn(&Completion) -> Option<T>) -> Option<T> {
        let (at, found) =
            self.completions.iter().enumerate().find_map(|(at, c)| is_it(c).map(|t| (at, t)))?;
        self.completions.remove(at);
        Some(found)
    }
}

/// One end of the cable.
pub(crate) struct Host {
    namespace: Namespace,
    platform: LinuxPlatform,
    pub(crate) commands: Option<mpsc::Sender<Command>>,
    directory: TempDir,
    /// Does what the test does behind the platform's back.
    pub(crate) netlink: Handle,
    pub(crate) seen: Seen,
    pub(crate) name: Arc<str>,
    pub(crate) index: InterfaceIndex,
    pub(crate) mac: MacAddress,
    pub(crate) own: Ipv4Addr,
    pub(crate) link_local: Ipv6Addr,
    generation: u64,
}

/// Two hosts, joined by a cable that is up: 10.99.0.1/24 and 10.99.0.2/24.
pub(crate) async fn cable() -> (Host, Host) {
    let mut left = Host::new("left0", Ipv4Addr::new(10, 99, 0, 1));
    let mut right = Host::new("right0", Ipv4Addr::new(10, 99, 0, 2));
    let peer = LinkUnspec::new_with_name(&right.name).setns_by_fd(right.namespace.fd());
    let message = LinkVeth::new(&left.name, &right.name)
        .set_info_data(InfoData::Veth(InfoVeth::Peer(peer.build())))
        .build();
    left.netlink.link().add(message).execute().await.expect("a cable");
    left.bring_up().await;
    right.bring_up().await;
    left.learn().await;
    right.learn().await;
    (left, right)
}

impl Host {
    pub(crate) fn new(name: &str, own: Ipv4Addr) -> Self {
        let namespace = Namespace::new();
        namespace.enter();
        let (connection, netlink, _) = rtnetlink::new_connection().expect("a netlink socket");
        tokio::spawn(connection);
        let directory = TempDir::new().expect("a directory");
        let (runner, processes) = ProcessRunner::new();
        tokio::spawn(runner.run());
        let (commands, wishes) = mpsc::channel(4);
        let ledger = directory.path().join("ledger");
        let platform =
            LinuxPlatform::new(wishes, processes, ledger, None, None).expect("a platform");
        Self {
            namespace,
            platform,
            commands: Some(commands),
            directory,
            netlink,
            seen: Seen::default(),
            name: name.into(),
            index: InterfaceIndex(0),
            mac: MacAddress([0; 6]),
            own,
            link_local: Ipv6Addr::UNSPECIFIED,
            generation: 0,
        }
    }

    async fn bring_up(&mut self) {
        self.enter();
        let index = |name| nix::net::if_::if_nametoindex(name).expect("an interface");
        self.index = InterfaceIndex(index(&*self.name));
        self.switch(InterfaceIndex(index("lo")), true).await;
        self.switch(self.index, true).await;
        self.add_foreign(self.own.into(), 24).await;
    }

    /// Waits until the interface works in both families.
    async fn learn(&mut self) {
        let index = self.index;
        self.until("a running link", |seen| seen.running(index).filter(|running| *running)).await;
        let is_it = |address: &Address| {
            let is_link_local = matches!(address.ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
            address.index == index && is_link_local && !address.tentative
        };
        let address = self.until("a link-local address", |seen| seen.present(is_it)).await;
        if let IpAddr::V6(ip) = address.ip {
            self.link_local = ip;
        }
        let snapshot = self.dump().await;
        let link = snapshot.links.iter().find(|link| link.index == index).expect("it is there");
        self.mac = link.mac.expect("Ethernet");
        self.forget();
    }

    pub(crate) async fn switch(&self, index: InterfaceIndex, up: bool) {
        let link = LinkUnspec::new_with_index(index.0);
        let link = if up { link.up() } else { link.down() };
        self.netlink.link().set(link.build()).execute().await.expect("switched");
    }

    /// Adds an address that isn't ours.
    pub(crate) async fn add_foreign(&self, ip: IpAddr, prefix_len: u8) {
        let request = self.netlink.address().add(self.index.0, ip, prefix_len);
        request.execute().await.expect("an address");
    }

    pub(crate) fn enter(&self) {
        self.namespace.enter();
    }

    pub(crate) fn now(&self) -> Instant {
        self.platform.now()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn perform(&mut self, output: Output) {
        self.enter();
        self.platform.perform(output);
    }

    pub(crate) async fn wait(&mut self, deadline: Instant) {
        self.platform.wait(deadline).await;
    }

    /// Forgets what has happened so far.
    pub(crate) fn forget(&mut self) {
        self.drain();
        self.seen = Seen::default();
    }

    pub(crate) fn drain(&mut self) {
        while let Some(event) = self.platform.next_kernel_event() {
            assert_ne!(event, KernelEvent::Overrun, "after {:#?}", self.seen.kernel);
            self.seen.kernel.push(event);
        }
        loop {
            let read_at = self.platform.now();
            let Some(arrival) = self.platform.next_arrival() else { break };
            // The clock goes on while the packet is read.
            let (socket, at) = (arrival.socket, arrival.at);
            let (source, destination, ttl, payload) = match arrival.datagram {
                Datagram::V4(bytes) => {
                    let ip = |at: usize| {
                        let bytes: [u8; 4] = bytes[at..at + 4].try_into().expect("four bytes");
                        IpAddr::from(bytes)
                    };
                    let header_len = usize::from(bytes[0] & 0xf) * 4;
                    (ip(12), ip(16), bytes[8], bytes[header_len..].to_vec())
                }
                Datagram::V6 { source, destination, hop_limit, payload } => {
                    (source.into(), destination.into(), hop_limit, payload.to_vec())
                }
            };
            let read_at = read_at.max(at);
            assert!(at <= self.platform.now(), "it arrived in the future");
            let received = Received { socket, at, read_at, source, destination, ttl, payload };
            self.seen.arrivals.push(received);
        }
        while let Some(completion) = self.platform.next_completion() {
            self.seen.completions.push(completion);
        }
        while let Some(claim) = self.platform.next_claim() {
            self.seen.claims.push(claim);
        }
        while let Some(command) = self.platform.next_command() {
            self.seen.commands.push(command);
        }
    }

    /// Collects until something is found.
    pub(crate) async fn until<T>(
        &mut self,
        what: &str,
        mut find: impl FnMut(&mut Seen) -> Option<T>,
    ) -> T {
        let deadline = self.now() + PATIENCE;
        loop {
            self.drain();
            if let Some(found) = find(&mut self.seen) {
                return found;
            }
            assert!(self.now() < deadline, "no {what}; seen: {:#?}", self.seen);
            self.platform.wait(deadline).await;
        }
    }

    /// Collects until an instant.
    pub(crate) async fn until_time(&mut self, instant: Instant) {
        while self.now() < instant {
            self.platform.wait(instant).await;
            self.drain();
        }
    }

    pub(crate) async fn dump(&mut self) -> KernelSnapshot {
        self.perform(Output::Dump);
        let is_it = |completion: &Completion| match completion {
            Completion::Dump(snapshot) => Some(snapshot.clone()),
            _ => None,
        };
        self.until("dump", |seen| seen.take(is_it)).await.expect("the kernel tells")
    }

    /// An address as the kernel has it now.
    pub(crate) async fn address(&mut self, ip: IpAddr) -> Option<Address> {
        self.dump().await.addresses.into_iter().find(|address| address.ip == ip)
    }

    pub(crate) async fn operate(
        &mut self,
        vip: Vip,
        operation: AddressOperation,
    ) -> Result<(), AddressError> {
        self.operate_on(self.index, vip, operation).await
    }

    pub(crate) async fn operate_on(
        &mut self,
        index: InterfaceIndex,
        vip: Vip,
        operation: AddressOperation,
    ) -> Result<(), AddressError> {
        self.generation += 1;
        let generation = Generation(self.generation);
        let request = AddressRequest { router: ROUTER, generation, index, vip, operation };
        self.perform(Output::Address(request));
        let is_it = |completion: &Completion| match completion {
            Completion::Address(ROUTER, of, result) if *of == generation => Some(result.clone()),
            _ => None,
        };
        self.until("answer", |seen| seen.take(is_it)).await
    }
}

pub(crate) fn vip(text: &str) -> Vip {
    let (ip, prefix_len) = text.split_once('/').expect("a prefix");
    Vip { ip: ip.parse().expect("an address"), prefix_len: prefix_len.parse().expect("a length") }
}
