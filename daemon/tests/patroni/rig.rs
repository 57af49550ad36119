//! A cluster with writers and a daemon, and the promises that they are held to.

use std::thread;
use std::time::Duration;

use crate::cluster::{Cluster, name};
use crate::machine::{now, wait};
use crate::observer::Observer;
use crate::writers::{EVERY, Writers};

/// From the first write that a new primary accepts to the line that names it.
const PUBLISHED_WITHIN: Duration = Duration::from_millis(300);
/// A failover waits for the leader key's end, and then for votes.
pub(crate) const FAILOVER_MAX: Duration = Duration::from_secs(60);

/// All of it, calm, with this member as primary.
#[derive(Debug)]
pub(crate) struct Rig {
    pub(crate) primary: usize,
    pub(crate) writers: Writers,
    pub(crate) observer: Observer,
    pub(crate) cluster: Cluster,
}

/// What became of a takeover.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Takeover {
    pub(crate) new: usize,
    /// When the new primary accepted its first write.
    pub(crate) wrote: Duration,
}

impl Rig {
    pub(crate) fn start(failsafe: bool) -> Self {
        let cluster = Cluster::start(failsafe);
        let primary = cluster.leader().expect("a whole cluster has one");
        let writers = Writers::start(&cluster.observer, primary);
        let observer = Observer::start(&cluster.observer, 1, 1);
        observer.wait_confirmed(primary, Duration::ZERO, Duration::from_secs(10));
        wait("a write", Duration::from_secs(10), || writers.first(primary, Duration::ZERO));
        Self { primary, writers, observer, cluster }
    }

    /// Waits until another accepts writes, and holds what was published against that.
    pub(crate) fn take_over(&self, scenario: &str, fault: Duration) -> Takeover {
        let others = (0..3).filter(|member| *member != self.primary);
        let (new, write) = wait("another primary", FAILOVER_MAX, || {
            others.clone().find_map(|member| Some((member, self.writers.first(member, fault)?)))
        });
        let published =
            self.observer.wait_confirmed(new, fault, PUBLISHED_WITHIN + Duration::from_secs(10));
        // Whatever is still to be said of the old one is said by then.
        let end = write.done + Duration::from_secs(5);
        wait("the rest", Duration::from_secs(20), || (now() >= end).then_some(()));
        let late = published.saturating_sub(write.begun);
        let stale = self.observer.confirmed_for(self.primary, write.done, end);
        println!(
            "{scenario}: {} -> {}: writes {:.2} s after the fault, published {} ms later, the old \
             one confirmed for {} ms more",
            name(self.primary),
            name(new),
            (write.begun - fault).as_secs_f64(),
            late.as_millis(),
            stale.as_millis(),
        );
        assert!(
            late <= PUBLISHED_WITHIN,
            "{scenario}: {late:?}: {}",
            self.observer.story(fault, write.begun)
        );
        assert_eq!(
            stale,
            Duration::ZERO,
            "{scenario}: {}",
            self.observer.story(fault, write.begun)
        );
        Takeover { new, wrote: write.begun }
    }

    /// Lets it be for a while, in which the primary must stay confirmed and accept writes.
    pub(crate) fn stays_confirmed(&self, scenario: &str, span: Duration) {
        let from = now();
        thread::sleep(span);
        let to = now();
        let confirmed = self.observer.confirmed_for(self.primary, from, to);
        let gap = self.writers.longest_gap(self.primary, from, to);
        println!(
            "{scenario}: {} confirmed for {:.2} of {:.2} s; longest time without a write {} ms",
            name(self.primary),
            confirmed.as_secs_f64(),
            (to - from).as_secs_f64(),
            gap.as_millis()
        );
        assert!(to - from - confirmed <= EVERY, "{scenario}: {}", self.observer.story(from, from));
    }
}
