//! What a process tells its guard, and what the guard makes of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::RouterId;
use crate::time::Instant;
use crate::vrrp::{Bequest, Inheritance};

/// What the guard of a process is to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GuardNote {
    /// What was told before is void.
    Anew,
    /// This router serves, with VIPs or about to have them.
    Serves(RouterId, Box<Bequest>),
    /// It doesn't any more, or can't be heard.
    Ceases(RouterId),
    /// The process is alive at this moment, and has sent every advert that was due by then.
    Alive(Instant),
}

/// What a guard knows.
#[derive(Clone, Debug, Default)]
pub struct Will {
    served: BTreeMap<RouterId, Bequest>,
    alive_at: Instant,
}

impl Will {
    /// Takes a note.
    pub fn note(&mut self, note: GuardNote) {
        match note {
            GuardNote::Anew => self.served.clear(),
            GuardNote::Serves(id, bequest) => drop(self.served.insert(id, *bequest)),
            GuardNote::Ceases(id) => drop(self.served.remove(&id)),
            GuardNote::Alive(at) => self.alive_at = self.alive_at.max(at),
        }
    }

    /// What the process leaves, if it is dead now.
    #[must_use]
    pub fn estate(&self) -> Vec<Inheritance> {
        self.served.values().map(|bequest| bequest.clone().inherited(self.alive_at)).collect()
    }
}
