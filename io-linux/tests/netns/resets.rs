//! TCP connections through VIPs that come off.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpListener, TcpStream};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use openproxy_core::io::{AddressOperation as Op, Completion, Lifetime, Output, Resets};
use openproxy_core::io::{InterfaceIndex, ResetConnections};
use openproxy_core::time::Duration;

use crate::host::{Host, PATIENCE, ROUTER, cable, vip};
use crate::namespace::isolated;

const V4: &str = "10.99.0.200/24";
const V6: &str = "2001:db8::200/64";
const LINK_LOCAL: &str = "fe80::200/64";

/// A client, and its server's socket.
struct Pair {
    client: TcpStream,
    server: TcpStream,
}

impl Pair {
    /// The client is on the right; its server listens on the left.
    fn connect(right: &Host, listener: &TcpListener, ip: IpAddr) -> Self {
        right.enter();
        let port = listener.local_addr().expect("bound").port();
        let to = match ip {
            IpAddr::V6(ip) => SocketAddr::V6(SocketAddrV6::new(ip, port, 0, scope(ip, right))),
            IpAddr::V4(_) => SocketAddr::new(ip, port),
        };
        let client = TcpStream::connect(to).unwrap_or_else(|error| panic!("{to}: {error}"));
        client.set_read_timeout(Some(PATIENCE)).expect("set");
        Self { client, server: listener.accept().expect("a connection").0 }
    }

    fn is_reset(&mut self) -> bool {
        let ended = self.client.read_exact(&mut [0]);
        ended.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset)
    }

    /// What the server says arrives.
    fn works(&mut self) -> bool {
        self.server.write_all(b"!").is_ok() && self.client.read_exact(&mut [0]).is_ok()
    }
}

fn scope(ip: Ipv6Addr, host: &Host) -> u32 {
    if ip.is_unicast_link_local() { host.index.0 } else { 0 }
}

fn listen(left: &Host, at: &str) -> TcpListener {
    left.enter();
    let at = match at.parse::<IpAddr>().expect("an address") {
        IpAddr::V6(ip) => SocketAddr::V6(SocketAddrV6::new(ip, 0, 0, scope(ip, left))),
        ip => SocketAddr::new(ip, 0),
    };
    TcpListener::bind(at).expect("bound")
}

/// Resets and removes, as a router does; what came of the resets.
async fn take_off(left: &mut Host, texts: &[&str]) -> Vec<Resets> {
    let addresses = texts.iter().map(|text| vip(text).ip).collect();
    let index = left.index;
    left.perform(Output::ResetConnections(ResetConnections { router: ROUTER, index, addresses }));
    for text in texts {
        left.operate(vip(text), Op::Remove).await.expect("removed");
    }
    let resets = |completion: &Completion| match completion {
        Completion::ConnectionsReset(ROUTER, resets) => Some(*resets),
        _ => None,
    };
    std::iter::from_fn(|| left.seen.take(resets)).collect()
}

async fn with_vips(texts: &[&str]) -> (Host, Host) {
    let (mut left, right) = cable().await;
    right.add_foreign(vip("2001:db8::2/64").ip, 64).await;
    for text in texts {
        left.operate(vip(text), Op::Add(Lifetime::Forever)).await.expect("added");
    }
    (left, right)
}

fn all(reset: usize) -> Vec<Resets> {
    vec![Resets { reset, left: 0, all_found: true }]
}

#[test]
fn clients_get_a_reset_from_whatever_listens_and_listeners_stay() {
    // Where the server listens, and where its client goes: sockets of both families, and a VIP's own.
    let table = [
        ("0.0.0.0", V4),
        ("::", V4),
        ("10.99.0.200", V4),
        ("::", V6),
        ("2001:db8::200", V6),
        ("::", LINK_LOCAL),
        ("fe80::200", LINK_LOCAL),
    ];
    isolated(async move || {
        for (at, text) in table {
            let (mut left, right) = with_vips(&[text]).await;
            let listener = listen(&left, at);
            let own = listen(&left, "10.99.0.1");
            let mut beside = Pair::connect(&right, &own, left.own.into());
            let mut pairs: Vec<_> =
                (0..3).map(|_| Pair::connect(&right, &listener, vip(text).ip)).collect();
            assert_eq!(take_off(&mut left, &[text]).await, all(3), "{at} {text}");
            assert!(pairs.iter_mut().all(Pair::is_reset), "{at} {text}");
            assert!(beside.works(), "the node's own address");
            left.operate(vip(text), Op::Add(Lifetime::Forever)).await.expect("added");
            assert!(Pair::connect(&right, &listener, vip(text).ip).works(), "{at} {text}");
        }
    });
}

#[test]
fn several_vips_go_at_once_and_each_router_hears_of_its_own() {
    isolated(async || {
        let (mut left, right) = with_vips(&[V4, V6, "10.99.0.201/24"]).await;
        let listener = listen(&left, "::");
        let [mut v4, mut v6] = [V4, V6].map(|t| Pair::connect(&right, &listener, vip(t).ip));
        let mut stays = Pair::connect(&right, &listener, vip("10.99.0.201/24").ip);
        assert_eq!(take_off(&mut left, &[V4, V6]).await, all(2));
        assert!(v4.is_reset() && v6.is_reset() && stays.works());
        assert_eq!(take_off(&mut left, &["10.99.0.201/24"]).await, all(1));
        assert!(stays.is_reset());
    });
}

#[test]
fn without_connections_nothing_is_told() {
    isolated(async || {
        let (mut left, right) = with_vips(&[V4]).await;
        let listener = listen(&left, "::");
        assert_eq!(take_off(&mut left, &[V4]).await, []);
        left.operate(vip(V4), Op::Add(Lifetime::Forever)).await.expect("added");
        assert!(Pair::connect(&right, &listener, vip(V4).ip).works());
    });
}

#[test]
fn a_link_local_address_of_another_interface_is_somebody_elses() {
    isolated(async || {
        let (mut left, right) = with_vips(&[LINK_LOCAL]).await;
        let listener = listen(&left, "fe80::200");
        let mut pair = Pair::connect(&right, &listener, vip(LINK_LOCAL).ip);
        let addresses = vec![vip(LINK_LOCAL).ip];
        let index = InterfaceIndex(left.index.0 + 1);
        let elsewhere = ResetConnections { router: ROUTER, index, addresses };
        left.perform(Output::ResetConnections(elsewhere));
        // The worker has done it before it dumps.
        left.dump().await;
        assert_eq!(left.seen.completions, []);
        assert!(pair.works());
        assert_eq!(take_off(&mut left, &[LINK_LOCAL]).await, all(1));
        assert!(pair.is_reset());
    });
}

#[test]
fn whoever_connects_anew_at_once_is_not_taken_again() {
    isolated(async || {
        for text in [V4, V6] {
            let (mut left, right) = with_vips(&[text]).await;
            let listener = listen(&left, "::");
            let ip = vip(text).ip;
            let first = Pair::connect(&right, &listener, ip);
            // The first is reset long before the last, and so before the VIP goes.
            let mut others: Vec<_> =
                (0..500).map(|_| Pair::connect(&right, &listener, ip)).collect();
            let to = first.client.peer_addr().expect("connected");
            right.enter();
            let anew = std::thread::spawn(move || {
                let mut first = first;
                assert!(first.is_reset());
                TcpStream::connect_timeout(&to, Duration::from_millis(300))
            });
            assert_eq!(take_off(&mut left, &[text]).await, all(501));
            let anew = anew.join().expect("no panic");
            assert!(anew.is_err(), "{text}: {anew:?}");
            assert!(others.iter_mut().all(Pair::is_reset));
        }
    });
}

/// A removal waits no longer than this, on a busy machine.
const TAKES_MAX: Duration = Duration::from_millis(500);

#[test]
fn ten_thousand_are_reset_or_counted_in_bounded_time() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("raised");
    let many = usize::try_from(hard).map_or(10_000, |hard| ((hard - 100) / 2).min(10_000));
    isolated(async move || {
        for count in [10, many] {
            let (mut left, right) = with_vips(&[V4]).await;
            let listener = listen(&left, "::");
            let mut pairs: Vec<_> =
                (0..count).map(|_| Pair::connect(&right, &listener, vip(V4).ip)).collect();
            let begun = left.now();
            let resets = take_off(&mut left, &[V4]).await;
            let took = left.now().since(begun);
            println!("{count} connections: {resets:?}, and off after {took:?}");
            let [resets] = resets[..] else { panic!("{resets:?}") };
            assert!(resets.reset > 0 && took < TAKES_MAX, "{resets:?} {took:?}");
            assert!(!resets.all_found || resets.reset + resets.left == count, "{resets:?}");
            let mut kept = 0;
            for pair in &mut pairs {
                pair.client.set_nonblocking(true).expect("set");
                kept += usize::from(!pair.is_reset());
            }
            assert_eq!(kept, count - resets.reset);
        }
    });
}
