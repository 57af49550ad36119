//! The table "What a change does" of `docs/configuration.md`: every field of a router, changed while
//! MASTER and while BACKUP, with an advert every 10 ms. What a row says happens, and nothing else:
//! beside a router whose file stays as it is, that is all the difference.

use super::node::*;
use crate::io::{AddressOperation, Command, Destinations, Output};
use crate::time::{Duration, Instant};
use crate::vrrp::StateName::{Backup, Master};
use crate::vrrp::*;

const DOCS: &str = include_str!("../../../../docs/configuration.md");
const INTERVAL: Duration = Duration::from_millis(10);

/// A change of one key.
struct Row {
    key: &'static str,
    change: fn(&mut RouterConfig),
    /// What a MASTER does at once, in the words of the documentation.
    at_once: &'static str,
    /// By how much sooner or later a BACKUP takes over from one that falls silent, in nanoseconds.
    takeover: i64,
}

const fn row(key: &'static str, change: fn(&mut RouterConfig), at_once: &'static str) -> Row {
    Row { key, change, at_once, takeover: 0 }
}

/// 10 ms · (256 - priority) / 256 is the skew.
const SKEW_OF_FIFTY: i64 = 1_953_125;

const ROWS: &[Row] = &[
    Row { takeover: -SKEW_OF_FIFTY, ..row("priority", |c| c.priority = priority(150), NOTHING) },
    Row { takeover: SKEW_OF_FIFTY, ..row("priority", |c| c.priority = priority(50), NOTHING) },
    row("advert_int", |c| c.interval = centis(2), "advert, renewal"),
    row("vip_addresses", |c| c.vips = vips(&["10.0.0.200/24"]), "reset, removal"),
    row("vip_addresses", |c| c.vips = vips(&[A, B, "10.0.0.202/24"]), "addition, announcement"),
    row("vip_addresses", |c| c.vips = vips(&[B, A]), NOTHING),
    row("pre_promote_script", |c| c.hooks.pre_promote = script(), NOTHING),
    row("pre_demote_script", |c| c.hooks.pre_demote = script(), NOTHING),
    row("hook_timeout", |c| c.hooks.timeout = INTERVAL, NOTHING),
    row("hook_failure", |c| c.hooks.on_failure = HookFailure::Abort, NOTHING),
    row("unicast_peers", |c| c.transport = unicast(None, &[HIGH, LOW]), NOTHING),
    row("unicast_source", |c| c.transport = unicast(Some(OWN), &[HIGH]), NOTHING),
    row("preempt", |c| c.preempt = Preempt::Never, NOTHING),
    row("preempt_delay", |c| c.preempt = Preempt::After(INTERVAL), NOTHING),
    row("lease", |c| c.lease = false, "advert, renewal"),
    row("handover", |c| c.handover = Handover::Strict, NOTHING),
    row("reset_connections", |c| c.reset_connections = false, NOTHING),
    row("checksum", |c| c.checksum = ChecksumForm::MessageOnly, NOTHING),
    row("v2_interval_mismatch", |c| c.interval_mismatch = IntervalMismatch::Discard, NOTHING),
    row("strict", |c| c.strict = true, NOTHING),
    row("garp_refresh", |c| c.garp_refresh = Some(Duration::from_secs(60)), NOTHING),
    row("group", |c| c.group = Some("pair".into()), NOTHING),
    row("track", |c| c.track = vec![check(Check::Tcp(([127, 0, 0, 1], 1).into()))], "check"),
    row("track", |c| c.track = vec![check(Check::Interface("eth0".into()))], NOTHING),
];

const NOTHING: &str = "nothing";
const A: &str = "10.0.0.200/24";
const B: &str = "10.0.0.201/24";

fn vips(texts: &[&str]) -> std::sync::Arc<[Vip]> {
    texts.iter().map(|text| vip(text)).collect()
}

fn script() -> Option<CommandLine> {
    Some(["true".to_owned()].into())
}

fn unicast(source: Option<&str>, peers: &[&str]) -> Transport {
    Transport::Unicast {
        source: source.map(ip),
        peers: peers.iter().map(|peer| ip(peer)).collect(),
    }
}

/// One that must be well.
fn check(check: Check) -> TrackConfig {
    let (interval, timeout) = (Duration::from_secs(1), Duration::from_millis(500));
    TrackConfig { check, interval, timeout, fall: 2, rise: 2, weight: Weight::Fault }
}

fn base() -> RouterConfig {
    RouterConfig {
        version: Version::V3,
        interval: centis(1),
        vips: vips(&[A, B]),
        garp_refresh: None,
        ..config(100)
    }
}

/// Which fields differ. A new field has to be named here, and then has no row.
fn differing(a: &RouterConfig, b: &RouterConfig) -> Vec<&'static str> {
    let RouterConfig {
        key,
        version,
        priority,
        interval,
        vips,
        transport,
        preempt,
        checksum,
        interval_mismatch,
        strict,
        lease,
        garp_refresh,
        handover,
        reset_connections,
        hooks: HookConfig { pre_promote, pre_demote, timeout, on_failure },
        track,
        group,
    } = a;
    let fields = [
        ("key", *key != b.key),
        ("version", *version != b.version),
        ("priority", *priority != b.priority),
        ("interval", *interval != b.interval),
        ("vips", *vips != b.vips),
        ("transport", *transport != b.transport),
        ("preempt", *preempt != b.preempt),
        ("checksum", *checksum != b.checksum),
        ("interval_mismatch", *interval_mismatch != b.interval_mismatch),
        ("strict", *strict != b.strict),
        ("lease", *lease != b.lease),
        ("garp_refresh", *garp_refresh != b.garp_refresh),
        ("handover", *handover != b.handover),
        ("reset_connections", *reset_connections != b.reset_connections),
        ("pre_promote", *pre_promote != b.hooks.pre_promote),
        ("pre_demote", *pre_demote != b.hooks.pre_demote),
        ("timeout", *timeout != b.hooks.timeout),
        ("on_failure", *on_failure != b.hooks.on_failure),
        ("track", *track != b.track),
        ("group", *group != b.group),
    ];
    fields.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
}

impl Row {
    fn changed(&self) -> RouterConfig {
        let mut config = base();
        (self.change)(&mut config);
        config
    }
}

/// What the core asked for since a position of the log, without what it told.
fn asked_since(node: &Node, position: usize) -> Vec<(Instant, &'static str)> {
    let asked = node.log.iter().skip(position).filter_map(|(at, output)| {
        let word = match output {
            Output::Event(_) => return None,
            // They follow what the router has.
            Output::WatchClaims(_) | Output::Guard(_) => return None,
            Output::ResetConnections(_) => "reset",
            Output::SendAdvert(_) => "advert",
            Output::Address(request) => match request.operation {
                AddressOperation::Add(_) => "addition",
                AddressOperation::Renew(_) => "renewal",
                AddressOperation::Remove => "removal",
            },
            Output::Announce(_) => "announcement",
            Output::RunCheck(..) => "check",
            Output::Dump => "dump",
            Output::OpenSocket(..) => "open",
            Output::CloseSocket(_) => "close",
            Output::PromoteSecondaries(_) => "setting",
            Output::RunHook(_) | Output::KillHook(_) => "hook",
            Output::CancelCheck(_) => "cancel",
        };
        Some((*at, word))
    });
    asked.collect()
}

fn reload(node: &mut Node, config: RouterConfig) {
    node.command(Command::Reload(vec![config]));
}

/// A MASTER whose announcements are over, in the midst of two adverts.
fn master() -> Node {
    let mut node = Node::start(vec![base()]);
    node.run(Duration::from_secs(10));
    let beside = Duration::from_millis(3);
    let last = node.sent_since(Instant::ZERO).last().expect("a MASTER").0;
    node.run((last + INTERVAL + beside).since(node.now));
    assert_eq!(node.state(), Master);
    node
}

/// A BACKUP that heard its MASTER 3 ms ago.
fn backup() -> Node {
    let mut node = Node::start(vec![base()]);
    for _ in 0..10 {
        hear(&mut node);
        node.run(INTERVAL);
    }
    hear(&mut node);
    node.run(Duration::from_millis(3));
    assert_eq!(node.state(), Backup);
    node
}

/// An advert of its MASTER, sent in the way that the file wants.
fn hear(node: &mut Node) {
    let own = ip(OWN);
    let destination = match node.router().config().transport {
        Transport::Multicast => MULTICAST_V4.into(),
        Transport::Unicast { .. } => own,
    };
    let vips = vips(&[A, B]);
    node.hear(&Advert { destination, vips, ..advert_v3(HIGH, 200, 1) });
}

/// How long after the last advert it takes over.
fn takeover(mut node: Node) -> Duration {
    let last = node.now;
    node.run_until(Master);
    node.now.since(last)
}

#[test]
fn every_field_has_a_row_that_changes_it_alone() {
    let mut seen: Vec<_> = ROWS.iter().flat_map(|row| differing(&base(), &row.changed())).collect();
    seen.dedup();
    let elsewhere = ["key", "version"];
    let all = [
        "priority",
        "interval",
        "vips",
        "pre_promote",
        "pre_demote",
        "timeout",
        "on_failure",
        "transport",
        "preempt",
        "lease",
        "handover",
        "reset_connections",
        "checksum",
        "interval_mismatch",
        "strict",
        "garp_refresh",
        "group",
        "track",
    ];
    assert_eq!(seen, all, "beside {elsewhere:?}, which have tests of their own");
    for row in ROWS {
        assert_eq!(differing(&base(), &row.changed()).len(), 1, "{}", row.key);
    }
}

#[test]
fn the_documentation_says_what_a_master_does_at_once() {
    let (_, table) = DOCS.split_once("## What a change does").expect("the chapter");
    for row in ROWS {
        let line = table.lines().find(|line| line.contains(&format!("| `{}` |", row.key)));
        let cells: Vec<_> = line.expect(row.key).split('|').map(str::trim).collect();
        let said: Vec<_> = cells[3].split("; ").collect();
        assert!(said.contains(&row.at_once), "{}: {said:?} and not {:?}", row.key, row.at_once);
    }
}

#[test]
fn a_master_does_what_the_row_says_and_all_else_as_if_nothing_had_changed() {
    for row in ROWS {
        let mut node = master();
        let position = node.log.len();
        reload(&mut node, row.changed());
        let mut words: Vec<_> =
            asked_since(&node, position).iter().map(|(_, word)| *word).collect();
        words.dedup();
        let words = if words.is_empty() { NOTHING.to_owned() } else { words.join(", ") };
        assert_eq!(words, row.at_once, "{}", row.key);
        assert_eq!(node.state(), Master, "{}", row.key);
        let (position, from) = (node.log.len(), node.now);
        node.run(Duration::from_millis(95));
        assert_eq!(node.state(), Master, "{}", row.key);
        let sent = asked_since(&node, position).into_iter();
        let sent: Vec<_> = sent.filter(|(_, word)| *word == "advert").map(|(at, _)| at).collect();
        let grid = grid(row.changed().interval.duration(), from, node.now);
        assert_eq!(sent, grid, "{}: off its grid", row.key);
        let others = asked_since(&node, position).into_iter();
        let others: Vec<_> =
            others.filter(|(_, word)| !["advert", "renewal"].contains(word)).collect();
        assert_eq!(others, [], "{}", row.key);
        assert_eq!(node.router().counters().promotions, 1, "{}", row.key);
    }
}

/// When a router of VRID 50 advertises, after `from` and up to `to`.
fn grid(interval: Duration, from: Instant, to: Instant) -> Vec<Instant> {
    let nanos = u64::try_from(interval.as_nanos()).expect("short");
    let offset = nanos / 16 * 3;
    let first = (from.as_nanos() - offset) / nanos + 1;
    let points = (first..).map(|number| Instant::from_nanos(number * nanos + offset));
    points.take_while(|at| *at <= to).collect()
}

#[test]
fn a_backup_does_nothing_and_takes_over_when_it_would_have() {
    for row in ROWS {
        let mut node = backup();
        let position = node.log.len();
        reload(&mut node, row.changed());
        let asked = asked_since(&node, position);
        let is_check = |(_, word): &&(Instant, &str)| *word == "check";
        assert_eq!(
            asked.iter().filter(|word| !is_check(word)).count(),
            0,
            "{}: {asked:?}",
            row.key
        );
        assert_eq!(node.state(), Backup, "{}", row.key);
        let twin = backup();
        let (sooner, usual) = (takeover(node), takeover(twin));
        let nanos = |span: Duration| i64::try_from(span.as_nanos()).expect("short");
        assert_eq!(nanos(sooner) - nanos(usual), row.takeover, "{}", row.key);
    }
}

#[test]
fn a_backup_goes_on_hearing_its_master() {
    for row in ROWS {
        let mut node = backup();
        reload(&mut node, row.changed());
        for _ in 0..20 {
            node.run(Duration::from_millis(7));
            hear(&mut node);
            node.run(Duration::from_millis(3));
            assert_eq!(node.state(), Backup, "{}", row.key);
        }
    }
}

#[test]
fn peers_come_and_go_with_the_next_advert() {
    let to = |peers: &[&str]| RouterConfig { transport: unicast(None, peers), ..base() };
    let mut node = Node::start(vec![to(&[LOW])]);
    node.run(Duration::from_secs(10));
    for peers in [&[LOW, HIGH][..], &[HIGH], &[HIGH, LOW, "10.0.0.7"]] {
        let position = node.log.len();
        reload(&mut node, to(peers));
        assert_eq!(asked_since(&node, position), [], "at once");
        node.run(INTERVAL);
        let sent = node.log.iter().skip(position).find_map(|(_, output)| match output {
            Output::SendAdvert(send) => Some(send.destinations.clone()),
            _ => None,
        });
        let peers: Vec<_> = peers.iter().map(|peer| ip(peer)).collect();
        assert_eq!(sent, Some(Destinations::Unicast(peers.into())));
    }
    assert_eq!(node.router().counters().promotions, 1);
}

#[test]
fn another_prefix_length_comes_on_before_the_old_one_goes() {
    let mut node = master();
    let position = node.log.len();
    reload(&mut node, RouterConfig { vips: vips(&["10.0.0.200/25", B]), ..base() });
    let words: Vec<_> = asked_since(&node, position).iter().map(|(_, word)| *word).collect();
    assert_eq!(words, ["addition", "removal", "announcement"]);
    let lens = node.addresses.iter().filter(|a| a.ip == ip(VIP)).map(|a| a.prefix_len);
    assert_eq!(lens.collect::<Vec<_>>(), [25]);
}

#[test]
fn routers_that_come_and_go_move_no_other() {
    let other = |vrid: u8, family: Family, vip: &str| {
        let key = RouterKey { vrid: Vrid::new(vrid).expect("in range"), family, ..base().key };
        RouterConfig { key, vips: vips(&[vip]), ..base() }
    };
    let others = [other(51, Family::V4, "10.0.0.210/24"), other(50, Family::V6, "fe80::200/64")];
    let mut node = Node::start(vec![base()]);
    node.run(Duration::from_secs(10));
    let (position, from) = (node.log.len(), node.now);
    let first = node.router().id();
    for count in [1, 2, 0, 2, 1, 0] {
        let configs = [&[base()], &others[..count]].concat();
        node.command(Command::Reload(configs));
        node.run(Duration::from_millis(200));
    }
    let its_own = node.log.iter().skip(position).filter_map(|(at, output)| match output {
        Output::SendAdvert(send) if send.router == first => Some(*at),
        Output::Address(request) if request.router == first => {
            assert!(matches!(request.operation, AddressOperation::Renew(_)), "{request:?}");
            None
        }
        Output::CloseSocket(id) => {
            assert_ne!(*id, node.sockets[0], "that of the first");
            None
        }
        _ => None,
    });
    assert_eq!(its_own.collect::<Vec<_>>(), grid(INTERVAL, from, node.now));
    assert_eq!((node.state(), node.router().counters().promotions), (Master, 1));
}

#[test]
fn another_number_is_another_router_that_begins_as_backup() {
    let mut node = master();
    let position = node.log.len();
    let vrid = Vrid::new(51).expect("in range");
    reload(&mut node, RouterConfig { key: RouterKey { vrid, ..base().key }, ..base() });
    let words: Vec<_> = asked_since(&node, position).iter().map(|(_, word)| *word).collect();
    assert_eq!(
        words,
        ["advert", "reset", "removal", "removal", "setting"],
        "priority 0, and the VIPs go"
    );
    assert_eq!(node.state(), Backup);
    node.run_until(Master);
    assert!(node.vip().is_some());
}
