//! From a run that broke a promise to the smallest that still does.

use openproxy_core::time::Duration;

use super::judge::DiscoveryId;
use super::scenario::Scenario;
use super::world::run;

/// What came of it.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The smallest scenario found.
    pub scenario: Scenario,
    /// How many runs it took.
    pub runs: u32,
}

/// Makes a scenario in which `id` is broken as small as it gets. Chance is keyed by the seed and the
/// question, so that leaving out a step leaves most of the others as they were.
#[must_use]
pub fn shrink(scenario: &Scenario, id: DiscoveryId) -> Shrunk {
    let mut shrunk = Shrunk { scenario: scenario.clone(), runs: 0 };
    loop {
        let before = shrunk.scenario.clone();
        shrunk.try_this(id, |smaller| smaller.spoilt_per_mille = 0);
        shrunk.try_this(id, |smaller| smaller.delay_max = Duration::from_millis(1));
        for index in (0..before.steps.len()).rev() {
            shrunk.try_this(id, |smaller| {
                smaller.steps.remove(index);
            });
        }
        for members in [2, 3] {
            shrunk.try_this(id, |smaller| smaller.setup.members = members);
        }
        shrunk.try_this(id, |smaller| smaller.setup.failsafe = false);
        if shrunk.scenario == before {
            shrunk.cut_short(id);
            return shrunk;
        }
    }
}

impl Shrunk {
    /// Keeps a smaller scenario if the promise is broken in it, too.
    fn try_this(&mut self, id: DiscoveryId, change: impl FnOnce(&mut Scenario)) {
        let mut smaller = self.scenario.clone();
        change(&mut smaller);
        let named = |node: openproxy_io_sim::NodeId| node.0 < smaller.setup.members;
        let members = smaller.steps.iter().filter_map(|step| step.mishap.node());
        if smaller == self.scenario || !members.into_iter().all(named) {
            return;
        }
        self.runs += 1;
        if run(&smaller).finding.is_some_and(|finding| finding.id == id) {
            self.scenario = smaller;
        }
    }

    /// Ends as soon as the promise is broken.
    fn cut_short(&mut self, id: DiscoveryId) {
        let finding = run(&self.scenario).finding.filter(|finding| finding.id == id);
        if let Some(at) = finding.map(|finding| finding.at) {
            self.try_this(id, |smaller| smaller.end = smaller.end.min(at));
            self.try_this(id, |smaller| smaller.steps.retain(|step| step.at <= at));
        }
    }
}
