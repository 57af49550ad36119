//! The lab's network: two LANs, the cable between them, and a cable to each node and the client.
//!
//! ```text
//!   client ── lan-a ──── trunk ──── lan-b
//!             │   │                 │   │
//!          node 2  node 4 …      node 1  node 3 …
//! ```
//!
//! Where many routers need more VRIDs than one LAN has, each node has a cable to further LANs, too.
//!
//! Everything lives in namespaces of this process and vanishes with it.

use std::fs::{self, File};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::thread;

use netlink_packet_route::link::{BridgeStpState, InfoBridgePort, InfoData, InfoVeth};
use nix::sched::{CloneFlags, setns, unshare};
use rtnetlink::{Handle, LinkBridge, LinkBridgePort, LinkMessageBuilder, LinkUnspec, LinkVeth};
use tokio::runtime::Runtime;

use super::error::{Context, LabError};
use super::judge;

/// The address that moves.
pub(crate) const VIP: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 200);
/// The client's own address.
pub(crate) const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 99, 0, 100);
/// How many LANs there can be.
pub(crate) const LANS_MAX: usize = 4;
/// The second octet of all addresses on the first LAN.
const FIRST_LAN: u8 = 99;
/// The third octet of the VIPs of many routers.
const MANY_VIPS: u8 = 1;
const PREFIX_LEN: u8 = 24;

/// The interface of a node on a LAN. The client is on the first one only.
pub(crate) fn interface(lan: usize) -> String {
    format!("eth{lan}")
}

/// A node's own address on the first LAN.
pub(crate) fn address(node: usize) -> Ipv4Addr {
    address_on(0, node)
}

fn address_on(lan: usize, node: usize) -> Ipv4Addr {
    let last = u8::try_from(node).unwrap_or(u8::MAX).saturating_add(11);
    Ipv4Addr::new(10, second_octet(lan), 0, last)
}

fn second_octet(lan: usize) -> u8 {
    FIRST_LAN.saturating_add(u8::try_from(lan).unwrap_or(u8::MAX))
}

/// The VIP of one of many routers.
pub(crate) fn vip(lan: usize, router: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, second_octet(lan), MANY_VIPS, router)
}

/// Whether an address is the VIP of one of many routers.
pub(crate) fn is_vip_of_many(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    first == 10 && second >= FIRST_LAN && third == MANY_VIPS
}

/// The lab's end of a node's cable to a LAN.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Port {
    /// The number of the interface.
    pub(crate) index: u32,
    /// Whose cable it is.
    pub(crate) node: usize,
    /// To which LAN.
    pub(crate) lan: usize,
}

/// A network namespace, alive as long as this value.
#[derive(Debug)]
pub(crate) struct Namespace(File);

impl Namespace {
    /// Makes an empty one.
    pub(crate) fn new() -> Result<Self, LabError> {
        // A thread has its own network namespace; the file keeps it when the thread is gone.
        let made = thread::spawn(|| -> io::Result<File> {
            unshare(CloneFlags::CLONE_NEWNET)?;
            // Addresses work at once: no waiting for duplicates. Not everywhere writable.
            for scope in ["all", "default"] {
                let _ = fs::write(format!("/proc/sys/net/ipv6/conf/{scope}/accept_dad"), "0");
            }
            File::open("/proc/thread-self/ns/net")
        });
        let file = made.join().map_err(|_| LabError::Panicked)?;
        file.map(Self).context("make a network namespace")
    }

    /// Runs something inside it, on a thread of its own. Sockets opened and processes started
    /// there stay there.
    pub(crate) fn run<T: Send>(
        &self,
        work: impl FnOnce() -> Result<T, LabError> + Send,
    ) -> Result<T, LabError> {
        thread::scope(|scope| {
            let worker = scope.spawn(|| {
                setns(&self.0, CloneFlags::CLONE_NEWNET).context("enter a network namespace")?;
                work()
            });
            worker.join().map_err(|_| LabError::Panicked)?
        })
    }

    /// The number by which `/proc/PID/fd` knows it.
    pub(crate) fn fd(&self) -> i32 {
        self.0.as_raw_fd()
    }
}

/// A netlink connection in the namespace it was made in.
struct Netlink {
    runtime: Runtime,
    handle: Handle,
}

impl Netlink {
    fn new() -> Result<Self, LabError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("start a runtime")?;
        let handle = {
            let _inside = runtime.enter();
            let (connection, handle, _) =
                rtnetlink::new_connection().context("open a netlink socket")?;
            runtime.spawn(connection);
            handle
        };
        Ok(Self { runtime, handle })
    }

    fn index(&self, name: &str) -> Result<u32, LabError> {
        nix::net::if_::if_nametoindex(name).context(format!("find interface {name}"))
    }

    fn set(&self, message: LinkMessageBuilder<LinkUnspec>, what: &str) -> Result<(), LabError> {
        let request = self.handle.link().set(message.build());
        self.runtime.block_on(request.execute()).context(what)
    }

    fn switch(&self, index: u32, up: bool) -> Result<(), LabError> {
        let link = LinkUnspec::new_with_index(index);
        let link = if up { link.up() } else { link.down() };
        self.set(link, "switch a link")
    }

    fn add_bridge(&self, name: &str) -> Result<u32, LabError> {
        let bridge = LinkBridge::new(name)
            .stp_state(BridgeStpState::Disabled)
            .forward_delay(0)
            .mcast_snooping(false)
            .build();
        let request = self.handle.link().add(bridge);
        self.runtime.block_on(request.execute()).context(format!("make bridge {name}"))?;
        self.index(name)
    }

    /// Makes a cable and gives the number of its end here.
    fn add_cable(&self, name: &str, peer: LinkMessageBuilder<LinkUnspec>) -> Result<u32, LabError> {
        let cable = LinkVeth::new(name, name)
            .set_info_data(InfoData::Veth(InfoVeth::Peer(peer.build())))
            .up()
            .build();
        let request = self.handle.link().add(cable);
        self.runtime.block_on(request.execute()).context(format!("make cable {name}"))?;
        self.index(name)
    }

    fn attach(&self, port: u32, bridge: u32) -> Result<(), LabError> {
        let link = LinkUnspec::new_with_index(port).controller(bridge);
        self.set(link, "attach a cable to a bridge")?;
        let options = LinkBridgePort::new(port)
            .append_info_data(InfoBridgePort::MulticastFlood(true))
            .append_info_data(InfoBridgePort::UnicastFlood(true));
        let request = self.handle.link().set_port(options.build());
        self.runtime.block_on(request.execute()).context("set a bridge port's options")
    }

    fn add_address(&self, index: u32, address: Ipv4Addr) -> Result<(), LabError> {
        let request = self.handle.address().add(index, address.into(), PREFIX_LEN);
        self.runtime.block_on(request.execute()).context(format!("add address {address}"))
    }
}

/// The network, built.
pub(crate) struct Lan {
    netlink: Netlink,
    trunk: u32,
    ports: Vec<Port>,
    /// Where each node lives.
    pub(crate) nodes: Vec<Namespace>,
    /// Where the client lives.
    pub(crate) client: Namespace,
}

impl std::fmt::Debug for Lan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lan").field("trunk", &self.trunk).finish_non_exhaustive()
    }
}

impl Lan {
    /// Builds it in the network namespace of the calling thread.
    pub(crate) fn build(nodes: usize) -> Result<Self, LabError> {
        Self::build_with(nodes, 1)
    }

    /// Builds it with so many LANs, of which only the first falls in two.
    pub(crate) fn build_with(nodes: usize, lans: usize) -> Result<Self, LabError> {
        let netlink = Netlink::new()?;
        let near = netlink.add_bridge("lan-a")?;
        let far = netlink.add_bridge("lan-b")?;
        let trunk = netlink.add_cable("trunk-a", LinkUnspec::new_with_name("trunk-b"))?;
        netlink.attach(trunk, near)?;
        let trunk_end = netlink.index("trunk-b")?;
        netlink.attach(trunk_end, far)?;
        // A cable's far end can't be made up: it has no peer yet.
        netlink.switch(trunk_end, true)?;

        let client = Namespace::new()?;
        plug_in(&netlink, &client, "client", (&interface(0), CLIENT), near)?;
        let mut lan = Self { netlink, trunk, ports: vec![], nodes: vec![], client };
        for node in 0..nodes {
            let namespace = Namespace::new()?;
            let bridge = if judge::on_far_lan(node) { far } else { near };
            lan.nodes.push(namespace);
            lan.lay_cable(node, 0, bridge)?;
        }
        for further in 1..lans {
            let bridge = lan.netlink.add_bridge(&format!("lan-{further}"))?;
            for node in 0..nodes {
                lan.lay_cable(node, further, bridge)?;
            }
        }
        Ok(lan)
    }

    fn lay_cable(&mut self, node: usize, lan: usize, bridge: u32) -> Result<(), LabError> {
        let name = format!("node-{}-{lan}", node + 1);
        let (inside, address) = (interface(lan), address_on(lan, node));
        let namespace = &self.nodes[node];
        let index = plug_in(&self.netlink, namespace, &name, (&inside, address), bridge)?;
        self.ports.push(Port { index, node, lan });
        Ok(())
    }

    /// The lab's end of each node's cables.
    pub(crate) fn ports(&self) -> &[Port] {
        &self.ports
    }

    /// Pulls a node's cable or puts it back: the node loses or gets its carrier.
    pub(crate) fn plug(&self, node: usize, plugged: bool) -> Result<(), LabError> {
        let mut cables = self.ports.iter().filter(|port| port.node == node);
        cables.try_for_each(|port| self.netlink.switch(port.index, plugged))
    }

    /// Cuts or mends the cable between the LANs: no node's carrier changes.
    pub(crate) fn join(&self, joined: bool) -> Result<(), LabError> {
        self.netlink.switch(self.trunk, joined)
    }
}

/// Lays a cable from a bridge into a namespace, and gives the number of its end at the bridge.
fn plug_in(
    netlink: &Netlink,
    namespace: &Namespace,
    name: &str,
    (interface, address): (&str, Ipv4Addr),
    bridge: u32,
) -> Result<u32, LabError> {
    let peer = LinkUnspec::new_with_name(interface).setns_by_fd(namespace.fd());
    let port = netlink.add_cable(name, peer)?;
    netlink.attach(port, bridge)?;
    namespace.run(|| {
        let inside = Netlink::new()?;
        inside.switch(inside.index("lo")?, true)?;
        let index = inside.index(interface)?;
        inside.add_address(index, address)?;
        inside.switch(index, true)
    })?;
    Ok(port)
}
