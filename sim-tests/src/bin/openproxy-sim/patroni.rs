//! `openproxy-sim patroni`: discovery against simulated Patroni clusters.

use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use clap::Subcommand;
use openproxy_sim_tests::patroni::{
    Finding, Outcome, Scenario, run, run_on_turmoil, scenario, shrink,
};

use crate::commands::{self, Result};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the scenario of one seed; a failure is shrunk.
    Run {
        /// The seed.
        #[arg(long)]
        seed: u64,
        /// With the daemon's driver and HTTP client, against hyper servers on turmoil.
        #[arg(long)]
        turmoil: bool,
        /// Print what was told, and who accepted writes.
        #[arg(long)]
        trace: bool,
        /// Print the scenario, as a file that `replay` takes.
        #[arg(long)]
        show: bool,
    },
    /// Run many seeds; the first failure is shrunk.
    Sweep {
        /// The seeds, as FROM..TO (TO not included).
        #[arg(long, value_parser = commands::seeds, default_value = "0..1000")]
        seeds: Range<u64>,
        /// Threads; as many as there are cores if not given.
        #[arg(long)]
        jobs: Option<usize>,
    },
    /// Run the scenario in a file.
    Replay {
        /// A scenario in TOML.
        file: PathBuf,
        /// With the daemon's driver and HTTP client, against hyper servers on turmoil.
        #[arg(long)]
        turmoil: bool,
        /// Print what was told, and who accepted writes.
        #[arg(long)]
        trace: bool,
    },
}

pub(crate) fn execute(command: Command) -> Result {
    match command {
        Command::Run { seed, show: true, .. } => {
            print!("{}", commands::to_toml(&scenario(seed))?);
            Ok(ExitCode::SUCCESS)
        }
        Command::Run { seed, turmoil, trace, show: false } => {
            let origin = format!("openproxy-sim patroni run --seed {seed}");
            watch(&scenario(seed), turmoil, trace, &origin)
        }
        Command::Sweep { seeds, jobs } => sweep(seeds, jobs),
        Command::Replay { file, turmoil, trace } => {
            let origin = format!("openproxy-sim patroni replay {}", file.display());
            watch(&commands::read(&file, Scenario::check)?, turmoil, trace, &origin)
        }
    }
}

fn watch(scenario: &Scenario, turmoil: bool, trace: bool, origin: &str) -> Result {
    let outcome = if turmoil { run_on_turmoil(scenario) } else { run(scenario) };
    if trace {
        print_trace(&outcome);
    }
    println!(
        "{} questions, {} takeovers, {} steps, hash {:016x}",
        outcome.tally.asked,
        outcome.tally.takeovers,
        scenario.steps.len(),
        outcome.hash
    );
    match outcome.finding {
        None => {
            println!("every promise held");
            Ok(ExitCode::SUCCESS)
        }
        Some(finding) => fail(scenario, &finding, origin),
    }
}

fn print_trace(outcome: &Outcome) {
    let millis = |at: openproxy_core::time::Instant| at.as_nanos() / 1_000_000;
    let told = outcome.told.iter().map(|told| (millis(told.at), format!("told: {}", told.text)));
    let writing = outcome.writing.iter().flat_map(|(node, spans)| {
        spans.iter().flat_map(move |(from, until)| {
            let begins = (millis(*from), format!("{node} accepts writes"));
            let ends = until.map(|until| (millis(until), format!("{node} no longer does")));
            std::iter::once(begins).chain(ends)
        })
    });
    let mut lines: Vec<_> = told.chain(writing).collect();
    lines.sort();
    for (at, text) in lines {
        println!("{at:>8} ms  {text}");
    }
}

/// Tells of a failure: the promise, the moment, the shrunk scenario, and the line that replays it.
fn fail(scenario: &Scenario, finding: &Finding, origin: &str) -> Result {
    println!("\n{finding}\n  {origin}");
    let shrunk = shrink(scenario, finding.id);
    let name = format!("openproxy-{}-{}.toml", finding.id.name(), scenario.seed);
    let file = std::env::temp_dir().join(name);
    let text = commands::to_toml(&shrunk.scenario)?;
    std::fs::write(&file, &text).map_err(|error| format!("{}: {error}", file.display()))?;
    println!("\nshrunk in {} runs to {} steps\n", shrunk.runs, shrunk.scenario.steps.len());
    print!("{text}");
    println!("\nreplay it with\n  openproxy-sim patroni replay --trace {}", file.display());
    Ok(ExitCode::from(1))
}

fn sweep(seeds: Range<u64>, jobs: Option<usize>) -> Result {
    let jobs = commands::threads(jobs);
    let has_failed = AtomicBool::new(false);
    let part = |first: usize| {
        let (mut takeovers, mut asked) = (0, 0);
        for seed in seeds.clone().skip(first).step_by(jobs) {
            let outcome = run(&scenario(seed));
            takeovers += outcome.tally.takeovers;
            asked += outcome.tally.asked;
            if outcome.finding.is_some() || has_failed.load(Ordering::Relaxed) {
                has_failed.store(true, Ordering::Relaxed);
                return (takeovers, asked, outcome.finding.map(|finding| (seed, finding)));
            }
        }
        (takeovers, asked, None)
    };
    let parts: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..jobs).map(|first| scope.spawn(move || part(first))).collect();
        threads.into_iter().map(|thread| thread.join()).collect()
    });
    let parts: std::result::Result<Vec<_>, _> = parts.into_iter().collect();
    let parts = parts.map_err(|_| "a thread has ended by a panic".to_owned())?;
    let takeovers: u64 = parts.iter().map(|(takeovers, ..)| takeovers).sum();
    let asked: u64 = parts.iter().map(|(_, asked, _)| asked).sum();
    println!("{} seeds, {asked} questions, {takeovers} takeovers", seeds.end - seeds.start);
    let first = parts.into_iter().filter_map(|(.., failure)| failure).min_by_key(|(seed, _)| *seed);
    match first {
        None => {
            println!("every promise held");
            Ok(ExitCode::SUCCESS)
        }
        Some((seed, finding)) => {
            let origin = format!("openproxy-sim patroni run --seed {seed}");
            fail(&scenario(seed), &finding, &origin)
        }
    }
}
