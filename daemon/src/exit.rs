//! How the process ends: the statuses of `sysexits.h`, so that service managers and scripts can
//! tell a wrong file from a missing privilege.

use std::fmt;
use std::process::ExitCode;

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All is done, and every VIP released.
    Clean,
    /// Stopped by a third signal, before every VIP was released.
    Cut,
    /// What was asked for is well but for something that needs a look or a decision.
    Warning,
    /// The lab has seen a promise broken, or couldn't run.
    Failed,
    /// The command line isn't understood.
    Usage,
    /// What was asked for isn't well, or nobody answers.
    Critical,
    /// A defect of the program (`EX_SOFTWARE`).
    Defect,
    /// The system refused something essential (`EX_OSERR`).
    System,
    /// Another OpenProxy holds the VIPs of this network namespace (`EX_TEMPFAIL`).
    Busy,
    /// A capability is missing (`EX_NOPERM`).
    NoPermission,
    /// The file is wrong or can't be read (`EX_CONFIG`).
    Config,
}

impl Exit {
    const fn status(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Cut | Self::Warning | Self::Failed => 1,
            Self::Usage | Self::Critical => 2,
            Self::Defect => 70,
            Self::System => 71,
            Self::Busy => 75,
            Self::NoPermission => 77,
            Self::Config => 78,
        }
    }

    /// Whether the help says that a command may end like this.
    pub(crate) fn is_of(self, command: &str) -> bool {
        MEANINGS.iter().any(|meaning| meaning.exit == self && meaning.of.includes(command))
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.status())
    }
}

/// The name here of running a file, which is no command.
pub(crate) const FILE: &str = "FILE";

/// What it means that a command ends like this.
struct Meaning {
    exit: Exit,
    of: Commands,
    text: &'static str,
}

/// Some of the commands.
enum Commands {
    All,
    AllBut(&'static str),
    These(&'static [&'static str]),
}

use Commands::{All, AllBut, These};

impl Commands {
    fn includes(&self, command: &str) -> bool {
        match self {
            Self::All => true,
            Self::AllBut(other) => *other != command,
            Self::These(commands) => commands.contains(&command),
        }
    }
}

impl fmt::Display for Commands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => write!(f, "all"),
            Self::AllBut(other) => write!(f, "all but {other}"),
            Self::These(commands) => write!(f, "{}", commands.join(", ")),
        }
    }
}

/// How each command may end: what the help has, and the table of `docs/operation.md`.
const MEANINGS: &[Meaning] = &[
    means(Exit::Clean, These(&[FILE]), "stopped, every VIP released"),
    means(Exit::Clean, These(&["check"]), "the file is good"),
    means(Exit::Clean, These(&["convert"]), "nothing needs a decision"),
    means(Exit::Clean, These(&["status"]), "all is well"),
    means(Exit::Clean, These(&["forget", "upgrade", "release"]), "done"),
    means(
        Exit::Clean,
        These(&["stepdown", "maintenance"]),
        "done; another node serves what this one gave up",
    ),
    means(Exit::Clean, These(&["lab"]), "what is promised held"),
    means(Exit::Cut, These(&[FILE]), "stopped by a third signal"),
    means(Exit::Warning, These(&["convert"]), "something needs a decision"),
    means(Exit::Warning, These(&["status"]), "something needs a look"),
    means(Exit::Warning, These(&["stepdown", "maintenance"]), "nobody has taken over"),
    means(Exit::Failed, These(&["lab"]), "a promise was broken, or it can't run"),
    means(Exit::Usage, All, "the command line isn't understood"),
    means(Exit::Critical, These(&["status"]), "something is critical"),
    means(
        Exit::Critical,
        These(&["status", "forget", "stepdown", "maintenance"]),
        "no daemon answers, or not to this",
    ),
    means(Exit::Critical, These(&["upgrade"]), "no daemon is there, or it goes on as it was"),
    means(Exit::Defect, All, "a defect"),
    means(
        Exit::System,
        These(&[FILE, "check", "convert", "release"]),
        "the system refused something essential",
    ),
    means(
        Exit::Busy,
        These(&[FILE, "release"]),
        "another openproxy runs in this network namespace, or a guard still hands over",
    ),
    means(
        Exit::NoPermission,
        These(&[FILE, "release"]),
        "CAP_NET_RAW or CAP_NET_ADMIN is missing; the message has the line that gives it",
    ),
    means(Exit::NoPermission, These(&[FILE]), "root can't become the user of the file"),
    means(Exit::Config, AllBut("lab"), "the file is wrong or can't be read"),
];

const fn means(exit: Exit, of: Commands, text: &'static str) -> Meaning {
    Meaning { exit, of, text }
}

/// All of it, for the help: a status stands where it is another than in the line before.
pub(crate) fn list() -> String {
    let mut before = None;
    let lines = MEANINGS.iter().map(|Meaning { exit, of, text }| {
        let status = Some(exit.status());
        let shown = if std::mem::replace(&mut before, status) == status { None } else { status };
        let shown = shown.map_or_else(String::new, |status| status.to_string());
        format!("  {shown:>2}  {of}: {text}")
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Cli;

    const DOCS: &str = include_str!("../../docs/operation.md");
    const ALL: [Exit; 11] = [
        Exit::Clean,
        Exit::Cut,
        Exit::Warning,
        Exit::Failed,
        Exit::Usage,
        Exit::Critical,
        Exit::Defect,
        Exit::System,
        Exit::Busy,
        Exit::NoPermission,
        Exit::Config,
    ];

    /// The cells of every row of the table.
    fn documented() -> Vec<(String, String, String)> {
        let (_, table) = DOCS.split_once("\n| Exit status |").expect("the table");
        let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
        rows.map(|row| {
            let row = row.replace('`', "");
            let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
            let [status, of, text] = cells[..] else { panic!("three cells: {row}") };
            (status.to_owned(), of.to_owned(), text.to_owned())
        })
        .collect()
    }

    #[test]
    fn every_way_to_end_is_documented_for_its_commands_and_no_other() {
        let known = MEANINGS.iter().map(|Meaning { exit, of, text }| {
            (exit.status().to_string(), of.to_string(), (*text).to_owned())
        });
        assert_eq!(documented(), known.collect::<Vec<_>>());
        for exit in ALL {
            assert!(MEANINGS.iter().any(|meaning| meaning.exit == exit), "{exit:?}");
        }
    }

    #[test]
    fn every_command_has_its_statuses_and_only_commands_have() {
        let command = Cli::command();
        let shown = command.get_subcommands().filter(|command| !command.is_hide_set());
        let commands: BTreeSet<_> = shown.map(clap::Command::get_name).chain([FILE]).collect();
        let named = MEANINGS.iter().flat_map(|meaning| match meaning.of {
            All | AllBut(_) => &[],
            These(commands) => commands,
        });
        assert_eq!(named.copied().collect::<BTreeSet<_>>(), commands);
        for command in commands {
            assert!(Exit::Clean.is_of(command), "{command}");
        }
        assert!(!Exit::Cut.is_of("check") && !Exit::Config.is_of("lab"));
    }

    #[test]
    fn the_help_has_each_status_once_in_order_on_lines_that_are_not_too_long() {
        let help = Cli::command().render_long_help().to_string();
        let (_, list) = help.split_once("\nExit status:\n").expect("the list");
        assert_eq!(list.trim_end(), super::list());
        assert!(list.lines().all(|line| line.len() <= 100), "{list}");
        let statuses = list.lines().filter_map(|line| line.get(2..4)?.trim().parse::<u8>().ok());
        let known: BTreeSet<_> = ALL.iter().map(|exit| exit.status()).collect();
        assert!(statuses.eq(known), "{list}");
    }
}
