//! A thousand reloads, none of which asks for a change of state.

use std::fs::{self, File};
use std::io::Write as _;
use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use openproxy_io_sim::draw::{Draws, Sequence, Stream};
use tempfile::TempDir;

use crate::net::{INTERFACE, Lan, Namespace, OURS, THEIRS, poll};
use crate::nodes::Node;

/// A file settles for half a second, so clusters of two are reloaded side by side.
const CLUSTERS: u64 = 10;
const ROUNDS: u64 = 50;
/// The VIP that is in every file.
const PROBE: &str = "10.9.0.200/24";
const OTHERS: [&str; 3] = ["10.9.0.201/24", "10.9.0.202/32", "10.8.0.1/24"];

/// What is drawn for one file.
struct Drawn(Sequence);

impl Drawn {
    fn below(&mut self, count: u64) -> u64 {
        self.0.below(count)
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        let count = u64::try_from(all.len()).expect("few");
        all[usize::try_from(self.below(count)).expect("few")]
    }

    /// A file whose router has this priority and these peers: all else is as it comes, as long as the
    /// better node stays MASTER.
    fn file(&mut self, priority: u8, peer: Option<&str>) -> String {
        let mut vips: Vec<_> = OTHERS.into_iter().filter(|_| self.below(2) == 0).collect();
        let place = usize::try_from(self.below(4)).expect("few").min(vips.len());
        vips.insert(place, PROBE);
        let mut file = format!(
            "{}[general]\nrenew_interval = {}\n[general.status]\nsocket = \"/dev/null/none\"\n\
             [general.virtual_router]\ninterface = \"{INTERFACE}\"\nrouter_id = 50\n\
             priority = {}\nversion = 3\nadvert_int = 0.01\nvip_addresses = {vips:?}\n",
            "\n# a comment\n".repeat(usize::try_from(self.below(3)).expect("few")),
            80_000 + self.below(1_000),
            u64::from(priority) + self.below(20),
        );
        if let Some(peer) = peer {
            let third = self.of(&["", ", \"10.9.0.3\"", ", \"10.9.0.1\", \"10.9.0.2\""]);
            file += &format!("unicast_peers = [ \"{peer}\"{third} ]\n");
        }
        let lines = [
            ["", "garp_refresh = 0\n", "garp_refresh = 1\n"],
            ["", "pre_promote_script = \"/bin/true\"\n", "hook_failure = \"abort\"\n"],
            ["", "pre_demote_script = \"/bin/true\"\n", "hook_timeout = 5\n"],
            ["", "preempt = false\n", "preempt_delay = 1.5\n"],
            ["", "handover = \"strict\"\n", "handover = \"planned\"\n"],
            ["", "reset_connections = false\n", "reset_connections = true\n"],
            ["", "checksum = \"message-only\"\n", "strict = true\n"],
            ["", "lease = false\n", "v2_interval_mismatch = \"discard\"\n"],
            [
                "",
                "track = [ { interface = \"lo\" }, { command = \"/bin/true\", interval = 100 } ]\n",
                "track = [ { command = \"/bin/true\", weight = -100, fall = 9 } ]\n",
            ],
        ];
        for line in lines {
            file += self.of(&line);
        }
        file
    }
}

/// Puts a node ahead of whatever else runs on this machine, where that is allowed: at 10 ms, 30 ms
/// without a processor are a takeover.
fn ahead() -> &'static [&'static str] {
    const AHEAD: [&str; 3] = ["chrt", "--fifo", "10"];
    let tried = Command::new(AHEAD[0]).args(&AHEAD[1..]).arg("true").status();
    if tried.is_ok_and(|status| status.success()) { &AHEAD } else { &[] }
}

/// Everything that the kernel tells of a node's addresses.
struct Monitor {
    process: Child,
    folder: TempDir,
}

impl Monitor {
    fn start(inside: &Namespace) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let told = File::create(folder.path().join("told")).expect("a file");
        let mut command = Command::new("ip");
        command.args(["-oneline", "monitor", "address"]).stdout(told);
        Self { process: inside.spawn(&mut command), folder }
    }

    /// What was told of the probe VIP, so far.
    fn told(&self) -> Vec<String> {
        let told = fs::read_to_string(self.folder.path().join("told")).expect("a file");
        let probe = told.lines().filter(|line| line.contains(&format!("inet {PROBE}")));
        probe.map(str::to_owned).collect()
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// How often it has changed its state.
fn states(node: &Node) -> usize {
    let log = node.log();
    let changes = log.lines().filter(|line| line.contains(" -> ") && !line.contains("priority"));
    changes.count()
}

/// Two nodes that are reloaded, round after round. Gives how often each did.
fn reload_both(draws: Draws, number: u64) -> usize {
    let unicast = number % 2 == 1;
    let lan = Lan::new();
    let sides = [(&lan.ours, 150, THEIRS[0]), (&lan.theirs, 100, OURS[0])];
    let mut drawn = Drawn(Sequence::new(draws, Stream::Faults, number));
    let mut nodes = Vec::new();
    for (inside, priority, peer) in sides {
        let file = drawn.file(priority, unicast.then_some(peer));
        let node = Node::openproxy_by(inside, ahead(), &file);
        node.wait_for("INITIALIZE -> BACKUP", 1);
        if nodes.is_empty() {
            node.wait_for(&format!("{PROBE} is on the interface"), 1);
        }
        nodes.push(node);
    }
    let monitors = sides.map(|(inside, ..)| Monitor::start(inside));
    let answers = |node: &Node| node.count(" has changed") + node.count(" is unchanged");
    let before: Vec<_> = nodes.iter().map(answers).collect();
    for round in 1..=ROUNDS {
        for ((_, priority, peer), node) in sides.iter().zip(&nodes) {
            node.rewrite(&drawn.file(*priority, unicast.then_some(peer)));
            // Anywhere between two adverts.
            thread::sleep(Duration::from_micros(drawn.below(10_000)));
            node.signal(Signal::SIGHUP);
        }
        let round = usize::try_from(round).expect("few");
        for (node, before) in nodes.iter().zip(&before) {
            let is_done = || (answers(node) >= before + round).then_some(());
            assert!(poll(Duration::from_secs(10), is_done).is_some(), "{}", node.log());
        }
    }
    let logs = || nodes.iter().map(Node::log).collect::<String>();
    let states: Vec<_> = nodes.iter().map(states).collect();
    assert_eq!(states, [2, 1], "INITIALIZE, BACKUP, and the better one MASTER\n{}", logs());
    let [ours, theirs] = monitors.map(|monitor| monitor.told());
    let lost = ours.iter().find(|line| line.starts_with("Deleted"));
    assert_eq!(lost, None, "cluster {number}\n{}", logs());
    assert!(!ours.is_empty(), "its lease is renewed, and that is told");
    assert!(theirs.is_empty(), "cluster {number}: {theirs:?}\n{}", logs());
    nodes.iter().map(|node| node.count("configuration applied")).sum()
}

#[test]
#[ignore = "needs root; .ci/run runs it"]
fn a_thousand_reloads_every_10_ms_adverts_change_no_state() {
    let seed = std::env::var("RELOAD_SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
    // A failure shows it.
    writeln!(std::io::stdout(), "RELOAD_SEED={seed}").expect("somebody reads");
    let draws = Draws::new(seed);
    let applied: usize = thread::scope(|scope| {
        let clusters: Vec<_> =
            (0..CLUSTERS).map(|number| scope.spawn(move || reload_both(draws, number))).collect();
        clusters.into_iter().map(|cluster| cluster.join().expect("no panic")).sum()
    });
    let all = CLUSTERS * ROUNDS * 2;
    println!("{all} reloads, {applied} of them changed a router: no change of state");
}
