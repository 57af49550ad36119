//! Stepdown, maintenance, and who is told of it all, on real Linux.

use std::fs::{self, File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;

use nix::libc;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tempfile::TempDir;

use crate::net::{INTERFACE, Lan, Sample, Watch, now, poll};
use crate::nodes::{End, Node, Router};
use crate::{BETTER, FAST, SECOND, SLACK, V4, WORSE};

const ROUTER: Router = Router { version: 3, unicast: false, interval: FAST, vip: V4 };
const VIP: &str = "10.9.0.200";

/// What a node tells its script and its FIFO.
struct Told {
    folder: TempDir,
    fifo: File,
}

impl Told {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let script = folder.path().join("notify");
        let told = folder.path().join("told");
        let text = format!(
            "#!/bin/sh\necho $* $OPENPROXY_OLD_STATE $OPENPROXY_NEW_STATE >> {}\n",
            told.display()
        );
        fs::write(&script, text).expect("a file");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("ours");
        let path = folder.path().join("fifo");
        mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).expect("a FIFO");
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(libc::O_NONBLOCK);
        Self { fifo: options.open(path).expect("ours"), folder }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("openproxy.sock")
    }

    /// The part of the file that is before the router.
    fn file(&self) -> String {
        let folder = self.folder.path().display();
        format!(
            "[general]\nnotify_script = \"{folder}/notify\"\nnotify_fifo = \"{folder}/fifo\"\n\
             [general.status]\nsocket = \"{}\"\n",
            self.socket().display()
        )
    }

    /// The changes that the script was told of, once there are so many.
    fn script(&self, count: usize) -> Vec<String> {
        let read = || fs::read_to_string(self.folder.path().join("told")).unwrap_or_default();
        poll(SLACK, || (read().lines().count() >= count).then_some(()));
        let prefix = format!("INSTANCE {INTERFACE}/50/IPv4 ");
        let lines = read();
        let lines = lines.lines().map(|line| line.strip_prefix(&prefix).unwrap_or(line).to_owned());
        lines.collect()
    }

    /// The lines that are in the FIFO.
    fn fifo(&mut self) -> Vec<String> {
        let mut text = vec![0; 64 << 10];
        let len = self.fifo.read(&mut text).unwrap_or(0);
        let text = String::from_utf8_lossy(&text[..len]).into_owned();
        let prefix = format!("INSTANCE \"{INTERFACE}/50/IPv4\" ");
        text.lines().map(|line| line.strip_prefix(&prefix).unwrap_or(line).to_owned()).collect()
    }
}

fn watch(lan: &Lan) -> Watch {
    Watch::start(lan, VIP.parse().expect("an address"))
}

/// A better node that is MASTER.
fn master(lan: &Lan, told: &Told) -> (Node, Watch) {
    let watch = watch(lan);
    let node = Node::openproxy_with(&lan.ours, &ROUTER, BETTER, [&told.file(), ""]);
    let held = watch.wait(Duration::ZERO, SLACK * 2, |sample| sample.ours);
    assert!(held.is_some(), "{}", node.log());
    (node, watch)
}

/// What an operator's command printed, and how it ended.
#[track_caller]
fn printed(output: &Output, status: i32) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let all = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{all}");
    all
}

fn has(sample: &Sample) -> bool {
    sample.ours || sample.theirs
}

/// Waits until a node holds the VIP alone.
#[track_caller]
fn settle(watch: &Watch, from: Duration, logs: &str, is_it: impl Fn(&Sample) -> bool) {
    assert!(watch.wait(from, SLACK * 2, is_it).is_some(), "never\n{logs}");
}

/// Somebody has the VIP all the time, a handover included.
#[track_caller]
fn assert_served(watch: &Watch, (from, until): (Duration, Duration), logs: &str) {
    let all: Vec<_> = watch.since(from).into_iter().filter(|sample| sample.at < until).collect();
    let gap = all.iter().find(|sample| !has(sample));
    assert!(gap.is_none() && !all.is_empty(), "nobody has the VIP: {gap:?}\n{logs}");
}

#[test]
#[ignore = "needs root; .ci/run runs it"]
fn a_stepdown_is_no_gap_and_ends_after_its_time() {
    let lan = Lan::new();
    let told = Told::new();
    let (node, watch) = master(&lan, &told);
    let other = Node::openproxy(&lan.theirs, &ROUTER, WORSE);
    other.wait_until_backup();
    let logs = || node.log() + &other.log();

    let from = now();
    let router = format!("{INTERFACE}/50");
    let output = node.run(&["stepdown", "--for", "3s", "--file", "configuration", &router]);
    let text = printed(&output, 0);
    assert!(text.contains("/50/IPv4: 10.9.0.2 (priority 100) has taken over\n"), "{text}");
    assert!(text.contains("back in 3 s, or once nobody else serves\n"), "{text}");
    settle(&watch, from, &logs(), |sample| sample.theirs && !sample.ours);
    let gone = now();
    settle(&watch, gone, &logs(), |sample| sample.ours && !sample.theirs);
    let back = watch.since(gone).into_iter().find(|sample| sample.ours).expect("it is back").at;
    assert!(back - from >= SECOND * 3, "back after {:?}\n{}", back - from, logs());
    // Preempting is no handover.
    assert_served(&watch, (from, back - SECOND / 2), &logs());

    let text = printed(&node.run(&["stepdown", "--file", "configuration", "eth9/1"]), 2);
    assert!(text.contains("there is no virtual router eth9/1, but "), "{text}");
}

#[test]
#[ignore = "needs root; .ci/run runs it"]
fn maintenance_lasts_over_an_upgrade_and_everybody_is_told_once() {
    let lan = Lan::new();
    let mut told = Told::new();
    let (mut node, watch) = master(&lan, &told);
    let other = Node::openproxy(&lan.theirs, &ROUTER, WORSE);
    other.wait_until_backup();
    let logs = || node.log() + &other.log();

    let from = now();
    let text = printed(&node.run(&["maintenance", "on", "--file", "configuration"]), 0);
    assert!(text.contains("10.9.0.2 (priority 100) has taken over"), "{text}");
    settle(&watch, from, &logs(), |sample| sample.theirs && !sample.ours);
    // A script that runs would keep the upgrade waiting, not more.
    printed(&node.run(&["upgrade", "configuration"]), 0);
    // It begins with looking for its interface.
    let is_out = || {
        let output = node.run(&["status", "configuration"]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let is_out = text.contains("takes no part: in maintenance");
        (is_out && output.status.code() == Some(1)).then_some(())
    };
    assert!(poll(SLACK, is_out).is_some(), "{}", logs());
    let window = watch.window(SECOND * 2);
    assert!(window.iter().all(|sample| sample.theirs && !sample.ours), "{}", logs());
    let off_at = now();
    assert_served(&watch, (from, off_at), &logs());
    let text = printed(&node.run(&["maintenance", "off", "--file", "configuration"]), 0);
    assert!(text.contains("/50/IPv4: takes part again: BACKUP"), "{text}");
    settle(&watch, off_at, &logs(), |sample| sample.ours && !sample.theirs);

    // BACKUP as it is: the next program has nothing to tell.
    drop(other);
    node.end(End::Stop);
    assert_eq!(node.wait_until_gone().and_then(|status| status.code()), Some(0), "{}", node.log());
    let changes = [
        ("BACKUP", "INITIALIZE BACKUP"),
        ("MASTER", "BACKUP MASTER"),
        ("LEAVING", "MASTER LEAVING"),
        ("STOP", "LEAVING INITIALIZE"),
        ("BACKUP", "INITIALIZE BACKUP"),
        ("MASTER", "BACKUP MASTER"),
        ("LEAVING", "MASTER LEAVING"),
        ("STOP", "LEAVING INITIALIZE"),
    ];
    let expected = changes.map(|(word, states)| format!("{word} {BETTER} {states}"));
    assert_eq!(told.script(changes.len()), expected, "{}", node.log());
    assert_eq!(told.fifo(), changes.map(|(word, _)| format!("{word} {BETTER}")), "{}", node.log());
}

#[test]
#[ignore = "needs root; .ci/run runs it"]
fn the_last_node_steps_down_from_nothing_and_is_told_what_maintenance_costs() {
    let lan = Lan::new();
    let told = Told::new();
    let (node, watch) = master(&lan, &told);
    let from = now();
    let text = printed(&node.run(&["stepdown", "--file", "configuration"]), 1);
    assert!(text.contains("/50/IPv4: nobody has followed: it is MASTER again\n"), "{text}");
    watch.window(SECOND * 2);
    assert_served(&watch, (from, now()), &node.log());
    let text = printed(&node.run(&["maintenance", "on", "--file", "configuration"]), 1);
    assert!(text.contains("its VIPs may be on no node"), "{text}");
    assert!(watch.window(SECOND).iter().all(|sample| !has(sample)), "{}", node.log());
    printed(&node.run(&["maintenance", "off", "--file", "configuration"]), 0);
    settle(&watch, now(), &node.log(), |sample| sample.ours);
}

#[test]
#[ignore = "needs root; .ci/run runs it"]
fn an_upgrade_of_a_master_and_of_a_backup_tells_nothing() {
    let lan = Lan::new();
    let (mut ours, mut theirs) = (Told::new(), Told::new());
    let (node, _watch) = master(&lan, &ours);
    let other = Node::openproxy_with(&lan.theirs, &ROUTER, WORSE, [&theirs.file(), ""]);
    other.wait_until_backup();
    let (is_master, is_backup) = (ours.script(2), theirs.script(1));
    assert_eq!((is_master.len(), is_backup.len()), (2, 1), "{is_master:?} {is_backup:?}");
    for node in [&node, &other] {
        printed(&node.run(&["upgrade", "configuration"]), 0);
    }
    node.wait_for("the process before this one was MASTER", 1);
    other.wait_for("INITIALIZE -> BACKUP", 2);
    // What comes next is the second thing to be told of.
    printed(&other.run(&["maintenance", "on", "--file", "configuration"]), 0);
    assert_eq!(theirs.script(2)[1..], [format!("STOP {WORSE} BACKUP INITIALIZE")]);
    assert_eq!(ours.script(2), is_master);
    assert_eq!((ours.fifo().len(), theirs.fifo().len()), (2, 2));
}
