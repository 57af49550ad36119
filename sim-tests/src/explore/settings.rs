//! What is explored.

use std::fmt;
use std::time::Duration;

use openproxy_io_sim::clock::SimTime;

/// What is explored, and how closely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The kinds of clusters.
    pub configurations: Vec<Configuration>,
    /// How many threads look, each at one configuration at a time; the caller's is one of them.
    pub threads: usize,
    /// How long cliques may take to settle, if not as long as follows from the protocol.
    pub bound: Option<SimTime>,
    /// Of so many states one is kept; if it is reached again, the two clusters are compared for a
    /// while, with the same faults, to show that what a key leaves out doesn't matter. 0 for none.
    pub compare_one_in: u64,
}

/// A kind of cluster, and how much befalls it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// The priority of each router, at most 4 of them.
    pub priorities: Vec<u8>,
    /// Whether a better router replaces a lesser one.
    pub preempt: bool,
    /// 2 or 3.
    pub version: u8,
    /// The interval of adverts, in hundredths of a second.
    pub interval_centis: u16,
    /// The most faults. That one is over isn't counted.
    pub faults: u8,
    /// Faults begin and end at so many moments of an interval.
    pub moments: u32,
}

impl Configuration {
    /// Three routers of different priorities with preemption, version 3, 1 s, and three faults.
    #[must_use]
    pub fn usual() -> Self {
        Self {
            priorities: vec![150, 100, 50],
            preempt: true,
            version: 3,
            interval_centis: 100,
            faults: 3,
            moments: 1,
        }
    }
}

impl Default for Settings {
    /// Three routers and three faults: half a minute of one processor's time.
    ///
    /// The longest go first, so that two threads end together.
    fn default() -> Self {
        let usual = Configuration::usual;
        let configurations = vec![
            Configuration { moments: 2, ..usual() },
            Configuration { moments: 2, preempt: false, ..usual() },
            // From 1.5 s on, a lease is over before anybody takes over.
            Configuration { interval_centis: 150, ..usual() },
            Configuration { version: 2, interval_centis: 200, ..usual() },
            Configuration { priorities: vec![100; 3], ..usual() },
            // So good that a lease of 1 s outlasts the master-down interval.
            Configuration { priorities: vec![254, 240, 200], preempt: false, ..usual() },
        ];
        Self { configurations, threads: 2, bound: None, compare_one_in: 0 }
    }
}

impl Settings {
    /// The same clusters on a finer grid, and four routers: some minutes, and a gigabyte for each
    /// thread.
    #[must_use]
    pub fn thorough() -> Self {
        let mut settings = Self::default();
        for configuration in &mut settings.configurations {
            configuration.moments *= 2;
        }
        for preempt in [true, false] {
            settings.configurations.push(Configuration {
                priorities: vec![200, 150, 100, 50],
                preempt,
                ..Configuration::usual()
            });
        }
        settings
    }
}

impl fmt::Display for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let priorities: Vec<_> = self.priorities.iter().map(u8::to_string).collect();
        let interval = Duration::from_millis(u64::from(self.interval_centis) * 10);
        let Self { preempt, version, faults, moments, .. } = self;
        let preempt = if *preempt { "preempt" } else { "no preempt" };
        let priorities = priorities.join("/");
        write!(f, "v{version}, {priorities}, {preempt}, {interval:?} / {moments}, {faults} faults")
    }
}
