//! The two daemons, each with its file, its log and its end.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::net::{INTERFACE, Namespace, OURS, THEIRS, poll};

/// What both daemons are told alike.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Router {
    /// The VRRP version.
    pub(crate) version: u8,
    /// By unicast; else by multicast.
    pub(crate) unicast: bool,
    /// The time between two adverts.
    pub(crate) interval: Duration,
    /// The virtual IP with its prefix length.
    pub(crate) vip: &'static str,
}

impl Router {
    /// How long a BACKUP of this priority waits after the last advert.
    pub(crate) fn master_down(&self, priority: u8) -> Duration {
        self.interval * 3 + self.skew(priority)
    }

    /// How long a BACKUP of this priority waits after an advert that says goodbye.
    pub(crate) fn skew(&self, priority: u8) -> Duration {
        self.interval * (256 - u32::from(priority)) / 256
    }

    /// Which of a node's addresses the adverts come from.
    fn family(&self) -> usize {
        usize::from(self.vip.contains(':'))
    }
}

/// How a daemon ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// SIGTERM: it says goodbye.
    Stop,
    /// SIGKILL, and its guard, if it has one, does.
    Death,
    /// SIGKILL of all that belongs to it: nobody can.
    Crash,
}

/// A running daemon.
#[derive(Debug)]
pub(crate) struct Node {
    name: &'static str,
    process: Child,
    directory: TempDir,
    ready: &'static str,
}

impl Node {
    /// Starts openproxy.
    pub(crate) fn openproxy(inside: &Namespace, router: &Router, priority: u8) -> Self {
        Self::openproxy_with(inside, router, priority, ["", ""])
    }

    /// Starts it with more in the table of its router, and before that.
    pub(crate) fn openproxy_with(
        inside: &Namespace,
        router: &Router,
        priority: u8,
        [before, inside_it]: [&str; 2],
    ) -> Self {
        let Router { version, unicast, interval, vip } = router;
        let mut file = format!(
            "{before}[general.virtual_router]\n{inside_it}\
             interface = \"{INTERFACE}\"\n\
             router_id = 50\n\
             priority = {priority}\n\
             version = {version}\n\
             advert_int = {}\n\
             vip_addresses = [ \"{vip}\" ]\n",
            interval.as_secs_f64()
        );
        if *unicast {
            let (source, peer) = (OURS[router.family()], THEIRS[router.family()]);
            file += &format!("unicast_source = \"{source}\"\nunicast_peers = [ \"{peer}\" ]\n");
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_openproxy"));
        command.arg("configuration").env_remove("OPENPROXY_LOG");
        Self::start("openproxy", inside, &file, command, "INITIALIZE -> BACKUP")
    }

    /// Starts it with this file, by a launcher's words.
    pub(crate) fn openproxy_by(inside: &Namespace, launcher: &[&str], file: &str) -> Self {
        let words = [launcher, &[env!("CARGO_BIN_EXE_openproxy"), "configuration"]].concat();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).env_remove("OPENPROXY_LOG");
        Self::start("openproxy", inside, file, command, "INITIALIZE -> BACKUP")
    }

    /// Writes its file anew.
    pub(crate) fn rewrite(&self, file: &str) {
        fs::write(self.path("configuration"), file).expect("a file");
    }

    /// Starts keepalived.
    pub(crate) fn keepalived(inside: &Namespace, router: &Router, priority: u8) -> Self {
        let Router { version, unicast, interval, vip } = router;
        let peers = if *unicast {
            let (source, peer) = (THEIRS[router.family()], OURS[router.family()]);
            // Without it, keepalived's IPv6 adverts have the system's hop limit, 64, and any node
            // that does as RFC 9568 section 5.1.2.3 says discards them.
            format!("unicast_src_ip {source}\nunicast_ttl 255\nunicast_peer {{\n{peer}\n}}\n")
        } else {
            String::new()
        };
        let file = format!(
            "global_defs {{\n\
             vrrp_version {version}\n\
             vrrp_garp_master_delay 1\n\
             }}\n\
             vrrp_instance interop {{\n\
             state BACKUP\n\
             interface {INTERFACE}\n\
             virtual_router_id 50\n\
             priority {priority}\n\
             advert_int {}\n\
             {peers}\
             virtual_ipaddress {{\n{vip}\n}}\n\
             }}\n",
            interval.as_secs_f64()
        );
        Self::keepalived_as(inside, "interop", &file)
    }

    /// Starts keepalived with this file, whose conditions are for this node.
    pub(crate) fn keepalived_as(inside: &Namespace, id: &str, file: &str) -> Self {
        let mut command = Command::new("keepalived");
        command.args("-P -n -l -D -f configuration -p parent.pid -r vrrp.pid -i".split(' '));
        command.arg(id);
        Self::start("keepalived", inside, file, command, "Entering BACKUP STATE")
    }

    fn start(
        name: &'static str,
        inside: &Namespace,
        file: &str,
        mut command: Command,
        ready: &'static str,
    ) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        // For a daemon that doesn't stay root.
        let all_may_read = fs::Permissions::from_mode(0o755);
        fs::set_permissions(directory.path(), all_may_read).expect("ours");
        fs::write(directory.path().join("configuration"), file).expect("a file");
        let log = File::create(directory.path().join("log")).expect("a log");
        command.current_dir(&directory).stdout(log.try_clone().expect("a second handle"));
        command.stderr(log);
        let process = inside.run(|| command.spawn());
        let process = process.unwrap_or_else(|error| panic!("start {name}: {error}"));
        Self { name, process, directory, ready }
    }

    /// What it has written.
    pub(crate) fn log(&self) -> String {
        let log = fs::read(self.path("log")).unwrap_or_default();
        format!("--- {}\n{}", self.name, String::from_utf8_lossy(&log))
    }

    /// Waits until it listens.
    pub(crate) fn wait_until_backup(&self) {
        let ready = poll(Duration::from_secs(10), || self.log().contains(self.ready).then_some(()));
        assert!(ready.is_some(), "never a BACKUP\n{}", self.log());
    }

    /// Runs another of openproxy's commands where its file is.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_openproxy"));
        command.args(arguments).current_dir(&self.directory).env_remove("OPENPROXY_LOG");
        command.output().expect("a process")
    }

    /// Begins its end.
    pub(crate) fn end(&self, how: End) {
        match how {
            End::Stop => signal(self.pid(), Signal::SIGTERM),
            End::Death => signal(self.pid(), Signal::SIGKILL),
            End::Crash => self.crash(),
        }
    }

    /// Waits until it is gone.
    pub(crate) fn wait_until_gone(&mut self) -> Option<ExitStatus> {
        poll(Duration::from_secs(10), || self.process.try_wait().expect("it is our child"))
    }

    /// How it has ended, if it has.
    pub(crate) fn exit(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().expect("it is our child")
    }

    /// What the kernel tells of the process.
    pub(crate) fn status(&self) -> String {
        fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("it runs")
    }

    /// The process's number.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, which: Signal) {
        signal(self.pid(), which);
    }

    /// How many lines of its log have this in them.
    pub(crate) fn count(&self, what: &str) -> usize {
        self.log().lines().filter(|line| line.contains(what)).count()
    }

    /// Waits until so many lines have this in them.
    pub(crate) fn wait_for(&self, what: &str, count: usize) {
        let found = poll(Duration::from_secs(10), || (self.count(what) >= count).then_some(()));
        assert!(found.is_some(), "never {count} times {what:?}\n{}", self.log());
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.process.id()).expect("a process id"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The guard of an openproxy: its only child while no hook runs.
    pub(crate) fn guard(&self) -> Option<Pid> {
        let pid = self.pid();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
        let guards =
            children.split_ascii_whitespace().map(|child| child.parse().expect("a number"));
        guards.map(Pid::from_raw).next()
    }

    /// keepalived is two processes. The parent would start a dead child again, and the child of a
    /// dead parent gets SIGTERM; a stopped parent does neither.
    fn crash(&self) {
        signal(self.pid(), Signal::SIGSTOP);
        let child = fs::read_to_string(self.path("vrrp.pid")).unwrap_or_default();
        if let Ok(child) = child.trim().parse() {
            signal(Pid::from_raw(child), Signal::SIGKILL);
        }
        if let Some(guard) = self.guard() {
            signal(guard, Signal::SIGKILL);
        }
        signal(self.pid(), Signal::SIGKILL);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            self.crash();
            let _ = self.process.wait();
        }
    }
}

/// Only for processes that haven't been waited for, so that the number is still theirs.
fn signal(process: Pid, signal: Signal) {
    let _ = kill(process, signal);
}
