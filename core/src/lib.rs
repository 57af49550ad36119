//! The pure, deterministic heart of OpenProxy: state machines without IO, clock or randomness.
pub mod event;
pub mod io;
pub mod time;
pub mod vrrp;
