//! Patroni discovery, as far as it is IO.

pub mod http;
