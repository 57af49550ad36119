//! What a running daemon tells of itself, and `openproxy status`, which asks it.

pub(crate) mod client;
pub(crate) mod duty;
mod server;

pub(crate) use server::StatusServer;
