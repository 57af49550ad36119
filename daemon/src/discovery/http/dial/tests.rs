use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::mpsc;
use std::task::Poll;
use std::time::Duration;

use futures_util::future;
use tokio::sync::oneshot;

use super::*;

const HOME: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Answers at once.
fn found(_: &str) -> io::Result<Vec<SocketAddr>> {
    Ok(vec![HOME])
}

fn never_called(_: &str) -> io::Result<Vec<SocketAddr>> {
    panic!("a second lookup of the same name");
}

/// Begins it, and tells whether it waits.
async fn is_pending(work: &mut (impl Future + Unpin)) -> bool {
    let mut work = Pin::new(work);
    future::poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx).is_pending())).await
}

#[tokio::test]
async fn askers_for_the_same_name_share_a_lookup_that_outlives_them() {
    let dialer = TcpDialer::default();
    let (release, released) = mpsc::channel();
    let (begin, began) = oneshot::channel();
    let hung = dialer.resolve_by("db1", 8008, move |_| {
        begin.send(()).expect("the test listens");
        released.recv().map_err(io::Error::other)?;
        Ok(vec![HOME])
    });
    // The first gives up.
    let first = future::select(Box::pin(hung), began).await;
    assert!(matches!(first, future::Either::Right(_)));
    drop(first);

    let mut second = Box::pin(dialer.resolve_by("db1", 8009, never_called));
    assert!(is_pending(&mut second).await);
    let other = dialer.resolve_by("db2", 8008, found).await.expect("addresses");
    assert_eq!(other, [SocketAddr::new(HOME.ip(), 8008)]);
    release.send(()).expect("the lookup waits");
    let second = second.await.expect("addresses");
    assert_eq!(second, [SocketAddr::new(HOME.ip(), 8009)]);
    // It is over, and not remembered.
    dialer.resolve_by("db1", 8008, found).await.expect("addresses");
}

#[tokio::test]
async fn a_lookup_that_panics_is_not_waited_for_again() {
    let dialer = TcpDialer::default();
    let lookup = |_: &str| panic!("a resolver's bug");
    dialer.resolve_by("db1", 8008, lookup).await.expect_err("no addresses");
    dialer.resolve_by("db1", 8008, found).await.expect("addresses");
}

#[tokio::test]
async fn an_error_of_a_lookup_reaches_its_askers() {
    let dialer = TcpDialer::default();
    let lookup = |_: &str| Err(io::Error::other("no such name"));
    let error = dialer.resolve_by("db1", 8008, lookup).await.expect_err("no addresses");
    assert_eq!(error.to_string(), "no such name");
}

#[tokio::test]
async fn lookups_that_hang_take_a_bounded_number_of_threads() {
    let dialer = TcpDialer::default();
    let mut releases = Vec::new();
    for number in 0..LOOKUPS_MAX {
        let (release, released) = mpsc::channel::<()>();
        releases.push(release);
        let lookup = move |_: &str| {
            let _ = released.recv();
            Ok(vec![HOME])
        };
        // Whoever asked is gone, and the lookup goes on.
        dialer.look_up(&format!("db{number}"), lookup).await.expect("there is room");
    }
    let mut late = Box::pin(dialer.resolve_by("late", 8008, found));
    assert!(is_pending(&mut late).await);
    releases.pop();
    late.await.expect("there is room again");
}

/// Connects to nothing, and notes when it was asked to.
struct Deaf {
    addresses: Vec<SocketAddr>,
    dialled: Mutex<Vec<(SocketAddr, Instant)>>,
}

impl Dial for Deaf {
    type Stream = tokio::io::DuplexStream;

    async fn resolve(&self, _: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(self.addresses.iter().map(|address| SocketAddr::new(address.ip(), port)).collect())
    }

    async fn connect(&self, address: SocketAddr) -> io::Result<Self::Stream> {
        self.dialled.lock().expect("no poison").push((address, Instant::now()));
        future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn addresses_get_their_turn_though_the_first_hangs() {
    let address = |last| SocketAddr::from(([10, 0, 0, last], 8008));
    let addresses = (1..=9).map(address).collect();
    let dial = Deaf { addresses, dialled: Mutex::default() };
    let host = "db".parse().expect("a host");
    let endpoint = Endpoint { scheme: super::super::Scheme::Http, host, port: 8008 };
    let began = Instant::now();
    let error = connect(&dial, &endpoint, began + Duration::from_millis(800)).await;
    let error = error.expect_err("nobody answers");
    assert!(matches!(error, Reason::TimedOut { stage: Stage::Connecting }), "{error}");
    // The ninth is one too many.
    let turns: Vec<_> =
        (0u8..8).map(|n| (address(n + 1), began + 100 * MILLISECOND * n.into())).collect();
    let dialled = dial.dialled.into_inner().expect("no poison");
    assert_eq!(dialled.len(), ADDRESSES_MAX);
    for ((address, at), (wanted, turn)) in dialled.iter().zip(&turns) {
        assert_eq!(address, wanted);
        // Tokio's timers round up to the next millisecond.
        assert!(*at >= *turn && *at <= *turn + 8 * MILLISECOND, "{:?}", *at - began);
    }
}

#[tokio::test]
async fn a_name_without_addresses_is_unresolved() {
    let dial = Deaf { addresses: Vec::new(), dialled: Mutex::default() };
    let host = "db".parse().expect("a host");
    let endpoint = Endpoint { scheme: super::super::Scheme::Http, host, port: 8008 };
    let error = connect(&dial, &endpoint, Instant::now() + Duration::from_secs(60)).await;
    assert!(matches!(error, Err(Reason::Unresolved { .. })));
}

const MILLISECOND: Duration = Duration::from_millis(1);
