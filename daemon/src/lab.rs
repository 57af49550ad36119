//! `openproxy lab`: a cluster in network namespaces on this machine, with faults.
//!
//! It builds LANs and nodes out of namespaces, runs this same program on each node, does to them
//! what happens to clusters, and judges the outcome by what its own observers see: address events
//! of each node's kernel, packets on each cable, and the answers a client gets. It needs neither
//! root nor any other program.
//!
//! Pure parts: [`theory`] (what the protocol promises), [`judge`] (gaps, overlaps, connections,
//! verdicts), [`advert`] (frames), [`script`] (the made-up database cluster). The rest is Linux:
//! [`enter`] (namespaces), [`net`] (LANs and cables), [`node`] (daemons), [`observe`], [`probe`] and
//! [`tcp`] (the witnesses), [`cluster`] and [`scenario`] (what is done), [`stand_in`] and [`roles`]
//! (primary and replicas), [`scale`] (many routers, drift), [`fleet`] (a thousand of them),
//! [`report`] (what is shown).

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

mod advert;
mod clock;
mod cluster;
mod enter;
mod error;
mod fleet;
mod judge;
mod net;
mod node;
mod observe;
mod probe;
mod record;
mod report;
mod roles;
mod scale;
mod scenario;
mod script;
mod stand_in;
mod tcp;
mod theory;
mod walk;

use error::{Context, LabError};
use node::{Program, RouterSpec, Spec};
use record::Recorder;
use report::Screen;
use scenario::Scenario;
use theory::{Timing, Version};

use crate::exit::Exit;

/// The longest interval of version 3.
const V3_ADVERT_INT_MAX_SECS: f64 = 40.95;

/// Options of `openproxy lab`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct LabArgs {
    /// How many nodes
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=7))]
    nodes: u8,
    /// Seconds between adverts; a fraction needs version 3 [default: 1; 0.1 with --scale; 0.01
    /// with --drift]
    #[arg(long, value_name = "SECONDS")]
    advert_int: Option<f64>,
    /// VRRP version [default: 2, or 3 if the interval is a fraction]
    #[arg(long, value_parser = clap::value_parser!(u8).range(2..=3))]
    protocol: Option<u8>,
    /// Run only these, after the election
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    scenario: Vec<Scenario>,
    /// Run each scenario this many times, at different phases of the protocol, and judge medians
    /// (from three times on)
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    repeat: u32,
    /// How long a MASTER that is frozen stays so once its successor has taken over
    #[arg(long, value_name = "SECONDS", default_value_t = 2,
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    frozen: u64,
    /// How many partitions to heal, at different phases of the protocol [default: as --repeat]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000))]
    healings: Option<u32>,
    /// Write one JSON document to standard output; progress goes to standard error
    #[arg(long)]
    json: bool,
    /// At the end, tell how to look around, and wait for Ctrl-C
    #[arg(long)]
    keep: bool,
    /// Turn off guards, leases, planned handovers and resets: the lab must notice and fail
    #[arg(long)]
    sabotage: bool,
    /// Run another daemon through the same, for comparison; the exit status is then about that
    /// one. With --scale: after this one, and it decides nothing
    #[arg(long, value_name = "DAEMON")]
    beside: Option<Beside>,
    /// Put the daemons' files and logs here and leave them, instead of removing them at the end
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Instead of the scenarios: many routers on two nodes, with busy loops beside them
    #[arg(long, conflicts_with = "drift")]
    scale: bool,
    /// Instead of the scenarios: a thousand virtual routers on four LANs of two nodes, which start
    /// cold, fail over, return, stop and reload
    #[arg(long, conflicts_with_all = ["drift", "scale"])]
    fleet: bool,
    /// With --scale or --fleet: how many virtual routers [default and most: 255; 1000 with --fleet]
    #[arg(long, value_parser = clap::value_parser!(u16).range(2..=1000))]
    routers: Option<u16>,
    /// With --scale or --drift: how long to watch [default: 30; 15 with --drift]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: Option<u64>,
    /// With --scale or --drift: how many busy loops [default: 2; 0 with --drift]
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=64))]
    busy: Option<u8>,
    /// The daemons log all that they can
    #[arg(long)]
    debug: bool,
    /// Instead of the scenarios: count the adverts of one MASTER
    #[arg(long)]
    drift: bool,
    /// Have the daemons run ahead of others, with this priority under SCHED_FIFO (as root)
    #[arg(long, value_name = "PRIORITY", value_parser = clap::value_parser!(u8).range(1..=99))]
    realtime: Option<u8>,
    /// The process inside the lab; the directory for its files
    #[arg(long, hide = true, value_name = "DIR")]
    inside: Option<PathBuf>,
}

/// Other daemons that the lab can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Beside {
    /// keepalived, if it is installed.
    Keepalived,
}

impl LabArgs {
    fn timing(&self) -> Result<Timing, LabError> {
        let default = match (self.scale, self.drift) {
            (true, _) => 0.1,
            (_, true) => 0.01,
            _ => 1.0,
        };
        let seconds = self.advert_int.unwrap_or(default);
        let whole = seconds.fract() == 0.0;
        let version = match self.protocol {
            Some(3) => Version::V3,
            None if !whole => Version::V3,
            _ => Version::V2,
        };
        let range = match version {
            Version::V2 => 1.0..=255.0,
            Version::V3 => 0.01..=V3_ADVERT_INT_MAX_SECS,
        };
        if !range.contains(&seconds) || (version == Version::V2 && !whole) {
            return Err(LabError::Usage(format!(
                "--advert-int {seconds} is not possible with version {}: {}",
                version.number(),
                "version 2 takes whole seconds from 1 to 255, version 3 takes 0.01 to 40.95"
            )));
        }
        Ok(Timing { advert_int: Duration::from_secs_f64(seconds), version })
    }

    fn spec(&self, program: Program) -> Result<Spec, LabError> {
        let (timing, sabotaged, realtime) = (self.timing()?, self.sabotage, self.realtime);
        let servers = if self.plays_roles() { usize::from(self.nodes) } else { 0 };
        let routers = vec![RouterSpec::main()];
        Ok(Spec {
            program,
            timing,
            sabotaged,
            realtime,
            routers,
            promotes_in: None,
            debug: self.debug,
            servers,
        })
    }

    /// How many busy loops run beside the daemons.
    fn busy(&self) -> u8 {
        self.busy.unwrap_or(if self.drift { 0 } else { 2 })
    }

    /// Whether primary and replicas change places, too.
    fn plays_roles(&self) -> bool {
        let asked = self.scenario.is_empty() || self.scenario.contains(&Scenario::Roles);
        asked && self.beside.is_none() && !self.scale && !self.fleet && !self.drift
    }

    /// How many virtual routers there are, where there are many.
    fn routers(&self) -> Result<u16, LabError> {
        let most = if self.fleet { 1000 } else { 255 };
        match self.routers {
            None => Ok(most),
            Some(routers) if routers <= most => Ok(routers),
            Some(routers) => Err(LabError::Usage(format!(
                "--routers {routers}: one LAN has 255; --fleet has four"
            ))),
        }
    }

    fn program(&self) -> Result<Program, LabError> {
        match self.beside {
            Some(Beside::Keepalived) => keepalived(),
            None => this_program(),
        }
    }

    /// This one, and the one beside it if there is one: where both run, one after the other.
    fn programs(&self) -> Result<Vec<(&'static str, Program)>, LabError> {
        let mut programs = vec![("openproxy", this_program()?)];
        if let Some(Beside::Keepalived) = self.beside {
            programs.push(("keepalived", keepalived()?));
        }
        Ok(programs)
    }
}

fn this_program() -> Result<Program, LabError> {
    std::env::current_exe().map(Program::OpenProxy).context("find this program")
}

/// Finds keepalived where distributions put it.
fn keepalived() -> Result<Program, LabError> {
    let places = ["/usr/sbin/keepalived", "/usr/local/sbin/keepalived", "/sbin/keepalived"];
    let found = places.iter().map(PathBuf::from).find(|path| path.exists());
    found.map(Program::Keepalived).ok_or_else(|| {
        LabError::Usage("keepalived is not installed (on Debian: apt install keepalived)".into())
    })
}

/// Runs the lab. To be called while the process has only one thread.
pub(crate) fn run(args: LabArgs) -> Exit {
    let outcome = match args.inside.clone() {
        Some(dir) => inside(&args, &dir),
        None => outside(&args),
    };
    outcome.unwrap_or_else(|error| {
        let _ = writeln!(io::stderr(), "openproxy lab: {error}");
        if let LabError::Forbidden(_) = error {
            let _ = writeln!(io::stderr(), "{}", forbidden_help());
        }
        Exit::Failed
    })
}

fn forbidden_help() -> String {
    let this = std::env::current_exe()
        .map_or_else(|_| "openproxy".to_owned(), |path| path.display().to_string());
    let why = "\nThe lab runs in user and network namespaces, which need no root, but this system \
               forbids them\n(a container, user.max_user_namespaces = 0, or AppArmor's\n\
               kernel.apparmor_restrict_unprivileged_userns = 1, as on Ubuntu).\n\n";
    if nix::unistd::geteuid().is_root() {
        return format!(
            "{why}You are root here, but without CAP_SYS_ADMIN, as in most containers. Run the \
             lab on the\nhost, or in a container with that capability (docker run --privileged)."
        );
    }
    format!(
        "{why}Run it as root instead; it stays in namespaces of its own:\n\n    sudo {this} lab"
    )
}

fn outside(args: &LabArgs) -> Result<Exit, LabError> {
    args.timing()?;
    args.routers()?;
    let program = std::env::current_exe().context("find this program")?;
    let what = "make a directory for files and logs";
    // Removed when this function ends, however the inside ended.
    let own = tempfile::Builder::new().prefix("openproxy-lab-").tempdir().context(what)?;
    let dir = match &args.dir {
        Some(dir) => {
            std::fs::create_dir_all(dir).context(what)?;
            std::path::absolute(dir).context(what)?
        }
        None => own.path().to_owned(),
    };
    enter::unshare_all()?;
    let arguments = std::env::args_os().skip(1).collect::<Vec<OsString>>();
    enter::run_inside(&program, arguments.into_iter(), &dir)
}

fn inside(args: &LabArgs, dir: &Path) -> Result<Exit, LabError> {
    let surroundings = enter::settle_in()?;
    // Daemons that may not would run on without, and the figures would be those of others.
    if args.realtime.is_some_and(|priority| !crate::linux::may_schedule(priority)) {
        return Err(LabError::Usage(
            "--realtime takes CAP_SYS_NICE, which a user namespace doesn't give: run it with sudo"
                .to_owned(),
        ));
    }
    let recorder = Arc::new(Recorder::default());
    enter::watch_signals(Arc::clone(&recorder))?;
    let stage = Stage { args, dir, surroundings, recorder, screen: Screen::new(args.json) };
    let holds = match (args.scale, args.fleet, args.drift) {
        (true, _, _) => scale::scale(&stage)?,
        (_, true, _) => fleet::fleet(&stage)?,
        (_, _, true) => scale::drift(&stage)?,
        _ => walk::walk(&stage)?,
    };
    Ok(if holds { Exit::Clean } else { Exit::Failed })
}

/// What every kind of run starts from.
struct Stage<'a> {
    args: &'a LabArgs,
    dir: &'a Path,
    surroundings: enter::Inside,
    recorder: Arc<Recorder>,
    screen: Screen,
}

#[cfg(test)]
mod tests;
