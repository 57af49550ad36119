//! What a service manager is told, by a daemon that needs no privilege; `interop/service_manager.rs` has
//! one with virtual routers.

#[path = "systemd/manager.rs"]
mod manager;

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use manager::Manager;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The daemon, which ends with this.
struct Daemon(Child);

impl Daemon {
    fn start(folder: &Path, manager: &Manager) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_openproxy"));
        command.current_dir(folder).env_remove("OPENPROXY_LOG").stderr(Stdio::null());
        command.envs(manager.variables());
        Self(command.spawn().expect("a process"))
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.0.id()).expect("a process id");
        kill(Pid::from_raw(id), signal).expect("it runs");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn write(folder: &Path, general: &str) {
    let socket = folder.join("o.sock");
    let file = format!("[general]\n{general}\n[general.status]\nsocket = {socket:?}\n");
    fs::write(folder.join("openproxy.toml"), file).expect("a file");
}

#[test]
fn a_service_manager_is_told_of_start_life_reload_and_end_in_order() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "");
    let manager = Manager::new(folder.path());
    let mut daemon = Daemon::start(folder.path(), &manager);

    let before = manager.until("READY=1");
    let is_early = |letter: &String| letter != "WATCHDOG=1";
    assert!(!before.iter().any(is_early), "{before:?}");
    assert!(folder.path().join("o.sock").exists(), "its listeners are open");
    manager.until("STATUS=no virtual router and no shard");
    manager.until("WATCHDOG=1");
    manager.until("WATCHDOG=1");

    // Used, refused and unchanged: each time, the wait has an end.
    for general in ["renew_interval = 60000", "renew_interval = 0", "renew_interval = 60000"] {
        write(folder.path(), general);
        daemon.signal(Signal::SIGHUP);
        let reloading = manager.next_but("WATCHDOG=1");
        let monotonic = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
        assert!(monotonic.is_some_and(|usec| usec.parse::<u64>().is_ok()), "{reloading}");
        assert_eq!(manager.next_but("WATCHDOG=1"), "READY=1", "{general}");
    }

    daemon.signal(Signal::SIGTERM);
    assert_eq!(manager.next_but("WATCHDOG=1"), "STOPPING=1");
    let status = daemon.0.wait().expect("our child");
    assert_eq!((status.code(), status.signal()), (Some(0), None));
}
