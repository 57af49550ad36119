//! The walk through the scenarios, from the election to the verdict.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::cluster::Cluster;
use super::error::LabError;
use super::judge::{Kind, Measure};
use super::net::Lan;
use super::report::{self, Row, Screen};
use super::roles::{self, Change};
use super::scenario::{self, Scenario};
use super::stand_in::StandIn;
use super::{LabArgs, Stage, observe, probe, tcp};

/// Long enough for anybody who looks around with `--keep`; Ctrl-C ends it sooner.
const KEEP: Duration = Duration::from_secs(24 * 3600);

/// Runs all scenarios that were asked for; tells whether every bound held.
pub(super) fn walk(stage: &Stage<'_>) -> Result<bool, LabError> {
    let args = stage.args;
    let spec = args.spec(args.program()?)?;
    let lan = Lan::build(usize::from(args.nodes))?;
    observe::start(&lan, &stage.recorder)?;
    probe::start(&lan, &stage.recorder)?;
    tcp::start_servers(&lan)?;
    let stand_in = if args.plays_roles() { Some(StandIn::start(&lan)?) } else { None };
    let recorder = Arc::clone(&stage.recorder);
    let mut cluster = Cluster::new(lan, &spec, recorder, stage.screen, stage.dir)?;
    cluster.client.start(&cluster.lan, &stage.recorder)?;
    stage.screen.line(&heading(args, &cluster));

    let (mut measures, mut changes) = (vec![], vec![]);
    let all = run_all(&mut cluster, args, &mut measures).and_then(|()| {
        changes = play_roles(&mut cluster, stand_in.as_ref())?;
        Ok(())
    });
    let interrupted = match all {
        Ok(()) => false,
        Err(LabError::Interrupted) => true,
        Err(error) => return Err(error),
    };
    let rows = rows(&measures, &cluster);
    let lost = stage.recorder.lock().lost;
    let holds = !interrupted
        && lost == 0
        && rows.iter().all(Row::holds)
        && changes.iter().all(Change::holds);
    stage.screen.line("");
    report::table(&rows).iter().for_each(|line| stage.screen.line(line));
    if interrupted {
        stage.screen.line("Interrupted: no verdict.");
    }
    if lost > 0 {
        stage.screen.line(&format!("BROKEN: the observers lost {lost} packets or events"));
    }
    if args.json {
        Screen::document(&json!({
            "daemon": if args.beside.is_some() { "keepalived" } else { "openproxy" },
            "nodes": args.nodes,
            "advert_int_s": spec.timing.advert_int.as_secs_f64(),
            "version": spec.timing.version.number(),
            "sabotaged": spec.sabotaged,
            "rows": report::rows_json(&rows),
            "roles": changes.iter().map(Change::json).collect::<Vec<_>>(),
            "lost_observations": lost,
            "interrupted": interrupted,
            "ok": holds,
        }));
    }
    if args.keep && !interrupted {
        look_around(stage, &mut cluster)?;
    }
    Ok(holds)
}

fn heading(args: &LabArgs, cluster: &Cluster) -> String {
    let timing = cluster.timing;
    format!(
        "{} nodes ({}) at advert_int {} s, version {}{}; the client beside node 2",
        args.nodes,
        if args.beside.is_some() { "keepalived" } else { "openproxy" },
        timing.advert_int.as_secs_f64(),
        timing.version.number(),
        if args.sabotage { ", without guards, leases, planned handovers and resets" } else { "" },
    )
}

fn run_all(
    cluster: &mut Cluster,
    args: &LabArgs,
    measures: &mut scenario::Measures,
) -> Result<(), LabError> {
    let frozen = Duration::from_secs(args.frozen);
    let mut run = |scenario, phase| -> Result<(), LabError> {
        for (kind, measure) in scenario::run(cluster, scenario, phase, frozen)? {
            cluster.screen.line(&report::progress(kind, cluster.terms(), &measure));
            measures.push((kind, measure));
        }
        Ok(())
    };
    run(Scenario::Election, 0.0)?;
    let asked = |scenario: &Scenario| {
        args.scenario.is_empty() || args.scenario.iter().any(|name| name.canonical() == *scenario)
    };
    for scenario in Scenario::AFTER_ELECTION.into_iter().filter(asked) {
        let healings = args.healings.filter(|_| scenario == Scenario::Partition);
        let times = healings.unwrap_or(args.repeat);
        for time in 0..times {
            run(scenario, (f64::from(time) + 0.5) / f64::from(times))?;
        }
    }
    Ok(())
}

/// Lets primary and replicas change places, if that was asked for.
fn play_roles(cluster: &mut Cluster, stand_in: Option<&StandIn>) -> Result<Vec<Change>, LabError> {
    let Some(stand_in) = stand_in else { return Ok(vec![]) };
    let changes = roles::run(cluster, stand_in)?;
    changes.iter().flat_map(Change::lines).for_each(|line| cluster.screen.line(&line));
    Ok(changes)
}

fn rows(measures: &[(Kind, Measure)], cluster: &Cluster) -> Vec<Row> {
    let mut kinds: Vec<Kind> = vec![];
    for (kind, _) in measures {
        if !kinds.contains(kind) {
            kinds.push(*kind);
        }
    }
    let runs = |kind| {
        let same = measures.iter().filter(move |(other, _)| *other == kind);
        same.map(|(_, measure)| measure.clone()).collect()
    };
    kinds.into_iter().map(|kind| Row::new(kind, cluster.terms(), runs(kind))).collect()
}

/// Tells how to look into the lab, and waits.
fn look_around(stage: &Stage<'_>, cluster: &mut Cluster) -> Result<(), LabError> {
    let screen = stage.screen;
    let pid = stage.surroundings.outer_pid.unwrap_or_default();
    screen.line("\nThe lab stays until Ctrl-C. To look around, in another terminal:");
    let user = if stage.surroundings.user_namespace { " -U --preserve-credentials" } else { "" };
    let shell = |name: &str, fd: i32| {
        format!("  {name:<8} nsenter -t {pid}{user} -m -p --net=/proc/{pid}/fd/{fd} bash")
    };
    screen.line(&format!("  {:<8} nsenter -t {pid}{user} -m -p -n bash", "LANs"));
    screen.line(&shell("client", cluster.lan.client.fd()));
    for (node, namespace) in cluster.lan.nodes.iter().enumerate() {
        screen.line(&shell(&format!("node {}", node + 1), namespace.fd()));
    }
    for node in &cluster.nodes {
        screen.line(&format!("  {}  {}", node.file().display(), node.log().display()));
    }
    match cluster.wait("to be looked at", KEEP, |_| None::<()>) {
        Ok(_) | Err(LabError::Interrupted) => Ok(()),
        Err(error) => Err(error),
    }
}
