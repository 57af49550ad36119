//! Advert sockets: one for each interface and family that routers use.

use crate::event::{Event, EventKind};
use crate::interfaces::Interfaces;
use crate::io::{InterfaceIndex, Output, RouterId, SocketError, SocketId, SocketSpec};
use crate::time::{Duration, Instant};
use crate::vrrp::{Family, InterfaceName, VirtualRouter, Vrid};

/// How long after a socket could not be opened it is tried again.
const RETRY: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PortState {
    Opening,
    Open,
    Failed { retry_at: Instant },
}

#[derive(Clone, Debug)]
struct Port {
    id: SocketId,
    index: InterfaceIndex,
    name: InterfaceName,
    family: Family,
    state: PortState,
    /// A failure has been told of.
    told: bool,
    routers: u32,
    /// Whom an advert of this VRID is for.
    by_vrid: Box<[Option<RouterId>; 256]>,
}

impl Port {
    fn spec(&self) -> SocketSpec {
        SocketSpec {
            index: self.index,
            name: InterfaceName::clone(&self.name),
            family: self.family,
            routers: self.routers,
        }
    }
}

/// All advert sockets.
#[derive(Clone, Debug, Default)]
pub(super) struct Ports {
    ports: Vec<Port>,
    next: u32,
}

impl Ports {
    /// The open socket of an interface and family.
    pub(super) fn open(&self, index: InterfaceIndex, family: Family) -> Option<SocketId> {
        self.ports
            .iter()
            .find(|p| p.index == index && p.family == family && p.state == PortState::Open)
            .map(|port| port.id)
    }

    /// Whether the socket of an interface and family can't be opened.
    pub(super) fn has_failed(&self, index: InterfaceIndex, family: Family) -> bool {
        let failed = |port: &Port| matches!(port.state, PortState::Failed { .. });
        self.ports.iter().any(|p| p.index == index && p.family == family && failed(p))
    }

    /// Interface of a socket, and whom an advert of this VRID is for.
    pub(super) fn route(
        &self,
        socket: SocketId,
        vrid: Vrid,
    ) -> Option<(InterfaceIndex, Option<RouterId>)> {
        let port = self.ports.iter().find(|port| port.id == socket)?;
        let router = port.by_vrid.get(usize::from(vrid.get())).copied().flatten();
        Some((port.index, router))
    }

    /// Opens what routers need and closes what none needs any more.
    pub(super) fn fit(
        &mut self,
        interfaces: &Interfaces,
        routers: &[VirtualRouter],
        out: &mut Vec<Output>,
    ) {
        for port in &mut self.ports {
            port.by_vrid.fill(None);
            port.routers = 0;
        }
        let first_new = self.ports.len();
        for router in routers.iter().filter(|router| router.takes_part()) {
            let key = router.key();
            let Some(link) = interfaces.by_name(&key.interface) else {
                continue;
            };
            let known =
                self.ports.iter().position(|p| p.index == link.index && p.family == key.family);
            let position = known.unwrap_or_else(|| {
                self.ports.push(Port {
                    id: SocketId(self.next),
                    index: link.index,
                    name: InterfaceName::clone(&link.name),
                    family: key.family,
                    state: PortState::Opening,
                    told: false,
                    routers: 0,
                    by_vrid: Box::new([None; 256]),
                });
                self.next += 1;
                self.ports.len() - 1
            });
            let Some(port) = self.ports.get_mut(position) else {
                continue;
            };
            port.routers += 1;
            if let Some(slot) = port.by_vrid.get_mut(usize::from(key.vrid.get())) {
                *slot = Some(router.id());
            }
        }
        for port in self.ports.iter().skip(first_new) {
            out.push(Output::OpenSocket(port.id, port.spec()));
        }
        self.ports.retain(|port| {
            let needed = port.routers > 0;
            if !needed && !matches!(port.state, PortState::Failed { .. }) {
                out.push(Output::CloseSocket(port.id));
            }
            needed
        });
    }

    /// A socket has been opened, or hasn't.
    pub(super) fn handle_result(
        &mut self,
        now: Instant,
        id: SocketId,
        result: Result<(), SocketError>,
        out: &mut Vec<Output>,
    ) {
        let Some(port) = self.ports.iter_mut().find(|port| port.id == id) else {
            return;
        };
        match result {
            Ok(()) => {
                port.state = PortState::Open;
                port.told = false;
            }
            Err(error) => {
                let retry_at = if mutated!(SocketNotRetried) { Instant::MAX } else { now + RETRY };
                port.state = PortState::Failed { retry_at };
                if !std::mem::replace(&mut port.told, true) {
                    let kind = EventKind::SocketFailed(port.name.to_string(), error);
                    out.push(Output::Event(Event { router: None, kind }));
                }
            }
        }
    }

    /// When the next failed socket is to be tried again.
    pub(super) fn retry_at(&self) -> Instant {
        let times = self.ports.iter().filter_map(|port| match port.state {
            PortState::Failed { retry_at } => Some(retry_at),
            PortState::Opening | PortState::Open => None,
        });
        times.min().unwrap_or(Instant::MAX)
    }

    /// Tries failed sockets again whose time has come.
    pub(super) fn retry(&mut self, now: Instant, out: &mut Vec<Output>) {
        for port in &mut self.ports {
            match port.state {
                PortState::Failed { retry_at } if retry_at <= now => {
                    port.state = PortState::Opening;
                    out.push(Output::OpenSocket(port.id, port.spec()));
                }
                PortState::Failed { .. } | PortState::Opening | PortState::Open => {}
            }
        }
    }
}
