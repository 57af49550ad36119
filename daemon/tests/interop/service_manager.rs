//! What a service manager is told by a daemon with virtual routers, and by the program that takes its
//! place; and what it isn't told while they hang.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::FAST;
use crate::net::{Lan, now, poll};
use crate::nodes::{End, Node};

#[path = "../systemd/manager.rs"]
mod manager;

use manager::Manager;

const ALIVE: &str = "WATCHDOG=1";

fn start(lan: &Lan, manager: &Manager) -> Node {
    let variables = manager.variables().map(|(name, value)| format!("{name}={value}"));
    let launcher: Vec<&str> =
        ["env"].into_iter().chain(variables.iter().map(String::as_str)).collect();
    let file = format!(
        "[general.virtual_router]\ninterface = \"eth0\"\nrouter_id = 50\npriority = 150\n\
         version = 3\nadvert_int = {}\nvip_addresses = [ \"10.9.0.200/24\" ]\n",
        FAST.as_secs_f64()
    );
    Node::openproxy_by(&lan.ours, &launcher, &file)
}

#[test]
#[ignore = "needs namespaces; .ci/run runs it"]
fn a_service_manager_hears_of_states_of_an_upgrade_and_of_the_end() {
    let (lan, folder) = (Lan::new(), tempfile::tempdir().expect("a folder"));
    let manager = Manager::new(folder.path());
    let mut node = start(&lan, &manager);
    manager.until("READY=1");
    manager.until("STATUS=1 MASTER");
    manager.until(ALIVE);
    node.signal(Signal::SIGUSR2);
    // The same process, the same socket, another program.
    manager.until("READY=1");
    manager.until("STATUS=1 MASTER");
    manager.until(ALIVE);
    assert_eq!(node.count("the process before this one was MASTER"), 1, "{}", node.log());
    node.end(End::Stop);
    assert_eq!(manager.next_but(ALIVE), "STOPPING=1");
    let status = node.wait_until_gone();
    assert_eq!(status.and_then(|status| status.code()), Some(0), "{}", node.log());
}

#[test]
#[ignore = "needs namespaces and a freezer; .ci/run runs it"]
fn nobody_says_that_all_is_alive_while_the_thread_of_the_routers_hangs() {
    let (lan, folder) = (Lan::new(), tempfile::tempdir().expect("a folder"));
    let manager = Manager::new(folder.path());
    let node = start(&lan, &manager);
    manager.until("STATUS=1 MASTER");
    manager.until(ALIVE);

    let frozen = Frozen::thread(node.id(), "vrrp");
    // Alive, it says so eight times in this time; one may have been on its way.
    let end = now() + Duration::from_secs(4);
    let left = || end.checked_sub(now()).filter(|left| !left.is_zero());
    let letters: Vec<_> =
        std::iter::from_fn(|| left().and_then(|left| manager.next_within(left))).collect();
    assert!(letters.iter().filter(|letter| *letter == ALIVE).count() <= 1, "{letters:?}");
    assert!(node.count("the thread of the virtual routers doesn't answer") > 0, "{}", node.log());

    drop(frozen);
    manager.until(ALIVE);
}

/// One thread of a process that stands still, until this is gone.
pub(crate) struct Frozen {
    /// Where it is now, and what was made for it.
    group: PathBuf,
    /// Made around it, where only a process as a whole can be elsewhere.
    domain: Option<PathBuf>,
    process: u32,
    thread: String,
}

const V1: &str = "/sys/fs/cgroup/freezer";
const V2: [&str; 2] = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];

impl Frozen {
    pub(crate) fn thread(process: u32, name: &str) -> Self {
        let tasks = fs::read_dir(format!("/proc/{process}/task")).expect("it runs");
        let mut tasks = tasks.map(|task| task.expect("an entry").path());
        let is_it = |task: &PathBuf| {
            fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim_end() == name)
        };
        let task = tasks.find(is_it).expect("a thread of this name");
        let thread = task.file_name().and_then(|name| name.to_str()).expect("a number");
        let (thread, unique) = (thread.to_owned(), format!("openproxy-test-{process}"));
        let frozen = if Path::new(V1).join("tasks").exists() {
            Self { group: Path::new(V1).join(unique), domain: None, process, thread }
        } else {
            let root = V2.into_iter().find(|root| Path::new(root).join("cgroup.procs").exists());
            let domain = Path::new(root.expect("control groups")).join(unique);
            Self { group: domain.join("thread"), domain: Some(domain), process, thread }
        };
        frozen.freeze().expect("a freezer");
        frozen
    }

    fn freeze(&self) -> io::Result<()> {
        if let Some(domain) = &self.domain {
            fs::create_dir(domain)?;
            fs::write(domain.join("cgroup.procs"), self.process.to_string())?;
            fs::create_dir(&self.group)?;
            fs::write(self.group.join("cgroup.type"), "threaded")?;
            fs::write(self.group.join("cgroup.threads"), &self.thread)?;
            return fs::write(self.group.join("cgroup.freeze"), "1");
        }
        fs::create_dir(&self.group)?;
        fs::write(self.group.join("tasks"), &self.thread)?;
        fs::write(self.group.join("freezer.state"), "FROZEN")
    }

    fn thaw(&self) -> io::Result<()> {
        if self.domain.is_some() {
            return fs::write(self.group.join("cgroup.freeze"), "0");
        }
        fs::write(self.group.join("freezer.state"), "THAWED")?;
        fs::write(Path::new(V1).join("tasks"), &self.thread)
    }

    fn remove(&self) -> io::Result<()> {
        if let Some(domain) = &self.domain {
            let root = domain.parent().unwrap_or(domain);
            fs::write(root.join("cgroup.procs"), self.process.to_string())?;
            fs::remove_dir(&self.group)?;
            return fs::remove_dir(domain);
        }
        fs::remove_dir(&self.group)
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        let _ = self.thaw();
        // A group that a thread has just left may still be busy.
        poll(Duration::from_secs(5), || self.remove().ok());
    }
}
