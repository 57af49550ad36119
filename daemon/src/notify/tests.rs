//! A script and a FIFO beside a history, without any virtual router.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::SystemTime;

use nix::libc;
use openproxy_core::event::Reason;
use openproxy_core::vrrp::{Family, Priority, Vrid};
use tempfile::TempDir;

use super::*;

fn change(priority: u8) -> Transition {
    let router = RouterKey {
        interface: "eth0".into(),
        vrid: Vrid::new(50).expect("in range"),
        family: Family::V4,
    };
    Transition {
        at: SystemTime::UNIX_EPOCH,
        router,
        from: StateName::Backup,
        to: StateName::Master,
        reason: Reason::MasterDown,
        priority: Priority::new(priority).expect("in range"),
    }
}

/// A file whose script puts priorities into a file of this name, and whose FIFO has another.
fn loaded(folder: &Path, told: &str, before: &str) -> Loaded {
    let script = folder.join(format!("script-{told}"));
    let text = format!("#!/bin/sh\n{before}echo $4 >> {}\n", folder.join(told).display());
    fs::write(&script, text).expect("a file");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("ours");
    let fifo = folder.join(format!("fifo-{told}"));
    let file = format!("[general]\nnotify_script = {script:?}\nnotify_fifo = {fifo:?}\n");
    openproxy::config::load("openproxy.toml", &file).expect("a good file")
}

/// A file that has nobody told.
fn nothing() -> Loaded {
    openproxy::config::load("openproxy.toml", "").expect("a good file")
}

fn reader(path: &Path) -> fs::File {
    let mut options = fs::OpenOptions::new();
    options.read(true).custom_flags(libc::O_NONBLOCK).open(path).expect("it was made")
}

fn priorities(folder: &Path, told: &str) -> Vec<String> {
    let text = fs::read_to_string(folder.join(told)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn start(loaded: &Loaded) -> (History, oneshot::Sender<()>, Notifier) {
    let history = History::default();
    let (end, ended) = oneshot::channel();
    let kept = tokio::spawn(async move { drop(ended.await) });
    let notifier = Notifier::start(&history, kept, loaded, &BTreeMap::new());
    (history, end, notifier)
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

#[tokio::test]
async fn each_change_is_told_once_in_order_and_the_last_at_the_end() {
    let folder = folder();
    let (history, end, notifier) = start(&loaded(folder.path(), "a", ""));
    (1..=20).for_each(|priority| history.put(change(priority)));
    end.send(()).expect("it is waited for");
    notifier.end().await;
    let expected: Vec<_> = (1..=20).map(|priority| priority.to_string()).collect();
    assert_eq!(priorities(folder.path(), "a"), expected);
}

#[tokio::test]
async fn it_is_settled_once_the_script_has_ended() {
    let folder = folder();
    let go = folder.path().join("go");
    let waits = format!("until test -e {}; do sleep 0.01; done\n", go.display());
    let (history, _end, notifier) = start(&loaded(folder.path(), "a", &waits));
    let settled = notifier.settled();
    assert!(settled.within(Duration::from_secs(60)).await, "there is nothing to tell");
    history.put(change(1));
    assert!(!settled.within(Duration::from_millis(20)).await, "the script waits");
    fs::write(go, "").expect("a file");
    assert!(settled.within(Duration::from_secs(60)).await);
    assert_eq!(priorities(folder.path(), "a"), ["1"]);
}

#[tokio::test]
async fn another_file_counts_at_once() {
    let folder = folder();
    let (history, _end, notifier) = start(&loaded(folder.path(), "a", ""));
    let settled = notifier.settled();
    assert!(settled.within(Duration::from_secs(60)).await);
    let mut first = reader(&folder.path().join("fifo-a"));
    history.put(change(1));
    assert!(settled.within(Duration::from_secs(60)).await);
    notifier.apply(&loaded(folder.path(), "b", ""));
    while !folder.path().join("fifo-b").exists() {
        tokio::task::yield_now().await;
    }
    let mut second = reader(&folder.path().join("fifo-b"));
    history.put(change(2));
    assert!(settled.within(Duration::from_secs(60)).await);
    notifier.apply(&nothing());
    history.put(change(3));
    assert!(settled.within(Duration::from_secs(60)).await);
    let told = ["a", "b"].map(|told| priorities(folder.path(), told));
    assert_eq!(told, [["1"], ["2"]]);
    for (fifo, priority) in [(&mut first, 1), (&mut second, 2)] {
        let mut line = String::new();
        fifo.read_to_string(&mut line).expect("whoever wrote it has closed it");
        assert_eq!(line, format!("INSTANCE \"eth0/50/IPv4\" MASTER {priority}\n"));
    }
}

/// Notes what it is told, once it may.
struct Slow {
    told: mpsc::Sender<u8>,
    goes: mpsc::Receiver<()>,
}

impl Outlet for Slow {
    const KEY: &'static str = "slow";

    fn prepare(&mut self, _: &NotifyConfig) {}

    async fn tell(&mut self, change: &Transition, _: Settings) {
        let _ = self.goes.recv().await;
        let _ = self.told.send(change.priority.get()).await;
    }
}

#[tokio::test]
async fn of_too_many_that_wait_the_oldest_are_lost_and_the_rest_is_told() {
    let (told, mut heard) = mpsc::channel(2 * BEHIND_MAX);
    let (go, goes) = mpsc::channel(1);
    let (history, _end, mut notifier) = start(&nothing());
    notifier.follow(&history, &BTreeMap::new(), Slow { told, goes });
    history.put(change(1));
    // It takes the first one, and waits.
    tokio::task::yield_now().await;
    (0..BEHIND_MAX + 10).for_each(|_| history.put(change(2)));
    history.put(change(3));
    drop(go);
    notifier.wishes.clear();
    let mut all = Vec::new();
    while let Some(priority) = heard.recv().await {
        all.push(priority);
    }
    assert_eq!((all.first(), all.last(), all.len()), (Some(&1), Some(&3), BEHIND_MAX + 1));
}
