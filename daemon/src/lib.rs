//! The daemon's library: what `openproxy` is made of, apart from Linux itself.

#![forbid(unsafe_code)]

pub mod config;
pub mod discovery;
pub mod driver;
pub mod reload;
