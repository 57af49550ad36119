//! The way to a state.

use std::rc::Rc;

use openproxy_io_sim::clock::SimTime;

use crate::explore::action::Action;

/// What befell a cluster, and when. Ways with a common beginning share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Trace(Option<Rc<Step>>);

#[derive(Debug)]
struct Step {
    at: SimTime,
    action: Action,
    before: Trace,
    len: usize,
}

impl Trace {
    /// This way, and one step more.
    pub(super) fn then(&self, at: SimTime, action: Action) -> Self {
        Self(Some(Rc::new(Step { at, action, before: self.clone(), len: self.len() + 1 })))
    }

    /// How many steps.
    pub(super) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |step| step.len)
    }

    /// All steps, the first first.
    pub(super) fn steps(&self) -> Vec<(SimTime, Action)> {
        let mut steps = Vec::with_capacity(self.len());
        let mut next = self;
        while let Some(step) = &next.0 {
            steps.push((step.at, step.action));
            next = &step.before;
        }
        steps.reverse();
        steps
    }
}
