//! How the daemon and `openproxy release` end, where that takes a network or a privilege.

use std::process::{Command, Output};

use nix::sys::signal::Signal;

use crate::net::{INTERFACE, Lan, Namespace};
use crate::nodes::{Node, Router};
use crate::{BETTER, FAST, V4, WORSE, router};

const ROUTER: Router = router(3, false, FAST);
const WITHOUT: [&str; 3] = ["setpriv", "--bounding-set", "-net_raw,-net_admin"];

fn file(before: &str, inside_it: &str) -> String {
    format!(
        "{before}[general.virtual_router]\ninterface = \"{INTERFACE}\"\nrouter_id = 50\n\
         priority = 150\nversion = 3\nadvert_int = 0.2\nvip_addresses = [ \"{V4}\" ]\n{inside_it}"
    )
}

fn ended(node: &mut Node) -> Option<i32> {
    node.wait_until_gone().and_then(|status| status.code())
}

/// Runs `openproxy release` with this file, by a launcher's words.
fn release(inside: &Namespace, launcher: &[&str], output: &str) -> Output {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("configuration");
    std::fs::write(&path, file("", "")).expect("a file");
    let words = [launcher, &[env!("CARGO_BIN_EXE_openproxy"), "release"]].concat();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).arg(path);
    if !output.is_empty() {
        command.stdout(std::fs::File::options().write(true).open(output).expect("a device"));
    }
    inside.run(|| command.output()).expect("a process")
}

#[track_caller]
fn assert_says(output: &Output, status: i32, text: &str) {
    let said = [&*output.stdout, &*output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert_eq!(output.status.code(), Some(status), "{said}");
    assert!(said.contains(text), "{said}");
}

#[test]
#[ignore = "needs root; .ci/run runs it"]
fn beside_another_daemon_neither_a_second_one_runs_nor_a_release() {
    const BUSY: &str = "another openproxy runs in this network namespace";
    let lan = Lan::new();
    let mut first = Node::openproxy(&lan.ours, &ROUTER, BETTER);
    first.wait_for("BACKUP -> MASTER", 1);
    let mut second = Node::openproxy(&lan.ours, &ROUTER, WORSE);
    assert_eq!((ended(&mut second), second.count(BUSY)), (Some(75), 1), "{}", second.log());
    assert_says(&release(&lan.ours, &[], ""), 75, BUSY);

    first.signal(Signal::SIGTERM);
    assert_eq!(ended(&mut first), Some(0), "{}", first.log());
    assert_says(&release(&lan.ours, &[], ""), 0, "nothing to release\n");
    assert_says(&release(&lan.ours, &[], "/dev/full"), 71, "");
}

#[test]
#[ignore = "needs root; .ci/run runs it"]
fn without_capabilities_neither_a_daemon_runs_nor_a_release() {
    const MISSING: &str = "CAP_NET_RAW";
    let lan = Lan::new();
    let mut node = Node::openproxy_by(&lan.ours, &WITHOUT, &file("", ""));
    assert_eq!(ended(&mut node), Some(77), "{}", node.log());
    assert!(node.log().contains(MISSING), "{}", node.log());
    assert_says(&release(&lan.ours, &WITHOUT, ""), 77, MISSING);

    let mut node =
        Node::openproxy_by(&lan.ours, &[], &file("[general]\nuser = \"no-such-user\"\n", ""));
    assert_eq!(ended(&mut node), Some(77), "{}", node.log());
    assert!(node.log().contains("no-such-user"), "{}", node.log());
}

#[test]
#[ignore = "needs root; .ci/run runs it"]
fn a_third_signal_waits_for_nothing() {
    let held = tempfile::tempdir().expect("a directory");
    let hook = format!(
        "pre_demote_script = '''sh -c 'while test -e {}; do sleep 0.02; done' '''\n",
        held.path().display()
    );
    let lan = Lan::new();
    // A guard would begin anew what is cut off here.
    let mut node = Node::openproxy_by(&lan.ours, &[], &file("[general]\nguard = false\n", &hook));
    node.wait_for("BACKUP -> MASTER", 1);
    node.signal(Signal::SIGTERM);
    node.wait_for("stopping; once more to hand over to nobody", 1);
    node.signal(Signal::SIGTERM);
    node.wait_for("letting go of the VIPs at once", 1);
    node.signal(Signal::SIGTERM);
    assert_eq!(ended(&mut node), Some(1), "{}", node.log());
    assert_eq!(node.count("ending before all is released"), 1, "{}", node.log());
}
