//! Daemons that start, and files that are read again.

use super::super::*;
use super::lab::{Lab, at, shard};
use super::script::{NODES, Rules, healthy, lab};

/// A daemon with this seed.
fn seeded(seed: u64) -> Rules {
    let mut lab = Lab::new(healthy(), &[], at(0));
    lab.discovery = Discovery::seeded(seed);
    lab.discovery.reconfigure(&[shard(&NODES)], at(0));
    lab
}

#[test]
fn daemons_of_different_seeds_ask_different_servers_for_their_first_list() {
    for (seed, first) in [(0, 0), (1, 1), (2, 2), (3, 0), (u64::MAX, 0)] {
        let mut lab = seeded(seed);
        lab.pass(6_000);
        let mut views = lab.asked.iter().filter(|(_, _, path)| *path == AskPath::Cluster);
        let asked = views.next().map(|(_, key, _)| key.address.host.as_str());
        assert_eq!(asked, Some(NODES[first]), "seed {seed}");
        assert_eq!(lab.confirmed(), Some("n1"));
    }
}

#[test]
fn a_file_that_is_read_again_unchanged_changes_nothing_about_who_is_asked() {
    let mut once = lab(healthy());
    once.pass(20_000);
    let mut again = lab(healthy());
    for _ in 0..20 {
        again.pass(1_000);
        again.discovery.reconfigure(&[shard(&NODES)], again.now);
    }
    assert_eq!(once.asked, again.asked);
    assert_eq!(once.changes, again.changes);
}
