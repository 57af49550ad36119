//! What this crate decodes of what comes from outside, as functions from bytes: for `fuzz/`.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::path::Path;

use openproxy_core::io::{KernelEvent, MacAddress};

use crate::ownership::Ownership;
use crate::{claims, link_events};

/// What a datagram of rtnetlink tells, by a kernel that tags what is ours.
#[must_use]
pub fn kernel_events(datagram: &[u8]) -> VecDeque<KernelEvent> {
    let mut events = VecDeque::new();
    // There is no such ledger.
    link_events::parse(datagram, &Ownership::open(Path::new("")), &mut events);
    events
}

/// The address that an Ethernet frame announces, and at which Ethernet address.
#[must_use]
pub fn claim(frame: &[u8]) -> Option<(IpAddr, MacAddress)> {
    claims::parse(frame)
}
