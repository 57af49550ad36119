//! The daemon's library: what `openproxy` is made of, apart from Linux itself.

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

pub mod api;
pub mod config;
pub mod convert;
pub mod discovery;
pub mod driver;
pub mod process;
pub mod reload;
pub mod routers;
