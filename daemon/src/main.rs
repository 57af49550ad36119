//! The `openproxy` command.

use std::panic;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};

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
use exit::Exit;

fn main() -> ExitCode {
    or_defect(run).into()
}

/// How something ends. A panic is a defect, and has told of itself.
fn or_defect(run: impl FnOnce() -> Exit + panic::UnwindSafe) -> Exit {
    panic::catch_unwind(run).unwrap_or(Exit::Defect)
}

fn run() -> Exit {
    if guard::is_wanted() {
        return guard::run();
    }
    let matches = Cli::command().try_get_matches();
    let parsed = matches.and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, matches)));
    let (cli, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            // Help and version are told of like this, too. If that can't be written, nobody reads.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Clean };
        }
    };
    let is_hidden = matches!(cli.command, Some(Command::Generate(_)));
    let exit = execute(cli);
    let name = matches.subcommand_name().unwrap_or(exit::FILE);
    debug_assert!(
        is_hidden || exit.is_of(name),
        "{name} ends with {exit:?}, which isn't documented"
    );
    exit
}

fn execute(cli: Cli) -> Exit {
    match cli.command {
        None => run::run(&cli.file.path),
        Some(Command::Check(file)) => check::run(&file.path),
        Some(Command::Convert(args)) => keepalived::convert(&args),
        Some(Command::Status(args)) => status::client::run(&args),
        Some(Command::Forget(args)) => status::client::forget(&args),
        Some(Command::Stepdown(args)) => status::duty::step_down(&args),
        Some(Command::Maintenance(args)) => status::duty::maintenance(&args),
        Some(Command::Upgrade(file)) => upgrade::run(&file.path),
        Some(Command::Release(args)) => release::run(&args),
        Some(Command::Lab(args)) => lab::run(*args),
        Some(Command::Generate(args)) => generate::run(&args),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_defect_and_nothing_else_is() {
        assert_eq!(or_defect(|| Exit::Busy), Exit::Busy);
        assert_eq!(or_defect(|| panic!("on purpose")), Exit::Defect);
    }
}
