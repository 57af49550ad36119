//! The words that stories are told in.

use openproxy_io_sim::NodeId;
use openproxy_io_sim::clock::SimTime;
use openproxy_sim_tests::des::Des;
use openproxy_sim_tests::fault::{Change, Fault, FaultKind};
use openproxy_sim_tests::judge::Judge;
use openproxy_sim_tests::recorder::Recorder;
use openproxy_sim_tests::scenario::Scenario;
use openproxy_sim_tests::timeline::{Phase, Timeline};

pub(crate) const A: usize = 0;
pub(crate) const B: usize = 1;
pub(crate) const C: usize = 2;

fn node(number: usize) -> NodeId {
    NodeId(u8::try_from(number).expect("a few nodes"))
}

pub(crate) fn split(group: &[usize]) -> FaultKind {
    FaultKind::Split { group: group.iter().map(|number| node(*number)).collect() }
}

pub(crate) fn cut_pair(a: usize, b: usize) -> FaultKind {
    FaultKind::CutPair { a: node(a), b: node(b) }
}

pub(crate) fn cut_one_way(from: usize, to: usize) -> FaultKind {
    FaultKind::CutOneWay { from: node(from), to: node(to) }
}

pub(crate) fn kill(number: usize) -> FaultKind {
    FaultKind::Kill { node: node(number) }
}

pub(crate) fn upgrade(number: usize) -> FaultKind {
    FaultKind::Upgrade { node: node(number) }
}

pub(crate) fn stop(number: usize) -> FaultKind {
    FaultKind::Stop { node: node(number) }
}

pub(crate) fn power_loss(number: usize) -> FaultKind {
    FaultKind::PowerLoss { node: node(number) }
}

pub(crate) fn pause(number: usize) -> FaultKind {
    FaultKind::Pause { node: node(number) }
}

pub(crate) fn reload(number: usize, change: Change) -> FaultKind {
    FaultKind::Reload { node: node(number), change }
}

fn time(text: &str) -> SimTime {
    text.parse().expect("a time such as 12.5s")
}

/// A cluster, and what will happen to it.
pub(crate) struct Story(Scenario);

impl Story {
    pub(crate) fn of(priorities: &[u8]) -> Self {
        Self(Scenario::calm(priorities))
    }

    pub(crate) fn version(mut self, version: u8) -> Self {
        self.0.version = version;
        self
    }

    pub(crate) fn vips(mut self, count: u8) -> Self {
        self.0.vips = count;
        self
    }

    pub(crate) fn guarded(mut self) -> Self {
        self.0.guarded = true;
        self
    }

    pub(crate) fn until(mut self, end: &str) -> Self {
        self.0.end = time(end);
        self
    }

    pub(crate) fn hooks_take(mut self, node: usize, span: &str) -> Self {
        self.0.nodes[node].hooks_take = Some(time(span));
        self
    }

    pub(crate) fn every_centis(mut self, centis: u16) -> Self {
        self.0.interval_centis = centis;
        self.0.end = SimTime::from_secs(6);
        self
    }

    pub(crate) fn fault(mut self, at: &str, until: &str, kind: FaultKind) -> Self {
        let (at, until) = (time(at), time(until));
        self.0.calm_at = self.0.calm_at.max(until);
        self.0.faults.push(Fault { at, until, kind });
        self
    }

    /// Runs it, and checks that every invariant held.
    pub(crate) fn run(self) -> Told {
        self.0.check().expect("a scenario that makes sense");
        let mut des = Des::new(&self.0, (Judge::new(&self.0), Recorder::new(&self.0)));
        des.run();
        let (end, _, (judge, recorder)) = des.into_parts();
        let (violation, _, _) = judge.verdict(end);
        assert_eq!(violation.map(|violation| violation.to_string()), None);
        Told(recorder.finish(end, None, ""))
    }
}

/// What happened.
pub(crate) struct Told(Timeline);

impl Told {
    /// Who is MASTER then.
    pub(crate) fn masters_at(&self, at: &str) -> Vec<usize> {
        let at = time(at).0;
        let then = self.0.states.iter().filter(|span| (span.from_ns..span.to_ns).contains(&at));
        sorted(then.filter(|span| span.state == Phase::Master).map(|span| span.node))
    }

    /// Who has the VIP on its interface then.
    pub(crate) fn holders_at(&self, at: &str) -> Vec<usize> {
        let at = time(at).0;
        let then = self.0.holdings.iter().filter(|span| (span.from_ns..span.to_ns).contains(&at));
        sorted(then.map(|span| span.node))
    }

    /// Who had a VIP, one after the other.
    pub(crate) fn holders_of(&self, vip: &str) -> Vec<usize> {
        let spans = self.0.holdings.iter().filter(|span| span.vip.starts_with(vip));
        spans.map(|span| span.node).collect()
    }

    /// Whom the clients reach then.
    pub(crate) fn client_at(&self, at: &str) -> Option<usize> {
        let at = time(at).0;
        self.0.client.iter().find(|span| (span.from_ns..span.to_ns).contains(&at))?.node
    }

    /// How many changes of state begin in that time.
    pub(crate) fn changes_between(&self, from: &str, to: &str) -> usize {
        let range = time(from).0..time(to).0;
        self.0.states.iter().filter(|span| range.contains(&span.from_ns)).count()
    }

    /// The states that a node is in, in order.
    pub(crate) fn states_of_between(&self, node: usize, from: &str, to: &str) -> Vec<String> {
        let (from, to) = (time(from).0, time(to).0);
        let spans = self.0.states.iter().filter(|span| span.node == node);
        spans
            .filter(|span| span.from_ns < to && span.to_ns > from)
            .map(|span| format!("{:?}", span.state).to_uppercase())
            .collect()
    }

    /// For how long between two moments no node had the VIP, in microseconds.
    pub(crate) fn no_holder_micros(&self, from: &str, to: &str) -> u64 {
        let (mut served_to, to) = (time(from).0, time(to).0);
        let mut spans: Vec<_> = self.0.holdings.iter().collect();
        spans.sort_by_key(|span| span.from_ns);
        let mut nanos = 0;
        for span in spans.iter().filter(|span| span.from_ns < to) {
            nanos += span.from_ns.saturating_sub(served_to);
            served_to = served_to.max(span.to_ns);
        }
        (nanos + to.saturating_sub(served_to)) / 1_000
    }

    /// For how long two nodes had the VIP at once, in all.
    pub(crate) fn two_holders_millis(&self) -> u64 {
        let spans = &self.0.holdings;
        let mut nanos = 0;
        for (position, a) in spans.iter().enumerate() {
            for b in spans.iter().skip(position + 1).filter(|b| b.vip == a.vip) {
                nanos += a.to_ns.min(b.to_ns).saturating_sub(a.from_ns.max(b.from_ns));
            }
        }
        nanos / 1_000_000
    }
}

fn sorted(nodes: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut nodes: Vec<usize> = nodes.collect();
    nodes.sort_unstable();
    nodes
}
