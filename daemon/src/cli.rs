//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use openproxy::api::duty::STEP_DOWN_FOR_MAX;

use openproxy_core::discovery::ShardId;

use crate::exit;
use crate::lab::LabArgs;

/// Keeps virtual IPs on one healthy node of several, by VRRP.
///
/// Without a command it runs the virtual routers of FILE until SIGTERM or SIGINT, and then hands over
/// or releases every VIP; a second signal releases them at once, a third ends it at once. SIGHUP reads
/// FILE now, SIGUSR2 is `openproxy upgrade`. A file that is named like a command is reached by its
/// path: ./check
#[derive(Debug, Parser)]
#[command(
    name = "openproxy",
    version,
    args_conflicts_with_subcommands = true,
    after_long_help = after_help()
)]
pub(crate) struct Cli {
    /// What to run.
    #[command(flatten)]
    pub(crate) file: FileArg,
    /// Something else than running.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// The file.
#[derive(Debug, Args)]
pub(crate) struct FileArg {
    /// The configuration file
    #[arg(value_name = "FILE", default_value = "openproxy.toml")]
    pub(crate) path: PathBuf,
}

/// Something else than running.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show everything that is wrong with a file, and what would run
    Check(FileArg),
    /// Write an openproxy.toml that says what a keepalived.conf does
    Convert(ConvertArgs),
    /// Show how the running daemon of a file is: virtual routers, and shards
    Status(StatusArgs),
    /// Believe anew whoever says that it is primary of a shard
    Forget(ForgetArgs),
    /// Have virtual routers hand over, and keep out of elections for a while
    Stepdown(StepDownArgs),
    /// Take virtual routers out of service until this is called off, or put them into it again
    Maintenance(MaintenanceArgs),
    /// Have the running daemon of a file execute the program that is there now, without an outage
    Upgrade(FileArg),
    /// Take off VIPs that a dead daemon left on this node
    Release(ReleaseArgs),
    /// Run a cluster in network namespaces on this machine, with faults; needs no root
    Lab(Box<LabArgs>),
    /// Write manual pages or completions into a folder, for those who make packages
    #[command(hide = true)]
    Generate(GenerateArgs),
}

/// Options of `openproxy generate`.
#[derive(Debug, Args)]
pub(crate) struct GenerateArgs {
    /// What to write
    pub(crate) what: Generated,
    /// Where; it must be there
    pub(crate) folder: PathBuf,
}

/// What can be generated.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Generated {
    /// Manual pages
    Man,
    /// Completions for bash, zsh and fish
    Completions,
}

/// Options of `openproxy convert`.
#[derive(Debug, Args)]
pub(crate) struct ConvertArgs {
    /// The file of keepalived
    #[arg(value_name = "KEEPALIVED.CONF", default_value = "/etc/keepalived/keepalived.conf")]
    pub(crate) path: PathBuf,
    /// The node that lines such as `@node1 priority 150` are for, as with keepalived's --config-id
    /// [default: this host's name, up to its first dot]
    #[arg(long, value_name = "HOST")]
    pub(crate) id: Option<String>,
}

/// Options of `openproxy status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// The file of the daemon.
    #[command(flatten)]
    pub(crate) file: FileArg,
    /// Print JSON, as docs/status.md describes it
    #[arg(long)]
    pub(crate) json: bool,
    /// Draw the table anew every second; with --json, print a line for each virtual router and each
    /// shard, and one more for each change
    #[arg(long)]
    pub(crate) watch: bool,
}

/// Options of `openproxy forget`.
#[derive(Debug, Args)]
pub(crate) struct ForgetArgs {
    /// The shard, such as my_pool/0
    #[arg(value_name = "POOL/SHARD", value_parser = shard)]
    pub(crate) shard: ShardId,
    /// The file of the daemon.
    #[command(flatten)]
    pub(crate) file: FileArg,
}

fn shard(text: &str) -> Result<ShardId, &'static str> {
    match text.rsplit_once('/') {
        Some((pool, shard)) if !pool.is_empty() && !shard.is_empty() => {
            Ok(ShardId { pool: pool.into(), shard: shard.into() })
        }
        Some(_) | None => Err("must be a pool and a shard, such as my_pool/0"),
    }
}

/// Options of `openproxy stepdown`.
#[derive(Debug, Args)]
pub(crate) struct StepDownArgs {
    /// How long they keep out while somebody else serves, such as 90s or 10m
    #[arg(long = "for", value_name = "TIME", default_value = "60s", value_parser = span)]
    pub(crate) span: Duration,
    /// Which routers.
    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

/// Options of `openproxy maintenance`.
#[derive(Debug, Args)]
pub(crate) struct MaintenanceArgs {
    /// Whether they are in maintenance from now on
    pub(crate) switch: Switch,
    /// Which routers.
    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    /// They hand over, and take no part
    On,
    /// They take part again
    Off,
}

/// Which routers of a daemon.
#[derive(Debug, Args)]
pub(crate) struct TargetArgs {
    /// The virtual routers, as `openproxy status` names them, such as eth0/50/IPv4, or eth0/50
    /// [default: all]; a group goes together
    #[arg(value_name = "ROUTER")]
    pub(crate) routers: Vec<String>,
    /// The file of the daemon
    #[arg(long, value_name = "FILE", default_value = "openproxy.toml")]
    pub(crate) file: PathBuf,
}

fn span(text: &str) -> Result<Duration, String> {
    let span = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    let allowed = Duration::from_secs(1)..=STEP_DOWN_FOR_MAX;
    if allowed.contains(&span) && span.subsec_nanos() == 0 {
        Ok(span)
    } else {
        Err("must be whole seconds, from 1s to 1day; for longer, there is maintenance".to_owned())
    }
}

/// Options of `openproxy release`.
#[derive(Debug, Args)]
pub(crate) struct ReleaseArgs {
    /// The file that names the VIPs.
    #[command(flatten)]
    pub(crate) file: FileArg,
    /// Take off VIPs of the file too that OpenProxy didn't add
    #[arg(long)]
    pub(crate) force: bool,
}

/// What follows the options in the help: `generate` makes a section of each block.
fn after_help() -> String {
    format!(
        "\
Environment:
  OPENPROXY_LOG  What is logged to standard error: error, warn, info (the default), debug, or a
                 list such as info,openproxy=debug

Exit status:
{}",
        exit::list()
    )
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn parse(args: &[&str]) -> Cli {
        Cli::try_parse_from([&["openproxy"], args].concat()).expect("good arguments")
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn without_a_command_a_file_is_run() {
        let cli = parse(&[]);
        assert!(cli.command.is_none());
        assert_eq!(cli.file.path, PathBuf::from("openproxy.toml"));
        assert_eq!(parse(&["/etc/o.toml"]).file.path, PathBuf::from("/etc/o.toml"));
    }

    #[test]
    fn a_file_named_like_a_command_is_reached_by_its_path() {
        assert!(matches!(parse(&["check"]).command, Some(Command::Check(_))));
        let cli = parse(&["./check"]);
        assert!(cli.command.is_none());
        assert_eq!(cli.file.path, PathBuf::from("./check"));
    }

    #[test]
    fn convert_is_for_this_host_unless_another_is_named() {
        let Some(Command::Convert(args)) = parse(&["convert"]).command else { panic!("convert") };
        assert_eq!(args.path, PathBuf::from("/etc/keepalived/keepalived.conf"));
        assert_eq!(args.id, None);
        let args = parse(&["convert", "x.conf", "--id", "b"]).command;
        let Some(Command::Convert(args)) = args else { panic!("convert") };
        assert_eq!((args.path, args.id), (PathBuf::from("x.conf"), Some("b".to_owned())));
    }

    #[test]
    fn a_stepdown_is_for_all_routers_and_a_minute_unless_others_are_named() {
        let Some(Command::Stepdown(args)) = parse(&["stepdown"]).command else {
            panic!("stepdown")
        };
        assert_eq!((args.span, args.target.routers.len()), (Duration::from_secs(60), 0));
        assert_eq!(args.target.file, PathBuf::from("openproxy.toml"));
        let words = ["stepdown", "--for", "1h 30m", "eth0/50", "eth1/51/IPv6", "--file", "x.toml"];
        let Some(Command::Stepdown(args)) = parse(&words).command else { panic!("stepdown") };
        assert_eq!(args.span, Duration::from_secs(5_400));
        assert_eq!(args.target.routers, ["eth0/50", "eth1/51/IPv6"]);
        assert_eq!(args.target.file, PathBuf::from("x.toml"));
        for wrong in ["0s", "1500ms", "2days", "10"] {
            let parsed = Cli::try_parse_from(["openproxy", "stepdown", "--for", wrong]);
            assert!(parsed.is_err(), "{wrong}");
        }
    }

    #[test]
    fn maintenance_is_on_or_off() {
        for (word, switch) in [("on", Switch::On), ("off", Switch::Off)] {
            let command = parse(&["maintenance", word, "eth0/50"]).command;
            let Some(Command::Maintenance(args)) = command else { panic!("maintenance") };
            assert_eq!((args.switch, &*args.target.routers), (switch, &["eth0/50".to_owned()][..]));
        }
        assert!(Cli::try_parse_from(["openproxy", "maintenance"]).is_err());
    }

    #[test]
    fn commands_take_a_file_too() {
        let Some(Command::Release(args)) = parse(&["release", "--force", "x.toml"]).command else {
            panic!("release")
        };
        assert!(args.force);
        assert_eq!(args.file.path, PathBuf::from("x.toml"));
    }
}
