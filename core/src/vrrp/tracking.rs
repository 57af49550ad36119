//! Checks of what the VIPs are for, and what failed ones do to the priority.

use super::{Check, TrackConfig, Weight};
use crate::interfaces::Interfaces;
use crate::io::{CheckId, Generation, Output, RouterId};
use crate::time::Instant;

/// What is known of one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// No result yet; the first one decides alone.
    Unknown,
    /// No result yet, but the router was well when a reload brought it: it counts as well.
    Presumed,
    /// Well, with so many failures in a row since.
    Well { failures: u32 },
    /// Failed, with so many successes in a row since.
    Failed { successes: u32 },
}

/// A check at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckReport {
    /// What is checked.
    pub check: Check,
    /// What it does when it fails.
    pub weight: Weight,
    /// Whether it is well; nothing before its first result.
    pub is_well: Option<bool>,
}

#[derive(Clone, Debug)]
struct Tracker {
    config: TrackConfig,
    verdict: Verdict,
    next_at: Instant,
    running: Option<(CheckId, Instant)>,
}

/// A check has changed its mind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CheckChanged {
    pub(super) check: Check,
    /// Why it failed; `None` if it is well.
    pub(super) failure: Option<String>,
}

/// All checks of one router.
#[derive(Clone, Debug)]
pub(super) struct Tracking {
    router: RouterId,
    trackers: Vec<Tracker>,
    generation: Generation,
}

impl Tracking {
    pub(super) fn new(router: RouterId, now: Instant, configs: &[TrackConfig]) -> Self {
        let trackers = configs.iter().map(|config| Tracker::new(now, config)).collect();
        Self { router, trackers, generation: Generation::default() }
    }

    /// Each of them, at this moment.
    pub(super) fn report(&self) -> Vec<CheckReport> {
        let reports = self.trackers.iter().map(|tracker| CheckReport {
            check: tracker.config.check.clone(),
            weight: tracker.config.weight,
            is_well: match tracker.verdict {
                Verdict::Unknown | Verdict::Presumed => None,
                Verdict::Well { .. } => Some(true),
                Verdict::Failed { .. } => Some(false),
            },
        });
        reports.collect()
    }

    /// What the failed checks add to the priority.
    pub(super) fn weight(&self) -> i32 {
        if mutated!(CheckWeightIgnored) {
            return 0;
        }
        let weights = self.trackers.iter().filter(|tracker| tracker.is_failed());
        weights.map(|tracker| tracker.weight()).sum()
    }

    /// Whether a check that must be well isn't, or hasn't been answered yet.
    pub(super) fn is_fault(&self) -> bool {
        self.trackers.iter().any(|tracker| {
            tracker.config.weight == Weight::Fault
                && matches!(tracker.verdict, Verdict::Unknown | Verdict::Failed { .. })
        })
    }

    /// The process before this one served: what must be well was, when it last looked.
    pub(super) fn inherit(&mut self) {
        for tracker in self.trackers.iter_mut().filter(|t| t.config.weight == Weight::Fault) {
            tracker.verdict = Verdict::Well { failures: 0 };
        }
    }

    pub(super) fn due_at(&self) -> Instant {
        self.trackers.iter().map(Tracker::due_at).min().unwrap_or(Instant::MAX)
    }

    /// Takes a new list; a check that stays keeps its verdict, whatever else is said of it.
    ///
    /// One that is new takes no router from its work before it has been asked: only where another is
    /// waited for anyway, it is too.
    pub(super) fn set_list(
        &mut self,
        now: Instant,
        configs: &[TrackConfig],
        out: &mut Vec<Output>,
    ) {
        let unasked = if self.is_fault() { Verdict::Unknown } else { Verdict::Presumed };
        let mut old = std::mem::take(&mut self.trackers);
        self.trackers = configs
            .iter()
            .map(|config| {
                match old.iter().position(|tracker| tracker.config.check == config.check) {
                    Some(position) => old.swap_remove(position).retuned(now, config),
                    None => Tracker { verdict: unasked, ..Tracker::new(now, config) },
                }
            })
            .collect();
        self.cancel_all(old, out);
    }

    /// Abandons everything.
    pub(super) fn stop(&mut self, out: &mut Vec<Output>) {
        let old = std::mem::take(&mut self.trackers);
        self.cancel_all(old, out);
    }

    fn cancel_all(&self, trackers: Vec<Tracker>, out: &mut Vec<Output>) {
        let running = trackers.into_iter().filter_map(|tracker| tracker.running);
        out.extend(running.map(|(id, _)| Output::CancelCheck(id)));
    }

    /// Starts checks that are due, and fails those that hang.
    pub(super) fn handle_timeout(
        &mut self,
        now: Instant,
        out: &mut Vec<Output>,
        changes: &mut Vec<CheckChanged>,
    ) {
        for tracker in &mut self.trackers {
            if let Some((id, _)) = tracker.running.take_if(|(_, deadline)| *deadline <= now) {
                out.push(Output::CancelCheck(id));
                let after = tracker.config.timeout.as_millis();
                tracker.judge(Err(format!("no result after {after} ms")), changes);
            }
            if tracker.next_at <= now && tracker.running.is_none() {
                // The grid is kept, and missed turns are left out.
                let next = tracker.next_at + tracker.config.interval;
                tracker.next_at = if next > now { next } else { now + tracker.config.interval };
                if matches!(tracker.config.check, Check::Interface(_)) {
                    tracker.next_at = Instant::MAX;
                    continue;
                }
                self.generation = Generation(self.generation.0 + 1);
                let id = CheckId(self.router, self.generation);
                tracker.running = Some((id, now + tracker.config.timeout));
                out.push(Output::RunCheck(id, tracker.config.check.clone()));
            }
        }
    }

    /// A check has ended. Results of abandoned ones are dropped.
    pub(super) fn handle_result(
        &mut self,
        id: CheckId,
        result: Result<(), String>,
        changes: &mut Vec<CheckChanged>,
    ) {
        let is_this = |tracker: &&mut Tracker| tracker.running.is_some_and(|(r, _)| r == id);
        if let Some(tracker) = self.trackers.iter_mut().find(is_this) {
            tracker.running = None;
            tracker.judge(result, changes);
        }
    }

    /// Links have changed.
    pub(super) fn handle_links(
        &mut self,
        interfaces: &Interfaces,
        changes: &mut Vec<CheckChanged>,
    ) {
        for tracker in &mut self.trackers {
            let Check::Interface(name) = &tracker.config.check else {
                continue;
            };
            let result = match interfaces.by_name(name) {
                None => Err("it doesn't exist".to_owned()),
                Some(link) if !link.running => Err("it is down".to_owned()),
                Some(_) => Ok(()),
            };
            tracker.decide(result, changes);
        }
    }
}

impl Tracker {
    fn new(now: Instant, config: &TrackConfig) -> Self {
        Self { config: config.clone(), verdict: Verdict::Unknown, next_at: now, running: None }
    }

    /// Goes on with other numbers; a check that runs keeps the time that it has.
    fn retuned(self, now: Instant, config: &TrackConfig) -> Self {
        let next_at = match config.check {
            Check::Interface(_) => self.next_at,
            Check::Tcp(_) | Check::Command(_) => self.next_at.min(now + config.interval),
        };
        Self { config: config.clone(), next_at, ..self }
    }

    fn due_at(&self) -> Instant {
        self.running.map_or(self.next_at, |(_, deadline)| deadline)
    }

    fn is_failed(&self) -> bool {
        matches!(self.verdict, Verdict::Failed { .. })
    }

    fn weight(&self) -> i32 {
        match self.config.weight {
            Weight::Fault => 0,
            Weight::Change(weight) => weight.into(),
        }
    }

    /// Counts a result: `fall` failures or `rise` successes in a row decide, the first alone.
    fn judge(&mut self, result: Result<(), String>, changes: &mut Vec<CheckChanged>) {
        self.verdict = match (self.verdict, &result) {
            (Verdict::Unknown | Verdict::Presumed, _) => return self.decide(result, changes),
            (Verdict::Well { .. }, Ok(())) => Verdict::Well { failures: 0 },
            (Verdict::Well { failures }, Err(_)) if failures + 1 >= self.config.fall => {
                return self.decide(result, changes);
            }
            (Verdict::Well { failures }, Err(_)) => Verdict::Well { failures: failures + 1 },
            (Verdict::Failed { .. }, Err(_)) => Verdict::Failed { successes: 0 },
            (Verdict::Failed { successes }, Ok(())) if successes + 1 >= self.config.rise => {
                return self.decide(result, changes);
            }
            (Verdict::Failed { successes }, Ok(())) => Verdict::Failed { successes: successes + 1 },
        };
    }

    fn decide(&mut self, result: Result<(), String>, changes: &mut Vec<CheckChanged>) {
        let verdict = match &result {
            Ok(()) => Verdict::Well { failures: 0 },
            Err(_) => Verdict::Failed { successes: 0 },
        };
        let was = std::mem::replace(&mut self.verdict, verdict);
        let known_well = matches!(was, Verdict::Unknown | Verdict::Presumed) && result.is_ok();
        if std::mem::discriminant(&was) != std::mem::discriminant(&verdict) && !known_well {
            let check = self.config.check.clone();
            changes.push(CheckChanged { check, failure: result.err() });
        }
    }
}

#[cfg(test)]
mod tests;
