//! Clients that wait for an answer through a VIP that moves: they are reset, and connect anew to
//! whoever follows.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout};

use crate::net::{Lan, Namespace, holds, now};
use crate::nodes::{End, Node, Router};
use crate::{BETTER, FAST, SLACK, V4, V6, WORSE};

const PORT: u16 = 5432;
/// What the servers say first.
const OURS: u8 = b'O';
const THEIRS: u8 = b'T';
/// From the moment in which the successor has the VIP to its answer: the promise is 50 ms.
const BACK_WITHIN: Duration = Duration::from_millis(500);
/// How often what is measured is.
const REPEATS: usize = 5;

/// A server that says who it is to whoever connects, and keeps quiet from then on.
struct Server {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start(inside: &Namespace, at: IpAddr, name: u8) -> Self {
        let listener = inside.run(|| TcpListener::bind((at, PORT)));
        let listener = listener.unwrap_or_else(|error| panic!("listen at {at}: {error}"));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let stop = Arc::clone(&stop);
            move || serve(&listener, name, &stop)
        });
        Self { stop, thread: Some(thread) }
    }
}

fn serve(listener: &TcpListener, name: u8, stop: &AtomicBool) {
    let mut clients = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let mut fds = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
        if nix::poll::poll(&mut fds, PollTimeout::from(50_u8)) == Ok(1)
            && let Ok((mut client, _)) = listener.accept()
        {
            let _ = client.write_all(&[name]);
            clients.push(client);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Connects to the VIP as often as is needed; the connection, and who has answered.
fn connect(client: &Namespace, vip: IpAddr) -> (TcpStream, u8) {
    client.enter();
    let deadline = now() + SLACK;
    loop {
        match try_to_connect(vip) {
            Ok(connected) => return connected,
            Err(error) => assert!(now() < deadline, "nobody answers at {vip}: {error}"),
        }
    }
}

fn try_to_connect(vip: IpAddr) -> std::io::Result<(TcpStream, u8)> {
    let soon = Duration::from_millis(50);
    let mut stream = TcpStream::connect_timeout(&SocketAddr::new(vip, PORT), soon)?;
    stream.set_read_timeout(Some(soon * 4))?;
    let mut name = [0];
    stream.read_exact(&mut name)?;
    Ok((stream, name[0]))
}

/// What is set up in one way.
struct Setup {
    vip: &'static str,
    /// Where the servers listen.
    at: &'static str,
    /// What the files have before the table of the router, and in it.
    lines: [&'static str; 2],
}

const PLAIN: Setup = Setup { vip: V4, at: "0.0.0.0", lines: ["", ""] };

/// Two openproxys with their servers, the better one MASTER, and a client.
struct Cluster {
    setup: Setup,
    router: Router,
    lan: Lan,
    client: Namespace,
    _switch: Namespace,
    better: Node,
    worse: Node,
    servers: Vec<Server>,
}

impl Cluster {
    fn start(setup: Setup) -> Self {
        let (lan, client, switch) = Lan::switched();
        let router = Router { version: 3, unicast: false, interval: FAST, vip: setup.vip };
        let at = setup.at.parse().expect("an address");
        let servers = [(&lan.ours, OURS), (&lan.theirs, THEIRS)];
        let servers = servers.map(|(inside, name)| Server::start(inside, at, name));
        let better = Node::openproxy_with(&lan.ours, &router, BETTER, setup.lines);
        better.wait_for("is on the interface", 1);
        let worse = Node::openproxy_with(&lan.theirs, &router, WORSE, setup.lines);
        worse.wait_until_backup();
        Self { setup, router, lan, client, _switch: switch, better, worse, servers: servers.into() }
    }

    fn vip(&self) -> IpAddr {
        self.setup.vip.split('/').next().and_then(|vip| vip.parse().ok()).expect("a VIP")
    }

    fn logs(&self) -> String {
        format!("{}\n{}", self.better.log(), self.worse.log())
    }

    /// The better node ends, while a client waits for an answer. How long after the successor has the
    /// VIP it is answered by that one, and how long after it was reset.
    fn moves(&self, end: End) -> (Duration, Duration) {
        let vip = self.vip();
        let (mut idle, name) = connect(&self.client, vip);
        assert_eq!(name, OURS);
        idle.set_read_timeout(Some(SLACK * 2)).expect("set");
        let client = self.client.clone();
        let waiting = thread::spawn(move || {
            let ended = idle.read(&mut [0]);
            let reset_at = now();
            let (_, name) = connect(&client, vip);
            (ended, reset_at, name, now())
        });
        self.better.end(end);
        let deadline = now() + SLACK;
        while !holds(&self.lan.theirs, vip) {
            assert!(now() < deadline, "nobody follows\n{}", self.logs());
            thread::yield_now();
        }
        let taken_at = now();
        let (ended, reset_at, name, answered_at) = waiting.join().expect("no panic");
        let error = ended.expect_err("it was closed, not reset").kind();
        assert_eq!(error, ErrorKind::ConnectionReset, "{}", self.logs());
        assert_eq!(name, THEIRS, "{}", self.logs());
        (answered_at.saturating_sub(taken_at), answered_at - reset_at)
    }
}

/// Several times. Gives the figures.
fn clients_are_back_soon(end: End) -> String {
    let mut all = Vec::new();
    for _ in 0..REPEATS {
        let cluster = Cluster::start(PLAIN);
        let (back, after_reset) = cluster.moves(end);
        assert!(back <= BACK_WITHIN, "back after {back:?}\n{}", cluster.logs());
        cluster.better.wait_for("reset 1 TCP connection of VIPs that come off", 1);
        all.push((back, after_reset));
    }
    all.sort();
    let (back, after_reset) = all[REPEATS / 2];
    format!(
        "{end:?}: answered {back:?} after the successor has the VIP, {after_reset:?} after the \
         reset (median of {REPEATS}; all: {all:?})"
    )
}

#[test]
#[ignore = "needs root; .ci/run runs it"]
fn a_client_of_a_master_that_stops_is_reset_and_answered_by_the_other() {
    println!("{}", clients_are_back_soon(End::Stop));
}

#[test]
#[ignore = "needs root; .ci/run runs it"]
fn so_is_one_of_a_master_that_is_killed() {
    println!("{}", clients_are_back_soon(End::Death));
}

#[test]
#[ignore = "needs root; .ci/run runs it"]
fn whatever_the_server_listens_at_and_whoever_the_daemon_is() {
    let user = "[general]\nuser = \"nobody\"\n[general.status]\nsocket = \"/dev/null/none\"\n";
    for setup in [
        Setup { at: "::", ..PLAIN },
        Setup { at: "::", vip: V6, ..PLAIN },
        Setup { lines: [user, ""], ..PLAIN },
        Setup { lines: ["", "handover = \"strict\"\n"], ..PLAIN },
    ] {
        for end in [End::Stop, End::Death] {
            let cluster = Cluster::start(Setup { ..setup });
            let (back, _) = cluster.moves(end);
            println!("{} {} {:?} {end:?}: {back:?}", setup.at, setup.vip, setup.lines);
            assert!(back <= BACK_WITHIN, "{back:?}\n{}", cluster.logs());
        }
    }
}

#[test]
#[ignore = "needs root; .ci/run runs it"]
fn where_the_file_says_no_the_client_goes_on_waiting() {
    for end in [End::Stop, End::Death] {
        let lines = ["", "reset_connections = false\n"];
        let cluster = Cluster::start(Setup { lines, ..PLAIN });
        let (mut idle, name) = connect(&cluster.client, cluster.vip());
        assert_eq!(name, OURS);
        cluster.better.end(end);
        cluster.better.wait_for("all virtual routers are released", 1);
        let (_fresh, name) = connect(&cluster.client, cluster.vip());
        assert_eq!(name, THEIRS, "{}", cluster.logs());
        idle.set_nonblocking(true).expect("set");
        let error = idle.read(&mut [0]).expect_err("an end").kind();
        assert_eq!(error, ErrorKind::WouldBlock, "{}", cluster.logs());
        assert_eq!(cluster.better.count("TCP connection"), 0, "{}", cluster.logs());
    }
}

#[test]
#[ignore = "needs root; .ci/run runs it"]
fn a_listener_of_the_vip_itself_serves_again_when_it_is_back() {
    let mut cluster = Cluster::start(PLAIN);
    let vip = cluster.vip();
    drop(cluster.servers.remove(0));
    cluster.servers.push(Server::start(&cluster.lan.ours, vip, OURS));
    cluster.moves(End::Stop);
    assert!(cluster.better.wait_until_gone().is_some(), "{}", cluster.logs());
    let lines = cluster.setup.lines;
    cluster.better = Node::openproxy_with(&cluster.lan.ours, &cluster.router, BETTER, lines);
    cluster.better.wait_for("is on the interface", 1);
    cluster.worse.wait_for("MASTER -> BACKUP", 1);
    let (_, name) = connect(&cluster.client, vip);
    assert_eq!(name, OURS, "{}", cluster.logs());
}
