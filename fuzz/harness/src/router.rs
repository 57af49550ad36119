//! What happens to virtual routers, on a simulated machine without a network.

pub(crate) mod setting;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use openproxy_core::event::EventKind;
use openproxy_core::io::{
    AddressChange, AddressError, AddressOperation, Announcement, Command, MacAddress, Output,
    ResetConnections, SendAdvert, SendError, SocketError,
};
use openproxy_core::supervisor::Supervisor;
use openproxy_core::time::Instant;
use openproxy_core::vrrp::{
    AdvertBuffer, AdvertPriority, Advertisement, ChecksumForm, Family, MULTICAST_V4, MULTICAST_V6,
    RouterConfig, RouterKey, StateName, Version, Vip, VirtualRouter, Vrid,
};
use openproxy_io_sim::NodeId;
use openproxy_io_sim::draw::Draws;
use openproxy_io_sim::frame::{Frame, Truth};
use openproxy_io_sim::host::{HookPlan, Host, Surroundings, TURNS_AT_ONCE_MAX};
use openproxy_io_sim::kernel::{Cause, Kernel, RefusedOperation};

use setting::{INTERFACE, VRIDS, file, interval, neighbour, own, vip, vips, vrid_of};

/// Who announces VIPs that it holds.
const NEIGHBOUR_MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 9]);
/// So many things happen, and it is over.
const STEPS_MAX: u32 = 300;
/// An orderly end takes no longer: a handover to nobody at 41 s, two hooks, a kernel that is slow, and
/// the margin.
const ENDS_WITHIN: Duration = Duration::from_secs(160);
/// A kernel that was slow has done by then what it was asked for: a stop waits no longer than 15 s.
const CALM: Duration = Duration::from_secs(60);
/// Until a router is MASTER that hears no better one: four intervals, and its `preempt_delay`.
const JOINS_WITHIN: Duration = Duration::from_secs(4 * 41 + 60);

/// A file of virtual routers, and what happens to them, drawn from the bytes.
///
/// # Panics
/// When one speaks or takes a VIP without being MASTER, or is MASTER without the others of its group;
/// when the process never waits, never ends, or leaves something behind.
pub fn router_inputs(data: &[u8]) {
    let mut draw = Unstructured::new(data);
    let Ok(mut world) = World::new(&mut draw) else { return };
    for _ in 0..STEPS_MAX {
        // Too few bytes: no more happens.
        if draw.is_empty() || world.suffer(&mut draw).is_err() {
            break;
        }
    }
    world.end();
}

/// What no network does.
pub(crate) struct Nowhere;

impl Surroundings for Nowhere {
    fn send(&mut self, _: NodeId, _: &SendAdvert) {}

    fn announce(&mut self, _: NodeId, _: &Announcement) {}

    fn connections_reset(&mut self, _: NodeId, _: &ResetConnections) {}

    fn address_changed(&mut self, _: NodeId, _: &AddressChange, _: Cause) {}
}

struct World {
    family: Family,
    configs: Vec<RouterConfig>,
    host: Host,
    supervisor: Supervisor,
    now: Instant,
    /// When the file was read last.
    read_at: Instant,
    /// By VRID.
    told: BTreeMap<u8, Told>,
}

/// What a router has told.
#[derive(Clone, Copy, Debug)]
struct Told {
    state: StateName,
    /// A BACKUP that was MASTER says so once, when its VIPs are off.
    owes_farewell: bool,
}

impl Default for Told {
    fn default() -> Self {
        Self { state: StateName::Initialize, owes_farewell: false }
    }
}

impl World {
    fn new(draw: &mut Unstructured<'_>) -> Result<Self> {
        let family = if draw.arbitrary()? { Family::V4 } else { Family::V6 };
        let configs = file(draw, family)?;
        let (node, draws) = (NodeId(0), Draws::new(draw.arbitrary()?));
        let kernel = Kernel::new(node, draws, INTERFACE.into(), &[own(family)]);
        let mut host = Host::new(node, draws, kernel, Duration::from_millis(5));
        let takes = Duration::from_millis(draw.int_in_range(0_u16..=20_000)?.into());
        host.hook_plan = HookPlan { takes, fails: draw.arbitrary()? };
        let supervisor = Supervisor::new(configs.clone());
        let now = Instant::from_millis(100_000);
        let told = BTreeMap::new();
        let mut world = Self { family, configs, host, supervisor, now, read_at: now, told };
        world.turns();
        Ok(world)
    }

    /// Something happens, and everybody acts on it.
    fn suffer(&mut self, draw: &mut Unstructured<'_>) -> Result<()> {
        match draw.int_in_range(0_u8..=13)? {
            0..=3 => self.pass(Duration::from_millis(draw.int_in_range(0_u16..=5_000)?.into())),
            4 => {
                // The process is stopped meanwhile.
                self.now = self.now + Duration::from_millis(draw.arbitrary::<u16>()?.into());
                self.host.advance(self.now, &mut Nowhere);
            }
            5 | 6 => {
                let frame = self.advert(draw)?;
                self.host.receive(self.now, &frame);
            }
            7 => {
                let bytes: &[u8] = draw.arbitrary()?;
                if let Some(frame) = Frame::from_bytes(bytes, Truth::Whole) {
                    self.host.receive(self.now, &frame);
                }
            }
            8 => self.change_link(draw)?,
            9 => self.change_addresses(draw)?,
            10 => self.trouble(draw)?,
            11 => {
                let vip = self.vip(draw)?;
                self.host.hear_claim(vip.ip, NEIGHBOUR_MAC);
            }
            12 => {
                self.configs = file(draw, self.family)?;
                self.read_at = self.now;
                self.host.command(Command::Reload(self.configs.clone()));
            }
            _ => {
                let weight = draw.int_in_range(-300_i32..=300)?;
                let key = draw.choose(&self.configs)?.key.clone();
                self.host.command(Command::Weigh(key, weight));
            }
        }
        self.turns();
        Ok(())
    }

    /// A VIP of any of its routers.
    fn vip(&self, draw: &mut Unstructured<'_>) -> Result<Vip> {
        let config = draw.choose(&self.configs)?;
        draw.choose(&config.vips).copied()
    }

    /// A good advert of another node, or one that is wrong in something.
    fn advert(&self, draw: &mut Unstructured<'_>) -> Result<Frame> {
        let config = draw.choose(&self.configs)?;
        let source = neighbour(draw, self.family)?;
        let destination = match self.family {
            _ if draw.ratio(1, 4)? => neighbour(draw, self.family)?,
            Family::V4 => MULTICAST_V4.into(),
            Family::V6 => MULTICAST_V6.into(),
        };
        let version = match self.family {
            Family::V4 if draw.ratio(1, 16)? => Version::V2,
            Family::V4 | Family::V6 => config.version,
        };
        let interval = match version == config.version && draw.ratio(3, 4)? {
            true => config.interval,
            false => interval(draw, version)?,
        };
        let vrid = config.key.vrid.get();
        let addresses = match draw.ratio(3, 4)? {
            true => Arc::clone(&config.vips),
            // Others, and not in this order.
            false => (0..draw.int_in_range(1..=4)?)
                .rev()
                .map(|index| vip(self.family, vrid, index))
                .collect(),
        };
        let advert = Advertisement {
            version,
            vrid: if draw.ratio(3, 4)? { config.key.vrid } else { other_vrid(draw)? },
            priority: AdvertPriority::from_wire(match draw.int_in_range(0_u8..=5)? {
                0 => 0,
                1 => config.priority.get(),
                2 => *draw.choose(&[1, 254, 255])?,
                _ => draw.arbitrary()?,
            }),
            interval,
            checksum: match version == Version::V3
                && self.family == Family::V4
                && draw.ratio(1, 4)?
            {
                true => ChecksumForm::MessageOnly,
                false => ChecksumForm::PseudoHeader,
            },
            addresses,
        };
        let mut buffer = AdvertBuffer::new();
        let frame =
            Frame::new(source, destination, advert.encode(source, destination, &mut buffer));
        Ok(match draw.int_in_range(0_u8..=9)? {
            0 => frame.corrupted(draw.arbitrary()?),
            1 => frame.truncated(draw.arbitrary()?),
            2 => frame.forwarded(draw.arbitrary()?),
            _ => frame,
        })
    }

    fn change_link(&mut self, draw: &mut Unstructured<'_>) -> Result<()> {
        let event = match draw.int_in_range(0_u8..=3)? {
            0 => self.host.kernel.set_running(false),
            1 => self.host.kernel.set_running(true),
            2 => self.host.kernel.delete_interface(),
            _ => self.host.kernel.create_interface(&[own(self.family)]),
        };
        self.host.tell_changes(&mut Nowhere);
        if let Some(event) = event {
            self.host.tell(event);
        }
        Ok(())
    }

    fn change_addresses(&mut self, draw: &mut Unstructured<'_>) -> Result<()> {
        let vip = self.vip(draw)?;
        let (ip, prefix_len) = own(self.family);
        match draw.int_in_range(0_u8..=4)? {
            0 => self.host.kernel.add_foreign(vip.ip, vip.prefix_len),
            4 => self.host.kernel.add_foreign(vip.ip, vip.prefix_len - 1),
            1 => self.host.kernel.remove_foreign(vip.ip),
            2 => self.host.kernel.remove_foreign(ip),
            _ => self.host.kernel.add_foreign(ip, prefix_len),
        }
        self.host.tell_changes(&mut Nowhere);
        Ok(())
    }

    fn trouble(&mut self, draw: &mut Unstructured<'_>) -> Result<()> {
        let is_on: bool = draw.arbitrary()?;
        let troubles = &mut self.host.troubles;
        match draw.int_in_range(0_u8..=6)? {
            0 => troubles.send = is_on.then_some(SendError::Denied),
            1 => troubles.socket = is_on.then_some(SocketError::Denied),
            2 if is_on => troubles.loses_events = true,
            2 => self.host.end_of_lost_events(),
            3 => troubles.slow = Duration::from_millis(if is_on { 3_000 } else { 0 }),
            4 => troubles.check_fails = is_on,
            _ => {
                use RefusedOperation::{Add, Remove, Renew};
                let operation = *draw.choose(&[Add, Renew, Remove])?;
                self.host.kernel.refuse(operation, is_on.then_some(AddressError::Denied));
            }
        }
        Ok(())
    }

    /// Time passes, and everything happens when it is due.
    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let next = self.host.due_at().min(self.supervisor.poll_timeout());
            if next > end || self.supervisor.is_finished() {
                self.now = end;
                self.host.advance(end, &mut Nowhere);
                return;
            }
            self.now = self.now.max(next);
            self.host.advance(self.now, &mut Nowhere);
            self.turns();
        }
    }

    /// The process turns until it waits.
    fn turns(&mut self) {
        for turn in 0.. {
            assert!(turn < TURNS_AT_ONCE_MAX, "it never waits");
            if self.supervisor.is_finished() {
                return;
            }
            self.supervisor.turn(self.now, &mut self.host);
            let outputs: Vec<Output> =
                std::iter::from_fn(|| self.supervisor.poll_output()).collect();
            self.check(&outputs);
            for output in outputs {
                self.host.perform(self.now, output, &mut Nowhere);
            }
            self.host.tell_changes(&mut Nowhere);
            if !self.host.has_news() {
                break;
            }
        }
        assert!(self.supervisor.poll_timeout() > self.now, "it is due again at once");
        for router in self.supervisor.routers() {
            // One that still stops has another by the same key beside it, once that is back.
            let told = self.told(router.key());
            let mut alike = self.supervisor.routers().iter().filter(|r| r.key() == router.key());
            let is_as_told = alike.any(|router| router.state() == told.state);
            assert!(is_as_told, "{} is {}, told {}", router.key(), router.state(), told.state);
        }
        self.check_group();
    }

    fn told(&self, key: &RouterKey) -> Told {
        self.told.get(&key.vrid.get()).copied().unwrap_or_default()
    }

    /// Of a group, all are MASTER or none. Who joins one that is MASTER first waits for its timer.
    fn check_group(&self) {
        if self.now < self.read_at + JOINS_WITHIN {
            return;
        }
        let members = self.configs.iter().filter(|config| config.group.is_some());
        let states: Vec<StateName> = members.map(|config| self.told(&config.key).state).collect();
        let masters = states.iter().filter(|state| **state == StateName::Master).count();
        assert!(masters == 0 || masters == states.len(), "a group: {states:?}");
    }

    /// What is asked for in a turn fits the states that it told of. An advert goes out before the
    /// news that it follows from.
    fn check(&mut self, outputs: &[Output]) {
        let before = self.told.clone();
        let mut was_master: BTreeSet<u8> = before
            .iter()
            .filter(|(_, told)| told.state == StateName::Master)
            .map(|(vrid, _)| *vrid)
            .collect();
        for output in outputs {
            let Output::Event(event) = output else { continue };
            assert!(!event.to_string().contains('\n'), "{event}");
            let Some(key) = &event.router else { continue };
            if let EventKind::StateChanged { from, to, .. } = event.kind {
                let told = self.told.entry(key.vrid.get()).or_default();
                assert_eq!(from, told.state, "{event}");
                told.state = to;
                told.owes_farewell = (from, to) == (StateName::Master, StateName::Backup);
                if to == StateName::Master {
                    was_master.insert(key.vrid.get());
                }
            }
        }
        for vrid in VRIDS.into_iter().filter(|vrid| !was_master.contains(vrid)) {
            let was = before.get(&vrid).copied().unwrap_or_default();
            self.check_restraint(vrid, was, outputs);
        }
    }

    /// Who wasn't MASTER in a turn takes no VIP, and speaks no more than it owes. One that hands over
    /// puts back what somebody takes from it.
    fn check_restraint(&mut self, vrid: u8, was: Told, outputs: &[Output]) {
        let takes = |output: &&Output| match output {
            Output::Address(request) => {
                vrid_of(request.vip.ip) == vrid
                    && matches!(request.operation, AddressOperation::Add(_))
                    && was.state != StateName::Leaving
            }
            Output::Announce(announcement) => {
                announcement.addresses.iter().any(|ip| vrid_of(*ip) == vrid)
            }
            _ => false,
        };
        let speaks = |output: &&Output| match output {
            Output::SendAdvert(send) => {
                send.advert.vrid.get() == vrid
                    && send.advert.priority != AdvertPriority::from_wire(0)
            }
            _ => false,
        };
        let told = self.told.entry(vrid).or_default();
        assert_eq!(outputs.iter().find(takes), None, "{vrid} as {}", told.state);
        let spoken = outputs.iter().filter(speaks).count();
        told.owes_farewell &= spoken == 0;
        assert!(spoken <= usize::from(was.owes_farewell), "{vrid} as {}: {outputs:?}", told.state);
    }

    /// Another announces the VIPs of a router that hands over: it lets go of them.
    fn follow(&mut self, vrid: u8) {
        let routers = self.supervisor.routers().iter();
        let leaving = |router: &&VirtualRouter| {
            router.key().vrid.get() == vrid && router.state() == StateName::Leaving
        };
        let held: Vec<IpAddr> = routers.filter(leaving).flat_map(VirtualRouter::held).collect();
        for ip in held {
            self.host.hear_claim(ip, NEIGHBOUR_MAC);
        }
        self.turns();
        let leaves = self.supervisor.routers().iter().any(|router| leaving(&router));
        assert!(!leaves, "{vrid} goes on though another has its VIPs");
    }

    /// Whatever has happened, it ends when it is asked to; and if the kernel lets it, clean.
    fn end(mut self) {
        for operation in [RefusedOperation::Add, RefusedOperation::Renew, RefusedOperation::Remove]
        {
            self.host.kernel.refuse(operation, None);
        }
        self.host.troubles.slow = Duration::ZERO;
        self.host.end_of_lost_events();
        self.pass(CALM);
        self.host.command(Command::Shutdown);
        self.turns();
        self.follow(VRIDS[0]);
        self.pass(ENDS_WITHIN);
        assert!(self.supervisor.is_finished(), "it never ends");
        for vip in VRIDS.into_iter().flat_map(|vrid| vips(self.family, vrid)) {
            assert!(!self.host.kernel.has_ours(vip.ip), "{vip} is left behind");
        }
    }
}

/// One that is in the file perhaps, or in no file.
fn other_vrid(draw: &mut Unstructured<'_>) -> Result<Vrid> {
    let vrid = *draw.choose(&[VRIDS[0], VRIDS[1], 53])?;
    Ok(Vrid::new(vrid).expect("in range"))
}
