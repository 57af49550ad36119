//! `general.realtime`, by what the kernel says of each thread.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};

use nix::sys::signal::{Signal, kill};

use crate::net::{INTERFACE, Lan, poll};
use crate::nodes::{End, Node};
use crate::{SLACK, V4};

const PRIORITY: u64 = 20;
/// `SCHED_OTHER` and its priority, and `SCHED_FIFO` and ours.
const ORDINARY: [u64; 2] = [0, 0];
const REALTIME: [u64; 2] = [1, PRIORITY];
/// Threads that adverts and addresses wait for.
const PROMPT: [&str; 2] = ["vrrp", "netlink"];
const NO_CAPABILITIES: [&str; 3] =
    ["setpriv", "--bounding-set", "-sys_nice,-ipc_lock,-sys_resource"];
/// Says what it was started with.
const HOOK: &str = "pre_promote_script = '''sh -c \
    'cut -d\" \" -f40,41 /proc/self/stat; grep \"realtime priority\" /proc/self/limits; \
    grep CapEff /proc/self/status' '''\n";

fn file(general: &str) -> String {
    format!(
        "[general]\nrealtime = {PRIORITY}\n{general}[general.virtual_router]\n{HOOK}\
         interface = \"{INTERFACE}\"\nrouter_id = 50\npriority = 150\nversion = 3\n\
         advert_int = 0.2\nvip_addresses = [ \"{V4}\" ]\n"
    )
}

/// A MASTER, by a launcher's words.
fn master(lan: &Lan, launcher: &[&str], general: &str) -> Node {
    let node = Node::openproxy_by(&lan.ours, launcher, &file(general));
    node.wait_for("is on the interface", 1);
    node
}

/// Policy and priority of each thread; those of one name are told apart by what they are.
fn scheduling(process: u32) -> BTreeMap<String, [u64; 2]> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let stats = tasks.filter_map(|task| fs::read_to_string(task.path().join("stat")).ok());
    let parsed = stats.filter_map(|stat| {
        let (name, rest) = stat.split_once('(')?.1.rsplit_once(") ")?;
        let fields: Vec<_> = rest.split_ascii_whitespace().collect();
        // Fields 41 and 40, counted from 1; the state, the first of these, is field 3.
        let [policy, priority] = [41, 40].map(|field| fields.get(field - 3)?.parse().ok());
        Some((name.to_owned(), [policy?, priority?]))
    });
    parsed.collect()
}

/// In most containers, root has no CAP_SYS_RESOURCE, and can't raise its limits.
fn may_have(lan: &Lan, limits: &[&str; 3]) -> bool {
    let can = lan.ours.ran(limits[0], &[limits[1], limits[2], "true"]);
    if !can {
        writeln!(io::stdout(), "not tried: root may not set {limits:?} here").expect("a reader");
    }
    can
}

fn guard(node: &Node) -> u32 {
    let guard = poll(SLACK, || node.guard()).unwrap_or_else(|| panic!("no guard\n{}", node.log()));
    u32::try_from(guard.as_raw()).expect("a process id")
}

fn locked_kib(node: &Node) -> u64 {
    let status = node.status();
    let line = status.lines().find_map(|line| line.strip_prefix("VmLck:"));
    let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB")).expect("a number of KiB");
    kib.parse().expect("a number")
}

fn assert_realtime(node: &Node) {
    let found = scheduling(node.id());
    for name in PROMPT {
        assert_eq!(found.get(name), Some(&REALTIME), "{name}: {found:?}\n{}", node.log());
    }
    for name in ["openproxy", "discovery", "log"] {
        assert_eq!(found.get(name), Some(&ORDINARY), "{name}: {found:?}\n{}", node.log());
    }
    let ahead = found.values().filter(|scheduled| **scheduled != ORDINARY);
    assert_eq!(ahead.count(), PROMPT.len(), "{found:?}");
    assert!(locked_kib(node) > 0, "{}", node.log());
    // It is there before it has said so itself.
    let guard = guard(node);
    let is_prompt = || scheduling(guard).values().eq([&REALTIME]).then_some(());
    assert!(poll(SLACK, is_prompt).is_some(), "the guard: {:?}", scheduling(guard));
    assert_eq!(node.count("general.realtime"), 0, "{}", node.log());
}

/// What a hook has printed: its own priority and policy, and how far its limit lets it go.
fn assert_hook_is_ordinary(node: &Node) {
    assert_eq!(node.count("sh: 0 0"), 1, "{}", node.log());
    let log = node.log();
    let (_, limits) = log.split_once("Max realtime priority").expect("what the hook has printed");
    assert_eq!(limits.split_whitespace().next(), Some("0"), "the soft one\n{log}");
}

#[test]
#[ignore = "needs root; .ci/run runs it"]
fn what_adverts_and_addresses_wait_for_is_realtime_and_nothing_else() {
    let lan = Lan::new();
    let mut node = master(&lan, &[], "");
    assert_realtime(&node);
    assert_hook_is_ordinary(&node);
    node.end(End::Stop);
    assert_eq!(node.wait_until_gone().and_then(|status| status.code()), Some(0), "{}", node.log());
}

#[test]
#[ignore = "needs root; .ci/run runs it"]
fn realtime_outlives_root_an_upgrade_and_a_guard() {
    let lan = Lan::new();
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("run/status.sock");
    let user = format!("user = \"nobody\"\nstatus.socket = \"{}\"\n", socket.display());
    let node = master(&lan, &[], &user);
    assert_realtime(&node);
    assert_hook_is_ordinary(&node);
    // Hooks get nothing of it.
    assert_eq!(node.count("CapEff:\\t0000000000000000"), 1, "{}", node.log());
    for count in 1..=2 {
        node.signal(Signal::SIGUSR2);
        node.wait_for("the process before this one was MASTER", count);
        // It has the VIPs before it has a thread for everything.
        let whole = || scheduling(node.id()).contains_key("discovery").then_some(());
        assert!(poll(SLACK, whole).is_some(), "{}", node.log());
        assert_realtime(&node);
        // CAP_NET_ADMIN, CAP_NET_RAW, CAP_IPC_LOCK and CAP_SYS_NICE.
        let status = node.status();
        assert!(status.contains("CapPrm:\t0000000000807000"), "{status}");
        assert!(status.contains("CapAmb:\t0000000000000000"), "{status}");
    }
    let first = node.guard().expect("a guard");
    kill(first, Signal::SIGKILL).expect("it is ours");
    let next = poll(SLACK, || node.guard().filter(|next| *next != first));
    assert!(next.is_some(), "no other guard\n{}", node.log());
    assert_realtime(&node);
}

#[test]
#[ignore = "needs root; .ci/run runs it"]
fn limits_are_as_good_as_capabilities() {
    let lan = Lan::new();
    let limits = ["prlimit", "--rtprio=20:20", "--memlock=unlimited:unlimited"];
    if !may_have(&lan, &limits) {
        return;
    }
    let node = master(&lan, &[&limits[..], &NO_CAPABILITIES].concat(), "");
    assert_realtime(&node);
    assert_hook_is_ordinary(&node);
}

#[test]
#[ignore = "needs root; .ci/run runs it"]
fn without_the_right_it_says_what_gives_it_and_runs_on() {
    let lan = Lan::new();
    // Less memory than there is, and so much that the lock itself would be granted.
    for limits in [
        ["prlimit", "--rtprio=0:0", "--memlock=1048576"],
        ["prlimit", "--rtprio=19:19", "--memlock=8589934592"],
    ] {
        if !may_have(&lan, &limits) {
            continue;
        }
        let launcher = [&limits[..], &NO_CAPABILITIES].concat();
        let mut node = master(&lan, &launcher, "");
        for (lack, remedy) in [
            ("don't run under SCHED_FIFO (Operation not permitted", "LimitRTPRIO=20 in [Service]"),
            ("memory isn't locked (", "LimitMEMLOCK=infinity in [Service]"),
        ] {
            assert_eq!(node.count(lack), 1, "{limits:?}\n{}", node.log());
            assert_eq!(node.count(remedy), 1, "{limits:?}\n{}", node.log());
        }
        assert_eq!(node.count("cap_sys_nice=eip cap_ipc_lock=eip"), 2, "{}", node.log());
        let found = scheduling(node.id());
        assert!(found.contains_key("vrrp"), "{found:?}");
        assert!(found.values().all(|scheduled| *scheduled == ORDINARY), "{found:?}");
        assert_eq!(locked_kib(&node), 0, "{limits:?}");
        node.end(End::Stop);
        let ended = node.wait_until_gone().and_then(|status| status.code());
        assert_eq!(ended, Some(0), "{}", node.log());
    }
}

#[test]
#[ignore = "needs root; .ci/run runs it"]
fn a_reload_tells_that_realtime_is_for_the_next_start() {
    let lan = Lan::new();
    let node = master(&lan, &[], "");
    node.rewrite(&file("").replace("realtime = 20\n", ""));
    node.signal(Signal::SIGHUP);
    node.wait_for("general.realtime has changed: that is for the next start", 1);
    assert_eq!(scheduling(node.id()).get("vrrp"), Some(&REALTIME));
}
