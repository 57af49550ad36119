//! The guard, on real Linux: what it does besides handing over, which the takeovers show.

use std::fs::{self, Permissions};
use std::io::{IoSlice, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use nix::unistd::Pid;

use crate::net::{INTERFACE, Lan, Sample, Watch, now, poll};
use crate::nodes::{End, Node, Router};
use crate::service_manager::Frozen;
use crate::{BETTER, FAST, SECOND, SLACK, V4, WORSE};

const ROUTER: Router = Router { version: 3, unicast: false, interval: FAST, vip: V4 };
const VIP: &str = "10.9.0.200";

/// An openproxy that is MASTER on `lan.ours`, alone.
fn master(lan: &Lan, [before, inside_it]: [&str; 2]) -> Node {
    let node = Node::openproxy_with(&lan.ours, &ROUTER, BETTER, [before, inside_it]);
    node.wait_for("BACKUP -> MASTER", 1);
    node.wait_for("is on the interface", 1);
    node
}

fn guard_of(node: &Node) -> Pid {
    let guard = poll(SLACK, || node.guard());
    guard.unwrap_or_else(|| panic!("no guard\n{}", node.log()))
}

fn watch(lan: &Lan) -> Watch {
    Watch::start(lan, VIP.parse().expect("an address"))
}

#[test]
#[ignore = "needs namespaces; .ci/run runs it"]
fn one_that_dies_is_replaced_and_the_next_knows_everything() {
    let lan = Lan::new();
    let node = master(&lan, ["", ""]);
    // As many as a shell gives.
    let limit = format!("--pid={}", node.id());
    assert!(lan.ours.ran("prlimit", &[&limit, "--nofile=1024:1024"]));
    for count in 1..=2 {
        let guard = guard_of(&node);
        kill(guard, Signal::SIGKILL).expect("it is ours");
        node.wait_for("the guard has died", count);
        let next = poll(SLACK, || node.guard().filter(|next| *next != guard));
        assert!(next.is_some(), "no other guard\n{}", node.log());
    }
    // It is told everything within a second.
    let watch = watch(&lan);
    watch.window(SECOND + SECOND / 2);
    node.end(End::Death);
    node.wait_for("the daemon has died; handing over", 1);
    node.wait_for("MASTER -> LEAVING", 1);
    node.wait_for("all virtual routers are released", 1);
}

#[test]
#[ignore = "needs namespaces; .ci/run runs it"]
fn one_of_a_daemon_that_hung_only_takes_off_what_is_left() {
    let lan = Lan::new();
    // Without a lease, nobody else does.
    let better = master(&lan, ["", "lease = false\n"]);
    let worse = Node::openproxy(&lan.theirs, &ROUTER, WORSE);
    worse.wait_until_backup();
    let watch = watch(&lan);
    better.signal(Signal::SIGSTOP);
    worse.wait_for("BACKUP -> MASTER", 1);
    let both = watch.wait(now(), SLACK, |sample| sample.ours && sample.theirs);
    assert!(both.is_some(), "a frozen MASTER without a lease keeps its VIP");
    let killed = now();
    better.end(End::Death);
    let off = watch.wait(killed, SLACK, |sample| !sample.ours);
    assert!(off.is_some(), "the VIP stays\n{}", better.log());
    better.wait_for("all virtual routers are released", 1);
    let later = watch.window(SECOND);
    assert!(later.iter().all(|sample| sample.theirs && !sample.ours), "{}", worse.log());
    assert_eq!(better.count("LEAVING"), 0, "it has said something\n{}", better.log());
    assert_eq!(worse.count("MASTER -> "), 0, "{}", worse.log());
}

#[test]
#[ignore = "needs namespaces; .ci/run runs it"]
fn a_new_program_takes_the_place_of_the_daemon_and_nobody_notices() {
    upgrade(["", ""]);
}

#[test]
#[ignore = "needs namespaces; .ci/run runs it"]
fn so_does_one_that_is_not_root() {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("nobody").join("status.sock");
    let general = format!(
        "[general]\nuser = \"nobody\"\n[general.status]\nsocket = \"{}\"\n",
        socket.display()
    );
    upgrade([&general, ""]);
}

/// Three times, beside a BACKUP.
fn upgrade(lines: [&str; 2]) {
    let lan = Lan::new();
    let better = master(&lan, lines);
    let worse = Node::openproxy(&lan.theirs, &ROUTER, WORSE);
    worse.wait_until_backup();
    let watch = watch(&lan);
    let begun = now();
    for count in 1..=3 {
        better.signal(Signal::SIGUSR2);
        better.wait_for("INITIALIZE -> MASTER: the process before this one was MASTER", count);
        // The last line of a program is not lost with it.
        assert_eq!(better.count("takes the place of this process"), count, "{}", better.log());
    }
    let after = watch.window(ROUTER.master_down(WORSE) + Duration::from_millis(500));
    assert!(!after.is_empty());
    let all = watch.since(begun);
    let is_well = |sample: &Sample| sample.ours && !sample.theirs;
    assert!(all.iter().all(is_well), "{}\n{}", better.log(), worse.log());
    assert_eq!(worse.count("-> MASTER"), 0, "{}", worse.log());
    assert_eq!(better.count("the daemon has died"), 0, "a guard hasn't waited\n{}", better.log());
    // What it was lent is no more than what it had, and its guard is the new one.
    let status = better.status();
    assert!(status.contains("CapAmb:\t0000000000000000"), "{status}");
    assert!(better.guard().is_some());
}

#[test]
#[ignore = "needs namespaces; .ci/run runs it"]
fn a_new_program_that_cannot_be_executed_leaves_the_daemon_as_it_was_and_logging() {
    let lan = Lan::new();
    let directory = tempfile::tempdir().expect("a directory");
    let program = directory.path().join("program");
    fs::copy(env!("CARGO_BIN_EXE_openproxy"), &program).expect("a copy");
    let file = format!(
        "[general.status]\nsocket = \"{}\"\n[general.virtual_router]\n\
         interface = \"{INTERFACE}\"\nrouter_id = 50\npriority = 150\nversion = 3\n\
         advert_int = 0.2\nvip_addresses = [ \"{V4}\" ]\n",
        directory.path().join("status.sock").display()
    );
    // The words that follow are the test's own program, and the file.
    let launcher = ["sh", "-c", "exec \"$1\" \"$3\"", "sh", program.to_str().expect("UTF-8")];
    let mut node = Node::openproxy_by(&lan.ours, &launcher, &file);
    node.wait_for("BACKUP -> MASTER", 1);

    // It finds the file good, and is gone.
    let script = "#!/bin/sh\nif [ \"$1\" = check ]; then rm \"$0\"; else echo openproxy 9; fi\n";
    let new = directory.path().join("new");
    fs::write(&new, script).expect("a file");
    fs::set_permissions(&new, Permissions::from_mode(0o755)).expect("ours");
    fs::rename(&new, &program).expect("ours");
    let output = node.run(&["upgrade", "configuration"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}{}", node.log());
    assert!(said.contains("the daemon goes on as it was"), "{said}");
    assert_eq!(node.count("openproxy 9 takes the place of this process"), 1, "{}", node.log());
    assert_eq!(node.count("program: No such file or directory"), 1, "{}", node.log());

    node.signal(Signal::SIGHUP);
    node.wait_for("configuration is unchanged", 1);
    assert_eq!(node.count("MASTER -> "), 0, "{}", node.log());
    node.end(End::Stop);
    assert_eq!(node.wait_until_gone().and_then(|status| status.code()), Some(0), "{}", node.log());
}

const TELLS_ITS_MASK: &str =
    "handover = \"planned\"\npre_demote_script = \"/bin/grep SigBlk /proc/self/status\"\n";

/// It has handed over as in any planned stop, and was neither killed nor has it gone on.
fn assert_stopped_well(node: &mut Node) {
    let status = node.wait_until_gone();
    assert_eq!(status.and_then(|status| status.code()), Some(0), "{status:?}\n{}", node.log());
    assert_eq!(node.count("MASTER -> LEAVING"), 1, "{}", node.log());
    // What a hook runs can be ended.
    assert_eq!(node.count("SigBlk:\\t0000000000000000"), 1, "{}", node.log());
}

#[test]
#[ignore = "needs namespaces; .ci/run runs it"]
fn one_that_is_told_to_stop_during_an_upgrade_hands_over() {
    let moments: [Option<&str>; 3] = [
        None,
        // It stands still, or the next program is about to begin.
        Some("takes the place of this process"),
        Some("INITIALIZE -> MASTER: the process before this one was MASTER"),
    ];
    for moment in moments {
        let lan = Lan::new();
        let mut better = master(&lan, ["", TELLS_ITS_MASK]);
        let worse = Node::openproxy(&lan.theirs, &ROUTER, WORSE);
        worse.wait_until_backup();
        let watch = watch(&lan);
        let begun = now();
        better.signal(Signal::SIGUSR2);
        if let Some(line) = moment {
            better.wait_for(line, 1);
        }
        better.signal(Signal::SIGTERM);
        assert_stopped_well(&mut better);
        worse.wait_for("BACKUP -> MASTER", 1);
        let nobody = |sample: &Sample| !sample.ours && !sample.theirs;
        let gone = watch.since(begun).into_iter().find(nobody);
        assert!(gone.is_none(), "{moment:?}: {gone:?}\n{}\n{}", better.log(), worse.log());
    }
}

#[test]
#[ignore = "needs namespaces and a freezer; .ci/run runs it"]
fn what_comes_while_a_daemon_makes_room_for_another_program_is_not_lost() {
    let lan = Lan::new();
    let slow = Router { interval: SECOND, ..ROUTER };
    let mut node = Node::openproxy_with(&lan.ours, &slow, BETTER, ["", TELLS_ITS_MASK]);
    node.wait_for("is on the interface", 1);
    // It can't stand still while its thread does.
    let frozen = Frozen::thread(node.id(), "vrrp");
    node.signal(Signal::SIGUSR2);
    node.wait_for("takes the place of this process", 1);
    node.signal(Signal::SIGTERM);
    // Nothing of it is left to the kernel: it is the process's.
    let is_taken = || node.status().contains("ShdPnd:\t0000000000000000").then_some(());
    assert!(poll(SLACK, is_taken).is_some(), "{}", node.status());
    drop(frozen);
    assert_stopped_well(&mut node);
    assert_eq!(node.count("the process before this one"), 0, "{}", node.log());
}

#[test]
#[ignore = "needs namespaces; .ci/run runs it"]
fn one_that_has_just_got_the_lock_is_not_killed() {
    let lan = Lan::new();
    let name = SocketAddr::from_abstract_name("openproxy-vips").expect("short");
    let lock = lan.ours.run(|| UnixListener::bind_addr(&name)).expect("the lock");
    let mut heir = Node::openproxy_with(&lan.ours, &ROUTER, BETTER, ["", ""]);
    // A guard that gives its lock away, and takes its time for the rest.
    let (mut asker, _) = lock.accept().expect("it asks");
    let (fds, granted) = ([lock.as_raw_fd()], [IoSlice::new(b"+")]);
    let rights = [ControlMessage::ScmRights(&fds)];
    sendmsg::<()>(asker.as_raw_fd(), &granted, &rights, MsgFlags::empty(), None).expect("sent");
    let has_lock = || {
        let files = fs::read_dir(format!("/proc/{}/fd", heir.id())).ok()?;
        let inode = fs::read_link(format!("/proc/self/fd/{}", lock.as_raw_fd())).ok()?;
        let mut files = files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
        files.any(|file| file == inode).then_some(())
    };
    assert!(poll(SLACK, has_lock).is_some(), "{}", heir.log());
    heir.signal(Signal::SIGTERM);
    // One that has been killed hears no more.
    let _ = asker.write_all(br#"{"guard":1,"is_lent":false,"estate":[]}"#);
    drop((asker, lock));
    let status = heir.wait_until_gone();
    assert_eq!(status.and_then(|status| status.code()), Some(0), "{status:?}\n{}", heir.log());
    assert_eq!(heir.count("stopping; once more"), 1, "{}", heir.log());
}

#[test]
#[ignore = "needs namespaces; .ci/run runs it"]
fn one_that_is_told_to_stop_as_it_goes_on_for_a_dead_one_hands_over() {
    let lan = Lan::new();
    // A guard waits longer then for somebody who follows.
    let slow = Router { interval: SECOND, ..ROUTER };
    let dead = Node::openproxy_with(&lan.ours, &slow, BETTER, ["", ""]);
    dead.wait_for("is on the interface", 1);
    dead.end(End::Death);
    dead.wait_for("MASTER -> LEAVING", 1);
    let mut heir = Node::openproxy_with(&lan.ours, &slow, BETTER, ["", TELLS_ITS_MASK]);
    // From here on, it alone knows of the VIP.
    dead.wait_for("another daemon goes on", 1);
    heir.signal(Signal::SIGTERM);
    assert_stopped_well(&mut heir);
}
