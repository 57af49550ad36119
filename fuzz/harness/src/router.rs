//! What happens to one virtual router, on a simulated machine without a network.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use openproxy_core::event::EventKind;
use openproxy_core::io::{
    AddressChange, AddressError, AddressOperation, Announcement, Command, MacAddress, Output,
    SendAdvert, SendError, SocketError,
};
use openproxy_core::supervisor::Supervisor;
use openproxy_core::time::Instant;
use openproxy_core::vrrp::{
    AdverInterval, AdvertBuffer, AdvertPriority, Advertisement, ChecksumForm, Family, HookFailure,
    IntervalMismatch, MULTICAST_V4, MULTICAST_V6, Preempt, Priority, RouterConfig, RouterKey,
    StateName, Version, Vip, VirtualRouter, Vrid,
};
use openproxy_io_sim::NodeId;
use openproxy_io_sim::draw::Draws;
use openproxy_io_sim::frame::{Frame, Truth};
use openproxy_io_sim::host::{HookPlan, Host, Surroundings, TURNS_AT_ONCE_MAX};
use openproxy_io_sim::kernel::{Cause, Kernel, RefusedOperation};

const INTERFACE: &str = "eth0";
const VRID: u8 = 51;
/// So many things happen, and it is over.
const STEPS_MAX: u32 = 300;
/// An orderly end takes no longer: two hooks, a kernel that is slow, and the margin.
const ENDS_WITHIN: Duration = Duration::from_secs(120);

/// A router's configuration, and what happens to it, drawn from the bytes.
///
/// # Panics
/// When it speaks or takes a VIP without being MASTER, never waits, never ends, or leaves something
/// behind.
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
struct Nowhere;

impl Surroundings for Nowhere {
    fn send(&mut self, _: NodeId, _: &SendAdvert) {}

    fn announce(&mut self, _: NodeId, _: &Announcement) {}

    fn address_changed(&mut self, _: NodeId, _: &AddressChange, _: Cause) {}
}

struct World {
    family: Family,
    config: RouterConfig,
    host: Host,
    supervisor: Supervisor,
    now: Instant,
    state: StateName,
    /// A BACKUP that was MASTER says so once, when its VIPs are off.
    owes_farewell: bool,
}

impl World {
    fn new(draw: &mut Unstructured<'_>) -> Result<Self> {
        let family = if draw.arbitrary()? { Family::V4 } else { Family::V6 };
        let config = config(draw, family)?;
        let (node, draws) = (NodeId(0), Draws::new(draw.arbitrary()?));
        let kernel = Kernel::new(node, draws, INTERFACE.into(), &[own(family)]);
        let mut host = Host::new(node, draws, kernel, Duration::from_millis(5));
        let takes = Duration::from_millis(draw.int_in_range(0_u16..=20_000)?.into());
        host.hook_plan = HookPlan { takes, fails: draw.arbitrary()? };
        let supervisor = Supervisor::new(vec![config.clone()]);
        let now = Instant::from_millis(100_000);
        let mut world = Self {
            family,
            config,
            host,
            supervisor,
            now,
            state: StateName::Initialize,
            owes_farewell: false,
        };
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
                let vip = *draw.choose(&self.config.vips)?;
                self.host.hear_claim(vip.ip, MacAddress([2, 0, 0, 0, 0, 9]));
            }
            12 => {
                self.config = config(draw, self.family)?;
                self.host.command(Command::Reload(vec![self.config.clone()]));
            }
            _ => {
                let weight = draw.int_in_range(-300_i32..=300)?;
                self.host.command(Command::Weigh(self.config.key.clone(), weight));
            }
        }
        self.turns();
        Ok(())
    }

    /// A good advert of another node, or one that is wrong in something.
    fn advert(&self, draw: &mut Unstructured<'_>) -> Result<Frame> {
        let last = draw.int_in_range(1_u8..=4)?;
        let source = neighbour(self.family, last);
        let destination = match self.family {
            Family::V4 => MULTICAST_V4.into(),
            Family::V6 => MULTICAST_V6.into(),
        };
        let interval = match draw.ratio(3, 4)? {
            true => self.config.interval,
            false => interval(draw, self.config.version)?,
        };
        let advert = Advertisement {
            version: self.config.version,
            vrid: Vrid::new(VRID).expect("in range"),
            priority: AdvertPriority::from_wire(draw.arbitrary()?),
            interval,
            checksum: ChecksumForm::PseudoHeader,
            addresses: Arc::clone(&self.config.vips),
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
        let vip = *draw.choose(&self.config.vips)?;
        let (ip, prefix_len) = own(self.family);
        match draw.int_in_range(0_u8..=3)? {
            0 => self.host.kernel.add_foreign(vip.ip, vip.prefix_len),
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
        let states: Vec<StateName> =
            self.supervisor.routers().iter().map(VirtualRouter::state).collect();
        assert!(states.iter().all(|state| *state == self.state), "{states:?}, told {}", self.state);
    }

    /// What is asked for in a turn fits the states that it told of. An advert goes out before the
    /// news that it follows from.
    fn check(&mut self, outputs: &[Output]) {
        let mut was_master = self.state == StateName::Master;
        let owed = usize::from(self.owes_farewell);
        let speaks = |output: &Output| match output {
            Output::SendAdvert(send) => send.advert.priority != AdvertPriority::from_wire(0),
            _ => false,
        };
        for output in outputs {
            let Output::Event(event) = output else { continue };
            assert!(!event.to_string().contains('\n'), "{event}");
            if let EventKind::StateChanged { from, to, .. } = event.kind {
                assert_eq!(from, self.state, "{event}");
                self.state = to;
                was_master |= to == StateName::Master;
                self.owes_farewell = (from, to) == (StateName::Master, StateName::Backup);
            }
        }
        if was_master {
            return;
        }
        let takes = |output: &Output| match output {
            Output::Address(request) => matches!(request.operation, AddressOperation::Add(_)),
            Output::Announce(_) => true,
            _ => false,
        };
        assert!(!outputs.iter().any(takes), "as {}: {outputs:?}", self.state);
        let spoken = outputs.iter().filter(|output| speaks(output)).count();
        self.owes_farewell &= spoken == 0;
        assert!(spoken <= owed, "as {}: {outputs:?}", self.state);
    }

    /// Whatever has happened, it ends when it is asked to; and if the kernel lets it, clean.
    fn end(mut self) {
        for operation in [RefusedOperation::Add, RefusedOperation::Renew, RefusedOperation::Remove]
        {
            self.host.kernel.refuse(operation, None);
        }
        self.host.troubles.slow = Duration::ZERO;
        self.host.end_of_lost_events();
        self.pass(Duration::from_secs(5));
        self.host.command(Command::Shutdown);
        self.turns();
        self.pass(ENDS_WITHIN);
        assert!(self.supervisor.is_finished(), "it never ends");
        for vip in self.config.vips.iter() {
            assert!(!self.host.kernel.has_ours(vip.ip), "{vip} is left behind");
        }
    }
}

/// The machine's own address.
fn own(family: Family) -> (IpAddr, u8) {
    match family {
        Family::V4 => ([10, 0, 0, 1].into(), 24),
        Family::V6 => ([0xfe80, 0, 0, 0, 0, 0, 0, 1].into(), 64),
    }
}

fn neighbour(family: Family, last: u8) -> IpAddr {
    match family {
        Family::V4 => [10, 0, 0, last].into(),
        Family::V6 => [0xfe80, 0, 0, 0, 0, 0, 0, last.into()].into(),
    }
}

fn interval(draw: &mut Unstructured<'_>, version: Version) -> Result<AdverInterval> {
    let interval = match version {
        Version::V2 => AdverInterval::from_secs(draw.int_in_range(1..=40)?),
        Version::V3 => AdverInterval::from_centis(draw.int_in_range(1..=4_095)?),
    };
    Ok(interval.expect("in range"))
}

fn config(draw: &mut Unstructured<'_>, family: Family) -> Result<RouterConfig> {
    let version = match family {
        Family::V4 if draw.arbitrary()? => Version::V2,
        Family::V4 | Family::V6 => Version::V3,
    };
    let key =
        RouterKey { interface: INTERFACE.into(), vrid: Vrid::new(VRID).expect("in range"), family };
    let priority = Priority::new(draw.int_in_range(1..=255)?).expect("in range");
    let vips: Arc<[Vip]> =
        (0..draw.int_in_range(1_u8..=3)?).map(|index| vip(family, index)).collect();
    let interval = interval(draw, version)?;
    let mut config = RouterConfig::plain(key, version, priority, interval, vips);
    config.lease = draw.arbitrary()?;
    config.strict = draw.arbitrary()?;
    config.preempt = match draw.int_in_range(0_u8..=2)? {
        0 => Preempt::Never,
        1 => Preempt::After(Duration::ZERO),
        _ => Preempt::After(Duration::from_secs(draw.int_in_range(1..=60)?)),
    };
    if draw.arbitrary()? {
        config.interval_mismatch = IntervalMismatch::Discard;
    }
    let program: Arc<[String]> = ["hook".to_owned()].into();
    config.hooks.pre_promote = draw.arbitrary::<bool>()?.then(|| Arc::clone(&program));
    config.hooks.pre_demote = draw.arbitrary::<bool>()?.then_some(program);
    if draw.arbitrary()? {
        config.hooks.on_failure = HookFailure::Abort;
    }
    Ok(config)
}

fn vip(family: Family, index: u8) -> Vip {
    match family {
        Family::V4 => Vip { ip: [10, 0, 0, 200 + index].into(), prefix_len: 24 },
        Family::V6 => {
            Vip { ip: [0xfe80, 0, 0, 0, 0, 0, 0, 0x200 + u16::from(index)].into(), prefix_len: 64 }
        }
    }
}
