//! The page of a run: what is in the file, and what a browser makes of it.
//!
//! The tests with a browser need Debian's `chromium`. With `TIMELINE_SCREENSHOTS=folder` they leave
//! their pictures and pages there.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use openproxy_sim_tests::timeline::{
    Advert, Announcement, ClientSpan, Fault, Holding, Node, Phase, StateSpan, Timeline, Violation,
    render,
};
use serde_json::{Value, json};

const MS: u64 = 1_000_000;
const S: u64 = 1_000 * MS;
const VIP: &str = "192.0.2.100";
const HOSTILE: &str = "</script><img alt=\"x\" onerror=\"boom()\">&amp;<!--<script>/*data*/";

fn state(node: usize, from_ms: u64, to_ms: u64, state: Phase, reason: &str) -> StateSpan {
    StateSpan { node, from_ns: from_ms * MS, to_ns: to_ms * MS, state, reason: reason.into() }
}

fn holding(node: usize, from_ms: u64, to_ms: u64) -> Holding {
    Holding { node, vip: VIP.into(), from_ns: from_ms * MS, to_ns: to_ms * MS }
}

fn fault(from_ms: u64, to_ms: u64, text: &str, nodes: &[usize]) -> Fault {
    Fault { from_ns: from_ms * MS, to_ns: to_ms * MS, text: text.into(), nodes: nodes.to_vec() }
}

fn client(node: Option<usize>, from_ms: u64, to_ms: u64) -> ClientSpan {
    ClientSpan { vip: VIP.into(), node, from_ns: from_ms * MS, to_ns: to_ms * MS }
}

/// Adverts of `from` to the other two, one each `step_ms`, that get through where `open` says so.
fn adverts(
    from: usize,
    from_ms: u64,
    to_ms: u64,
    step_ms: u64,
    open: impl Fn(usize) -> bool,
) -> Vec<Advert> {
    let priority = [200, 150, 100][from];
    (from_ms..to_ms)
        .step_by(usize::try_from(step_ms).expect("small"))
        .flat_map(|at| (0..3).filter(|to| *to != from).map(move |to| (at * MS, to)))
        .map(|(sent_ns, to)| Advert {
            from,
            to,
            sent_ns,
            arrived_ns: open(to).then_some(sent_ns + (150 + 90 * to as u64) * 1_000),
            priority,
            note: if open(to) { String::new() } else { "the partition drops it".into() },
        })
        .collect()
}

/// Three routers for a minute: a kill, a farewell, a partition, and two holders at the end of it.
fn split_brain() -> Timeline {
    use Phase::{Backup, Down, Initialize, Master, Paused};
    let node = |name: &str, address: &str, priority| Node {
        name: name.into(),
        address: address.into(),
        priority,
    };
    let fired = "master-down timer fired";
    let mut sent = adverts(0, 4_000, 20_000, 1_000, |_| true);
    sent.extend(adverts(1, 23_609, 31_000, 1_000, |_| true));
    sent.extend(adverts(1, 31_000, 31_001, 1_000, |_| true).into_iter().map(|one| Advert {
        priority: 0,
        note: "farewell".into(),
        ..one
    }));
    sent.extend(adverts(0, 31_001, 42_000, 1_000, |_| true));
    sent.extend(adverts(0, 42_001, 60_000, 1_000, |_| false));
    sent.extend(adverts(1, 45_415, 60_000, 1_000, |to| to == 2));
    Timeline {
        title: "partition-with-kill".into(),
        subtitle: "seed 4711: 3 routers, VRRPv3, 1 s".into(),
        replay: "openproxy-sim run --seed 4711".into(),
        end_ns: 60 * S,
        nodes: vec![
            node("alpha", "192.0.2.1", 200),
            node("bravo", "192.0.2.2", 150),
            node("charlie", "192.0.2.3", 100),
        ],
        states: vec![
            state(0, 0, 391, Initialize, "started"),
            state(0, 391, 4_000, Backup, "startup"),
            state(0, 4_000, 20_000, Master, fired),
            state(0, 20_000, 27_000, Down, "kill -9"),
            state(0, 27_000, 27_350, Initialize, "started"),
            state(0, 27_350, 31_001, Backup, "startup"),
            state(0, 31_001, 60_000, Master, "farewell of bravo"),
            state(1, 0, 402, Initialize, "started"),
            state(1, 402, 23_609, Backup, "startup"),
            state(1, 23_609, 31_000, Master, fired),
            state(1, 31_000, 45_415, Backup, "better advert from alpha"),
            state(1, 45_415, 60_000, Master, fired),
            state(2, 0, 380, Initialize, "started"),
            state(2, 380, 50_000, Backup, "startup"),
            state(2, 50_000, 53_000, Paused, "SIGSTOP"),
            state(2, 53_000, 60_000, Backup, "SIGCONT"),
        ],
        holdings: vec![
            holding(0, 4_001, 22_900),
            holding(1, 23_610, 31_000),
            holding(0, 31_003, 60_000),
            holding(1, 45_416, 60_000),
        ],
        faults: vec![
            fault(20_000, 20_000, "kill -9 alpha", &[0]),
            fault(27_000, 27_000, "start alpha", &[0]),
            fault(42_000, 60_000, "partition: alpha | bravo, charlie", &[]),
            fault(50_000, 53_000, "SIGSTOP charlie", &[2]),
        ],
        adverts: sent,
        client: vec![
            client(None, 0, 4_002),
            client(Some(0), 4_002, 23_611),
            client(Some(1), 23_611, 31_004),
            client(Some(0), 31_004, 45_418),
            client(Some(1), 45_418, 60_000),
        ],
        announcements: [(0, 4_002), (0, 4_252), (1, 23_611), (1, 23_861), (0, 31_004), (1, 45_418)]
            .map(|(node, at_ms)| Announcement { node, at_ns: at_ms * MS, vip: VIP.into() })
            .to_vec(),
        violation: Some(Violation {
            invariant: "V2".into(),
            at_ns: 45_416 * MS,
            text: "alpha and bravo both hold 192.0.2.100, and a lease of alpha had run out".into(),
        }),
    }
}

/// The same, with 20,000 adverts.
fn busy() -> Timeline {
    Timeline {
        adverts: adverts(0, 0, 60_000, 6, |to| to != 9),
        violation: None,
        subtitle: "seed 4712: 3 routers, VRRPv3, 10 ms".into(),
        ..split_brain()
    }
}

fn hostile() -> Timeline {
    let mut timeline = split_brain();
    timeline.title = HOSTILE.into();
    timeline.replay = HOSTILE.into();
    timeline.nodes[0].name = HOSTILE.into();
    timeline.states[2].reason = HOSTILE.into();
    timeline.faults[2].text = HOSTILE.into();
    timeline.adverts[0].note = HOSTILE.into();
    timeline.violation =
        Some(Violation { invariant: "V2".into(), at_ns: 45_416 * MS, text: HOSTILE.into() });
    timeline
}

/// Where one test leaves its pages and pictures; the second half removes it, unless it was asked
/// for.
fn folder() -> (PathBuf, Option<tempfile::TempDir>) {
    match std::env::var_os("TIMELINE_SCREENSHOTS") {
        Some(folder) => (folder.into(), None),
        None => {
            let folder = tempfile::tempdir().expect("a folder");
            (folder.path().to_path_buf(), Some(folder))
        }
    }
}

/// Runs Chromium on a page, and returns what it printed.
fn chromium(page: &Path, arguments: &[&str]) -> String {
    let profile = tempfile::tempdir().expect("a folder for the profile");
    let dump = profile.path().join("dump");
    let output = fs::File::create(&dump).expect("a file for the output");
    let mut child = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"])
        .args(["--force-device-scale-factor=1", "--virtual-time-budget=3000"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(arguments)
        .arg(format!("file://{}", page.display()))
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(Stdio::null())
        // Of its own, so that all of its processes can be ended by one id.
        .process_group(0)
        .spawn()
        .expect("these tests need `chromium` on the path: apt-get install chromium");
    let ended = (0..1_200).any(|_| {
        sleep(Duration::from_millis(100));
        child.try_wait().expect("our child").is_some()
    });
    if !ended {
        let group = format!("-{}", child.id());
        Command::new("kill").args(["-KILL", "--", &group]).status().expect("kill");
        child.wait().expect("our child");
        panic!("chromium didn't end within two minutes on {}", page.display());
    }
    fs::read_to_string(&dump).expect("what it printed")
}

/// Opens the page of `timeline`, runs `script` in it, and returns the value of `question`. The page
/// may not report an error.
fn ask(name: &str, timeline: &Timeline, script: &str, question: &str) -> Value {
    let (folder, _remove) = folder();
    let page = folder.join(format!("{name}-asked.html"));
    let probe = format!(
        "<pre id=\"answer\"></pre><script>{{ {script}; draw(); \
         document.getElementById(\"answer\").textContent = JSON.stringify({question}); }}</script>\
         </body>"
    );
    fs::write(&page, render(timeline).replace("</body>", &probe)).expect("the page is written");
    let dom = chromium(&page, &["--window-size=1400,900", "--dump-dom"]);
    let text = |id: &str, tag: &str| {
        let start = dom.split(&format!("<{tag} id=\"{id}\"")).nth(1).unwrap_or_default();
        let start = start.split_once('>').unwrap_or_default().1;
        start.split(&format!("</{tag}>")).next().unwrap_or_default().to_owned()
    };
    let answer =
        text("answer", "pre").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    assert_eq!(text("errors", "pre"), "", "what went wrong in the page {name}");
    serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error} in answer {answer:?}"))
}

fn screenshot(name: &str, timeline: &Timeline, arguments: &[&str]) {
    let (folder, _remove) = folder();
    let page = folder.join(format!("{name}.html"));
    let picture = folder.join(format!("{name}.png"));
    fs::write(&page, render(timeline)).expect("the page is written");
    let option = format!("--screenshot={}", picture.display());
    chromium(&page, &[&[option.as_str()], arguments].concat());
    let bytes = fs::metadata(&picture).expect("a picture").len();
    assert!(bytes > 5_000, "{name} is an empty picture of {bytes} bytes");
}

#[test]
fn a_hostile_text_stays_in_its_block() {
    let page = render(&hostile());
    assert_eq!(page.matches("<script").count(), 3);
    assert_eq!(page.matches("</script").count(), 3);
    assert_eq!(page.matches("<!--").count(), 1, "that of the page itself");
    let block = page.split("id=\"data\">").nth(1).expect("a block of data");
    let block = block.split("</script>").next().expect("its end");
    let read: Value = serde_json::from_str(block).expect("the block is JSON");
    assert_eq!(read, serde_json::to_value(hostile()).expect("a timeline is JSON"));
}

#[test]
fn a_page_needs_nothing_else() {
    let page = render(&split_brain());
    for outside in ["http:", "https:", "src=", "href=", "@import", "url(\"", "fetch("] {
        assert!(!page.contains(outside), "{outside} is in the page");
    }
    assert_eq!(page.matches("url(").count(), page.matches("url(#").count());
    assert!(page.contains("default-src 'none'"));
}

#[test]
#[ignore = "needs Chromium"]
fn a_page_opens_on_the_violation() {
    let question = r##"({
        lanes: document.querySelectorAll("#plot .lane").length,
        masters: document.querySelectorAll("#plot rect.k-MASTER").length,
        conflicts: document.querySelectorAll("#plot rect.conflict").length,
        lost: document.querySelectorAll("#plot .advert.lost").length > 0,
        violation: document.querySelector("#plot .violation").textContent.includes("V2: alpha and"),
        verdict: document.getElementById("verdict").textContent,
        rows: document.querySelectorAll("#events tr[data-kind=state]").length,
        in_view: view.from < 42e9 && view.to > 45.416e9 && view.to - view.from < 40e9,
        details: document.getElementById("details").textContent.includes("V2 broken"),
    })"##;
    let answer = ask("violation", &split_brain(), "", question);
    assert_eq!(
        answer,
        json!({
            "lanes": 3, "masters": 3, "conflicts": 2, "lost": true, "violation": true,
            "verdict": "V2 broken at 45.416 s alpha and bravo both hold 192.0.2.100, \
                and a lease of alpha had run out",
            "rows": 16, "in_view": true, "details": true,
        })
    );
}

#[test]
#[ignore = "needs Chromium"]
fn hostile_text_is_shown_as_it_is() {
    let question = r#"({
        title: document.getElementById("title").textContent,
        images: document.images.length,
        listed: document.getElementById("events").textContent.includes(run.title),
    })"#;
    let script = "choose('a0', 0); choose('s2', 0); ACTIONS.all()";
    let answer = ask("hostile", &hostile(), script, question);
    assert_eq!(answer, json!({ "title": HOSTILE, "images": 0, "listed": true }));
}

#[test]
#[ignore = "needs Chromium"]
fn many_adverts_become_bars_until_the_reader_zooms_in() {
    let question = r##"({
        opens_on_all: before.width > 60e9,
        bars: before.bars,
        few: before.elements < 3000,
        said: before.hint.startsWith("20,000 adverts in view"),
        arrows: document.querySelectorAll("#plot .advert").length > 0,
        bars_after: document.querySelectorAll("#plot .bars").length,
    })"##;
    let script = r##"const before = {
            width: view.to - view.from,
            bars: document.querySelectorAll("#plot .bars:not(.lost)").length,
            elements: document.querySelectorAll("#plot *").length,
            hint: document.getElementById("hint").textContent,
        };
        show(20e9, 20.2e9)"##;
    let answer = ask("busy", &busy(), script, question);
    assert_eq!(
        answer,
        json!({
            "opens_on_all": true, "bars": 1, "few": true, "said": true, "arrows": true,
            "bars_after": 0,
        })
    );
}

#[test]
#[ignore = "needs Chromium"]
fn keys_wheel_and_filter_move_the_reader() {
    let script = r##"
        const key = (name) => document.dispatchEvent(new KeyboardEvent("keydown", { key: name }));
        const width = () => view.to - view.from;
        const steps = [];
        key("0");
        const all = width();
        key("n");
        steps.push(document.querySelector("#details h2").textContent);
        key("n"); key("p"); key("p");
        steps.push(document.querySelector("#details h2").textContent);
        key("+");
        const nearer = width() < all;
        const { from } = view;
        key("ArrowRight");
        const later = view.from > from;
        key("Escape");
        const spin = new WheelEvent("wheel", { deltaY: -100, clientX: 700, cancelable: true });
        const wide = width();
        plot.dispatchEvent(spin);
        const wheel = width() < wide && spin.defaultPrevented;
        key("v");
        const words = document.getElementById("words");
        words.value = "ALPHA down";
        words.dispatchEvent(new Event("input", { bubbles: true }));"##;
    let question = r##"({ steps, nearer, later, wheel, pinned,
        rows: [...document.querySelectorAll("#events tbody tr")].map((row) => row.textContent),
    })"##;
    let mut timeline = split_brain();
    timeline.states[2].reason = "first of its kind".into();
    let answer = ask("keys", &timeline, script, question);
    assert_eq!(
        answer,
        json!({
            "steps": ["charlie: BACKUP → PAUSED", "bravo: BACKUP → MASTER"],
            "nearer": true, "later": true, "wheel": true, "pinned": "v",
            "rows": ["20.000 salphaMASTER → DOWNkill -9", "27.000 salphaDOWN → INITIALIZEstarted"],
        })
    );
}

#[test]
#[ignore = "needs Chromium"]
fn an_empty_run_is_a_page_too() {
    let question = r##"({ verdict: document.getElementById("verdict").textContent,
        said: document.getElementById("nothing").offsetHeight > 0 })"##;
    let script = "for (const name of Object.keys(ACTIONS)) ACTIONS[name]()";
    let answer = ask("empty", &Timeline::default(), script, question);
    assert_eq!(answer, json!({ "verdict": "No invariant broken", "said": true }));
}

#[test]
#[ignore = "needs Chromium"]
fn pictures_can_be_taken() {
    let dark = "--blink-settings=preferredColorScheme=0";
    let (wide, narrow) = ("--window-size=1400,900", "--window-size=390,800");
    screenshot("wide", &split_brain(), &[wide]);
    screenshot("dark", &split_brain(), &[wide, dark]);
    screenshot("narrow", &split_brain(), &[narrow]);
    screenshot("busy", &busy(), &[wide]);
    screenshot("empty", &Timeline::default(), &[wide]);
}
