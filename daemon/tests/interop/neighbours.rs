//! What else runs on a host, and is no friend: it flushes addresses, renames and deletes interfaces,
//! lets carriers flap, drowns netlink, fills disks and takes descriptors and memory away.
//!
//! The daemon never ends of it, there are never two holders for longer than a message takes, and the
//! VIP is back soon after the neighbour stops.

use std::fs;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::net::{INTERFACE, Lan, Sample, Watch, now, poll};
use crate::nodes::{End, Node, Router};
use crate::{BETTER, FAST, SLACK, V4, WORSE};

const ROUTER: Router = Router { version: 3, unicast: false, interval: FAST, vip: V4 };
const VIP: &str = "10.9.0.200";
/// Two looks, and what a message takes.
const MESSAGE: Duration = Duration::from_millis(30);

/// Two openproxys: the better one is MASTER on `lan.ours`.
struct Pair {
    lan: Lan,
    better: Node,
    worse: Node,
    watch: Watch,
    begun: Duration,
}

impl Pair {
    /// Without leases, so that what isn't removed stays.
    fn start() -> Self {
        let lan = Lan::new();
        let watch = Watch::start(&lan, VIP.parse().expect("an address"));
        let inside_it = ["", "lease = false\n"];
        let better = Node::openproxy_with(&lan.ours, &ROUTER, BETTER, inside_it);
        better.wait_for("BACKUP -> MASTER", 1);
        let worse = Node::openproxy_with(&lan.theirs, &ROUTER, WORSE, inside_it);
        worse.wait_until_backup();
        let begun = now();
        let pair = Self { lan, better, worse, watch, begun };
        pair.settles("at the start");
        pair
    }

    /// Waits until the better node alone has the VIP, and does for as long as an election takes.
    fn settles(&self, when: &str) {
        let limit = ROUTER.master_down(WORSE) + ROUTER.master_down(BETTER) + SLACK;
        let is_well = |sample: &Sample| sample.ours && !sample.theirs;
        let deadline = now() + limit;
        while now() < deadline {
            let Some(first) = self.watch.wait(now(), limit, is_well) else { break };
            let window = self.watch.window(ROUTER.master_down(WORSE));
            if window.iter().filter(|sample| sample.at >= first.at).all(is_well) {
                return;
            }
        }
        panic!("{when}: the VIP isn't back\n{}", self.logs());
    }

    fn logs(&self) -> String {
        format!("{}\n{}", self.better.log(), self.worse.log())
    }

    /// Ends both, after all that is always to be.
    fn end(mut self, lines_max: usize) {
        let samples = self.watch.since(self.begun);
        let both: Vec<_> = samples.split(|sample| !(sample.ours && sample.theirs)).collect();
        let span = |run: &&[Sample]| run.first().zip(run.last()).map(|(a, b)| b.at - a.at);
        let longest = both.iter().filter_map(span).max().unwrap_or_default();
        assert!(longest <= MESSAGE, "two holders for {longest:?}\n{}", self.logs());
        for node in [&self.better, &self.worse] {
            let lines = node.log().lines().count();
            assert!(lines <= lines_max, "{lines} lines\n{}", self.logs());
        }
        for node in [&mut self.better, &mut self.worse] {
            node.end(End::Stop);
            let status = node.wait_until_gone().and_then(|status| status.code());
            assert_eq!(status, Some(0), "{}", node.log());
        }
    }
}

#[test]
#[ignore = "needs root; .ci/run runs it"]
fn a_vip_that_somebody_removes_is_put_back_each_time_and_told_of_once() {
    let pair = Pair::start();
    for time in 1..=20 {
        pair.lan.ours.ip(&format!("address del {V4} dev {INTERFACE}"));
        pair.better.wait_for("was removed by somebody else", time);
        pair.better.wait_for("is on the interface", time + 1);
    }
    assert_eq!(pair.better.count(" -> "), 2, "{}", pair.logs());
    pair.settles("after the removals");
    pair.end(60);
}

#[test]
#[ignore = "needs root; .ci/run runs it"]
fn a_host_without_addresses_gives_way_until_it_has_them_again() {
    gives_way_and_comes_back(
        &format!("-4 address flush dev {INTERFACE}"),
        &format!("address add 10.9.0.1/24 dev {INTERFACE}"),
    );
}

#[test]
#[ignore = "needs root; .ci/run runs it"]
fn an_interface_that_is_renamed_takes_no_vip_along() {
    gives_way_and_comes_back(
        &format!("link set {INTERFACE} name away0"),
        &format!("link set away0 name {INTERFACE}"),
    );
}

/// Twice, something makes the better node's interface useless, and something else puts that right.
fn gives_way_and_comes_back(breaks: &str, mends: &str) {
    let pair = Pair::start();
    for time in 1..=2 {
        pair.lan.ours.ip(breaks);
        pair.worse.wait_for("BACKUP -> MASTER", time);
        pair.lan.ours.ip(mends);
        pair.settles(mends);
    }
    pair.end(60);
}

#[test]
#[ignore = "needs root; .ci/run runs it"]
fn an_interface_that_is_deleted_and_made_anew_has_the_vip_again() {
    let pair = Pair::start();
    for time in 1..=2 {
        pair.lan.ours.ip(&format!("link delete {INTERFACE}"));
        pair.better.wait_for("the interface doesn't exist", time);
        pair.worse.wait_for("the interface doesn't exist", time);
        pair.lan.lay_cable();
        pair.settles("on the new interface");
    }
    pair.end(80);
}

#[test]
#[ignore = "needs root; .ci/run runs it"]
fn a_carrier_that_flaps_ten_times_a_second_leaves_one_holder_and_no_flood_of_lines() {
    const FLAPS: usize = 30;
    let pair = Pair::start();
    for flap in 0..FLAPS * 2 {
        let state = if flap % 2 == 0 { "down" } else { "up" };
        pair.lan.theirs.ip(&format!("link set {INTERFACE} {state}"));
        thread::sleep(Duration::from_millis(50));
    }
    pair.settles("with a carrier that stays");
    pair.end(FLAPS * 6 + 40);
}

#[test]
#[ignore = "needs root; .ci/run runs it"]
fn another_mtu_changes_nothing() {
    let pair = Pair::start();
    let from = now();
    for mtu in [1_280, 9_000, 576, 68, 1_500] {
        for side in [&pair.lan.ours, &pair.lan.theirs] {
            side.ip(&format!("link set {INTERFACE} mtu {mtu}"));
        }
        let window = pair.watch.window(ROUTER.master_down(WORSE));
        assert!(
            window.iter().all(|sample| sample.ours && !sample.theirs),
            "{mtu}: {}",
            pair.logs()
        );
    }
    assert!(pair.watch.since(from).iter().all(|sample| sample.ours), "{}", pair.logs());
    pair.end(40);
}

/// A file of one router that is MASTER at once, and keeps its VIP for seconds without us.
fn patient(general: &str, inside_it: &str) -> String {
    format!(
        "{general}[general.virtual_router]\ninterface = \"{INTERFACE}\"\nrouter_id = 50\n\
         priority = 255\nversion = 3\nadvert_int = 3\nvip_addresses = [ \"{V4}\" ]\n{inside_it}"
    )
}

/// A MASTER that is alone on its cable, by a launcher's words.
fn alone(launcher: &[&str], file: &str) -> (Lan, Node, Watch) {
    let lan = Lan::new();
    let watch = Watch::start(&lan, VIP.parse().expect("an address"));
    let node = Node::openproxy_by(&lan.ours, launcher, file);
    let held = watch.wait(Duration::ZERO, SLACK, |sample| sample.ours);
    assert!(held.is_some(), "not MASTER\n{}", node.log());
    (lan, node, watch)
}

#[test]
#[ignore = "needs root; .ci/run runs it"]
fn a_flood_of_netlink_events_while_it_is_stopped_loses_nothing() {
    const CHANGES: usize = 20_000;
    let folder = tempfile::tempdir().expect("a folder");
    let batch = folder.path().join("batch");
    let line =
        |n: usize| format!("address replace 10.7.0.1/24 dev lo valid_lft {n} preferred_lft 9\n");
    let lines: String = (0..CHANGES).map(|n| line(900 + n % 2)).collect();
    fs::write(&batch, format!("{lines}address del {V4} dev {INTERFACE}\n")).expect("a file");
    let (lan, node, watch) = alone(&[], &patient("", ""));
    node.signal(Signal::SIGSTOP);
    lan.ours.ip(&format!("-batch {}", batch.display()));
    node.signal(Signal::SIGCONT);
    node.wait_for("netlink events were lost; reading all anew", 1);
    let from = now();
    let back = watch.wait(from, SLACK, |sample| sample.ours);
    assert!(back.is_some(), "the VIP isn't back\n{}", node.log());
    assert_eq!(node.count(" -> "), 1, "it stays MASTER\n{}", node.log());
    assert!(node.log().lines().count() < 20, "{}", node.log());
}

#[test]
#[ignore = "needs root; .ci/run runs it"]
fn a_log_that_takes_nothing_more_stops_nothing() {
    let shell = |script: &str| format!("{script} exec \"$0\" \"$@\" 2> ");
    let full = shell("") + "/dev/full";
    let (lan, mut node, watch) = alone(&["sh", "-c", &full], &patient("", ""));
    lan.ours.ip(&format!("address del {V4} dev {INTERFACE}"));
    let from = now();
    assert!(watch.wait(from, SLACK, |sample| sample.ours).is_some(), "it is put back");
    node.end(End::Stop);
    assert_eq!(node.wait_until_gone().and_then(|status| status.code()), Some(0));
    drop((lan, watch));

    // In a namespace of its own, so that it is gone with the process.
    let small = shell("mount -t tmpfs -o size=4k none /mnt &&") + "/mnt/log";
    let (_lan, mut node, watch) =
        alone(&["unshare", "--mount", "sh", "-c", &small], &patient("", ""));
    let log = PathBuf::from(format!("/proc/{}/root/mnt/log", node.id()));
    let len = || fs::metadata(&log).map_or(0, |log| log.len());
    let is_full = || {
        node.signal(Signal::SIGHUP);
        (len() == 4_096).then_some(())
    };
    assert!(poll(Duration::from_secs(10), is_full).is_some(), "{} bytes", len());
    assert!(watch.since(Duration::ZERO).last().is_some_and(|sample| sample.ours));
    fs::File::options().write(true).open(&log).expect("a file").set_len(0).expect("emptied");
    let says = || {
        node.signal(Signal::SIGHUP);
        fs::read_to_string(&log).ok().filter(|text| text.contains("is unchanged"))
    };
    assert!(poll(Duration::from_secs(10), says).is_some(), "it goes on to tell");
    node.end(End::Stop);
    assert_eq!(node.wait_until_gone().and_then(|status| status.code()), Some(0));
}

/// Sets a limit of a process that runs.
fn limit(node: &Node, what: &str) {
    let pid = node.id().to_string();
    let done = std::process::Command::new("prlimit").args(["--pid", &pid, what]).status();
    assert!(done.expect("prlimit is installed").success());
}

#[test]
#[ignore = "needs root; .ci/run runs it"]
fn without_descriptors_all_that_needs_one_says_so_and_adverts_go_on() {
    let folder = TempDir::new().expect("a folder");
    let socket = folder.path().join("status");
    let general = format!("[general.status]\nsocket = \"{}\"\n", socket.display());
    let inside_it = "pre_demote_script = \"/bin/true\"\n\
                     track = [ { command = \"/bin/true\", interval = 100, weight = -1, fall = 1, rise = 1 } ]\n";
    let (_lan, mut node, watch) = alone(&[], &patient(&general, inside_it));
    let why = "Too many open files (os error 24)";
    limit(&node, "--nofile=3:1024");
    node.wait_for(&format!("check command /bin/true failed: cannot run /bin/true: {why}"), 1);
    node.signal(Signal::SIGHUP);
    node.wait_for(&format!("can't be read: {why}"), 1);
    let _waiting: Vec<_> = (0..3).map(|_| UnixStream::connect(&socket).expect("listens")).collect();
    node.wait_for(&format!("no connection on {}: {why}", socket.display()), 1);
    let from = now();
    limit(&node, "--nofile=1024:1024");
    node.wait_for("check command /bin/true is well", 1);
    limit(&node, "--nofile=3:1024");
    assert!(watch.since(from).iter().all(|sample| sample.ours), "{}", node.log());
    assert_eq!(node.count(" -> "), 1, "{}", node.log());
    assert_eq!(node.count("no connection on"), 1, "told once\n{}", node.log());
    node.end(End::Stop);
    assert_eq!(node.wait_until_gone().and_then(|status| status.code()), Some(0), "{}", node.log());
    node.wait_for(&format!("pre_demote_script failed: cannot run /bin/true: {why}"), 1);
}

#[test]
#[ignore = "needs root; .ci/run runs it"]
fn without_memory_for_another_thread_the_file_is_read_all_the_same() {
    let (_lan, mut node, watch) = alone(&[], &patient("", ""));
    let status = node.status();
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).expect("Linux tells");
    let size: u64 = size.trim().trim_end_matches(" kB").parse().expect("a number");
    limit(&node, &format!("--as={}", size * 1_024));
    for time in 1..=3 {
        node.signal(Signal::SIGHUP);
        node.wait_for("is unchanged", time);
    }
    assert!(watch.since(Duration::ZERO).last().is_some_and(|sample| sample.ours));
    assert_eq!(node.count(" -> "), 1, "{}", node.log());
    node.end(End::Stop);
    assert_eq!(node.wait_until_gone().and_then(|status| status.code()), Some(0), "{}", node.log());
}

/// What the loader says, and not we.
const LOADER: i32 = 127;

/// Starts it under ever larger limits, until it runs. Each time before, it must end with a reason.
fn starts_or_says_why(limits: impl Iterator<Item = String>, why: &str) {
    let lan = Lan::new();
    let mut is_loaded = false;
    for limit in limits {
        let mut node = Node::openproxy_by(&lan.ours, &["prlimit", &limit], &patient("", ""));
        let mut exit = None;
        let ends = poll(Duration::from_secs(10), || {
            exit = node.exit();
            (exit.is_some() || node.count("-> MASTER") == 1).then_some(())
        });
        assert!(ends.is_some(), "{limit}: {}", node.log());
        let Some(exit) = exit else { return };
        // No word can be had of what the kernel has no room to map, or what dies in the loader.
        let is_unmapped = exit.signal() == Some(Signal::SIGSEGV as i32) && !is_loaded;
        if is_unmapped || exit.code() == Some(LOADER) {
            continue;
        }
        is_loaded = true;
        let log = node.log();
        assert_eq!(exit.code(), Some(71), "{limit}: {exit}\n{log}");
        assert!(log.lines().count() == 2 && log.contains(why), "{limit}: {exit}\n{log}");
    }
    panic!("it never runs");
}

#[test]
#[ignore = "needs root; .ci/run runs it"]
fn a_start_without_enough_descriptors_says_so() {
    starts_or_says_why((4..128).map(|count| format!("--nofile={count}")), "Too many open files");
}

#[test]
#[ignore = "needs root; .ci/run runs it"]
fn a_start_without_enough_memory_says_so() {
    let limits = (18..1_024).step_by(2).map(|mib| format!("--as={}", mib << 20));
    starts_or_says_why(limits, "no room for 48 file descriptors, 12 threads and 16 MiB: ");
}
