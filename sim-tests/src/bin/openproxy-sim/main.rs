//! `openproxy-sim`: runs, replays, shrinks and shows simulations of whole clusters.
//!
//! Exit status: 0 when every invariant held, 1 when one didn't, 2 for an error in the command line or
//! a file.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line program")]

mod commands;
mod patroni;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "openproxy-sim", version, about = "Simulates whole OpenProxy clusters")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the scenario of one seed; a failure is shrunk.
    Run {
        /// The seed.
        #[arg(long)]
        seed: u64,
        /// Print everything that happens.
        #[arg(long)]
        trace: bool,
        /// Print the scenario, as a file that `replay` takes.
        #[arg(long)]
        show: bool,
    },
    /// Run many seeds; the first failure is shrunk.
    Sweep {
        /// The seeds, as FROM..TO (TO not included).
        #[arg(long, value_parser = commands::seeds, default_value = "0..10000")]
        seeds: std::ops::Range<u64>,
        /// Threads; as many as there are cores if not given.
        #[arg(long)]
        jobs: Option<usize>,
    },
    /// Run the scenario in a file.
    Replay {
        /// A scenario in TOML.
        file: PathBuf,
        /// Print everything that happens.
        #[arg(long)]
        trace: bool,
    },
    /// Explore all ways in which a few faults can befall a small cluster.
    Explore {
        /// A larger cluster and more faults: minutes rather than seconds.
        #[arg(long)]
        thorough: bool,
    },
    /// Show that runs are functions of their seeds: twice here, and once in a new process.
    Determinism {
        /// The seeds, as FROM..TO (TO not included).
        #[arg(long, value_parser = commands::seeds, default_value = "0..200")]
        seeds: std::ops::Range<u64>,
        /// Print the hash of each seed's run and end.
        #[arg(long)]
        hashes: bool,
    },
    /// Write a page that shows the run of one seed, or of a file.
    Timeline {
        /// The seed.
        #[arg(long, required_unless_present = "file", conflicts_with = "file")]
        seed: Option<u64>,
        /// A scenario in TOML.
        #[arg(long)]
        file: Option<PathBuf>,
        /// Where to write the page.
        #[arg(long)]
        out: PathBuf,
    },
    /// Discovery against simulated Patroni clusters.
    Patroni {
        #[command(subcommand)]
        command: patroni::Command,
    },
    /// Measure: three routers, one second, faults and all invariants on, one core.
    Speed {
        /// How much to simulate, in seconds.
        #[arg(long, default_value_t = 3_000_000)]
        seconds: u64,
    },
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run { seed, trace, show } => commands::run(seed, trace, show),
        Command::Sweep { seeds, jobs } => commands::sweep(seeds, jobs),
        Command::Replay { file, trace } => commands::replay(&file, trace),
        Command::Explore { thorough } => commands::explore(thorough),
        Command::Determinism { seeds, hashes } => commands::determinism(seeds, hashes),
        Command::Timeline { seed, file, out } => commands::timeline(seed, file.as_deref(), &out),
        Command::Patroni { command } => patroni::execute(command),
        Command::Speed { seconds } => commands::speed(seconds),
    };
    result.unwrap_or_else(|error| {
        eprintln!("openproxy-sim: {error}");
        ExitCode::from(2)
    })
}
