//! Two runs without faults: many routers beside busy loops, and the drift of the advert timer.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::hint;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::{Pid, SysconfVar, sysconf};
use serde_json::{Value, json};

use super::cluster::Cluster;
use super::error::LabError;
use super::judge::millis;
use super::net::{self, Lan};
use super::node::{Node, RouterSpec, Spec};
use super::record::Record;
use super::report::Screen;
use super::{Stage, clock, observe};

const SECONDS: u64 = 30;
const DRIFT_SECONDS: u64 = 15;
/// How long daemons may take to start and elect.
const START_WITHIN: Duration = Duration::from_secs(20);
/// Quiet time after the election, in which late announcements pass.
const QUIET: Duration = Duration::from_secs(2);
const STOP_WITHIN: Duration = Duration::from_secs(10);
const BETTER: usize = 0;
const LESSER: usize = 1;

/// Many routers on two nodes with busy loops beside them; tells whether none changed hands.
pub(super) fn scale(stage: &Stage<'_>) -> Result<bool, LabError> {
    let programs = stage.args.programs()?;
    let mut lan = Lan::build(2)?;
    observe::start(&lan, &stage.recorder)?;
    let mut figures = vec![];
    for (name, program) in programs {
        let mut spec = stage.args.spec(program)?;
        spec.routers = routers(stage.args.routers()?);
        let dir = stage.dir.join(name);
        let recorder = Arc::clone(&stage.recorder);
        let mut cluster = Cluster::new(lan, &spec, recorder, stage.screen, &dir)?;
        figures.push((name, watch(stage, &mut cluster, name)?));
        // The next one finds the nodes clean, without VIPs that a dead daemon left.
        for node in [LESSER, BETTER] {
            cluster.signal(node, Signal::SIGTERM)?;
            cluster.nodes[node].reap(STOP_WITHIN)?;
        }
        lan = cluster.lan;
    }
    stage.screen.line("");
    for (name, figure) in &figures {
        figure.lines(name).iter().for_each(|line| stage.screen.line(line));
    }
    // The comparison is for information; this program's own figures decide.
    let ours = &figures[0].1;
    let holds = ours.takeovers == 0 && ours.lost == 0;
    stage.screen.line(if holds { "ok: no false takeover" } else { "BROKEN" });
    if stage.args.json {
        let daemons: Value = figures.iter().map(|(name, figure)| figure.json(name)).collect();
        Screen::document(&json!({
            "routers": stage.args.routers()?,
            "advert_int_s": stage.args.timing()?.advert_int.as_secs_f64(),
            "busy_loops": stage.args.busy(),
            "realtime": stage.args.realtime,
            "daemons": daemons,
            "ok": holds,
        }));
    }
    Ok(holds)
}

fn routers(count: u16) -> Vec<RouterSpec> {
    let ids = (1..=u8::MAX).take(usize::from(count));
    ids.map(|id| RouterSpec { lan: 0, id, vips: vec![(net::vip(0, id), 32)] }).collect()
}

/// What one daemon used and did.
#[derive(Debug)]
struct Figure {
    seconds: f64,
    adverts: usize,
    takeovers: usize,
    lateness: Lateness,
    lost: u64,
    usage: Vec<(Option<u64>, Option<f64>)>,
}

impl Figure {
    fn adverts_per_second(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 adverts")]
        let adverts = self.adverts as f64;
        adverts / self.seconds
    }

    fn lines(&self, name: &str) -> Vec<String> {
        let mut lines = vec![format!(
            "{name}: {} adverts of the lesser node (false takeovers), {:.0} adverts/s, {} late; the \
             latest by {:.1} ms{}",
            self.takeovers,
            self.adverts_per_second(),
            self.lateness.count,
            millis(self.lateness.max),
            if self.lost == 0 { String::new() } else { format!(", {} not seen", self.lost) },
        )];
        for (node, (pss, cpu)) in self.usage.iter().enumerate() {
            let role = if node == BETTER { "MASTER" } else { "BACKUP" };
            let pss = pss.map_or_else(|| "unknown".to_owned(), |kib| format!("{kib} KiB"));
            let cpu = cpu.map_or_else(
                || "unknown".to_owned(),
                |cpu| format!("{cpu:.2} s ({:.1} % of a core)", cpu / self.seconds * 100.0),
            );
            lines.push(format!("  {role}: PSS {pss}, CPU {cpu}"));
        }
        lines
    }

    fn json(&self, name: &str) -> Value {
        let nodes: Value =
            self.usage.iter().map(|(pss, cpu)| json!({ "pss_kib": pss, "cpu_s": cpu })).collect();
        json!({
            "daemon": name,
            "seconds": self.seconds,
            "false_takeovers": self.takeovers,
            "adverts_per_s": self.adverts_per_second(),
            "late_adverts": self.lateness.count,
            "late_max_ms": millis(self.lateness.max),
            "lost_observations": self.lost,
            "nodes": nodes,
        })
    }
}

fn watch(stage: &Stage<'_>, cluster: &mut Cluster, name: &str) -> Result<Figure, LabError> {
    let args = stage.args;
    stage.screen.line(&format!("{name}: {} routers, starting", args.routers()?));
    let begin = clock::now();
    cluster.start(BETTER)?;
    let all = usize::from(args.routers()?);
    let elected = cluster.wait("every router must have its MASTER", START_WITHIN, |record| {
        (masters(record, begin).len() >= all).then_some(())
    })?;
    // Once that is done: of two that start at the same time, keepalived keeps both.
    cluster.start(LESSER)?;
    if elected.is_none() {
        let seen = masters(&stage.recorder.lock(), begin).len();
        stage.screen.line(&format!("  only {seen} of {all} routers have the better MASTER"));
    }
    cluster.wait_until("the election to pass", clock::now() + QUIET)?;

    let window = Duration::from_secs(args.seconds.unwrap_or(SECONDS));
    let busy = BusyLoops::start(args.busy());
    stage.screen.line(&format!(
        "  watching for {} s, {} busy loops",
        window.as_secs(),
        args.busy()
    ));
    let lost_before = stage.recorder.lock().lost;
    let cpu_before: Vec<Option<f64>> = cluster.nodes.iter().map(cpu_seconds).collect();
    let from = clock::now();
    cluster.wait_until("a false takeover, if there is one", from + window)?;
    let to = clock::now();
    let used = |(node, before): (&Node, &Option<f64>)| Some(cpu_seconds(node)? - (*before)?);
    let cpu: Vec<Option<f64>> = cluster.nodes.iter().zip(&cpu_before).map(used).collect();
    let mut usage: Vec<_> = cluster.nodes.iter().map(pss_kib).zip(cpu).collect();
    if !stage.surroundings.own_proc {
        // The numbers in the outer /proc are those of other processes.
        usage.fill((None, None));
    }
    drop(busy);
    let record = stage.recorder.lock();
    let said = |node| {
        let within = record.adverts.iter().filter(|seen| (from..to).contains(&seen.at));
        within.filter(|seen| seen.node == node && seen.advert.priority > 0).count()
    };
    Ok(Figure {
        seconds: (to - from).as_secs_f64(),
        adverts: said(BETTER),
        takeovers: said(LESSER) + usize::from(elected.is_none()),
        lateness: Lateness::of(&record, args.timing()?.advert_int, from, to),
        lost: record.lost - lost_before,
        usage,
    })
}

/// The routers whose MASTER the better node is.
fn masters(record: &Record, begin: Duration) -> BTreeSet<u8> {
    let recent = record.adverts.iter().rev().take_while(|seen| seen.at > begin);
    recent.filter(|seen| seen.node == BETTER).map(|seen| seen.advert.vrid).collect()
}

/// How late the better node's adverts were.
#[derive(Clone, Copy, Debug, Default)]
struct Lateness {
    /// How many came later than half an interval after their time.
    count: usize,
    max: Duration,
}

impl Lateness {
    fn of(record: &Record, advert_int: Duration, from: Duration, to: Duration) -> Self {
        let mut lateness = Self::default();
        let mut last: BTreeMap<u8, Duration> = BTreeMap::new();
        let within = record.adverts.iter().filter(|seen| (from..to).contains(&seen.at));
        for seen in within.filter(|seen| seen.node == BETTER) {
            let Some(before) = last.insert(seen.advert.vrid, seen.at) else { continue };
            let late = seen.at.saturating_sub(before).saturating_sub(advert_int);
            lateness.max = lateness.max.max(late);
            lateness.count += usize::from(late > advert_int / 2);
        }
        lateness
    }
}

/// Threads that do nothing, all the time, until dropped.
#[derive(Debug)]
struct BusyLoops(Arc<AtomicBool>);

impl BusyLoops {
    fn start(count: u8) -> Self {
        let done = Arc::new(AtomicBool::new(false));
        for _ in 0..count {
            let done = Arc::clone(&done);
            thread::spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    hint::spin_loop();
                }
            });
        }
        Self(done)
    }
}

impl Drop for BusyLoops {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The processes of a daemon: its process group.
fn processes(node: &Node) -> Vec<String> {
    let Some(leader) = node.pid().map(Pid::as_raw) else {
        return vec![];
    };
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let ours = |pid: &String| stat_field(pid, 5) == u64::try_from(leader).ok();
    names.filter(|name| name.parse::<u32>().is_ok()).filter(ours).collect()
}

/// A numeric field of `/proc/PID/stat`, counted from 1 as in its manual page.
fn stat_field(pid: &str, field: usize) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, field 2, may contain anything, but ends at the last parenthesis.
    let (_, rest) = text.rsplit_once(") ")?;
    rest.split(' ').nth(field.checked_sub(3)?)?.parse().ok()
}

fn cpu_seconds(node: &Node) -> Option<f64> {
    let per_second = sysconf(SysconfVar::CLK_TCK).ok()??;
    let ticks: Option<u64> = processes(node)
        .iter()
        .map(|pid| Some(stat_field(pid, 14)? + stat_field(pid, 15)?))
        .reduce(|a, b| Some(a? + b?))?;
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 ticks")]
    let seconds = ticks? as f64 / per_second as f64;
    Some(seconds)
}

fn pss_kib(node: &Node) -> Option<u64> {
    let of_one = |pid: &String| {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        line.trim().trim_end_matches(" kB").parse::<u64>().ok()
    };
    processes(node).iter().map(of_one).reduce(|a, b| Some(a? + b?))?
}

/// Counts the adverts of one MASTER; tells whether there were as many as there should be.
pub(super) fn drift(stage: &Stage<'_>) -> Result<bool, LabError> {
    let spec: Spec = stage.args.spec(stage.args.program()?)?;
    let lan = Lan::build(1)?;
    observe::start(&lan, &stage.recorder)?;
    let recorder = Arc::clone(&stage.recorder);
    let mut cluster = Cluster::new(lan, &spec, recorder, stage.screen, stage.dir)?;
    let begin = clock::now();
    cluster.start(BETTER)?;
    let first = cluster
        .wait("the first advert", START_WITHIN, |record| record.first_advert(BETTER, begin))?;
    let window = Duration::from_secs(stage.args.seconds.unwrap_or(DRIFT_SECONDS));
    let busy = BusyLoops::start(stage.args.busy());
    stage.screen.line(&format!("counting the adverts of {} s", window.as_secs()));
    let margin = spec.timing.advert_int;
    cluster.wait_until("adverts", clock::now() + QUIET + window + 2 * margin)?;
    drop(busy);

    let record = stage.recorder.lock();
    let settled = first.unwrap_or(begin) + QUIET / 2;
    let stamps: Vec<Duration> = record.adverts.iter().map(|seen| seen.at).collect();
    // The window opens half an interval after an advert, so that neither edge is in doubt.
    let from = stamps.iter().find(|at| **at >= settled).map_or(settled, |at| *at + margin / 2);
    let count = stamps.iter().filter(|at| (from..from + window).contains(*at)).count();
    let (seconds, interval) = (window.as_secs_f64(), margin.as_secs_f64());
    let expected = seconds / interval;
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 adverts")]
    let off = count as f64 - expected;
    let holds = off.abs() <= 1.0 && record.lost == 0;
    let longest = stamps
        .windows(2)
        .filter(|pair| (from..from + window).contains(&pair[1]))
        .map(|pair| pair[1].saturating_sub(pair[0]))
        .max()
        .unwrap_or_default();
    stage.screen.line(&format!(
        "{count} adverts, {expected:.0} ± 1 expected; longest time between two {:.2} ms: {}",
        millis(longest),
        if holds { "ok" } else { "BROKEN" },
    ));
    if stage.args.json {
        Screen::document(&json!({
            "adverts": count,
            "expected": expected,
            "longest_interval_ms": millis(longest),
            "lost_observations": record.lost,
            "ok": holds,
        }));
    }
    Ok(holds)
}
