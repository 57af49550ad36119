//! The `openproxy` command.

use std::process::ExitCode;

use clap::Parser as _;

mod check;
mod cli;
mod exit;
mod file;
mod lab;
mod linux;
mod logging;
mod privileges;
mod release;
mod run;
mod service;
mod signals;

use cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        None => run::run(&cli.file.path).into(),
        Some(Command::Check(file)) => check::run(&file.path).into(),
        Some(Command::Release(args)) => release::run(&args).into(),
        Some(Command::Lab(args)) => lab::run(*args),
    }
}
