//! Two nodes on one cable, and who of them holds an address.

use std::fs::{self, File};
use std::io;
use std::net::IpAddr;
use std::os::fd::AsRawFd as _;
use std::process::{self, Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::ifaddrs::getifaddrs;
use nix::sched::{CloneFlags, setns, unshare};
use nix::time::ClockId;

/// The only interface of a node.
pub(crate) const INTERFACE: &str = "eth0";
/// The addresses of openproxy's node.
pub(crate) const OURS: [&str; 2] = ["10.9.0.1", "2001:db8::1"];
/// The addresses of the other node.
pub(crate) const THEIRS: [&str; 2] = ["10.9.0.2", "2001:db8::2"];

/// The addresses of a client, where there is one.
pub(crate) const CLIENTS: [&str; 2] = ["10.9.0.3", "2001:db8::3"];

/// From one look to the next.
pub(crate) const POLL: Duration = Duration::from_millis(10);

/// The present, on the monotonic clock.
pub(crate) fn now() -> Duration {
    ClockId::CLOCK_MONOTONIC.now().map(Duration::from).expect("Linux always has this clock")
}

/// Asks again and again until something is there, or the time is up.
pub(crate) fn poll<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = now() + limit;
    loop {
        let answer = ask();
        if answer.is_some() || now() >= deadline {
            return answer;
        }
        thread::sleep(POLL);
    }
}

/// A network namespace, alive as long as this value and the processes in it.
#[derive(Debug, Clone)]
pub(crate) struct Namespace(Arc<File>);

impl Namespace {
    fn new() -> Self {
        // A thread has its own network namespace; the file keeps it when the thread is gone.
        let made = thread::spawn(|| -> io::Result<File> {
            unshare(CloneFlags::CLONE_NEWNET)?;
            // Addresses work at once: no waiting for duplicates.
            fs::write("/proc/sys/net/ipv6/conf/default/accept_dad", "0")?;
            File::open("/proc/thread-self/ns/net")
        });
        Self(Arc::new(made.join().expect("no panic").expect("a network namespace; are you root?")))
    }

    /// Runs something inside it, on a thread of its own. Processes started there stay there.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                self.enter();
                work()
            });
            inside.join().expect("no panic in the namespace")
        })
    }

    /// Moves the calling thread into it.
    pub(crate) fn enter(&self) {
        setns(&*self.0, CloneFlags::CLONE_NEWNET).expect("enter a network namespace");
    }

    /// Starts a program inside it.
    pub(crate) fn spawn(&self, command: &mut Command) -> Child {
        self.run(|| command.spawn()).unwrap_or_else(|error| panic!("start {command:?}: {error}"))
    }

    /// Whether a program ends well in it.
    pub(crate) fn ran(&self, program: &str, arguments: &[&str]) -> bool {
        let status = self.run(|| Command::new(program).args(arguments).status());
        status.is_ok_and(|status| status.success())
    }

    pub(crate) fn ip(&self, arguments: &str) -> Vec<u8> {
        let output = self.run(|| Command::new("ip").args(arguments.split(' ')).output());
        let output = output.expect("ip is installed");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "ip {arguments}: {complaint}");
        output.stdout
    }

    /// A path that `ip` can open as well: it runs in its own process.
    fn path(&self) -> String {
        format!("/proc/{}/fd/{}", process::id(), self.0.as_raw_fd())
    }

    fn bring_up(&self, addresses: [&str; 2]) {
        self.ip(&format!("address add {}/24 dev {INTERFACE}", addresses[0]));
        self.ip(&format!("address add {}/64 dev {INTERFACE}", addresses[1]));
        self.ip(&format!("link set {INTERFACE} up"));
    }

    /// The interface's hardware address.
    pub(crate) fn hardware_address(&self) -> String {
        let links = self.ip(&format!("-j link show dev {INTERFACE}"));
        let links: serde_json::Value = serde_json::from_slice(&links).expect("JSON");
        links[0]["address"].as_str().expect("an address").to_owned()
    }
}

/// The two nodes.
#[derive(Debug)]
pub(crate) struct Lan {
    /// Where openproxy runs.
    pub(crate) ours: Namespace,
    /// Where keepalived runs, or only a capture.
    pub(crate) theirs: Namespace,
}

impl Lan {
    /// Lays the cable and gives both nodes their own addresses.
    pub(crate) fn new() -> Self {
        let lan = Self { ours: Namespace::new(), theirs: Namespace::new() };
        lan.ours.ip("link set lo up");
        lan.theirs.ip("link set lo up");
        lan.lay_cable();
        lan
    }

    /// Both nodes and a third one, which has no daemon, on one switch; and the switch, which is to be
    /// kept.
    pub(crate) fn switched() -> (Self, Namespace, Namespace) {
        let lan = Self { ours: Namespace::new(), theirs: Namespace::new() };
        let (client, switch) = (Namespace::new(), Namespace::new());
        switch.ip("link add switch type bridge mcast_snooping 0");
        switch.ip("link set switch up");
        let all = [(&lan.ours, OURS), (&lan.theirs, THEIRS), (&client, CLIENTS)];
        for (number, (node, addresses)) in all.into_iter().enumerate() {
            node.ip("link set lo up");
            let port = format!("port{number}");
            let far = node.path();
            switch.ip(&format!("link add {port} type veth peer name {INTERFACE} netns {far}"));
            switch.ip(&format!("link set {port} master switch up"));
            node.bring_up(addresses);
        }
        (lan, client, switch)
    }

    /// Lays a cable where there is none.
    pub(crate) fn lay_cable(&self) {
        let Self { ours, theirs } = self;
        let far = theirs.path();
        ours.ip(&format!("link add {INTERFACE} type veth peer name {INTERFACE} netns {far}"));
        for (node, addresses) in [(ours, OURS), (theirs, THEIRS)] {
            node.bring_up(addresses);
        }
    }
}

/// Who held the address at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// When it was taken.
    pub(crate) at: Duration,
    /// openproxy's node has the address.
    pub(crate) ours: bool,
    /// The other node has the address.
    pub(crate) theirs: bool,
}

/// Looks at both nodes' addresses all the time.
#[derive(Debug)]
pub(crate) struct Watch {
    samples: Arc<Mutex<Vec<Sample>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Starts to watch for an address.
    pub(crate) fn start(lan: &Lan, vip: IpAddr) -> Self {
        let (samples, stop) = (Arc::new(Mutex::new(vec![])), Arc::new(AtomicBool::new(false)));
        let (ours, theirs) = (lan.ours.clone(), lan.theirs.clone());
        let thread = thread::spawn({
            let (samples, stop) = (Arc::clone(&samples), Arc::clone(&stop));
            move || {
                while !stop.load(Ordering::Relaxed) {
                    let sample = sample(&ours, &theirs, vip);
                    samples.lock().expect("not poisoned").push(sample);
                    thread::sleep(POLL);
                }
            }
        });
        Self { samples, stop, thread: Some(thread) }
    }

    /// The samples taken since a moment.
    pub(crate) fn since(&self, start: Duration) -> Vec<Sample> {
        let samples = self.samples.lock().expect("not poisoned");
        samples.iter().copied().filter(|sample| sample.at >= start).collect()
    }

    /// Waits for a sample that is as wanted, taken since a moment.
    pub(crate) fn wait(
        &self,
        start: Duration,
        limit: Duration,
        wanted: impl Fn(&Sample) -> bool,
    ) -> Option<Sample> {
        poll(limit, || self.since(start).into_iter().find(&wanted))
    }

    /// The samples of a whole window that begins now.
    pub(crate) fn window(&self, length: Duration) -> Vec<Sample> {
        let start = now();
        let end = start + length;
        self.wait(start, length * 2, |sample| sample.at >= end).expect("the watch goes on");
        self.since(start)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Looks at openproxy's node before and after the other: an address that moves between two looks
/// hasn't two holders.
fn sample(ours: &Namespace, theirs: &Namespace, vip: IpAddr) -> Sample {
    let at = now();
    let before = holds(ours, vip);
    let theirs = holds(theirs, vip);
    let after = holds(ours, vip);
    Sample { at, ours: if theirs { before && after } else { before || after }, theirs }
}

/// Whether a node has an address.
pub(crate) fn holds(node: &Namespace, vip: IpAddr) -> bool {
    node.enter();
    let mut addresses = getifaddrs().expect("the addresses").filter_map(|entry| entry.address);
    addresses.any(|address| {
        let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        let v6 = address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip()));
        v4.or(v6) == Some(vip)
    })
}
