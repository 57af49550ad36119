//! Machines on one network, and programs that end with them.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::process::{self, Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::signal::{Signal, kill};
use nix::time::ClockId;
use nix::unistd::Pid;

/// From one look to the next.
const POLL: Duration = Duration::from_millis(20);

/// The present, on the monotonic clock.
pub(crate) fn now() -> Duration {
    ClockId::CLOCK_MONOTONIC.now().map(Duration::from).expect("Linux always has this clock")
}

/// Asks again and again until something is there.
#[track_caller]
pub(crate) fn wait<T>(what: &str, limit: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = now() + limit;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(now() < deadline, "{what}: not within {limit:?}");
        thread::sleep(POLL);
    }
}

/// A network namespace, alive as long as this value and the processes in it.
#[derive(Clone, Debug)]
pub(crate) struct Machine(Arc<File>);

impl Machine {
    pub(crate) fn new() -> Self {
        // A thread has its own network namespace; the file keeps it when the thread is gone.
        let made = thread::spawn(|| -> io::Result<File> {
            unshare(CloneFlags::CLONE_NEWNET)?;
            File::open("/proc/thread-self/ns/net")
        });
        let file = made.join().expect("no panic").expect("a network namespace; are you root?");
        let machine = Self(Arc::new(file));
        machine.ip("link set lo up");
        machine
    }

    /// Moves the calling thread into it.
    pub(crate) fn enter(&self) {
        setns(&*self.0, CloneFlags::CLONE_NEWNET).expect("enter a network namespace");
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

    pub(crate) fn ip(&self, arguments: &str) {
        let output = self.run(|| Command::new("ip").args(arguments.split(' ')).output());
        let output = output.expect("ip is installed");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "ip {arguments}: {complaint}");
    }

    /// A path to it that `ip` can open as well: it runs in its own process.
    fn path(&self) -> String {
        format!("/proc/{}/fd/{}", process::id(), self.0.as_raw_fd())
    }
}

/// A bridge, and the machines that are plugged into it.
#[derive(Debug)]
pub(crate) struct Switch(Machine);

impl Switch {
    pub(crate) fn new() -> Self {
        let hub = Machine::new();
        hub.ip("link add br0 type bridge");
        hub.ip("link set br0 up");
        Self(hub)
    }

    /// A new machine with this last byte of its address.
    pub(crate) fn plug(&self, last: u8) -> Machine {
        let machine = Machine::new();
        let far = machine.path();
        self.0.ip(&format!("link add to{last} type veth peer name eth0 netns {far}"));
        self.0.ip(&format!("link set to{last} master br0 up"));
        machine.ip(&format!("address add {}/24 dev eth0", address(last)));
        machine.ip("link set eth0 up");
        machine
    }

    /// Cuts a machine's cable, or mends it.
    pub(crate) fn set_cable(&self, last: u8, is_well: bool) {
        self.0.ip(&format!("link set to{last} {}", if is_well { "up" } else { "down" }));
    }
}

/// The address of a machine.
pub(crate) fn address(last: u8) -> String {
    format!("10.77.0.{last}")
}

/// A program with all that it starts, in a process namespace that ends with this value, or with the
/// test, however that ends: its first process waits for the end of its standard input.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    stdin: Option<ChildStdin>,
    /// What tells its command lines from all others.
    mark: String,
}

impl Program {
    /// Starts a shell's command line on a machine. `mark` is a text that no other program has in its
    /// command line.
    pub(crate) fn start(machine: &Machine, line: &str, mark: &str) -> Self {
        let script = format!("{line} & cat > /dev/null");
        let mut child = machine.run(|| {
            Command::new("unshare")
                .args(["--pid", "--fork", "--mount-proc", "/bin/sh", "-c", &script])
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("unshare is installed")
        });
        let stdin = child.stdin.take();
        Self { child, stdin, mark: mark.to_owned() }
    }

    /// Kills everything in it at once, as when the power goes.
    pub(crate) fn kill(&mut self) {
        drop(self.stdin.take());
        self.child.wait().expect("it ends with its input");
    }

    /// Sends a signal to the program itself, and not to what it has started.
    pub(crate) fn signal(&self, signal: Signal) {
        let pids = self.pids();
        assert!(!pids.is_empty(), "{} doesn't run", self.mark);
        for pid in pids {
            kill(pid, signal).expect("it runs");
        }
    }

    fn pids(&self) -> Vec<Pid> {
        let is_it = |pid: &i32| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            line.contains(&self.mark) && line.contains("bin/python")
        };
        let entries = std::fs::read_dir("/proc").expect("/proc");
        let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(is_it).map(Pid::from_raw).collect()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}
