//! Random sequences of inputs, held against the state tables as the RFCs print them: RFC 3768 §6.4
//! and RFC 9568 §6.4, word for word, and five rules by which OpenProxy departs from them. The fifth, how
//! far a MASTER's interval is believed, begins where these sequences end.

use proptest::prelude::*;

use super::node::*;
use crate::io::Command;
use crate::time::{Duration, Instant};
use crate::vrrp::{IntervalMismatch, Preempt, RouterConfig, StateName, Version};

/// In order, ours between them; the second is our own.
const SOURCES: [&str; 4] = [LOW, OWN, HIGH, "10.0.0.77"];
const OURS: usize = 1;

/// A state of the tables, with the timer that runs in it, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Initialize,
    Backup { master_down: u64 },
    Master { adver: u64 },
}

/// The tables, and no more.
#[derive(Clone, Debug)]
struct Rfc {
    version: u8,
    priority: u8,
    preempt: bool,
    adver_interval: u64,
    master_adver_interval: u64,
    state: State,
    /// Who advertised last, since the start. The RFCs don't keep it: departure 1.
    master: Option<usize>,
    /// Adverts that must be sent: when, and with which priority.
    must: Vec<(u64, u8)>,
    /// When adverts may be sent as well: departure 2.
    may: Vec<u64>,
}

impl Rfc {
    fn skew(&self) -> u64 {
        let unit = if self.version == 2 { 1_000_000_000 } else { self.master_adver_interval };
        ((256 - u64::from(self.priority)) * unit).div_ceil(256)
    }

    fn master_down(&self) -> u64 {
        3 * self.master_adver_interval + self.skew()
    }

    /// §6.4.1
    fn startup(&mut self, now: u64) {
        self.master = None;
        if self.priority == 255 {
            self.become_master(now);
        } else {
            self.master_adver_interval = self.adver_interval;
            self.state = State::Backup { master_down: now + self.master_down() };
        }
    }

    fn become_master(&mut self, now: u64) {
        self.must.push((now, self.priority));
        // Departure 4: VRID 50 advertises at this part of every interval, so its first is shorter.
        let part = self.adver_interval / 16 * 3;
        let intervals = (now - part) / self.adver_interval + 1;
        self.state = State::Master { adver: intervals * self.adver_interval + part };
    }

    /// Whatever fires up to then.
    fn pass(&mut self, end: u64) {
        loop {
            match self.state {
                State::Backup { master_down } if master_down <= end => {
                    self.become_master(master_down);
                }
                State::Master { adver } if adver <= end => {
                    self.must.push((adver, self.priority));
                    self.state = State::Master { adver: adver + self.adver_interval };
                }
                State::Initialize | State::Backup { .. } | State::Master { .. } => return,
            }
        }
    }

    fn hear(&mut self, now: u64, heard: &Heard) {
        // RFC 9568 §7.1: from itself. RFC 3768 §7.1: with another interval.
        if heard.source == OURS || (self.version == 2 && heard.interval() != self.adver_interval) {
            return;
        }
        match self.state {
            State::Initialize => {}
            State::Backup { master_down } => self.hear_as_backup(now, master_down, heard),
            State::Master { .. } => self.hear_as_master(now, heard),
        }
    }

    /// §6.4.2
    fn hear_as_backup(&mut self, now: u64, master_down: u64, heard: &Heard) {
        if heard.priority == 0 {
            // Departure 1: only who advertised last releases, and no zero puts the timer off.
            if self.master.is_none_or(|master| master == heard.source) {
                let master_down = master_down.min(now + self.skew());
                self.state = State::Backup { master_down };
            }
            return;
        }
        self.master = Some(heard.source);
        // §6.1: an address owner preempts whatever Preempt_Mode says.
        let preempts = self.preempt || self.priority == 255;
        if !preempts || heard.priority >= self.priority {
            self.follow(now, heard);
        }
    }

    fn follow(&mut self, now: u64, heard: &Heard) {
        self.master_adver_interval = heard.interval();
        self.state = State::Backup { master_down: now + self.master_down() };
    }

    /// §6.4.3
    fn hear_as_master(&mut self, now: u64, heard: &Heard) {
        let is_better = (heard.priority, heard.source) > (self.priority, OURS);
        if heard.priority > 0 && is_better {
            // Departure 3: a farewell.
            self.must.push((now, self.priority));
            self.master = Some(heard.source);
            self.follow(now, heard);
        } else {
            // Departure 2: answered at once, within a budget; the timer isn't started again.
            self.may.push(now);
        }
    }

    fn lose_link(&mut self) {
        self.state = State::Initialize;
    }

    fn stop(&mut self, now: u64) {
        if let State::Master { .. } = self.state {
            self.must.push((now, 0));
        }
        self.state = State::Initialize;
    }

    fn name(&self) -> StateName {
        match self.state {
            State::Initialize => StateName::Initialize,
            State::Backup { .. } => StateName::Backup,
            State::Master { .. } => StateName::Master,
        }
    }
}

fn nanos(centis: u16) -> u64 {
    u64::from(centis) * 10_000_000
}

#[derive(Clone, Debug)]
struct Heard {
    source: usize,
    priority: u8,
    centis: u16,
}

impl Heard {
    fn interval(&self) -> u64 {
        nanos(self.centis)
    }
}

#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    Hear(Heard),
    Cut,
    Mend,
}

/// Priorities and intervals that matter come often.
fn step(version: u8, own_priority: u8, own_centis: u16) -> impl Strategy<Value = Step> {
    let near = [own_priority.saturating_sub(1), own_priority, own_priority.saturating_add(1)];
    let known = [[0, 0, 1, 254], [255, near[0], near[1], near[2]]].concat();
    let priority = prop_oneof![3 => prop::sample::select(known), 1 => any::<u8>()];
    // Departure 5 begins at ten of ours.
    let unit = if version == 2 { 100 } else { 1 };
    let other = (1..=own_centis.saturating_mul(10).min(4_095) / unit).prop_map(move |n| n * unit);
    let centis = prop_oneof![3 => Just(own_centis), 1 => other];
    let heard = (0..SOURCES.len(), priority, centis).prop_map(|(source, priority, centis)| Heard {
        source,
        priority,
        centis,
    });
    let interval = nanos(own_centis);
    prop_oneof![
        8 => (1..=interval * 5).prop_map(Step::Pass),
        8 => heard.prop_map(Step::Hear),
        1 => Just(Step::Cut),
        2 => Just(Step::Mend),
    ]
}

#[derive(Clone, Debug)]
struct Case {
    version: u8,
    priority: u8,
    centis: u16,
    preempt: bool,
    steps: Vec<Step>,
}

fn case() -> impl Strategy<Value = Case> {
    let priority = prop_oneof![4 => 1..=254_u8, 1 => Just(255), 1 => Just(100)];
    let interval = prop_oneof![
        (1..=40_u16).prop_map(|secs| (2, secs * 100)),
        (1..=4_095_u16).prop_map(|centis| (3, centis)),
    ];
    (interval, priority, any::<bool>()).prop_flat_map(|((version, centis), priority, preempt)| {
        let steps = prop::collection::vec(step(version, priority, centis), 1..60);
        steps.prop_map(move |steps| Case { version, priority, centis, preempt, steps })
    })
}

fn router(case: &Case) -> RouterConfig {
    RouterConfig {
        version: if case.version == 2 { Version::V2 } else { Version::V3 },
        interval: centis(case.centis),
        preempt: if case.preempt { Preempt::After(Duration::ZERO) } else { Preempt::Never },
        // The RFC's letter.
        interval_mismatch: IntervalMismatch::Discard,
        ..config(case.priority)
    }
}

/// Both take the same steps.
fn run(case: &Case) -> Result<(), TestCaseError> {
    let config = router(case);
    let interval = nanos(case.centis);
    let mut node = Node::start(vec![config.clone()]);
    let mut rfc = Rfc {
        version: case.version,
        priority: case.priority,
        preempt: case.preempt,
        adver_interval: interval,
        master_adver_interval: interval,
        state: State::Initialize,
        master: None,
        must: Vec::new(),
        may: Vec::new(),
    };
    let begun = node.now;
    rfc.startup(begun.as_nanos());
    for step in &case.steps {
        let now = node.now.as_nanos();
        match step {
            Step::Pass(nanos) => {
                node.run(Duration::from_nanos(*nanos));
                rfc.pass(now + nanos);
            }
            Step::Hear(heard) => {
                node.hear(&Advert {
                    version: config.version,
                    interval: centis(heard.centis),
                    ..advert(SOURCES[heard.source], heard.priority)
                });
                rfc.hear(now, heard);
            }
            Step::Cut => {
                node.change_link(false);
                rfc.lose_link();
            }
            Step::Mend => {
                node.change_link(true);
                if rfc.state == State::Initialize {
                    rfc.startup(now);
                }
            }
        }
        prop_assert_eq!(node.state(), rfc.name(), "after {:?}: {:?}", step, rfc.state);
        prop_assert_eq!(node.vip().is_some(), rfc.name() == StateName::Master, "after {:?}", step);
    }
    rfc.stop(node.now.as_nanos());
    node.command(Command::Shutdown);
    compare_adverts(&node, begun, rfc)
}

/// What must be sent was sent, and nothing else but what may be.
fn compare_adverts(node: &Node, begun: Instant, mut rfc: Rfc) -> Result<(), TestCaseError> {
    for (at, priority, _) in node.sent_since(begun) {
        let at = at.as_nanos();
        if let Some(place) = rfc.must.iter().position(|must| *must == (at, priority)) {
            rfc.must.remove(place);
            continue;
        }
        let allowed = rfc.may.iter().position(|may| *may == at);
        prop_assert!(
            allowed.is_some() && priority == rfc.priority,
            "{priority} at {at}, not {:?}",
            rfc.must
        );
        rfc.may.swap_remove(allowed.expect("just seen"));
    }
    prop_assert_eq!(rfc.must, Vec::new(), "never sent");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_096, ..ProptestConfig::default() })]

    #[test]
    fn a_router_does_what_the_rfcs_tables_say(case in case()) {
        run(&case)?;
    }
}
