//! The pure, deterministic heart of OpenProxy: state machines without IO, clock or randomness.
//!
//! A driver hands in the time and what has happened, through an [`io::Inbox`], in
//! [`supervisor::Supervisor::turn`]; it carries out what [`supervisor::Supervisor::poll_output`]
//! returns, and wakes it again at [`supervisor::Supervisor::poll_timeout`]. Results of effects come
//! back as [`io::Completion`]s. The same inputs at the same times give the same outputs, always.
//!
//! | module | what lives there |
//! | --- | --- |
//! | [`time`] | the core's own instant |
//! | [`io`] | what happens to the core, what it asks for, and the trait that carries both |
//! | [`event`] | facts for logs, metrics and tests |
//! | [`interfaces`] | what the core knows of links and addresses |
//! | [`vrrp`] | one virtual router: wire format, election, VIPs, hooks, checks |
//! | [`discovery`] | which server of a shard is the primary, as Patroni tells it |
//! | [`supervisor`] | all routers of a process, and the turn |

#![forbid(unsafe_code)]
// No panic may be reached by what comes from outside.
#![cfg_attr(
    not(test),
    warn(
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::todo,
        clippy::unreachable
    )
)]

/// Whether one of these deliberate bugs is switched on: never, unless the feature `mutants` is.
#[cfg(feature = "mutants")]
macro_rules! mutated {
    ($($mutant:ident)|+) => {
        ($($crate::mutants::is_active($crate::mutants::Mutant::$mutant))||+)
    };
}
#[cfg(not(feature = "mutants"))]
macro_rules! mutated {
    ($($mutant:ident)|+) => {
        false
    };
}

pub mod discovery;
pub mod event;
pub mod interfaces;
pub mod io;
#[cfg(feature = "mutants")]
pub mod mutants;
pub mod supervisor;
pub mod time;
pub mod vrrp;
