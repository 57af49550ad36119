//! The `openproxy` command.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod lab;

#[derive(Debug, Parser)]
#[command(name = "openproxy", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a cluster in network namespaces on this machine, with faults; needs no root
    Lab(Box<lab::LabArgs>),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Lab(args) => lab::run(*args),
    }
}
