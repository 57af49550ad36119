//! Patroni discovery, as far as it is IO.
//!
//! | module | what lives there |
//! | --- | --- |
//! | [`driver`] | the loop around the core's discovery, the same in production and in simulation |
//! | [`tracking`] | what virtual routers make of where the primary is |
//! | [`http`] | how one question is put |
//! | [`document`] | the topology as others read it: JSON |
//! | [`topologies`] | the way to a running driver |

pub mod document;
pub mod driver;
pub mod http;
mod reason;
pub mod topologies;
pub mod tracking;
