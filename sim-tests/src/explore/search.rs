//! The search through everything that can befall one configuration.
//!
//! From each state, time passes; in each, everything that is wrong may be over, and as long as
//! faults are left, everything that can go wrong may do so. What fewer faults can reach is looked at
//! before what takes more, so that a state that is known need not be looked at again.
//!
//! How long a cluster takes to settle is a property of its state, as long as nothing befalls it: it
//! is found at the end of the way to a state that is known, and handed back along that way.

#[cfg(test)]
mod tests;
mod trace;

use std::collections::HashMap;
use std::rc::Rc;

use openproxy_io_sim::clock::SimTime;
use openproxy_io_sim::draw::{Draws, Stream};

use super::action::Action;
use super::judge::{Judge, settles_within};
use super::key::BuildAsIs;
use super::report::{Explored, Violation, Worst};
use super::settings::{Configuration, Settings};
use super::setup::Setup;
use super::world::World;
use trace::Trace;

/// For so many intervals two clusters with the same key are compared.
const COMPARED_INTERVALS: u64 = 15;

/// The state is on the way that is being followed.
const FOLLOWED: u64 = u64::MAX;

/// A cluster, and how it came to be so.
type Reached = (World, Trace);

/// A search through one configuration.
pub(super) struct Search {
    setup: Rc<Setup>,
    faults_max: u8,
    bound: Option<u64>,
    compare_one_in: u64,
    /// How long each state takes to settle, in nanoseconds, if nothing more befalls it.
    known: HashMap<u64, u64, BuildAsIs>,
    samples: HashMap<u64, World, BuildAsIs>,
    explored: Explored,
}

impl Search {
    pub(super) fn new(configuration: &Configuration, settings: &Settings) -> Self {
        Self {
            setup: Rc::new(Setup::new(configuration)),
            faults_max: configuration.faults,
            bound: settings.bound.map(|bound| bound.0),
            compare_one_in: settings.compare_one_in,
            known: HashMap::default(),
            samples: HashMap::default(),
            explored: Explored {
                configuration: configuration.clone(),
                states: 0,
                transitions: 0,
                comparisons: 0,
                worst: Worst::default(),
                worst_elsewhere: SimTime::ZERO,
                worst_overlap: SimTime::ZERO,
                worst_overlap_unbound: SimTime::ZERO,
                violation: None,
            },
        }
    }

    /// Looks at everything.
    pub(super) fn run(mut self) -> Explored {
        let mut judge = Judge::default();
        let world = World::new(Rc::clone(&self.setup), &mut judge);
        let mut reached = Vec::new();
        if self.take(&Trace::default(), judge) {
            self.flood(world, Trace::default(), 0, &mut reached);
        }
        for faults in 1..=self.faults_max {
            if self.explored.violation.is_some() {
                // No way with more faults is shorter.
                break;
            }
            reached = self.befall(reached, faults);
        }
        self.explored.states = u64::try_from(self.known.len()).unwrap_or(u64::MAX);
        self.explored
    }

    /// Lets another fault befall each of these, in every way. Returns what is reached.
    fn befall(&mut self, from: Vec<Reached>, faults: u8) -> Vec<Reached> {
        let mut reached = Vec::new();
        for (world, trace) in from {
            for action in world.faults() {
                if let Some((world, trace)) = self.act(&world, &trace, action) {
                    self.flood(world, trace, faults, &mut reached);
                }
            }
        }
        reached
    }

    /// What becomes of a cluster that something befalls, unless it is what must not be.
    fn act(&mut self, world: &World, trace: &Trace, action: Action) -> Option<Reached> {
        let mut world = world.clone();
        let mut judge = Judge::default();
        let trace = trace.then(SimTime(world.elapsed()), action);
        world.apply(action, &mut judge);
        self.take(&trace, judge).then_some((world, trace))
    }

    /// Looks at everything that follows a state without another fault. Whatever more faults can
    /// befall is left in `reached`.
    fn flood(&mut self, world: World, trace: Trace, faults: u8, reached: &mut Vec<Reached>) {
        // The last one first, so that few are kept at a time.
        let mut pending = Vec::new();
        self.follow(world, &trace, faults, &mut pending, reached);
        while let Some((world, trace)) = pending.pop() {
            for action in world.ends() {
                if let Some((world, trace)) = self.act(&world, &trace, action) {
                    self.follow(world, &trace, faults, &mut pending, reached);
                }
            }
        }
    }

    /// Follows a state, while nothing befalls it, to one that is known.
    fn follow(
        &mut self,
        mut world: World,
        trace: &Trace,
        faults: u8,
        pending: &mut Vec<Reached>,
        reached: &mut Vec<Reached>,
    ) {
        let bound = settles_within(&world);
        // Each state of the way, and for how long of the quantum after it something is unsettled.
        let mut way: Vec<(u64, u64)> = Vec::new();
        let mut settles = loop {
            let key = world.key();
            self.compare(key, &world);
            match self.known.get(&key) {
                Some(&FOLLOWED) => {
                    // From here on it goes in a circle.
                    let first = way.iter().position(|(known, _)| *known == key).unwrap_or(0);
                    if way[first..].iter().any(|(_, unsettled)| *unsettled > 0) {
                        self.accuse(trace, "it never settles".to_owned());
                    }
                    break 0;
                }
                Some(settles) => break *settles,
                None => self.known.insert(key, FOLLOWED),
            };
            if faults < self.faults_max {
                reached.push((world.clone(), trace.clone()));
            }
            if !world.ends().is_empty() {
                pending.push((world.clone(), trace.clone()));
            }
            let (begun, mut judge) = (world.now(), Judge::default());
            world.pass(&mut judge);
            way.push((key, judge.unsettled_until.map_or(0, |at| at - begun)));
            if !self.take(trace, judge) {
                break 0;
            }
        };
        for (key, unsettled) in way.iter().rev() {
            settles = if settles > 0 { settles + self.setup.quantum } else { *unsettled };
            self.known.insert(*key, settles);
        }
        if !way.is_empty() {
            self.judge_settling(trace, settles, bound);
        }
    }

    /// Takes notice of what was seen in a step. Whether all was well.
    fn take(&mut self, trace: &Trace, judge: Judge) -> bool {
        let explored = &mut self.explored;
        explored.transitions += 1;
        explored.worst_overlap = explored.worst_overlap.max(SimTime(judge.overlap));
        explored.worst_overlap_unbound =
            explored.worst_overlap_unbound.max(SimTime(judge.overlap_unbound));
        let is_well = judge.violation.is_none();
        if let Some(what) = judge.violation {
            self.accuse(trace, what);
        }
        is_well
    }

    fn judge_settling(&mut self, trace: &Trace, settles: u64, bound: Option<u64>) {
        let took = SimTime(settles);
        let Some(bound) = bound else {
            self.explored.worst_elsewhere = self.explored.worst_elsewhere.max(took);
            return;
        };
        let worst = &mut self.explored.worst;
        if took > worst.took || took == worst.took && trace.len() < worst.trace.len() {
            *worst = Worst { took, bound: SimTime(bound), trace: trace.steps() };
        }
        let bound = self.bound.unwrap_or(bound);
        if settles > bound {
            let may = SimTime(bound);
            self.accuse(trace, format!("it settles after {took}, and may take {may}"));
        }
    }

    /// Keeps the shortest way to what must not be.
    fn accuse(&mut self, trace: &Trace, what: String) {
        let trace = trace.steps();
        let length = |trace: &[(SimTime, Action)]| (trace.len(), trace.last().map(|step| step.0));
        let known = self.explored.violation.as_ref().map(|known| length(&known.trace));
        if known.is_none_or(|known| length(&trace) < known) {
            self.explored.violation = Some(Violation { trace, what });
        }
    }

    /// Keeps a state, or compares it with the one of the same key that was kept.
    fn compare(&mut self, key: u64, world: &World) {
        if self.compare_one_in == 0 || !key.is_multiple_of(self.compare_one_in) {
            return;
        }
        let Some(sample) = self.samples.get(&key) else {
            self.samples.insert(key, world.clone());
            return;
        };
        self.explored.comparisons += 1;
        let draws = Draws::new(key);
        let (mut a, mut b) = (sample.clone(), world.clone());
        let quanta = COMPARED_INTERVALS * self.setup.interval / self.setup.quantum;
        for number in 0..quanta {
            let (mut judge_a, mut judge_b) = (Judge::default(), Judge::default());
            if draws.chance(Stream::Faults, 0, number, 300) {
                let actions = [a.faults(), a.ends()].concat();
                let count = u64::try_from(actions.len()).unwrap_or(1);
                let chosen = draws.draw(Stream::Faults, 1, number) % count;
                let action = actions[usize::try_from(chosen).unwrap_or(0)];
                a.apply(action, &mut judge_a);
                b.apply(action, &mut judge_b);
            }
            a.pass(&mut judge_a);
            b.pass(&mut judge_b);
            assert_eq!(a.view(), b.view(), "two states with the same key differ");
            assert_eq!(a.key(), b.key(), "two states with the same key become different ones");
        }
    }
}
