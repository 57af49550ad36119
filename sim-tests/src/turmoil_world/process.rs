//! One process of the cluster: the daemon without what is Linux about it.
//!
//! The file goes through the daemon's parser, changes of it through the daemon's watcher, and the
//! routers run in the daemon's driver. In place of signals, a queue; in place of the service
//! thread, a second future. Nothing is spawned: a panic anywhere ends the run, and the order of
//! everything that wakes in one moment is the order of the branches of a `select!`.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;

use openproxy::config::load_bytes;
use openproxy::discovery;
use openproxy::discovery::driver::{News, Request, Settings};
use openproxy::discovery::tracking::LocalHosts;
use openproxy::driver::{self, Lateness};
use openproxy::reload::{Decision, FileWatcher};
use openproxy_core::io::{Command, Platform as _};
use openproxy_core::supervisor::Supervisor;
use openproxy_core::time::Duration;
use openproxy_core::vrrp::Inheritance;
use openproxy_io_sim::patroni::host;
use openproxy_io_sim::platform::{
    Machine, SimPlatform, Told, Wire, sleep_until, time, turmoil_address,
};
use tokio::sync::{Notify, mpsc};

use crate::heir::AwaitedHeir;
use crate::patroni::net::{Cuts, Dialer};

/// What diagnostics call the file.
const FILE: &str = "openproxy.toml";

/// Requests that wait for discovery.
const REQUESTS_MAX: usize = 16;

/// What a process is told by the people around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// SIGHUP: read the file now.
    HangUp,
    /// SIGTERM: release everything and end.
    Terminate,
}

/// What a process is, and what it was left.
#[derive(Clone, Debug)]
enum Role {
    Daemon(Vec<Inheritance>),
    Guard(Vec<Inheritance>),
}

/// A machine with its disk.
#[derive(Debug)]
pub(crate) struct Station {
    pub(crate) machine: Rc<Machine>,
    wire: Rc<RefCell<Wire>>,
    file: RefCell<Vec<u8>>,
    signals: RefCell<VecDeque<Signal>>,
    signalled: Notify,
    /// What the process is that runs, or is about to.
    role: RefCell<Role>,
    /// Somebody asks a guard for what was left to it.
    is_asked: Cell<bool>,
    asked: Notify,
    /// Who is to take the place of the process that was here.
    pub(crate) heir: RefCell<Option<AwaitedHeir>>,
    /// Whom discovery doesn't reach.
    cuts: Rc<Cuts>,
}

impl Station {
    pub(crate) fn new(
        machine: Rc<Machine>,
        wire: Rc<RefCell<Wire>>,
        file: Vec<u8>,
        cuts: Rc<Cuts>,
    ) -> Self {
        Self {
            machine,
            wire,
            file: RefCell::new(file),
            signals: RefCell::default(),
            signalled: Notify::new(),
            role: RefCell::new(Role::Daemon(Vec::new())),
            is_asked: Cell::new(false),
            asked: Notify::new(),
            heir: RefCell::default(),
            cuts,
        }
    }

    /// Whether a process runs that people know of.
    pub(crate) fn has_daemon(&self) -> bool {
        self.machine.is_running() && matches!(*self.role.borrow(), Role::Daemon(_))
    }

    /// Whether a guard hands over.
    pub(crate) fn has_guard(&self) -> bool {
        self.machine.is_running() && !self.has_daemon()
    }

    pub(crate) fn write_file(&self, bytes: Vec<u8>) {
        self.file.replace(bytes);
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.signals.borrow_mut().push_back(signal);
        self.signalled.notify_one();
    }

    /// A daemon is about to run: signals were for the one before.
    pub(crate) fn begin_daemon(&self, estate: Vec<Inheritance>) {
        self.begin_process(Role::Daemon(estate));
    }

    /// A guard is about to run.
    pub(crate) fn begin_guard(&self, estate: Vec<Inheritance>) {
        self.begin_process(Role::Guard(estate));
    }

    /// A daemon is about to run in place of a guard, which gives it what there still is.
    pub(crate) fn succeed_guard(&self) {
        self.machine.end_process();
        self.begin_daemon(Vec::new());
        self.is_asked.set(true);
        self.asked.notify_one();
    }

    fn begin_process(&self, role: Role) {
        self.role.replace(role);
        self.is_asked.set(false);
        self.signals.borrow_mut().clear();
        self.machine.begin_process();
    }

    /// Returns once somebody asks the guard that runs here.
    async fn asked(&self) {
        while !self.is_asked.get() {
            self.asked.notified().await;
        }
    }

    fn tell(&self, told: Told) {
        let mut wire = self.wire.borrow_mut();
        wire.set_time(time());
        wire.tell(self.machine.node, told);
    }

    fn command(&self, command: Command) {
        self.machine.host.borrow_mut().command(command);
        self.machine.wake();
    }
}

/// The life of the process that its machine has just begun.
pub(crate) async fn live(station: Rc<Station>) -> turmoil::Result {
    // Turmoil runs what it is given at once; until the scenario starts it, this is nobody.
    if !station.machine.is_running() {
        return Ok(());
    }
    let role = station.role.borrow().clone();
    let estate = match role {
        Role::Daemon(estate) => Some(estate),
        Role::Guard(estate) => hand_over(&station, &estate).await?,
    };
    match estate {
        Some(estate) => serve_on(&station, &estate).await,
        None => Ok(()),
    }
}

/// The life of a guard, to the end of its handover; or until a daemon asks for what is left.
async fn hand_over(
    station: &Station,
    estate: &[Inheritance],
) -> io::Result<Option<Vec<Inheritance>>> {
    let wire = Rc::clone(&station.wire);
    let mut platform = SimPlatform::open(Rc::clone(&station.machine), wire).await?;
    let mut supervisor = Supervisor::guard(estate);
    let report = |event| station.tell(Told::Event(event));
    let mut lateness = Lateness::default();
    tokio::select! {
        biased;
        () = station.asked() => {}
        () = driver::run(&mut supervisor, &mut platform, &mut lateness, report) => {
            station.machine.end_process();
            station.tell(Told::Finished);
            return Ok(None);
        }
    }
    Ok(Some(supervisor.estate(platform.now())))
}

/// The life of a daemon. A file that can't be used is its end.
async fn serve_on(station: &Station, estate: &[Inheritance]) -> turmoil::Result {
    let bytes = station.file.borrow().clone();
    let Ok(loaded) = load_bytes(FILE, &bytes) else {
        station.machine.end_process();
        return Ok(());
    };
    for router in &loaded.routers {
        station.tell(Told::Started(router.clone()));
    }
    let wire = Rc::clone(&station.wire);
    let mut platform = SimPlatform::open(Rc::clone(&station.machine), wire).await?;
    let mut supervisor = Supervisor::new(loaded.routers.clone()).inheriting(estate);
    if loaded.guard {
        supervisor = supervisor.guarded();
    }
    let discovery = loaded.discovery.clone();
    let watcher = FileWatcher::new(FILE.to_owned(), bytes, loaded, platform.now());
    let mut lateness = Lateness::default();
    let report = |event| station.tell(Told::Event(event));
    let (requests, asked) = mpsc::channel(REQUESTS_MAX);
    tokio::select! {
        biased;
        // First, so that the driver's turn finds what a signal of the same moment asks for.
        never = serve(station, watcher, &requests) => match never {},
        never = discover(station, discovery, asked) => match never {},
        () = driver::run(&mut supervisor, &mut platform, &mut lateness, report) => {}
    }
    station.machine.end_process();
    station.tell(Told::Finished);
    Ok(())
}

/// What the daemon's thread of discovery does.
async fn discover(
    station: &Station,
    settings: Settings,
    asked: mpsc::Receiver<Request>,
) -> Infallible {
    let node = station.machine.node;
    let publish = |news: News<'_>| {
        if let News::Weight(router, weight) = news {
            station.command(Command::Weigh(router, weight));
        }
    };
    let dial = Dialer { from: turmoil_address(node), cuts: Rc::clone(&station.cuts) };
    // No two machines have booted at the same moment, so that none asks when another does.
    let up_before = Duration::from_millis(1_371 * u64::from(node.0));
    let now = || station.machine.clock().local(time()) + up_before;
    let beside = Beside(host(node.index()));
    let running =
        discovery::driver::run(settings, node.0.into(), dial, now, beside, asked, publish);
    station.machine.gate.hold(running).await;
    unreachable!("it ends when nobody can ask anything of it any more")
}

/// The member of the Patroni cluster that runs on the same machine.
#[derive(Debug)]
struct Beside(String);

impl LocalHosts for Beside {
    fn is_local(&self, ip: IpAddr) -> bool {
        ip.to_string() == self.0
    }
}

/// What the daemon's service thread does: signals, and the file.
async fn serve(
    station: &Station,
    mut watcher: FileWatcher,
    requests: &mpsc::Sender<Request>,
) -> Infallible {
    let mut is_stopping = false;
    loop {
        station.machine.gate.pass().await;
        let (clock, now) = (station.machine.clock(), time());
        let signal = station.signals.borrow_mut().pop_front();
        let read_at = clock.global(watcher.poll_timeout());
        match signal {
            // The daemon would end at once. What a fault means by it is one SIGTERM.
            Some(Signal::Terminate) if is_stopping => {}
            Some(Signal::Terminate) => {
                is_stopping = true;
                station.command(Command::Shutdown);
            }
            Some(Signal::HangUp) if is_stopping => {}
            Some(Signal::HangUp) => watcher.handle_hangup(clock.local(now)),
            None if read_at <= now && !is_stopping => {
                let bytes = station.file.borrow().clone();
                let decision = watcher.handle_read(clock.local(now), Ok(bytes));
                handle(station, requests, decision);
            }
            None => {
                tokio::select! {
                    biased;
                    () = station.signalled.notified() => {}
                    () = sleep_until(read_at), if !is_stopping => {}
                }
            }
        }
    }
}

fn handle(station: &Station, requests: &mpsc::Sender<Request>, decision: Option<Decision>) {
    match decision {
        Some(Decision::Apply(loaded)) => {
            for router in &loaded.routers {
                station.tell(Told::Reloaded(router.clone()));
            }
            let discovery = Request::Reconfigure(loaded.discovery);
            requests.try_send(discovery).expect("it takes them as they come");
            station.command(Command::Reload(loaded.routers));
        }
        // What runs goes on; the daemon writes a line about it.
        Some(
            Decision::Broken(_)
            | Decision::Unreadable(_)
            | Decision::NeedsHangup
            | Decision::Unchanged,
        )
        | None => {}
    }
}
