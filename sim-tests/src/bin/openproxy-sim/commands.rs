//! What each command does.

use std::fmt::{Display, Write as _};
use std::ops::Range;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use indicatif::{ProgressBar, ProgressStyle};
use openproxy_io_sim::clock::SimTime;
use openproxy_sim_tests::des::Des;
use openproxy_sim_tests::explore::{self, Settings};
use openproxy_sim_tests::judge::{Judge, Violation};
use openproxy_sim_tests::recorder::Recorder;
use openproxy_sim_tests::scenario::Scenario;
use openproxy_sim_tests::shrink::shrink;
use openproxy_sim_tests::sweep::{self, Progress};
use openproxy_sim_tests::trace::{Lines, TraceHash};
use openproxy_sim_tests::{swarm, timeline};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) type Result = std::result::Result<ExitCode, String>;

/// A range of seeds, as `FROM..TO`.
pub(crate) fn seeds(text: &str) -> std::result::Result<Range<u64>, String> {
    let (from, to) = text.split_once("..").ok_or("expected FROM..TO, such as 0..10000")?;
    let number = |text: &str| text.parse().map_err(|_| format!("{text:?} is no number"));
    let (from, to) = (number(from)?, number(to)?);
    if from >= to { Err("no seed is in it".to_owned()) } else { Ok(from..to) }
}

pub(crate) fn run(seed: u64, trace: bool, show: bool) -> Result {
    let scenario = swarm::scenario(seed);
    if show {
        print!("{}", to_toml(&scenario)?);
        return Ok(ExitCode::SUCCESS);
    }
    let origin = format!("openproxy-sim run --seed {seed}");
    watch(&scenario, trace, &origin)
}

pub(crate) fn replay(file: &Path, trace: bool) -> Result {
    let scenario = read(file, Scenario::check)?;
    watch(&scenario, trace, &format!("openproxy-sim replay {}", file.display()))
}

/// Runs one scenario and tells what came of it.
fn watch(scenario: &Scenario, trace: bool, origin: &str) -> Result {
    let observer = (Judge::new(scenario), (Lines::default(), TraceHash::default()));
    let mut des = Des::new(scenario, observer);
    des.run();
    let (end, tally, (judge, (lines, hash))) = des.into_parts();
    let (violation, transitions, _) = judge.verdict(end);
    if trace {
        for line in &lines.lines {
            println!("{line}");
        }
    }
    println!(
        "{end} simulated, {} events, {transitions} transitions, {} faults, trace {hash}",
        tally.events(),
        scenario.faults.len(),
    );
    match violation {
        None => {
            println!("every invariant held");
            Ok(ExitCode::SUCCESS)
        }
        Some(violation) => fail(scenario, &violation, origin),
    }
}

/// Tells of a failure: the invariant, the moment, the shrunk schedule, and the line that replays it.
fn fail(scenario: &Scenario, violation: &Violation, origin: &str) -> Result {
    println!("\n{violation}");
    println!("  {origin}");
    let shrunk = shrink(scenario, violation.id);
    let file =
        std::env::temp_dir().join(format!("openproxy-{}-{}.toml", violation.id, scenario.seed));
    let text = to_toml(&shrunk.scenario)?;
    std::fs::write(&file, &text).map_err(|error| format!("{}: {error}", file.display()))?;
    let again = sweep::run(&shrunk.scenario).violation;
    let again = again.map_or_else(String::new, |violation| violation.to_string());
    println!(
        "\nshrunk in {} runs to {} faults: {again}\n",
        shrunk.runs,
        shrunk.scenario.faults.len()
    );
    print!("{text}");
    println!("\nreplay it with\n  openproxy-sim replay --trace {}", file.display());
    println!("see it with\n  openproxy-sim timeline --file {} --out run.html", file.display());
    Ok(ExitCode::from(1))
}

/// As many as were asked for, or as there are cores.
pub(crate) fn threads(jobs: Option<usize>) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    jobs.unwrap_or_else(cores).max(1)
}

pub(crate) fn sweep(seeds: Range<u64>, jobs: Option<usize>) -> Result {
    let jobs = threads(jobs);
    let count = seeds.end - seeds.start;
    let progress = Progress::default();
    let started = SystemTime::now();
    let report = std::thread::scope(|scope| {
        let shown = scope.spawn(|| show_progress(&progress, count, started));
        let report = sweep::sweep(seeds, jobs, &progress);
        let _ = shown.join();
        report
    });
    let took = started.elapsed().unwrap_or_default().as_secs_f64();
    println!("{report}");
    println!(
        "{took:.1} s on {jobs} threads: {:.0} seeds/s, {:.1} million events/s",
        per_second(u128::from(report.seeds), took),
        per_second(u128::from(report.events), took) / 1e6,
    );
    let missing: Vec<String> = report.marks.missing().map(|mark| mark.to_string()).collect();
    if !missing.is_empty() {
        println!("never seen: {}", missing.join(", "));
    }
    match &report.failure {
        None => {
            println!("every invariant held");
            Ok(ExitCode::SUCCESS)
        }
        Some((seed, violation)) => {
            let origin = format!("openproxy-sim run --seed {seed}");
            fail(&swarm::scenario(*seed), violation, &origin)
        }
    }
}

fn show_progress(progress: &Progress, seeds: u64, started: SystemTime) {
    let bar = ProgressBar::new(seeds);
    let template = "{bar:40} {pos}/{len} seeds, {msg}, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    while !progress.done.load(Ordering::Relaxed) {
        let done = progress.seeds.load(Ordering::Relaxed);
        let secs = progress.simulated_millis.load(Ordering::Relaxed) / 1_000;
        let took = started.elapsed().unwrap_or_default().as_secs_f64();
        bar.set_position(done);
        bar.set_message(format!(
            "{:.0} seeds/s, {:.1} simulated hours/s",
            per_second(u128::from(done), took),
            per_second(u128::from(secs), took) / 3600.0,
        ));
        std::thread::sleep(Duration::from_millis(100));
    }
    bar.finish_and_clear();
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn per_second(count: u128, secs: f64) -> f64 {
    count as f64 / secs.max(1e-9)
}

pub(crate) fn determinism(seeds: Range<u64>, hashes: bool) -> Result {
    let here = hashes_of(&seeds);
    if hashes {
        print!("{here}");
        return Ok(ExitCode::SUCCESS);
    }
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let range = format!("{}..{}", seeds.start, seeds.end);
    let fresh = std::process::Command::new(program)
        .args(["determinism", "--hashes", "--seeds", &range])
        .output()
        .map_err(|error| error.to_string())?;
    let fresh = String::from_utf8_lossy(&fresh.stdout);
    for (name, other) in
        [("twice in one process", hashes_of(&seeds)), ("in a new process", fresh.into())]
    {
        if let Some((a, b)) = here.lines().zip(other.lines()).find(|(a, b)| a != b) {
            println!("{name}: {a} is not {b}");
            return Ok(ExitCode::from(1));
        }
        if here.lines().count() != other.lines().count() {
            println!("{name}: it ended early");
            return Ok(ExitCode::from(1));
        }
    }
    println!(
        "{} seeds: the same traces twice in one process and in a new one",
        here.lines().count()
    );
    Ok(ExitCode::SUCCESS)
}

fn hashes_of(seeds: &Range<u64>) -> String {
    let mut text = String::new();
    for seed in seeds.clone() {
        let scenario = swarm::scenario(seed);
        let mut des = Des::new(&scenario, TraceHash::default());
        des.run();
        let (_, _, hash) = des.into_parts();
        let _ = writeln!(text, "{seed} {hash}");
    }
    text
}

pub(crate) fn timeline(seed: Option<u64>, file: Option<&Path>, out: &Path) -> Result {
    let (scenario, replay) = match (seed, file) {
        (_, Some(file)) => {
            (read(file, Scenario::check)?, format!("openproxy-sim replay {}", file.display()))
        }
        (Some(seed), None) => (swarm::scenario(seed), format!("openproxy-sim run --seed {seed}")),
        (None, None) => return Err("--seed or --file is needed".to_owned()),
    };
    let mut des = Des::new(&scenario, (Judge::new(&scenario), Recorder::new(&scenario)));
    des.run();
    let (end, _, (judge, recorder)) = des.into_parts();
    let (violation, _, _) = judge.verdict(end);
    let page = timeline::render(&recorder.finish(end, violation.as_ref(), &replay));
    std::fs::write(out, page).map_err(|error| format!("{}: {error}", out.display()))?;
    println!("wrote {}", out.display());
    if let Some(violation) = violation {
        println!("{violation}");
        return Ok(ExitCode::from(1));
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn speed(seconds: u64) -> Result {
    let mut rates = Vec::new();
    for _ in 0..5 {
        let scenario = speed_scenario(seconds);
        let started = SystemTime::now();
        let outcome = sweep::run(&scenario);
        let took = started.elapsed().unwrap_or_default().as_secs_f64();
        if let Some(violation) = outcome.violation {
            return fail(&scenario, &violation, "openproxy-sim speed");
        }
        let events = per_second(u128::from(outcome.tally.events()), took);
        rates.push((per_second(u128::from(seconds), took), events));
        println!(
            "{seconds} simulated seconds, {} faults in {took:.2} s: {:.2} million simulated seconds/s, \
             {:.2} million events/s",
            scenario.faults.len(),
            rates.last().map_or(0.0, |rate| rate.0) / 1e6,
            events / 1e6,
        );
    }
    rates.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (simulated, events) = rates[rates.len() / 2];
    println!(
        "median: {:.2} million simulated seconds/s and {:.2} million events/s on one core; \
         a year in {:.0} s",
        simulated / 1e6,
        events / 1e6,
        31_557_600.0 / simulated,
    );
    Ok(ExitCode::SUCCESS)
}

/// Three routers at 1 s, with faults of the swarm all along: one in ten simulated minutes.
fn speed_scenario(seconds: u64) -> Scenario {
    swarm::long_run(SimTime::from_secs(seconds))
}

pub(crate) fn explore(thorough: bool) -> Result {
    let settings = if thorough { Settings::thorough() } else { Settings::default() };
    let started = SystemTime::now();
    let report = explore::explore(&settings);
    println!("{report}");
    println!("{:.1} s", started.elapsed().unwrap_or_default().as_secs_f64());
    Ok(if report.violation().is_none() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Reads a scenario, and looks whether it makes sense.
pub(crate) fn read<S: DeserializeOwned, E: Display>(
    file: &Path,
    check: impl FnOnce(&S) -> std::result::Result<(), E>,
) -> std::result::Result<S, String> {
    let at = |error: &dyn Display| format!("{}: {error}", file.display());
    let text = std::fs::read_to_string(file).map_err(|error| at(&error))?;
    let scenario: S = toml::from_str(&text).map_err(|error| at(&error))?;
    check(&scenario).map_err(|error| at(&error))?;
    Ok(scenario)
}

pub(crate) fn to_toml(scenario: &impl Serialize) -> std::result::Result<String, String> {
    toml::to_string(scenario).map_err(|error| error.to_string())
}
