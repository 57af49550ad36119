//! The supervisor on a small made-up host: one node under test, whose peers are packets.

#![allow(clippy::wildcard_enum_match_arm, reason = "a test picks the outputs that it is about")]

mod advert;
mod adverts;
mod changes;
mod claims;
mod digest;
mod dumps;
mod duty;
mod effects;
mod election;
mod groups;
mod guarding;
mod handover;
mod hooks;
mod ipv6;
mod kernel;
mod late;
mod leftovers;
mod node;
mod ports;
mod receive;
mod rechecks;
mod reference;
mod reload;
mod report;
mod resets;
mod shutdown;
mod table;
mod upgrade;
mod uplinks;
mod waiting;
