//! The supervisor on a small made-up host: one node under test, whose peers are packets.

#![allow(clippy::wildcard_enum_match_arm, reason = "a test picks the outputs that it is about")]

mod digest;
mod election;
mod hooks;
mod kernel;
mod late;
mod node;
mod receive;
mod reload;
mod table;
