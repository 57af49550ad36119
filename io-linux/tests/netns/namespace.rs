//! Network namespaces, and how a test gets to run in one.

use std::any::type_name;
use std::fs::{self, File};
use std::os::fd::AsRawFd as _;
use std::panic;
use std::process::Command;
use std::thread;

use nix::sched::{CloneFlags, setns, unshare};

/// Set in a test process that was started again as root of a user namespace.
const INSIDE: &str = "OPENPROXY_TEST_IN_USER_NAMESPACE";

/// A network namespace, alive as long as this value and what was opened in it.
pub(crate) struct Namespace(File);

impl Namespace {
    pub(crate) fn new() -> Self {
        let made = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace");
            // Addresses work at once; where a test wants otherwise, it says so.
            for scope in ["all", "default"] {
                set(&format!("ipv6/conf/{scope}/disable_ipv6"), "0");
                set(&format!("ipv6/conf/{scope}/accept_dad"), "0");
                set(&format!("ipv4/conf/{scope}/promote_secondaries"), "0");
            }
            File::open("/proc/thread-self/ns/net").expect("its file")
        });
        Self(made.join().expect("it was made"))
    }

    /// From now on the calling thread opens its sockets and finds its settings there.
    pub(crate) fn enter(&self) {
        setns(&self.0, CloneFlags::CLONE_NEWNET).expect("entered");
    }

    pub(crate) fn fd(&self) -> i32 {
        self.0.as_raw_fd()
    }
}

/// Changes a setting of the calling thread's namespace.
pub(crate) fn set(setting: &str, value: &str) {
    let path = format!("/proc/sys/net/{setting}");
    fs::write(&path, value).unwrap_or_else(|error| panic!("{path}: {error}"));
}

/// Runs the body of a test on a thread that has left the host's network for good.
pub(crate) fn isolated<B: AsyncFnOnce() + Send + 'static>(body: B) {
    if !nix::unistd::Uid::effective().is_root() {
        return run_as_root_of_a_user_namespace(&test_name::<B>());
    }
    let test = thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(body());
    });
    if let Err(panic) = test.join() {
        panic::resume_unwind(panic);
    }
}

/// The name that the test harness knows a test by, from that of the closure in it.
fn test_name<B>() -> String {
    let path = type_name::<B>();
    let path = path.split_once("::").map_or(path, |(_, rest)| rest);
    path.split("::{{closure}}").next().unwrap_or(path).to_owned()
}

/// A process of many threads can't make a user namespace, so the test is started again in one.
fn run_as_root_of_a_user_namespace(test: &str) {
    assert!(std::env::var_os(INSIDE).is_none(), "still not root");
    let probe = Command::new("unshare").args(["-Urn", "true"]).output();
    match probe {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            let reason = String::from_utf8_lossy(&output.stderr);
            return println!("skipped: neither root nor user namespaces: {}", reason.trim());
        }
        Err(error) => return println!("skipped: not root, and cannot run unshare: {error}"),
    }
    let binary = std::env::current_exe().expect("this binary");
    let mut command = Command::new("unshare");
    command.arg("-Urn").arg(binary).args(["--exact", test, "--nocapture"]).env(INSIDE, "1");
    let output = command.output().expect("unshare ran before");
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "it failed in the namespace");
}
