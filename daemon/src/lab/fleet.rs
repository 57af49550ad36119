//! A thousand virtual routers on the LANs of two nodes: both start cold, and then what happens to
//! a node happens to all of them at once.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::cluster::Cluster;
use super::error::LabError;
use super::judge::{Check, millis};
use super::net::{self, LANS_MAX, Lan};
use super::node::{Program, RouterSpec};
use super::record::{Move, Record};
use super::report::Screen;
use super::{Stage, clock, observe, theory};

mod story;

use story::{Possession, Story};

const BETTER: usize = 0;
const LESSER: usize = 1;
/// All that a thousand routers do at once may take this much longer than what one does.
const AT_ONCE: Duration = Duration::from_millis(250);
/// How long a wait goes on beyond theory; keepalived takes most of it.
const PATIENCE: Duration = Duration::from_secs(60);
const STOP_WITHIN: Duration = Duration::from_secs(20);

/// Runs all of it; tells whether every bound held.
pub(super) fn fleet(stage: &Stage<'_>) -> Result<bool, LabError> {
    let programs = stage.args.programs()?;
    let mut lan = Lan::build_with(2, LANS_MAX)?;
    observe::start(&lan, &stage.recorder)?;
    let (mut documents, mut holds) = (vec![], true);
    for (name, program) in programs {
        let is_ours = matches!(program, Program::OpenProxy(_));
        let mut spec = stage.args.spec(program)?;
        spec.routers = routers(stage.args.routers()?);
        let routers = spec.routers.clone();
        let (dir, recorder) = (stage.dir.join(name), Arc::clone(&stage.recorder));
        let cluster = Cluster::new(lan, &spec, recorder, stage.screen, &dir)?;
        let count = routers.len();
        let interval = spec.timing.advert_int.as_secs_f64();
        stage.screen.line(&format!("{name}: {count} routers at advert_int {interval} s"));
        let mut fleet = Fleet { cluster, routers, rows: vec![] };
        fleet.run(is_ours)?;
        fleet.stop_all()?;
        // The comparison is for information; this program's own figures decide.
        holds &= !is_ours || fleet.rows.iter().all(Row::holds);
        documents.push(json!({
            "daemon": name,
            "rows": fleet.rows.iter().map(Row::json).collect::<Vec<_>>(),
        }));
        lan = fleet.cluster.lan;
    }
    let lost = stage.recorder.lock().lost;
    holds &= lost == 0;
    if lost > 0 {
        stage.screen.line(&format!("the observers lost {lost} packets or events"));
    }
    stage.screen.line(if holds { "ok" } else { "BROKEN" });
    if stage.args.json {
        Screen::document(&json!({
            "routers": stage.args.routers()?,
            "lost_observations": lost,
            "daemons": documents,
            "ok": holds,
        }));
    }
    Ok(holds)
}

/// So many, one after the other on each LAN.
fn routers(count: u16) -> Vec<RouterSpec> {
    let lan_of = |router: usize| (router % LANS_MAX, router / LANS_MAX + 1);
    let places = (0..usize::from(count)).map(lan_of);
    let routers = places.map(|(lan, id)| {
        let id = u8::try_from(id).unwrap_or(u8::MAX);
        RouterSpec { lan, id, vips: vec![(net::vip(lan, id), 32)] }
    });
    routers.collect()
}

/// What was done to all routers at once, and what came of it.
#[derive(Debug)]
struct Row {
    name: &'static str,
    /// Until the last VIP came or went.
    settled: Duration,
    /// The longest of all VIPs.
    gap: Duration,
    overlap: Duration,
    /// The most of one VIP.
    promotions_of_lesser: usize,
    checks: Vec<Check>,
    failure: Option<String>,
}

impl Row {
    fn holds(&self) -> bool {
        self.failure.is_none() && self.checks.iter().all(Check::holds)
    }

    fn line(&self) -> String {
        let checks: Vec<String> = self
            .checks
            .iter()
            .map(|check| {
                format!("{} {:.1} (≤ {:.0})", check.what, check.measured_ms, check.bound_ms)
            })
            .collect();
        format!(
            "  {:<26} settled {:.0} ms, gap {:.1} ms, two holders {:.1} ms, promotions of the lesser \
             {}; {}  {}{}",
            self.name,
            millis(self.settled),
            millis(self.gap),
            millis(self.overlap),
            self.promotions_of_lesser,
            checks.join(", "),
            if self.holds() { "ok" } else { "BROKEN" },
            self.failure.as_ref().map_or_else(String::new, |why| format!(": {why}")),
        )
    }

    fn json(&self) -> Value {
        json!({
            "what": self.name,
            "settled_ms": millis(self.settled),
            "gap_ms": millis(self.gap),
            "two_holders_ms": millis(self.overlap),
            "promotions_of_lesser_max": self.promotions_of_lesser,
            "failure": self.failure,
            "ok": self.holds(),
        })
    }
}

struct Fleet {
    cluster: Cluster,
    routers: Vec<RouterSpec>,
    rows: Vec<Row>,
}

impl Fleet {
    fn run(&mut self, reloads: bool) -> Result<(), LabError> {
        self.cold_start()?;
        self.crash()?;
        self.comes_back("return")?;
        self.stop()?;
        self.comes_back("return after the stop")?;
        if reloads {
            self.reload()?;
        }
        Ok(())
    }

    fn cold_start(&mut self) -> Result<(), LabError> {
        let begin = clock::now();
        self.cluster.start(LESSER)?;
        self.cluster.start(BETTER)?;
        let failure = self.settle(BETTER)?;
        let mut row = self.row("cold start of both", begin, failure);
        // Three intervals, a skew, and a second for a thousand promotions.
        let bound = 4 * self.cluster.timing.advert_int + Duration::from_secs(1);
        row.checks.push(check("settled", row.settled, bound));
        if row.promotions_of_lesser > 1 {
            row.failure.get_or_insert_with(|| "a router of the lesser node flapped".to_owned());
        }
        self.keep(row);
        Ok(())
    }

    fn crash(&mut self) -> Result<(), LabError> {
        let fault = self.cluster.crash(BETTER)?;
        self.cluster.nodes[BETTER].reap(STOP_WITHIN)?;
        let failure = self.settle(LESSER)?;
        let mut row = self.row("kill -9, guard too", fault, failure);
        let late = self.latest_takeover(fault);
        row.checks.push(check("latest VIP late", late, AT_ONCE));
        let lease = self.cluster.timing.two_holders_max(theory::priority(LESSER));
        row.checks.push(check("two holders", row.overlap, lease));
        self.keep(row);
        Ok(())
    }

    fn comes_back(&mut self, name: &'static str) -> Result<(), LabError> {
        let begin = clock::now();
        self.cluster.start(BETTER)?;
        let failure = self.settle(BETTER)?;
        let mut row = self.row(name, begin, failure);
        row.checks.push(check("gap", row.gap, AT_ONCE));
        row.checks.push(check("two holders", row.overlap, AT_ONCE));
        self.keep(row);
        Ok(())
    }

    fn stop(&mut self) -> Result<(), LabError> {
        let fault = self.cluster.signal(BETTER, Signal::SIGTERM)?;
        let ended = self.cluster.nodes[BETTER].reap(STOP_WITHIN)?;
        let mut failure = self.settle(LESSER)?;
        if ended.is_none() {
            failure.get_or_insert_with(|| "the daemon did not end".to_owned());
        }
        let mut row = self.row("planned stop", fault, failure);
        row.checks.push(check("gap", row.gap, Duration::from_millis(5)));
        row.checks.push(check("two holders", row.overlap, AT_ONCE));
        self.keep(row);
        Ok(())
    }

    /// One router gets another VIP, and one goes, whose VIP the other node then has.
    fn reload(&mut self) -> Result<(), LabError> {
        let mut changed = self.routers.clone();
        let Some(gone) = changed.pop() else { return Ok(()) };
        let (lan, new) = (self.routers[0].lan, net::vip(self.routers[0].lan, u8::MAX));
        changed[0].vips.push((new, 32));
        let gone_vip = gone.vips[0].0;
        let begin = clock::now();
        self.cluster.nodes[BETTER].rewrite(|spec| spec.routers = changed)?;
        self.cluster.signal(BETTER, Signal::SIGHUP)?;
        let within = self.cluster.timing.settle() + PATIENCE;
        let asked = |record: &Record| {
            let since = moves_since(record, begin);
            let came = |node, vip| since.iter().any(|m| m.node == node && m.vip == vip && m.held);
            (came(BETTER, new) && came(LESSER, gone_vip)).then_some(())
        };
        let seen = self.cluster.wait("the change of the file", within, asked)?;
        self.quiet()?;
        let failure = seen.is_none().then(|| "what the file asks for didn't come".to_owned());
        let mut row = self.row("reload", begin, failure);
        let record = self.cluster.recorder.lock();
        let unasked = moves_since(&record, begin)
            .iter()
            .filter(|m| (m.node, m.vip, m.held) != (BETTER, new, true) && m.vip != gone_vip)
            .count();
        let adverts = record.adverts.iter().rev().take_while(|seen| seen.at > begin);
        let strange = adverts
            .filter(|seen| {
                seen.node == LESSER && (seen.lan, seen.advert.vrid) != (gone.lan, gone.id)
            })
            .count();
        drop(record);
        if unasked + strange > 0 {
            row.failure = Some(format!(
                "{unasked} VIPs moved and {strange} adverts came that the file doesn't ask for \
                 (LAN {lan})"
            ));
        }
        row.checks.push(check("two holders", row.overlap, AT_ONCE));
        self.keep(row);
        Ok(())
    }

    /// Waits until a node alone has every VIP, and long enough to know that it stays so.
    fn settle(&mut self, node: usize) -> Result<Option<String>, LabError> {
        let within = self.cluster.timing.settle() + PATIENCE;
        let count = self.routers.len();
        let mut possession = Possession::default();
        let settled = self.cluster.wait("all VIPs must be on one node", within, |record| {
            possession.follow(&record.moves);
            (possession.alone(node) == count).then_some(())
        })?;
        if settled.is_some() {
            self.quiet()?;
        }
        possession.follow(&self.cluster.recorder.lock().moves);
        let alone = possession.alone(node);
        Ok((alone != count).then(|| format!("node {} has {alone} of {count} VIPs", node + 1)))
    }

    /// Lets pass what every router would do if it ever did.
    fn quiet(&mut self) -> Result<(), LabError> {
        let until = clock::now() + self.cluster.timing.settle();
        self.cluster.wait_until("something that shouldn't happen", until)
    }

    fn row(&self, name: &'static str, from: Duration, failure: Option<String>) -> Row {
        let now = clock::now();
        let record = self.cluster.recorder.lock();
        let stories: Vec<Story> =
            by_vip(&record.moves).values().map(|moves| Story::of(moves, from, now)).collect();
        let longest = |of: fn(&Story) -> Duration| stories.iter().map(of).max().unwrap_or_default();
        let last = moves_since(&record, from).last().map_or(from, |m| m.at);
        Row {
            name,
            settled: last.saturating_sub(from),
            gap: longest(|story| story.gap),
            overlap: longest(|story| story.overlap),
            promotions_of_lesser: stories.iter().map(|s| s.came_to[LESSER]).max().unwrap_or(0),
            checks: vec![],
            failure,
        }
    }

    /// How long after its time the last VIP came to the lesser node.
    fn latest_takeover(&self, fault: Duration) -> Duration {
        let record = self.cluster.recorder.lock();
        let mut last_adverts = BTreeMap::new();
        let before = record.adverts.iter().filter(|seen| seen.node == BETTER && seen.at <= fault);
        for seen in before {
            last_adverts.insert((seen.lan, seen.advert.vrid), seen.at);
        }
        let waits = self.cluster.timing.master_down(theory::priority(LESSER));
        let since = moves_since(&record, fault);
        let late = self.routers.iter().map(|router| {
            let vip = router.vips[0].0;
            let due = last_adverts.get(&(router.lan, router.id)).map(|at| *at + waits);
            let came = since.iter().find(|m| m.node == LESSER && m.vip == vip && m.held);
            match (due, came) {
                (Some(due), Some(came)) => came.at.saturating_sub(due),
                _ => Duration::MAX,
            }
        });
        late.max().unwrap_or_default()
    }

    fn keep(&mut self, row: Row) {
        self.cluster.screen.line(&row.line());
        self.rows.push(row);
    }

    /// The next daemon finds the nodes clean.
    fn stop_all(&mut self) -> Result<(), LabError> {
        for node in [LESSER, BETTER] {
            self.cluster.signal(node, Signal::SIGTERM)?;
            self.cluster.nodes[node].reap(STOP_WITHIN)?;
        }
        Ok(())
    }
}

fn check(what: &'static str, measured: Duration, bound: Duration) -> Check {
    Check { what, measured_ms: millis(measured), bound_ms: millis(bound) }
}

/// The moves from a moment on.
fn moves_since(record: &Record, from: Duration) -> &[Move] {
    let start = record.moves.partition_point(|m| m.at < from);
    &record.moves[start..]
}

fn by_vip(moves: &[Move]) -> BTreeMap<Ipv4Addr, Vec<Move>> {
    let mut sorted: BTreeMap<Ipv4Addr, Vec<Move>> = BTreeMap::new();
    moves.iter().for_each(|m| sorted.entry(m.vip).or_default().push(*m));
    sorted
}
