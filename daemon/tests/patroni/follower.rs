//! OpenProxy on a member's own machine, with a virtual router that follows the primary.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::cluster::MEMBERS;
use crate::machine::{Machine, address};

/// How long the VIP may be elsewhere once a new primary accepts writes: two words of it, and three
/// intervals.
pub(crate) const FOLLOWED_WITHIN: Duration = Duration::from_secs(2);
/// The last byte of the address that follows.
const VIP: u8 = 100;

/// A daemon that may hold the VIP.
#[derive(Debug)]
pub(crate) struct Follower {
    daemon: Child,
    machine: Machine,
    _folder: TempDir,
}

impl Follower {
    /// Starts it on the machine of a member.
    pub(crate) fn start(machine: &Machine, member: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("openproxy.toml");
        let servers = MEMBERS.map(|last| format!("[ \"{}\", 5432 ]", address(last))).join(", ");
        let text = format!(
            "[general.virtual_router]\ninterface = \"eth0\"\nrouter_id = 51\nversion = 3\n\
             advert_int = 0.2\npriority = {}\nvip_addresses = [ \"{}/24\" ]\n\
             track_patroni = \"local-primary\"\n[pools.p.shards.0]\nuse_patroni = true\n\
             servers = [ {servers} ]\n",
            100 + member,
            address(VIP)
        );
        fs::write(&file, text).expect("a file");
        let daemon = machine.run(|| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_openproxy"));
            command.arg(&file).stderr(Stdio::null()).spawn().expect("a process")
        });
        Self { daemon, machine: machine.clone(), _folder: folder }
    }

    /// Whether the VIP is on its machine.
    pub(crate) fn holds_vip(&self) -> bool {
        let shown = self.machine.run(|| {
            Command::new("ip").args(["-oneline", "address", "show", "dev", "eth0"]).output()
        });
        let shown = shown.expect("ip is installed").stdout;
        String::from_utf8_lossy(&shown).contains(&format!(" {}/", address(VIP)))
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let id = i32::try_from(self.daemon.id()).map(Pid::from_raw);
        // Gone already, or it goes now.
        let _ = id.map(|id| kill(id, Signal::SIGTERM));
        let _ = self.daemon.wait();
    }
}

/// Who holds the VIP, if one does and no other.
pub(crate) fn only_holder(followers: &[Follower]) -> Option<usize> {
    let holders: Vec<usize> =
        (0..followers.len()).filter(|member| followers[*member].holds_vip()).collect();
    match holders.as_slice() {
        [only] => Some(*only),
        [] | [_, _, ..] => None,
    }
}
