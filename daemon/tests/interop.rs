//! Interoperation with keepalived on a real network, and tshark's opinion of our packets.

use std::iter;
use std::net::IpAddr;
use std::time::Duration;

#[path = "interop/convert.rs"]
mod convert;
#[path = "interop/duty.rs"]
mod duty;
#[path = "interop/exits.rs"]
mod exits;
#[path = "interop/flood.rs"]
mod flood;
#[path = "interop/guard.rs"]
mod guard;
#[path = "interop/judge.rs"]
mod judge;
#[path = "interop/machines.rs"]
mod machines;
#[path = "interop/neighbours.rs"]
mod neighbours;
#[path = "interop/net.rs"]
mod net;
#[path = "interop/nodes.rs"]
mod nodes;
#[path = "interop/opinion.rs"]
mod opinion;
#[path = "interop/packet.rs"]
mod packet;
#[path = "interop/realtime.rs"]
mod realtime;
#[path = "interop/reloads.rs"]
mod reloads;
#[path = "interop/resets.rs"]
mod resets;
#[path = "interop/service_manager.rs"]
mod service_manager;

use flood::{Kind, Outcome, flood, off_grid, phase};
use net::{Lan, Sample, Watch, now};
use nodes::{End, Node, Router};

const V4: &str = "10.9.0.200/24";
/// Global only: what keepalived's users have, though a link-local address should come first.
const V6: &str = "2001:db8::100/64";
const BETTER: u8 = 150;
const WORSE: u8 = 100;
/// Room for a busy machine.
const SLACK: Duration = Duration::from_secs(3);
const SECOND: Duration = Duration::from_secs(1);
/// Both daemons can do it, but a lease can't be as short.
const FAST: Duration = Duration::from_millis(200);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Openproxy,
    Keepalived,
}

impl Who {
    fn start(self, lan: &Lan, router: &Router, priority: u8) -> Node {
        match self {
            Self::Openproxy => Node::openproxy(&lan.ours, router, priority),
            Self::Keepalived => Node::keepalived(&lan.theirs, router, priority),
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Openproxy => Self::Keepalived,
            Self::Keepalived => Self::Openproxy,
        }
    }

    fn holds(self, sample: &Sample) -> bool {
        match self {
            Self::Openproxy => sample.ours,
            Self::Keepalived => sample.theirs,
        }
    }

    fn holds_alone(self, sample: &Sample) -> bool {
        self.holds(sample) && !self.other().holds(sample)
    }
}

/// The better node is MASTER, the worse one keeps quiet, the better one ends, the worse one takes
/// over. Gives the figures, and how long both held the VIP.
fn takeover(router: Router, better: Who, end: End) -> (String, Duration) {
    let vip: IpAddr = router.vip.split('/').next().and_then(|vip| vip.parse().ok()).expect("a VIP");
    let lan = Lan::new();
    let watch = Watch::start(&lan, vip);
    let worse = better.other();

    let begin = now();
    let mut first = better.start(&lan, &router, BETTER);
    let held = watch.wait(begin, router.master_down(BETTER) + SLACK, |s| better.holds(s));
    let held = held.unwrap_or_else(|| panic!("{better:?} isn't MASTER\n{}", first.log()));
    let second = worse.start(&lan, &router, WORSE);
    second.wait_until_backup();
    let logs = |first: &Node| format!("{}\n{}", first.log(), second.log());

    let window = watch.window(router.master_down(WORSE) + router.interval / 2);
    let strange = window.iter().find(|sample| !better.holds_alone(sample));
    assert!(strange.is_none(), "{strange:?} next to a living MASTER\n{}", logs(&first));
    assert_dense(&window);

    let ended = now();
    first.end(end);
    let limit = match end {
        // Without the goodbye it would take longer than this.
        End::Stop | End::Death => router.interval * 2 + router.skew(WORSE),
        End::Crash => router.master_down(WORSE) + SLACK,
    };
    let taken = watch.wait(ended, limit + SLACK, |sample| worse.holds(sample));
    let taken = taken.unwrap_or_else(|| panic!("nobody took over\n{}", logs(&first))).at - ended;
    assert!(taken <= limit, "took over after {taken:?} instead of {limit:?}\n{}", logs(&first));
    let status = first.wait_until_gone();
    assert!(status.is_some(), "doesn't end\n{}", logs(&first));
    if end == End::Stop {
        assert_eq!(status.and_then(|status| status.code()), Some(0), "{}", logs(&first));
    }

    // What is left over from a dead one gets its time.
    let after = watch.window(if end == End::Stop { SECOND } else { SECOND * 2 });
    assert_dense(&after);
    let lost = after.iter().find(|sample| !worse.holds(sample));
    assert!(lost.is_none(), "{worse:?} lost the VIP: {lost:?}\n{}", logs(&first));

    let all = watch.since(ended);
    let both: Vec<_> = all.iter().filter(|sample| sample.ours && sample.theirs).collect();
    let both =
        both.first().zip(both.last()).map_or(Duration::ZERO, |(a, b)| b.at - a.at + net::POLL);
    let figures = format!(
        "{router:?} {better:?} {end:?}: MASTER after {:?}, taken over after {taken:?}, \
         two holders {both:?}, {} samples",
        held.at - begin,
        watch.since(begin).len()
    );
    (figures, both)
}

/// A window with holes proves nothing.
fn assert_dense(window: &[Sample]) {
    let longest = window.windows(2).map(|pair| pair[1].at - pair[0].at).max();
    assert!(longest.is_some_and(|gap| gap < Duration::from_millis(200)), "a gap of {longest:?}");
}

macro_rules! takeovers {
    ($($name:ident: $router:expr, $better:ident, $end:ident, $overlap:expr;)*) => {$(
        #[test]
        #[ignore = "needs keepalived and tshark; .ci/run runs it"]
        fn $name() {
            let overlap: Option<Duration> = $overlap;
            let (figures, both) = takeover($router, Who::$better, End::$end);
            println!("{figures}");
            if let Some(limit) = overlap {
                assert!(both <= limit, "{figures}");
            }
        }
    )*};
}

const fn router(version: u8, unicast: bool, interval: Duration) -> Router {
    Router { version, unicast, interval, vip: V4 }
}

const fn router_v6(unicast: bool, interval: Duration) -> Router {
    Router { version: 3, unicast, interval, vip: V6 }
}

/// Never two holders.
const NEVER: Option<Duration> = Some(Duration::ZERO);
/// Until whoever goes has heard the announcement, and a little for looking.
const HANDOVER: Option<Duration> = Some(Duration::from_millis(30));
/// A keepalived that is killed leaves its VIP on its node for ever.
const FOR_EVER: Option<Duration> = None;
/// The shortest lease outlives a shorter master-down interval: what `openproxy check` says of
/// FAST, and a little for looking.
const SHORTEST_LEASE: Option<Duration> = Some(Duration::from_millis(1818 + 50));

takeovers! {
    v2_multicast_openproxy_stops: router(2, false, SECOND), Openproxy, Stop, HANDOVER;
    v2_multicast_openproxy_crashes: router(2, false, SECOND), Openproxy, Crash, NEVER;
    v2_multicast_openproxy_dies: router(2, false, SECOND), Openproxy, Death, HANDOVER;
    v2_multicast_keepalived_stops: router(2, false, SECOND), Keepalived, Stop, NEVER;
    v2_multicast_keepalived_crashes: router(2, false, SECOND), Keepalived, Crash, FOR_EVER;
    v2_unicast_openproxy_stops: router(2, true, SECOND), Openproxy, Stop, HANDOVER;
    v2_unicast_openproxy_crashes: router(2, true, SECOND), Openproxy, Crash, NEVER;
    v2_unicast_openproxy_dies: router(2, true, SECOND), Openproxy, Death, HANDOVER;
    v2_unicast_keepalived_stops: router(2, true, SECOND), Keepalived, Stop, NEVER;
    v2_unicast_keepalived_crashes: router(2, true, SECOND), Keepalived, Crash, FOR_EVER;
    v3_multicast_openproxy_stops: router(3, false, FAST), Openproxy, Stop, HANDOVER;
    v3_multicast_openproxy_crashes: router(3, false, SECOND), Openproxy, Crash, NEVER;
    v3_multicast_openproxy_dies: router(3, false, SECOND), Openproxy, Death, HANDOVER;
    v3_multicast_keepalived_stops: router(3, false, FAST), Keepalived, Stop, NEVER;
    v3_multicast_keepalived_crashes: router(3, false, FAST), Keepalived, Crash, FOR_EVER;
    v3_unicast_openproxy_stops: router(3, true, FAST), Openproxy, Stop, HANDOVER;
    v3_unicast_openproxy_crashes: router(3, true, SECOND), Openproxy, Crash, NEVER;
    v3_unicast_openproxy_dies: router(3, true, SECOND), Openproxy, Death, HANDOVER;
    v3_unicast_keepalived_stops: router(3, true, FAST), Keepalived, Stop, NEVER;
    v3_unicast_keepalived_crashes: router(3, true, FAST), Keepalived, Crash, FOR_EVER;
    v3_fast_openproxy_crashes: router(3, false, FAST), Openproxy, Crash, SHORTEST_LEASE;
    v3_fast_openproxy_dies: router(3, false, FAST), Openproxy, Death, HANDOVER;
    ipv6_multicast_openproxy_stops: router_v6(false, FAST), Openproxy, Stop, HANDOVER;
    ipv6_multicast_openproxy_crashes: router_v6(false, SECOND), Openproxy, Crash, NEVER;
    ipv6_multicast_openproxy_dies: router_v6(false, SECOND), Openproxy, Death, HANDOVER;
    ipv6_multicast_keepalived_stops: router_v6(false, FAST), Keepalived, Stop, NEVER;
    ipv6_multicast_keepalived_crashes: router_v6(false, FAST), Keepalived, Crash, FOR_EVER;
    ipv6_unicast_openproxy_stops: router_v6(true, FAST), Openproxy, Stop, HANDOVER;
    ipv6_unicast_keepalived_stops: router_v6(true, FAST), Keepalived, Stop, NEVER;
}

/// openproxy becomes MASTER, stays it for a while and stops, next to a node that only records.
/// Gives the figures.
fn judge(router: Router) -> String {
    let vip = router.vip.split('/').next().expect("a VIP");
    let lan = Lan::new();
    let from = lan.ours.hardware_address();
    let capture = judge::Capture::start(&lan.theirs);
    let watch = Watch::start(&lan, vip.parse().expect("an address"));

    let begin = now();
    let mut node = Who::Openproxy.start(&lan, &router, BETTER);
    let held = watch.wait(begin, router.master_down(BETTER) + SLACK, |sample| sample.ours);
    assert!(held.is_some(), "not MASTER\n{}", node.log());
    // Time for adverts to send, and for the announcements that are repeated.
    watch.window((router.interval * 2).max(SECOND * 2));
    node.end(End::Stop);
    assert!(node.wait_until_gone().is_some(), "doesn't end\n{}", node.log());
    let packets = net::poll(Duration::from_secs(10), || {
        let packets = capture.packets(&from);
        let goodbyes = packets.iter().filter(|packet| packet.get("vrrp.prio") == "0").count();
        (goodbyes == 2).then_some(packets)
    });
    let packets = packets.unwrap_or_else(|| panic!("no goodbye: {:?}", capture.packets(&from)));

    for packet in &packets {
        assert_eq!(packet.get("_ws.malformed"), "", "{packet:?}");
        assert_eq!(packet.get("_ws.expert.message"), "", "{packet:?}");
    }
    let adverts: Vec<_> = packets.iter().filter(|packet| packet.is_advert()).collect();
    assert!(adverts.len() >= 4, "{adverts:?}");
    // Nobody answers the first goodbye.
    let (others, last) = adverts.split_at(adverts.len() - 2);
    assert!(last.iter().all(|packet| packet.get("vrrp.prio") == "0"));
    assert!(others.iter().all(|packet| packet.get("vrrp.prio") == BETTER.to_string()));
    for packet in &adverts {
        judge_advert(packet, &router);
    }
    let announcements = if router.vip == V6 {
        packets
            .iter()
            .filter(|packet| packet.get("icmpv6.nd.na.target_address") == vip)
            .inspect(|packet| {
                assert_eq!(packet.get("icmpv6.checksum.status"), "1", "{packet:?}");
                assert_eq!(packet.get("icmpv6.type"), "136", "{packet:?}");
                assert_eq!(packet.get("icmpv6.nd.na.flag.o"), "1", "{packet:?}");
                assert_eq!(packet.get("ipv6.hlim"), "255", "{packet:?}");
                assert_eq!(packet.get("ipv6.dst"), "ff02::1", "{packet:?}");
                assert_eq!(packet.get("eth.dst"), "33:33:00:00:00:01", "{packet:?}");
            })
            .count()
    } else {
        packets
            .iter()
            .filter(|packet| packet.get("arp.dst.proto_ipv4") == vip)
            .inspect(|packet| {
                assert_eq!(packet.get("arp.isgratuitous"), "1", "{packet:?}");
                assert_eq!(packet.get("eth.dst"), "ff:ff:ff:ff:ff:ff", "{packet:?}");
            })
            .count()
    };
    assert!(announcements >= 2, "{packets:?}");
    format!("{router:?}: {} adverts and {announcements} announcements are good", adverts.len())
}

fn judge_advert(packet: &judge::Packet, router: &Router) {
    let v6 = router.vip == V6;
    let (hops, source, destination) =
        if v6 { ("ipv6.hlim", "ipv6.src", "ipv6.dst") } else { ("ip.ttl", "ip.src", "ip.dst") };
    assert_eq!(packet.get("vrrp.version"), router.version.to_string(), "{packet:?}");
    assert_eq!(packet.get("vrrp.virt_rtr_id"), "50", "{packet:?}");
    assert_eq!(packet.get("vrrp.checksum.status"), "1", "{packet:?}");
    assert_eq!(packet.get(hops), "255", "{packet:?}");
    if !v6 {
        assert_eq!(packet.get("ip.checksum.status"), "1", "{packet:?}");
    }
    if router.unicast {
        assert_eq!(packet.get(source), net::OURS[usize::from(v6)], "{packet:?}");
        assert_eq!(packet.get(destination), net::THEIRS[usize::from(v6)], "{packet:?}");
    } else if v6 {
        assert!(packet.get(source).starts_with("fe80::"), "{packet:?}");
        assert_eq!(packet.get(destination), "ff02::12", "{packet:?}");
        assert_eq!(packet.get("eth.dst"), "33:33:00:00:00:12", "{packet:?}");
    } else {
        assert_eq!(packet.get(source), net::OURS[0], "{packet:?}");
        assert_eq!(packet.get(destination), "224.0.0.18", "{packet:?}");
        assert_eq!(packet.get("eth.dst"), "01:00:5e:00:00:12", "{packet:?}");
    }
}

macro_rules! judged {
    ($($name:ident: $router:expr;)*) => {$(
        #[test]
        #[ignore = "needs keepalived and tshark; .ci/run runs it"]
        fn $name() {
            println!("{}", judge($router));
        }
    )*};
}

judged! {
    tshark_v2_multicast: router(2, false, SECOND);
    tshark_v2_unicast: router(2, true, SECOND);
    tshark_v3_multicast: router(3, false, FAST);
    tshark_v3_unicast: router(3, true, FAST);
    tshark_ipv6_multicast: router_v6(false, FAST);
    tshark_ipv6_unicast: router_v6(true, FAST);
}

#[test]
#[ignore = "needs root; .ci/run runs it"]
fn root_becomes_the_user_of_the_file_with_what_routers_need_and_no_more() {
    let lan = Lan::new();
    let folder = tempfile::tempdir().expect("a folder");
    // Its socket's folder isn't there, and the folder above isn't the user's.
    let socket = folder.path().join("run/openproxy.sock");
    let before = format!(
        "[general]\nuser = \"nobody\"\n[general.status]\nsocket = \"{}\"\n",
        socket.display()
    );
    let hook = "pre_promote_script = \"/bin/grep -E 'Uid|CapEff' /proc/self/status\"\n";
    let router = router(3, false, FAST);
    let mut node = Node::openproxy_with(&lan.ours, &router, BETTER, [&before, hook]);
    let watch = Watch::start(&lan, "10.9.0.200".parse().expect("an address"));
    let held = watch.wait(Duration::ZERO, SLACK * 2, |sample| sample.ours);
    assert!(held.is_some(), "{}", node.log());
    let status = node.status();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.map(|rest| rest.split_whitespace().collect::<Vec<_>>()).unwrap_or_default()
    };
    assert_eq!(field("Uid:"), ["65534"; 4]);
    assert_eq!(field("Gid:"), ["65534"; 4]);
    for set in ["CapPrm:", "CapEff:", "CapBnd:"] {
        assert_eq!(field(set), ["0000000000003000"], "{set}");
    }
    for set in ["CapInh:", "CapAmb:"] {
        assert_eq!(field(set), ["0000000000000000"], "{set}");
    }
    assert_eq!(field("NoNewPrivs:"), ["1"]);
    let log = node.log();
    assert!(
        log.contains("grep: Uid:\\t65534") && log.contains("CapEff:\\t0000000000000000"),
        "{log}"
    );
    assert!(socket.exists(), "{log}");
    let stopped = now();
    node.end(End::Stop);
    assert_eq!(node.wait_until_gone().and_then(|status| status.code()), Some(0), "{}", node.log());
    assert!(watch.wait(stopped, SLACK, |sample| !sample.ours).is_some(), "{}", node.log());
}

/// How long each kind floods; `FLOOD_SECONDS` says otherwise.
const FLOOD_SECONDS: u64 = 2;
/// So far from its grid an advert may be while a neighbour floods.
const OFF_GRID_MAX: Duration = Duration::from_millis(5);

#[test]
#[ignore = "needs root; .ci/run runs it"]
fn a_master_that_is_flooded_keeps_its_grid() {
    let seconds = std::env::var("FLOOD_SECONDS").ok().and_then(|text| text.parse().ok());
    let span = Duration::from_secs(seconds.unwrap_or(FLOOD_SECONDS));
    let interval = Duration::from_millis(100);
    let lan = Lan::new();
    let node = Node::openproxy(&lan.ours, &router(3, false, interval), BETTER);
    let watch = Watch::start(&lan, "10.9.0.200".parse().expect("an address"));
    let held = watch.wait(Duration::ZERO, SLACK * 2, |sample| sample.ours);
    assert!(held.is_some(), "{}", node.log());
    drop(watch);
    let grid = phase(&flood(&lan, node.id(), None, span).times, interval);
    for kind in iter::once(None).chain(Kind::ALL.map(Some)) {
        let Outcome { rate, times, dropped, cpu, grown } = flood(&lan, node.id(), kind, span);
        let off = off_grid(&times, interval, grid);
        let adverts = times.len();
        println!(
            "{}: {rate:.0} packets/s, {adverts} adverts ({dropped} packets dropped by the \
             kernel), off the grid by {:.2} ms at most; the thread of the routers {:.1} % of a \
             core, memory {grown:+} KiB",
            kind.map_or("nothing".to_owned(), |kind| format!("{kind:?}")),
            off.as_secs_f64() * 1e3,
            cpu * 100.0
        );
        // Answers to a lesser router's are beside the grid.
        if kind != Some(Kind::Ours) {
            assert!(off <= OFF_GRID_MAX, "{kind:?}: {off:?}\n{}", node.log());
        }
        assert!(grown < 1_024, "{kind:?}: {grown} KiB");
        // An advert that is missing was dropped on its way, with many others.
        let least = span.as_millis() / interval.as_millis() - 2;
        assert!(dropped > 0 || adverts as u128 >= least, "{kind:?}: {adverts}\n{}", node.log());
    }
}
