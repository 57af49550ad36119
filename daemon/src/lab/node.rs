//! A node: a network namespace with a daemon in it, its file and its log.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use super::clock;
use super::error::{Context, LabError};
use super::net::{Namespace, VIP, address, interface};
use super::script::{API_PORT, POSTGRES_PORT};
use super::theory::{Timing, Version};

const LOG_TAIL_LINES: usize = 15;
const ROUTER_ID: u8 = 50;

/// What runs on the nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// This binary.
    OpenProxy(PathBuf),
    /// keepalived, for comparison.
    Keepalived(PathBuf),
}

/// One virtual router of a node.
#[derive(Clone, Debug)]
pub(crate) struct RouterSpec {
    /// On which LAN.
    pub(crate) lan: usize,
    /// Its VRID.
    pub(crate) id: u8,
    /// Its VIPs with their prefix length.
    pub(crate) vips: Vec<(Ipv4Addr, u8)>,
}

impl RouterSpec {
    /// The router of the scenarios.
    pub(crate) fn main() -> Self {
        Self { lan: 0, id: ROUTER_ID, vips: vec![(VIP, 24)] }
    }
}

/// A daemon's file: what each node's configuration says.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    /// What runs.
    pub(crate) program: Program,
    /// Interval and version.
    pub(crate) timing: Timing,
    /// Without what makes a crash and a stop harmless: guards, leases, planned handovers,
    /// resets.
    pub(crate) sabotaged: bool,
    /// The priority of daemons that are to run under SCHED_FIFO.
    pub(crate) realtime: Option<u8>,
    /// The virtual routers.
    pub(crate) routers: Vec<RouterSpec>,
    /// How long their `pre_promote_script` takes, if they have one.
    pub(crate) promotes_in: Option<Duration>,
    /// Whether it logs all that it can.
    pub(crate) debug: bool,
    /// How many nodes have a stand-in for Patroni that is to be asked; the first ones.
    pub(crate) servers: usize,
}

impl Spec {
    /// Whether connections through a VIP that comes off are reset.
    pub(crate) fn resets(&self) -> bool {
        matches!(self.program, Program::OpenProxy(_)) && !self.sabotaged
    }

    fn file(&self, priority: u8) -> String {
        let mut text = match self.program {
            Program::OpenProxy(_) => self.general(),
            Program::Keepalived(_) => self.global_defs(),
        };
        for router in &self.routers {
            // Writing to a string can't fail.
            let _ = match self.program {
                Program::OpenProxy(_) => self.write_openproxy(&mut text, priority, router),
                Program::Keepalived(_) => self.write_keepalived(&mut text, priority, router),
            };
        }
        text
    }

    fn general(&self) -> String {
        let guard = self.sabotaged.then(|| "guard = false\n".to_owned());
        let realtime = self.realtime.map(|priority| format!("realtime = {priority}\n"));
        let lines: String = guard.into_iter().chain(realtime).collect();
        if lines.is_empty() { lines } else { format!("[general]\n{lines}") }
    }

    fn global_defs(&self) -> String {
        self.realtime.map_or_else(String::new, |priority| {
            format!("global_defs {{\n    vrrp_rt_priority {priority}\n    vrrp_no_swap\n}}\n")
        })
    }

    /// The shard whose roles the stand-in tells of, and where the daemon is asked for them.
    fn shard(&self, socket: &Path) -> String {
        if self.servers == 0 {
            return String::new();
        }
        let servers: Vec<String> = (0..self.servers)
            .map(|node| format!("[ \"{}\", {POSTGRES_PORT}, \"Auto\" ]", address(node)))
            .collect();
        format!(
            "\n[general.status]\nsocket = \"{}\"\n\n[pools.lab.shards.0]\nservers = [ {} ]\n\
             use_patroni = true\npatroni_port = {API_PORT}\n",
            socket.display(),
            servers.join(", ")
        )
    }

    fn write_openproxy(
        &self,
        text: &mut String,
        priority: u8,
        router: &RouterSpec,
    ) -> std::fmt::Result {
        let table = if self.routers.len() == 1 { "[]" } else { "[[]]" };
        let (open, close) = table.split_at(table.len() / 2);
        writeln!(text, "{open}general.virtual_router{close}")?;
        writeln!(text, "interface = \"{}\"", interface(router.lan))?;
        writeln!(text, "router_id = {}", router.id)?;
        writeln!(text, "priority = {priority}")?;
        writeln!(text, "advert_int = {}", self.timing.advert_int.as_secs_f64())?;
        let vips: Vec<String> =
            router.vips.iter().map(|(address, len)| format!("\"{address}/{len}\"")).collect();
        writeln!(text, "vip_addresses = [ {} ]", vips.join(", "))?;
        if self.timing.version == Version::V3 {
            writeln!(text, "version = 3")?;
        }
        if let Some(time) = self.promotes_in {
            writeln!(text, "pre_promote_script = \"sleep {}\"", time.as_secs_f64())?;
        }
        if self.sabotaged {
            writeln!(text, "lease = false\nhandover = \"strict\"\nreset_connections = false")?;
        }
        Ok(())
    }

    fn write_keepalived(
        &self,
        text: &mut String,
        priority: u8,
        router: &RouterSpec,
    ) -> std::fmt::Result {
        writeln!(text, "vrrp_instance lab_{}_{} {{", router.lan, router.id)?;
        writeln!(text, "    state BACKUP\n    interface {}", interface(router.lan))?;
        writeln!(text, "    version {}", self.timing.version.number())?;
        writeln!(text, "    virtual_router_id {}", router.id)?;
        writeln!(text, "    priority {priority}")?;
        writeln!(text, "    advert_int {}", self.timing.advert_int.as_secs_f64())?;
        writeln!(text, "    virtual_ipaddress {{")?;
        for (address, prefix_len) in &router.vips {
            writeln!(text, "        {address}/{prefix_len}")?;
        }
        writeln!(text, "    }}\n}}")
    }
}

/// One node of the lab.
#[derive(Debug)]
pub(crate) struct Node {
    /// From 0.
    index: usize,
    priority: u8,
    spec: Spec,
    dir: PathBuf,
    child: Option<Child>,
}

impl Node {
    /// Writes the node's file into a directory of its own.
    pub(crate) fn new(
        index: usize,
        priority: u8,
        spec: Spec,
        dir: &Path,
    ) -> Result<Self, LabError> {
        let dir = dir.join(format!("node-{}", index + 1));
        let node = Self { index, priority, spec, dir, child: None };
        fs::create_dir_all(&node.dir).context("make a node's directory")?;
        node.write_file()?;
        Ok(node)
    }

    /// Has something else in the node's file from now on.
    pub(crate) fn rewrite(&mut self, change: impl FnOnce(&mut Spec)) -> Result<(), LabError> {
        change(&mut self.spec);
        self.write_file()
    }

    fn write_file(&self) -> Result<(), LabError> {
        let text = self.spec.file(self.priority) + &self.spec.shard(&self.socket());
        fs::write(self.file(), text).context("write a node's file")
    }

    /// Where the daemon's configuration is.
    pub(crate) fn file(&self) -> PathBuf {
        self.dir.join(match self.spec.program {
            Program::OpenProxy(_) => "openproxy.toml",
            Program::Keepalived(_) => "keepalived.conf",
        })
    }

    /// Where the daemon tells what it knows.
    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.join("status.sock")
    }

    /// Where the daemon's output goes.
    pub(crate) fn log(&self) -> PathBuf {
        self.dir.join("daemon.log")
    }

    /// The node's priority.
    pub(crate) fn priority(&self) -> u8 {
        self.priority
    }

    /// Starts the daemon in the node's namespace.
    pub(crate) fn start(&mut self, namespace: &Namespace) -> Result<(), LabError> {
        let what = format!("start the daemon of node {}", self.index + 1);
        let log = File::options().create(true).append(true).open(self.log()).context(&what)?;
        let log_too = log.try_clone().context(&what)?;
        let mut command = match &self.spec.program {
            Program::OpenProxy(path) => {
                let mut command = Command::new(path);
                command.arg(self.file());
                if self.spec.debug {
                    command.env("OPENPROXY_LOG", "trace");
                }
                command
            }
            Program::Keepalived(path) => {
                let mut command = Command::new(path);
                command.args(["-n", "-l", "-P", "-f"]).arg(self.file());
                if self.spec.debug {
                    command.arg("-D");
                }
                command.arg("-p").arg(self.dir.join("keepalived.pid"));
                command.arg("-r").arg(self.dir.join("vrrp.pid"));
                command
            }
        };
        // Its own process group: a Ctrl-C in the terminal is the lab's, not the daemon's.
        command.stdin(Stdio::null()).stdout(log).stderr(log_too).process_group(0);
        command.current_dir(&self.dir);
        let run = self.dir.join("run");
        fs::create_dir_all(&run).context(&what)?;
        let own_run = !self.dir.starts_with("/run") && !command_in_run(&command);
        let child = namespace.run(|| {
            if own_run {
                own_run_directory(&run);
            }
            command.spawn().context(&what)
        })?;
        self.child = Some(child);
        Ok(())
    }

    /// The daemon's process, if it should be running.
    pub(crate) fn pid(&self) -> Option<Pid> {
        let id = self.child.as_ref()?.id();
        i32::try_from(id).ok().map(Pid::from_raw)
    }

    /// Sends a signal to the daemon; to all of its processes where it has several that hold VIPs.
    pub(crate) fn signal(&self, signal: Signal) -> Result<(), LabError> {
        let Some(pid) = self.pid() else { return Ok(()) };
        let whole = matches!(self.spec.program, Program::Keepalived(_));
        let sent = if whole && signal != Signal::SIGTERM {
            killpg(pid, signal)
        } else {
            kill(pid, signal)
        };
        sent.context(format!("send {signal} to the daemon of node {}", self.index + 1))
    }

    /// Whether this program runs there.
    pub(crate) fn is_ours(&self) -> bool {
        matches!(self.spec.program, Program::OpenProxy(_))
    }

    /// Whether its daemon has a guard.
    pub(crate) fn has_guard(&self) -> bool {
        self.is_ours() && !self.spec.sabotaged
    }

    /// The guard of its daemon, if that has one: its only child.
    pub(crate) fn guard(&self) -> Option<Pid> {
        let pid = self.pid().filter(|_| self.has_guard())?;
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
        children.split_ascii_whitespace().find_map(|id| id.parse().ok()).map(Pid::from_raw)
    }

    /// Kills it.
    pub(crate) fn kill_guard(&self) -> Result<(), LabError> {
        let Some(guard) = self.guard() else { return Ok(()) };
        kill(guard, Signal::SIGKILL).context(format!("kill the guard of node {}", self.index + 1))
    }

    /// Waits for a daemon that was told to end; kills it when it doesn't.
    pub(crate) fn reap(&mut self, within: Duration) -> Result<Option<ExitStatus>, LabError> {
        let Some(mut child) = self.child.take() else {
            return Ok(None);
        };
        let deadline = clock::now() + within;
        loop {
            if let Some(status) = child.try_wait().context("wait for a daemon")? {
                return Ok(Some(status));
            }
            if clock::now() >= deadline {
                child.kill().context("kill a daemon")?;
                child.wait().context("wait for a daemon")?;
                return Ok(None);
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Fails if the daemon has ended by itself.
    pub(crate) fn check_running(&mut self) -> Result<(), LabError> {
        let Some(child) = &mut self.child else {
            return Ok(());
        };
        let Some(status) = child.try_wait().context("look after a daemon")? else {
            return Ok(());
        };
        let text = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n");
        let (node, status) = (self.index + 1, status.to_string());
        Err(LabError::DaemonEnded { node, status, tail })
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Whatever else is left of it dies with the PID namespace.
        let _ = self.signal(Signal::SIGKILL);
        let _ = self.reap(Duration::from_secs(1));
    }
}

/// Gives the calling thread, and the daemon it starts, a `/run` of the node's own: sockets and
/// locks there are one per machine. Where it can't be done the daemons share one.
fn own_run_directory(run: &Path) {
    if unshare(CloneFlags::CLONE_NEWNS).is_ok() {
        let none = None::<&str>;
        let _ = mount(Some(run), "/run", none, MsFlags::MS_BIND, none);
    }
}

fn command_in_run(command: &Command) -> bool {
    Path::new(command.get_program()).starts_with("/run")
}

#[cfg(test)]
mod tests;
