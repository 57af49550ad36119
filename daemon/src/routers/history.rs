//! The last transitions of every virtual router, and whoever follows them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use openproxy_core::event::{Event, EventKind, Reason};
use openproxy_core::vrrp::{Priority, RouterKey, StateName};
use tokio::sync::broadcast;

/// Transitions that are kept of each router.
const KEPT_MAX: usize = 16;
/// Routers whose transitions are kept: those of a thousand, and of what a reload took away.
const ROUTERS_MAX: usize = 2_048;
/// Transitions that a follower may be behind.
pub const BEHIND_MAX: usize = 4_096;

/// A change of state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// When, by the wall clock.
    pub at: SystemTime,
    /// Whose.
    pub router: RouterKey,
    /// From which state.
    pub from: StateName,
    /// To which.
    pub to: StateName,
    /// Why.
    pub reason: Reason,
    /// The router's priority at that moment.
    pub priority: Priority,
}

impl Transition {
    /// What an event says, if it is one.
    #[must_use]
    pub fn of(event: &Event, at: SystemTime) -> Option<Self> {
        let (Some(router), EventKind::StateChanged { from, to, reason, priority }) =
            (&event.router, &event.kind)
        else {
            return None;
        };
        Some(Self {
            at,
            router: router.clone(),
            from: *from,
            to: *to,
            reason: reason.clone(),
            priority: *priority,
        })
    }
}

/// The history; clones are of the same one.
#[derive(Clone, Debug)]
pub struct History {
    kept: Arc<Mutex<BTreeMap<RouterKey, VecDeque<Arc<Transition>>>>>,
    followers: broadcast::Sender<Arc<Transition>>,
}

impl Default for History {
    fn default() -> Self {
        let (followers, _) = broadcast::channel(BEHIND_MAX);
        Self { kept: Arc::default(), followers }
    }
}

impl History {
    /// Keeps what has happened, and tells all that follow; never waits for any of them.
    pub fn put(&self, transition: Transition) {
        let transition = Arc::new(transition);
        {
            let mut kept = self.kept();
            if kept.len() >= ROUTERS_MAX && !kept.contains_key(&transition.router) {
                // Whose last transition is oldest is the most likely to be gone.
                let last = |routers: &VecDeque<Arc<Transition>>| routers.back().map(|t| t.at);
                let oldest = kept.iter().min_by_key(|(_, routers)| last(routers));
                if let Some(oldest) = oldest.map(|(router, _)| router.clone()) {
                    kept.remove(&oldest);
                }
            }
            let of_router = kept.entry(transition.router.clone()).or_default();
            if of_router.len() == KEPT_MAX {
                of_router.pop_front();
            }
            of_router.push_back(Arc::clone(&transition));
        }
        // Nobody may follow at the moment.
        let _ = self.followers.send(transition);
    }

    /// The last transitions of a router, oldest first.
    #[must_use]
    pub fn of(&self, router: &RouterKey) -> Vec<Arc<Transition>> {
        self.kept().get(router).map_or_else(Vec::new, |kept| kept.iter().cloned().collect())
    }

    /// The state that each router is in, as far as it has changed.
    #[must_use]
    pub fn states(&self) -> BTreeMap<RouterKey, StateName> {
        let kept = self.kept();
        let last = kept.iter().filter_map(|(router, kept)| Some((router.clone(), kept.back()?.to)));
        last.collect()
    }

    /// Every transition from now on.
    #[must_use]
    pub fn follow(&self) -> broadcast::Receiver<Arc<Transition>> {
        self.followers.subscribe()
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<RouterKey, VecDeque<Arc<Transition>>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use openproxy_core::vrrp::{Family, Vrid};

    use super::*;

    fn transition(interface: usize, secs: u64) -> Transition {
        let router = RouterKey {
            interface: format!("eth{interface}").into(),
            vrid: Vrid::new(50).expect("in range"),
            family: Family::V4,
        };
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(secs);
        let (from, to) = (StateName::Backup, StateName::Master);
        Transition { at, router, from, to, reason: Reason::MasterDown, priority: Priority::MIN }
    }

    #[test]
    fn the_last_sixteen_of_each_router_are_kept() {
        let history = History::default();
        (0..20).for_each(|secs| history.put(transition(0, secs)));
        history.put(transition(1, 7));
        let kept = history.of(&transition(0, 0).router);
        assert_eq!((kept.len(), kept.first().map(|t| t.at)), (16, Some(transition(0, 4).at)));
        assert_eq!(history.of(&transition(1, 0).router).len(), 1);
        assert!(history.of(&transition(2, 0).router).is_empty());
    }

    #[test]
    fn of_too_many_routers_the_one_that_was_quiet_longest_is_forgotten() {
        let history = History::default();
        for router in 0..=ROUTERS_MAX {
            history.put(transition(router, 1_000_000 - router as u64));
        }
        assert_eq!(history.kept().len(), ROUTERS_MAX);
        assert!(history.of(&transition(ROUTERS_MAX - 1, 0).router).is_empty());
        assert_eq!(history.of(&transition(ROUTERS_MAX, 0).router).len(), 1);
    }

    #[test]
    fn who_follows_hears_of_every_transition_in_order() {
        let history = History::default();
        history.put(transition(0, 1));
        let mut follower = history.follow();
        history.put(transition(0, 2));
        history.put(transition(0, 3));
        let heard: Vec<_> = std::iter::from_fn(|| follower.try_recv().ok()).map(|t| t.at).collect();
        assert_eq!(heard, [transition(0, 2).at, transition(0, 3).at]);
    }
}
