//! The ends of what runs, held by whoever may want them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// How each of the hooks, or checks, that run or wait is brought to its end; clones are of the same
/// ones. An end is no wish among others: there is always room for it, since what it ends is here.
#[derive(Clone, Debug)]
pub(super) struct Ends<Id>(Arc<Mutex<BTreeMap<Id, oneshot::Sender<()>>>>);

impl<Id> Default for Ends<Id> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<Id: Ord> Ends<Id> {
    /// Something is about to run; it is to end once the receiver says so, or finds nobody.
    pub(super) fn begin(&self, id: Id) -> oneshot::Receiver<()> {
        let (end, ended) = oneshot::channel();
        self.lock().insert(id, end);
        ended
    }

    /// Ends it, if it hasn't ended.
    pub(super) fn end(&self, id: Id) {
        // Dropping the sender is the signal.
        self.lock().remove(&id);
    }

    /// Ends all.
    pub(super) fn end_all(&self) {
        self.lock().clear();
    }

    /// Whether nothing runs, nor waits.
    pub(super) fn are_none(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Id, oneshot::Sender<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
