use std::collections::BTreeSet;

use super::*;
use crate::explore::world::View;

fn one_fault(preempt: bool) -> Configuration {
    // One more than is looked at, so that everything that one reaches is handed out.
    Configuration { moments: 2, faults: 2, preempt, ..Configuration::usual() }
}

/// What can be seen, and the longest that cliques and others took to settle.
type Seen = (BTreeSet<View>, u64, u64);

fn searched(configuration: &Configuration) -> Seen {
    let settings = Settings { configurations: Vec::new(), ..Settings::default() };
    let mut search = Search::new(configuration, &settings);
    let world = World::new(Rc::clone(&search.setup), &mut Judge::default());
    let mut reached = Vec::new();
    search.flood(world, Trace::default(), 0, &mut reached);
    let mut views: BTreeSet<_> = reached.iter().map(|(world, _)| world.view()).collect();
    let reached = search.befall(reached, 1);
    views.extend(reached.iter().map(|(world, _)| world.view()));
    (views, search.explored.worst.took.0, search.explored.worst_elsewhere.0)
}

/// The same without keys: each fault at each moment of 7 s, over at each moment of 10 s.
fn followed(configuration: &Configuration) -> Seen {
    let setup = Rc::new(Setup::new(configuration));
    let mut seen = Seen::default();
    let mut world = World::new(setup, &mut Judge::default());
    watch(&world, &mut seen);
    for _ in 0..14 {
        for fault in world.faults() {
            let mut world = world.clone();
            world.apply(fault, &mut Judge::default());
            watch(&world, &mut seen);
            for _ in 0..20 {
                for end in world.ends() {
                    let mut world = world.clone();
                    world.apply(end, &mut Judge::default());
                    watch(&world, &mut seen);
                }
                world.pass(&mut Judge::default());
            }
        }
        world.pass(&mut Judge::default());
    }
    seen
}

fn watch(from: &World, seen: &mut Seen) {
    let mut world = from.clone();
    let mut settled_at = 0;
    for _ in 0..24 {
        seen.0.insert(world.view());
        let mut judge = Judge::default();
        world.pass(&mut judge);
        settled_at = judge.unsettled_until.map_or(settled_at, |at| at - from.now());
    }
    let longest = if settles_within(from).is_some() { &mut seen.1 } else { &mut seen.2 };
    *longest = settled_at.max(*longest);
}

#[test]
fn what_one_fault_does_is_the_same_with_keys_and_without() {
    for preempt in [true, false] {
        let configuration = one_fault(preempt);
        let (searched, followed) = (searched(&configuration), followed(&configuration));
        assert_eq!((searched.1, searched.2), (followed.1, followed.2));
        assert_eq!(searched.0.len(), followed.0.len());
        assert!(searched.0 == followed.0);
    }
}
