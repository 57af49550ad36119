//! Everything that can befall a small cluster, at every moment of a grid: no sample, but all of it.
//!
//! The production core runs on machines at their simplest, with a network that takes a millisecond
//! and kernels that are always as late as they may be. A state of such a cluster is a number, which
//! stands for everything that decides the future, with times relative to the present; so there are
//! finitely many, although time goes on, and the search ends when no new one comes up. Faults begin
//! at any moment of the grid, several at once or one after the other, and are over at any later
//! one, or never. What is said to hold, holds after each of them.
//!
//! | module | what is in it |
//! | --- | --- |
//! | `settings` | what is explored |
//! | `report` | what came of it |
//! | `setup`, `machine`, `process`, `world` | the cluster |
//! | `action` | what can befall it |
//! | `key` | a state as a number |
//! | `judge` | what must hold |
//! | `search` | the search |

mod action;
mod judge;
mod key;
mod machine;
mod process;
mod report;
mod search;
mod settings;
mod setup;
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

pub use action::Action;
pub use report::{Explored, Report, Violation, Worst};
use search::Search;
pub use settings::{Configuration, Settings};

/// Looks at everything that can befall each of the configurations, several of them at a time.
///
/// # Panics
/// If a configuration can't be explored, or the search is wrong: two states with the same key
/// differ, or the cluster does what it has no model for.
#[must_use]
pub fn explore(settings: &Settings) -> Report {
    let next = AtomicUsize::new(0);
    let found: Mutex<Vec<(usize, Explored)>> = Mutex::new(Vec::new());
    let look = || {
        loop {
            let position = next.fetch_add(1, Ordering::Relaxed);
            let Some(configuration) = settings.configurations.get(position) else { break };
            let explored = Search::new(configuration, settings).run();
            found.lock().expect("no thread panics").push((position, explored));
        }
    };
    std::thread::scope(|scope| {
        // The caller's thread is one of them: what is set for it alone holds there, too.
        for _ in 1..settings.threads {
            scope.spawn(look);
        }
        look();
    });
    let mut found = found.into_inner().expect("no thread panics");
    found.sort_by_key(|(position, _)| *position);
    Report { configurations: found.into_iter().map(|(_, explored)| explored).collect() }
}
