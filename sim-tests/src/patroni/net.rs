//! Discovery's way to its servers, on turmoil.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use openproxy::discovery::http::Dial;
use turmoil::Sim;
use turmoil::net::TcpStream;

/// Who doesn't reach whom. Turmoil alone would refuse a connection at once where its first packet
/// is lost.
#[derive(Debug, Default)]
pub(crate) struct Cuts(RefCell<BTreeSet<(IpAddr, IpAddr)>>);

impl Cuts {
    /// Cuts a host off from another, or mends that; what is so already stays so.
    pub(crate) fn set(&self, sim: &mut Sim<'_>, from: IpAddr, to: IpAddr, cut: bool) {
        let mut cuts = self.0.borrow_mut();
        if cut && cuts.insert((from, to)) {
            sim.partition(from, to);
        } else if !cut && cuts.remove(&(from, to)) {
            sim.repair(from, to);
        }
    }
}

/// The network of one host.
#[derive(Clone, Debug)]
pub(crate) struct Dialer {
    pub(crate) from: IpAddr,
    pub(crate) cuts: Rc<Cuts>,
}

impl Dial for Dialer {
    type Stream = TcpStream;

    async fn resolve(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        Err(io::ErrorKind::NotFound.into())
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        if self.cuts.0.borrow().contains(&(self.from, address.ip())) {
            return std::future::pending().await;
        }
        TcpStream::connect(address).await
    }
}
