//! Virtual routers and discovery in one world: the VIP follows the primary, or who reaches it.
//!
//! On each of three machines runs the daemon, and a member of a Patroni cluster.

use super::told::{Story, ms, secs};
use openproxy_core::time::Duration;
use openproxy_core::vrrp::StateName;
use openproxy_io_sim::NodeId;
use openproxy_io_sim::clock::SimTime;
use openproxy_io_sim::patroni::{Fault as ClusterFault, Setup, Version};
use openproxy_sim_tests::fault::{Fault, FaultKind};
use openproxy_sim_tests::scenario::Scenario;
use openproxy_sim_tests::turmoil_world::{TurmoilWorld, Turn};

const A: NodeId = NodeId(0);
const B: NodeId = NodeId(1);
const C: NodeId = NodeId(2);
const FOLLOWS: &str = "track_patroni = \"local-primary\"\n";
const REACHES: &str = "track_patroni = \"primary-reachable\"\ntrack_weight = 60\n";
/// From a primary's first write to the MASTER beside it, with adverts every second: two looks at its
/// own word, and the three intervals that one that preempts waits at most.
const FOLLOWED_WITHIN: Duration = Duration::from_secs(5);

/// A run, and who was primary at each second of it.
struct Told {
    story: Story,
    primaries: Vec<Option<(NodeId, SimTime)>>,
}

/// Three nodes of nearly the same priority, of which the first has the primary; adverts every second.
fn tell(seed: u64, end: u64, follows: &str, faults: Vec<Fault>, turns: &[(u64, Turn)]) -> Told {
    tell_of(Scenario::calm(&[100, 90, 80]), seed, end, follows, faults, turns)
}

fn tell_of(
    mut scenario: Scenario,
    seed: u64,
    end: u64,
    follows: &str,
    faults: Vec<Fault>,
    turns: &[(u64, Turn)],
) -> Told {
    (scenario.seed, scenario.end, scenario.faults) = (seed, secs(end), faults);
    scenario.coarse_timers = true;
    scenario.check().expect("a scenario that makes sense");
    let mut world = TurmoilWorld::new(&scenario, Story::default());
    let setup = Setup { members: 3, failsafe: false, version: Version::V41 };
    let turns: Vec<_> = turns.iter().map(|(at, turn)| (secs(*at), *turn)).collect();
    world.add_patroni(&setup, follows, &turns);
    let mut primaries = Vec::new();
    for second in 0..=end {
        world.run_until(secs(second));
        primaries.push(world.primary());
    }
    let (outcome, story) = world.into_parts();
    assert_eq!(outcome.failure, None);
    assert_eq!(outcome.until, scenario.end);
    Told { story, primaries }
}

fn cluster(fault: ClusterFault) -> Turn {
    Turn::Cluster(fault)
}

/// Never two MASTERs for longer than a moment, whatever moves the VIP.
fn assert_one_master(story: &Story, from: u64, to: u64) {
    let two = |at: &SimTime| {
        story.masters(*at).len() > 1 && story.masters(*at + Duration::from_millis(100)).len() > 1
    };
    let moments = (from * 10..to * 10).map(|tenth| ms(tenth * 100));
    assert_eq!(moments.into_iter().find(two), None);
}

#[test]
fn after_a_switchover_the_vip_is_where_the_new_primary_is() {
    for seed in 0..3 {
        let turns = [(30, cluster(ClusterFault::SwitchOver))];
        let Told { story, primaries } = tell(seed, 60, FOLLOWS, Vec::new(), &turns);
        assert_eq!(story.masters(secs(29)), [A]);
        let (primary, since) = primaries[60].expect("a primary");
        assert_eq!(primary, B);
        let followed = story.became(B, StateName::Master, secs(30)).expect("it follows");
        assert!(followed >= since && followed <= since + FOLLOWED_WITHIN, "{followed} {since}");
        assert_eq!(story.holders(secs(60)), [B]);
        assert_one_master(&story, 5, 60);
        // One change of fact is one change of the VIP's place.
        assert_eq!(story.became(A, StateName::Master, secs(30)), None);
        assert_eq!(story.became(C, StateName::Master, secs(30)), None);
    }
}

#[test]
fn a_machine_that_dies_takes_both_along_and_both_come_together_again() {
    for seed in 0..3 {
        let faults =
            vec![Fault { at: secs(30), until: secs(110), kind: FaultKind::PowerLoss { node: A } }];
        let turns = [
            (30, cluster(ClusterFault::KillMachine(A))),
            (110, cluster(ClusterFault::StartMachine(A))),
        ];
        let Told { story, primaries } = tell(seed, 150, FOLLOWS, faults, &turns);
        assert_eq!(story.masters(secs(29)), [A]);
        // The VIP is back long before there is a primary: three intervals and a skew.
        let taken = story.became(B, StateName::Master, secs(30)).expect("a successor");
        assert!(taken <= ms(34_000), "{taken}");
        let (primary, since) = primaries[100].expect("a primary");
        assert!(primary != A && since > secs(45), "{primary} {since}");
        let follows = since + FOLLOWED_WITHIN;
        assert_eq!(
            (story.masters(follows), story.holders(follows)),
            (vec![primary], vec![primary])
        );
        // Who comes back finds another primary, and doesn't take the VIP from it.
        assert_eq!(primaries[150].map(|(node, _)| node), Some(primary));
        assert_eq!(story.holders(secs(150)), [primary]);
        assert_one_master(&story, 5, 150);
    }
}

#[test]
fn who_reaches_no_primary_gives_the_vip_to_one_that_does_and_takes_it_back() {
    let cut = |is_cut| Turn::Cut { node: A, member: B, is_cut };
    let turns = [
        // So that what is cut is another machine.
        (10, cluster(ClusterFault::SwitchOver)),
        (40, cut(true)),
        (70, cut(false)),
    ];
    let Told { story, primaries } = tell(1, 100, REACHES, Vec::new(), &turns);
    assert_eq!(primaries[30].map(|(node, _)| node), Some(B));
    assert_eq!(story.masters(secs(39)), [A]);
    let given = story.became(B, StateName::Master, secs(40)).expect("another takes it");
    assert!(given <= secs(52), "{given}");
    assert_eq!(story.masters(secs(69)), [B]);
    let back = story.became(A, StateName::Master, secs(70)).expect("it takes it back");
    assert!(back <= secs(80), "{back}");
    assert_eq!(story.holders(secs(100)), [A]);
    // Once there, once back.
    assert_eq!(story.became(B, StateName::Master, back), None);
    assert_one_master(&story, 5, 100);
}

#[test]
fn the_death_of_the_primary_s_machine_moves_no_vip() {
    for seed in 0..8 {
        let turns = [
            (10, cluster(ClusterFault::SwitchOver)),
            (40, cluster(ClusterFault::KillMachine(B))),
            (110, cluster(ClusterFault::StartMachine(B))),
        ];
        // Three intervals are less than two probes that hang, and more than lies between two.
        let mut scenario = Scenario { interval_centis: 20, ..Scenario::calm(&[100, 90, 80]) };
        // Each begins to probe at another time.
        for (node, starts_at) in scenario.nodes.iter_mut().zip([20_000, 21_230, 22_410]) {
            node.starts_at = ms(starts_at + 171 * seed);
        }
        let Told { story, primaries } = tell_of(scenario, seed, 150, REACHES, Vec::new(), &turns);
        assert_eq!(primaries[30].map(|(node, _)| node), Some(B));
        assert!(primaries[105].is_some_and(|(node, _)| node != B), "{primaries:?}");
        // No node reaches a primary for half a minute, and each counts from the same moment.
        assert_eq!(story.changes_between(secs(30), secs(150)), [], "seed {seed}");
    }
}

#[test]
fn with_every_api_silent_the_vip_stays_where_it_is() {
    let nodes = [A, B, C];
    let turns: Vec<_> = nodes
        .iter()
        .flat_map(|node| nodes.iter().map(|member| (*node, *member)))
        .map(|(node, member)| (30, Turn::Cut { node, member, is_cut: true }))
        .collect();
    for follows in [FOLLOWS, REACHES] {
        let Told { story, .. } = tell(2, 90, follows, Vec::new(), &turns);
        assert_eq!(story.masters(secs(29)), [A]);
        assert_eq!(story.changes_between(secs(30), secs(90)), []);
    }
}
