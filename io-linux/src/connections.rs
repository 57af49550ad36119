//! Resets the TCP connections of addresses that are about to come off, so that clients that wait for
//! an answer connect anew.
//!
//! Two nodes have the VIPs meanwhile, so there is a bound: what isn't done by then is left.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;

use nix::errno::Errno;
use openproxy_core::io::{Completion, InterfaceIndex, ResetConnections, Resets};
use openproxy_core::time::{Duration, Instant};
use openproxy_core::vrrp::Family;

use crate::clock;
use crate::sock_diag::{Connection, SockDiag};

/// How long the removal of an address waits.
const RESET_WITHIN: Duration = Duration::from_millis(50);
/// Of which so much for looking.
const LOOK_WITHIN: Duration = Duration::from_millis(25);
/// So many are remembered: what can be reset in time is less.
const FOUND_MAX: usize = 65_536;
/// So many are reset between two looks at the clock.
const BATCH_MAX: usize = 64;

/// Whoever resets; and whether it has told that it can't.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    told: bool,
}

/// The addresses, each with the requests that are about it: a link-local one may be on several
/// interfaces.
type Targets = BTreeMap<IpAddr, Vec<(InterfaceIndex, usize)>>;

/// Connections, each with the request that it belongs to.
type Found = Vec<(usize, Connection)>;

impl Connections {
    /// Has the kernel load what it needs, which takes longer than there is time later.
    pub(crate) fn prepare() {
        // If it can't, a reset will tell so.
        let _ = SockDiag::open().and_then(|mut diag| diag.load_module());
    }

    /// Resets the connections of all these addresses; tells of the requests that had any.
    pub(crate) fn reset<'a>(
        &mut self,
        requests: impl Iterator<Item = &'a ResetConnections>,
    ) -> Vec<Completion> {
        let requests: Vec<_> = requests.collect();
        let mut resets = vec![Resets { all_found: true, ..Resets::default() }; requests.len()];
        if let Err(error) = reset(&requests, &mut resets, clock::now())
            && let Some(complaint) = self.complaint(&error)
        {
            tracing::warn!("{complaint}");
        }
        let ended = requests.iter().zip(resets);
        let ended = ended.filter(|(_, r)| r.reset > 0 || r.left > 0 || !r.all_found);
        ended.map(|(request, r)| Completion::ConnectionsReset(request.router, r)).collect()
    }

    /// What is told of a kernel that refuses, the first time.
    fn complaint(&mut self, error: &io::Error) -> Option<String> {
        if std::mem::replace(&mut self.told, true) {
            return None;
        }
        let why = match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::EOPNOTSUPP) => "this kernel can't (CONFIG_INET_DIAG_DESTROY)".to_owned(),
            Some(Errno::ENOENT | Errno::EPROTONOSUPPORT) => {
                "this kernel can't (CONFIG_INET_DIAG)".to_owned()
            }
            Some(Errno::EPERM | Errno::EACCES) => "no permission (CAP_NET_ADMIN)".to_owned(),
            _ => error.to_string(),
        };
        Some(format!(
            "cannot reset connections of VIPs that come off: {why}; their clients aren't told"
        ))
    }
}

/// Resets what `resets` then counts; the error is that of the kernel which refuses.
fn reset(
    requests: &[&ResetConnections],
    resets: &mut [Resets],
    begun_at: Instant,
) -> io::Result<()> {
    let (found, all_found) = find(&targets(requests), begun_at + LOOK_WITHIN)?;
    resets.iter_mut().for_each(|resets| resets.all_found = all_found);
    let mut diag = SockDiag::open()?;
    let mut rest = &found[..];
    while !rest.is_empty() && clock::now() < begun_at + RESET_WITHIN {
        let (batch, others) = rest.split_at(rest.len().min(BATCH_MAX));
        rest = others;
        let connections: Vec<_> = batch.iter().map(|(_, found)| found.clone()).collect();
        for ((position, _), result) in batch.iter().zip(diag.destroy(&connections)) {
            match (result, resets.get_mut(*position)) {
                (Ok(()), Some(resets)) => resets.reset += 1,
                // It has ended by itself; a cookie keeps others from being taken for it.
                (Err(Errno::ENOENT | Errno::ESTALE), _) | (Ok(()), None) => {}
                (Err(errno), _) => return Err(io::Error::from_raw_os_error(errno as i32)),
            }
        }
    }
    for (position, _) in rest {
        if let Some(resets) = resets.get_mut(*position) {
            resets.left += 1;
        }
    }
    Ok(())
}

fn targets(requests: &[&ResetConnections]) -> Targets {
    let mut targets = Targets::new();
    for (position, request) in requests.iter().enumerate() {
        for ip in &request.addresses {
            targets.entry(*ip).or_default().push((request.index, position));
        }
    }
    targets
}

/// The connections of all targets, and whether there was time to find them all: one look at each
/// family, since IPv4's may belong to sockets of either.
fn find(targets: &Targets, until: Instant) -> io::Result<(Found, bool)> {
    let mut found = Found::new();
    let has_v4 = targets.keys().any(IpAddr::is_ipv4);
    let families = [Family::V4, Family::V6].into_iter().filter(|f| *f == Family::V6 || has_v4);
    for family in families {
        let all = SockDiag::open()?.connections(family, |connections| {
            let of_ours = connections
                .filter_map(|connection| Some((request_of(targets, &connection)?, connection)));
            found.extend(of_ours);
            found.len() < FOUND_MAX && clock::now() < until
        })?;
        if !all {
            return Ok((found, false));
        }
    }
    Ok((found, true))
}

/// The request that a connection belongs to. One with a link-local address is bound to its interface.
fn request_of(targets: &Targets, connection: &Connection) -> Option<usize> {
    let local = connection.id.source_address.to_canonical();
    let is_link_local = matches!(local, IpAddr::V6(ip) if ip.is_unicast_link_local());
    let bound_to = InterfaceIndex(connection.id.interface_id);
    let fits = |(index, _): &&(InterfaceIndex, usize)| !is_link_local || *index == bound_to;
    targets.get(&local)?.iter().find(fits).map(|(_, position)| *position)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};

    use openproxy_core::io::RouterId;

    use super::*;

    fn request(router: u32, index: u32, ip: &str) -> ResetConnections {
        let addresses = vec![ip.parse().expect("an address")];
        ResetConnections { router: RouterId(router), index: InterfaceIndex(index), addresses }
    }

    #[test]
    fn a_connection_belongs_to_the_request_of_its_local_address_and_interface() {
        let requests = [
            request(1, 2, "10.0.0.200"),
            request(2, 2, "fe80::200"),
            request(3, 3, "fe80::200"),
            request(4, 3, "2001:db8::200"),
        ];
        let requests: Vec<_> = requests.iter().collect();
        let targets = targets(&requests);
        for (local, bound_to, expected) in [
            ("10.0.0.200", 0, Some(0)),
            ("10.0.0.200", 9, Some(0)),
            ("::ffff:10.0.0.200", 0, Some(0)),
            ("10.0.0.201", 0, None),
            ("fe80::200", 2, Some(1)),
            ("fe80::200", 3, Some(2)),
            ("fe80::200", 4, None),
            ("fe80::200", 0, None),
            ("2001:db8::200", 0, Some(3)),
            ("::", 0, None),
        ] {
            let connection = Connection::between(local.parse().expect("an address"), bound_to);
            assert_eq!(request_of(&targets, &connection), expected, "{local} on {bound_to}");
        }
    }

    #[test]
    fn whoever_may_not_leaves_connections_alone_and_says_so_once() {
        let listener = TcpListener::bind("127.77.0.1:0").expect("loopback");
        let mut client = TcpStream::connect(listener.local_addr().expect("bound")).expect("open");
        let (mut server, _) = listener.accept().expect("a connection");
        // Capabilities are a thread's.
        let refused = std::thread::spawn(|| {
            let _ = caps::drop(None, caps::CapSet::Effective, caps::Capability::CAP_NET_ADMIN);
            let request = request(1, 1, "127.77.0.1");
            let mut resets = [Resets::default()];
            let refused = reset(&[&request], &mut resets, clock::now());
            (refused, resets[0].reset)
        });
        let (refused, reset) = refused.join().expect("no panic");
        let refused = refused.expect_err("refused");
        assert_eq!((refused.raw_os_error(), reset), (Some(Errno::EPERM as i32), 0));
        client.write_all(b"?").expect("it is open");
        server.read_exact(&mut [0]).expect("it is open");
        let mut connections = Connections::default();
        let complaint = connections.complaint(&refused).expect("the first");
        assert!(complaint.contains("no permission (CAP_NET_ADMIN)"), "{complaint}");
        assert_eq!(connections.complaint(&refused), None);
    }

    #[test]
    fn a_kernel_that_cannot_is_told_apart_from_one_that_may_not() {
        for (errno, why) in [
            (Errno::EOPNOTSUPP, "CONFIG_INET_DIAG_DESTROY"),
            (Errno::ENOENT, "CONFIG_INET_DIAG)"),
            (Errno::ENOBUFS, "buffer"),
        ] {
            let error = io::Error::from_raw_os_error(errno as i32);
            let complaint = Connections::default().complaint(&error).expect("the first");
            assert!(complaint.contains(why), "{complaint}");
        }
    }
}
