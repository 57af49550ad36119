//! What a process that serves leaves to whoever goes on in its place: its guard, should it die, or
//! the process that comes after it.

use serde::{Deserialize, Serialize};

use super::RouterConfig;
use crate::time::Instant;

/// A virtual router that serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bequest {
    /// What it was told to be, checks left out.
    pub config: RouterConfig,
    /// What discovery added to its priority.
    pub weight: i32,
}

/// A bequest and its end: nobody else can have become MASTER before, for want of our adverts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inheritance {
    /// The router.
    pub bequest: Bequest,
    /// It is void from then on.
    pub until: Instant,
}

impl Bequest {
    /// What is left of it by a process that was last known to be alive at `alive_at`.
    ///
    /// By then it had sent every advert that was due, so that the last one is an interval old at
    /// most, and BACKUPs wait for three.
    #[must_use]
    pub fn inherited(self, alive_at: Instant) -> Inheritance {
        let until = alive_at + self.config.interval.duration() * 2;
        Inheritance { bequest: self, until }
    }
}
