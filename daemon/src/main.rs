//! The `openproxy` command.

use std::process::ExitCode;

use clap::Parser as _;

mod carried;
mod check;
mod cli;
mod discovery_thread;
mod exit;
mod file;
mod generate;
mod guard;
mod keepalived;
mod lab;
mod linux;
mod logging;
mod notify;
mod privileges;
mod release;
mod room;
mod run;
mod service;
mod signals;
mod status;
mod systemd;
mod topology_script;
mod upgrade;
mod vrrp_thread;

use cli::{Cli, Command};

fn main() -> ExitCode {
    if guard::is_wanted() {
        return guard::run().into();
    }
    let cli = Cli::parse();
    match cli.command {
        None => run::run(&cli.file.path).into(),
        Some(Command::Check(file)) => check::run(&file.path).into(),
        Some(Command::Convert(args)) => keepalived::convert(&args).into(),
        Some(Command::Status(args)) => status::client::run(&args).into(),
        Some(Command::Forget(args)) => status::client::forget(&args).into(),
        Some(Command::Stepdown(args)) => status::duty::step_down(&args).into(),
        Some(Command::Maintenance(args)) => status::duty::maintenance(&args).into(),
        Some(Command::Upgrade(file)) => upgrade::run(&file.path).into(),
        Some(Command::Release(args)) => release::run(&args).into(),
        Some(Command::Lab(args)) => lab::run(*args),
        Some(Command::Generate(args)) => generate::run(&args).into(),
    }
}
