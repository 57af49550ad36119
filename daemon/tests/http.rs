//! The HTTP client against servers that misbehave byte by byte.

#[path = "http/answers.rs"]
mod answers;
#[path = "http/certificates.rs"]
mod certificates;
#[path = "http/cost.rs"]
mod cost;
#[path = "http/limits.rs"]
mod limits;
#[path = "http/reload.rs"]
mod reload;
#[path = "http/server.rs"]
mod server;
#[path = "http/settings.rs"]
mod settings;
#[path = "http/simulated.rs"]
mod simulated;
#[path = "http/timeouts.rs"]
mod timeouts;
#[path = "http/tls.rs"]
mod tls;
