//! A machine at its simplest: a kernel that does at once what it is asked, and a process.

use std::hash::Hash;
use std::rc::Rc;

use openproxy_core::io::{
    Address, AddressChange, AddressError, AddressOperation, InterfaceIndex, KernelEvent,
    KernelSnapshot, Lifetime, Link, MacAddress,
};
use openproxy_core::time::Duration;
use openproxy_core::vrrp::{StateName, VirtualRouter};
use openproxy_io_sim::kernel::OUR_PROTOCOL;

use super::key::Relative;
use super::process::{Process, Queues};
use super::setup::Setup;
use crate::scenario::INTERFACE;

const INDEX: InterfaceIndex = InterfaceIndex(2);

/// A machine. Times are those of the world, in nanoseconds.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    /// The daemon, if it runs.
    pub(super) process: Option<Rc<Process>>,
    /// It is stopped (SIGSTOP): when it would have taken its next turn, at the latest.
    pub(super) missed_at: Option<u64>,
    /// Powered, that is; and the cable plugged in.
    pub(super) powered: bool,
    pub(super) plugged: bool,
    /// When the kernel removes the VIP, if it is there.
    pub(super) vip: Option<u64>,
    /// Who heard the advert that the lease was last renewed with: a bit for each machine.
    pub(super) renewal_heard: u8,
}

impl Machine {
    pub(super) fn off() -> Self {
        Self {
            process: None,
            missed_at: None,
            powered: true,
            plugged: true,
            vip: None,
            renewal_heard: 0,
        }
    }

    /// Whether packets go out and come in.
    pub(super) fn is_linked(&self) -> bool {
        self.powered && self.plugged
    }

    /// Whether a process runs and isn't paused.
    pub(super) fn is_running(&self) -> bool {
        self.process.is_some() && self.missed_at.is_none()
    }

    /// Whether it takes part.
    pub(super) fn is_up(&self) -> bool {
        self.is_running() && self.is_linked()
    }

    /// The state of the process that runs; INITIALIZE for none.
    pub(super) fn state(&self) -> StateName {
        let router = self.process.as_ref().and_then(|process| process.supervisor.routers().first());
        router.map_or(StateName::Initialize, VirtualRouter::state)
    }

    /// Whether it advertises.
    pub(super) fn is_master(&self) -> bool {
        self.is_up() && self.state() == StateName::Master
    }

    /// Whether packets reach the process, perhaps to lie unread.
    pub(super) fn hears(&self) -> bool {
        self.is_linked() && self.process.as_ref().is_some_and(|p| p.queues.socket.is_some())
    }

    /// The process is gone; the kernel keeps what it has.
    pub(super) fn end_process(&mut self) {
        self.process = None;
        self.missed_at = None;
    }

    /// The process, to be changed: other worlds keep theirs.
    pub(super) fn process_mut(&mut self) -> Option<&mut Process> {
        self.process.as_mut().map(Rc::make_mut)
    }

    /// Whether a turn would find anything.
    pub(super) fn has_news(&self) -> bool {
        self.process.as_ref().is_some_and(|process| process.has_news())
    }

    /// Puts something into the process's inbox.
    pub(super) fn queue(&mut self, now: u64, put: impl FnOnce(&mut Queues)) {
        self.missed_at = self.missed_at.map(|at| at.min(now));
        if let Some(process) = self.process_mut() {
            put(&mut process.queues);
        }
    }

    /// Tells the process of the link as it is now.
    pub(super) fn tell_link(&mut self, now: u64, node: usize) {
        let event = KernelEvent::Link(self.link(node));
        self.queue(now, |queues| queues.events.push_back(event));
    }

    fn link(&self, node: usize) -> Link {
        let last = u8::try_from(node + 1).unwrap_or(u8::MAX);
        Link {
            index: INDEX,
            name: INTERFACE.into(),
            running: self.is_linked(),
            mac: Some(MacAddress([2, 0, 0, 0, 0, last])),
        }
    }

    pub(super) fn snapshot(&self, setup: &Setup, node: usize) -> KernelSnapshot {
        let own = Address {
            index: INDEX,
            ip: setup.own(node).0,
            prefix_len: setup.own(node).1,
            ours: false,
            secondary: false,
            tentative: false,
            valid_secs: None,
            protocol: 0,
        };
        let vip = self.vip.map(|_| vip_address(setup));
        KernelSnapshot {
            links: vec![self.link(node)],
            addresses: std::iter::once(own).chain(vip).collect(),
        }
    }

    /// Carries out an operation on the VIP, as Linux does.
    pub(super) fn operate(
        &mut self,
        now: u64,
        setup: &Setup,
        operation: AddressOperation,
    ) -> Result<(), AddressError> {
        let gone_at = |lifetime| match lifetime {
            Lifetime::Forever => u64::MAX,
            Lifetime::Secs(secs) => now + u64::from(secs) * 1_000_000_000 + setup.kernel_late,
        };
        match (operation, self.vip) {
            (AddressOperation::Add(_), Some(_)) => Err(AddressError::Exists),
            (AddressOperation::Remove, None) => Err(AddressError::NotFound),
            (AddressOperation::Remove, Some(_)) => {
                self.remove_vip(now, setup);
                Ok(())
            }
            (AddressOperation::Add(lifetime) | AddressOperation::Renew(lifetime), _) => {
                self.vip = Some(gone_at(lifetime));
                self.renewal_heard = 0;
                self.tell_address(now, AddressChange::Present(vip_address(setup)));
                Ok(())
            }
        }
    }

    /// The VIP goes.
    pub(super) fn remove_vip(&mut self, now: u64, setup: &Setup) {
        if self.vip.take().is_some() {
            self.tell_address(now, AddressChange::Gone(vip_address(setup)));
        }
    }

    fn tell_address(&mut self, now: u64, change: AddressChange) {
        self.queue(now, |queues| queues.events.push_back(KernelEvent::Address(change)));
    }

    /// Hands over everything that decides the future of this machine.
    pub(super) fn digest(&self, now: u64, ahead: u64, hasher: &mut Relative) {
        let Self { process, missed_at, powered, plugged, vip, renewal_heard } = self;
        (missed_at, powered, plugged, vip, vip.map(|_| *renewal_heard)).hash(hasher);
        process.is_some().hash(hasher);
        if let Some(process) = process {
            process.digest(now, ahead, hasher);
        }
    }
}

fn vip_address(setup: &Setup) -> Address {
    Address {
        index: INDEX,
        ip: setup.vip.ip,
        prefix_len: setup.vip.prefix_len,
        ours: true,
        secondary: true,
        tentative: false,
        valid_secs: Some(setup.lease_secs),
        protocol: OUR_PROTOCOL,
    }
}

/// Nanoseconds of a span.
pub(super) fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
