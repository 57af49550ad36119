//! What the fuzz targets do with their input: feed it to what the daemon feeds hostile input to, and
//! hold the result against something.
//!
//! Each target is a function from bytes, so that `cargo fuzz` finds inputs on nightly, and a plain
//! test replays every one that was kept (`../corpus`) on stable. A target panics when what it holds
//! the result against doesn't hold.
//!
//! | target | input | held against |
//! | --- | --- | --- |
//! | [`advert_decode`] | a packet, perhaps with its checksum repaired | a second, naive decoder |
//! | [`advert_roundtrip`] | an advert, drawn | itself, once encoded and decoded |
//! | [`router_inputs`] | a file of routers, and what happens to them | what needs no network to be true |
//! | [`node_body`], [`cluster_body`] | bodies of Patroni's API | `serde_json`, and bounds |
//! | [`http_response`] | what a server sends, in pieces | deadline, bounds, one clean line |
//! | [`discovery_inputs`] | a shard, and what its servers answer | budget, fence, no spinning |
//! | [`config_toml`] | a file | itself, once printed and parsed again |
//! | [`netlink_events`] | a datagram of rtnetlink | a second, naive reader; routers come to rest |
//! | [`claim_frame`] | an Ethernet frame | a second, naive reader |
//! | [`keepalived_conf`] | a file of keepalived | what it becomes loads, in one line each |
//! | [`control_request`] | what somebody sends to the status socket | an answer, or a close |

#![allow(
    clippy::wildcard_enum_match_arm,
    clippy::unwrap_in_result,
    reason = "a target panics when something is wrong, and picks what it is about"
)]

mod advert;
mod config;
mod control;
mod convert;
mod discovery;
mod http;
mod kernel;
mod patroni;
mod router;
mod runtime;

pub use advert::{advert_decode, advert_roundtrip};
pub use config::config_toml;
pub use control::control_request;
pub use convert::keepalived_conf;
pub use discovery::discovery_inputs;
pub use http::http_response;
pub use kernel::{claim_frame, netlink_events};
pub use patroni::{cluster_body, node_body};
pub use router::router_inputs;

/// A target.
pub type Target = fn(&[u8]);

/// All of them, by name.
pub const TARGETS: [(&str, Target); 12] = [
    ("advert_decode", advert_decode),
    ("advert_roundtrip", advert_roundtrip),
    ("router_inputs", router_inputs),
    ("node_body", node_body),
    ("cluster_body", cluster_body),
    ("http_response", http_response),
    ("discovery_inputs", discovery_inputs),
    ("config_toml", config_toml),
    ("netlink_events", netlink_events),
    ("claim_frame", claim_frame),
    ("control_request", control_request),
    ("keepalived_conf", keepalived_conf),
];
