//! Stories of whole clusters, told by the turmoil runner: the daemon's driver, file and reload.

mod guarding;
mod together;
mod told;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use openproxy_core::vrrp::StateName;
use openproxy_io_sim::NodeId;
use openproxy_io_sim::clock::SimTime;
use openproxy_io_sim::lan::NoiseKind;
use openproxy_sim_tests::fault::{Change, Fault, FaultKind};
use openproxy_sim_tests::observe::{End, Nobody, Observation, Observer};
use openproxy_sim_tests::scenario::{Changes, Scenario};
use openproxy_sim_tests::turmoil_world::{self, TurmoilWorld};
use told::{Story, ms, secs};

const A: NodeId = NodeId(0);
const B: NodeId = NodeId(1);
const C: NodeId = NodeId(2);

/// Three nodes, of which A is the best and C the least, and one fault.
fn scenario(end: u64, faults: Vec<Fault>) -> Scenario {
    let mut scenario = Scenario::calm(&[150, 100, 50]);
    scenario.coarse_timers = true;
    scenario.end = secs(end);
    scenario.faults = faults;
    scenario
}

fn fault(at: u64, until: u64, kind: FaultKind) -> Fault {
    Fault { at: secs(at), until: secs(until), kind }
}

fn tell(scenario: &Scenario) -> Story {
    scenario.check().expect("a scenario that makes sense");
    let (outcome, story) = turmoil_world::run(scenario, Story::default());
    assert_eq!(outcome.failure, None);
    assert_eq!(outcome.until, scenario.end);
    assert!(story.is_at_whole_millis());
    story
}

#[test]
fn the_best_node_is_elected_and_stays() {
    let story = tell(&scenario(20, Vec::new()));
    // Skew of priority 150 at 1 s: 414 ms.
    assert_eq!(story.masters(secs(3)), []);
    assert_eq!(story.masters(secs(5)), [A]);
    assert_eq!(story.holders(secs(5)), [A]);
    assert_eq!(story.changes_between(secs(5), secs(20)), []);
}

#[test]
fn the_vip_of_a_killed_master_goes_with_its_lease_and_a_successor_has_it() {
    let story = tell(&scenario(40, vec![fault(10, 30, FaultKind::Kill { node: A })]));
    assert_eq!(story.ended(A), [(secs(10), End::Killed)]);
    // Nothing tidied up: the kernel still has it.
    assert_eq!(story.holders(ms(10_500)), [A]);
    let taken = story.became(B, StateName::Master, secs(10)).expect("a successor");
    // Three intervals and a skew of 609 ms after the last advert.
    assert!(taken > secs(12) && taken < ms(13_700), "{taken}");
    let gone = story.lost_vip(A, secs(10)).expect("the lease is over");
    // 2 s, renewed at the last advert, and the kernel's lateness of up to 1.25 s.
    assert!(gone > ms(11_000) && gone < ms(13_300), "{gone}");
    assert_eq!(story.holders(secs(20)), [B]);
    assert_eq!(story.client(secs(20)), Some(B));
    // Restarted, it takes its place again.
    assert_eq!(story.holders(secs(39)), [A]);
}

#[test]
fn a_machine_without_power_forgets_its_vip_and_its_clock() {
    let story = tell(&scenario(40, vec![fault(10, 20, FaultKind::PowerLoss { node: A })]));
    assert_eq!(story.ended(A), [(secs(10), End::PowerLost)]);
    assert_eq!(story.lost_vip(A, secs(9)), Some(secs(10)));
    assert_eq!(story.masters(secs(19)), [B]);
    assert_eq!(story.masters(secs(30)), [A]);
    assert_eq!(story.holders(secs(30)), [A]);
}

#[test]
fn a_stopped_master_yields_when_it_goes_on_without_a_word() {
    let story = tell(&scenario(40, vec![fault(10, 20, FaultKind::Pause { node: A })]));
    assert_eq!(story.holders(secs(19)), [B], "the lease of the stopped one is over");
    // It knows at once, and takes over only after a master-down interval.
    assert_eq!(story.became(A, StateName::Backup, secs(20)), Some(secs(20)));
    assert_eq!(story.sent_between(A, secs(10), ms(20_500)), 0);
    assert!(story.announced_between(A, secs(10), ms(20_500)) == 0);
    assert_eq!(story.masters(secs(30)), [A]);
}

#[test]
fn a_stopped_backup_reads_before_its_timers_run() {
    let story = tell(&scenario(40, vec![fault(10, 20, FaultKind::Pause { node: B })]));
    assert_eq!(story.changes_between(secs(5), secs(40)), []);
}

#[test]
fn both_sides_of_a_split_have_a_master_and_one_is_left_when_it_heals() {
    let story = tell(&scenario(40, vec![fault(10, 20, FaultKind::Split { group: vec![A] })]));
    assert_eq!(story.masters(secs(15)), [A, B]);
    let healed = story.became(B, StateName::Backup, secs(20)).expect("one yields");
    assert!(healed < ms(21_100), "an advert comes within an interval: {healed}");
    assert_eq!(story.masters(secs(25)), [A]);
    assert_eq!(story.holders(secs(25)), [A]);
}

#[test]
fn a_node_that_is_asked_to_end_releases_its_vip_and_hands_over() {
    let story = tell(&scenario(40, vec![fault(10, 20, FaultKind::Stop { node: A })]));
    let [(ended, End::Finished)] = story.ended(A)[..] else { panic!("{:?}", story.ended(A)) };
    // A skew of 609 ms, not three intervals.
    let taken = story.became(B, StateName::Master, secs(10)).expect("a successor");
    assert!(taken < ms(10_700), "{taken}");
    let gone = story.lost_vip(A, secs(10)).expect("released");
    assert!(taken < gone && gone < taken + std::time::Duration::from_millis(20), "{gone}");
    assert!(gone <= ended && ended < ms(10_720), "{ended}");
    assert_eq!(story.masters(secs(30)), [A]);
}

#[test]
fn a_stop_while_the_hooks_run_waits_for_the_driver_to_return() {
    let mut scenario = scenario(40, vec![fault(10, 20, FaultKind::Stop { node: A })]);
    scenario.nodes[0].hooks_take = Some(ms(1_500));
    scenario.hands_over = false;
    let story = tell(&scenario);
    let [(ended, End::Finished)] = story.ended(A)[..] else { panic!("{:?}", story.ended(A)) };
    assert!(ended >= ms(11_500) && ended < ms(11_600), "{ended}");
}

#[test]
fn a_changed_file_is_used_once_it_has_been_read_twice() {
    let change = Change::Priority { priority: 200 };
    let story = tell(&scenario(40, vec![fault(10, 10, FaultKind::Reload { node: B, change })]));
    assert_eq!(story.reloaded(B), [(ms(10_500), 200)]);
    let taken = story.became(B, StateName::Master, secs(10)).expect("the better one now");
    assert!(taken < secs(15), "{taken}");
    assert_eq!(story.masters(secs(39)), [B]);
    assert_eq!(story.ended(A), []);
}

#[test]
fn a_file_that_is_read_again_unchanged_changes_nothing() {
    let calm = tell(&scenario(30, Vec::new()));
    let kind = FaultKind::Reload { node: A, change: Change::Nothing };
    let reloaded = tell(&scenario(30, vec![fault(10, 10, kind)]));
    assert_eq!(reloaded.reloaded(A), []);
    assert_eq!(calm, reloaded);
}

#[test]
fn a_file_that_is_wrong_changes_nothing() {
    let scenario = scenario(30, Vec::new());
    let calm = tell(&scenario);
    for file in [
        "",
        "[general.virtual_router]\n",
        "[general.virtual_router\ninterface = \"eth0\"\n",
        "[general.virtual_router]\ninterface = \"eth0\"\nrouter_id = 50\npriority = 0\n",
    ] {
        let mut world = TurmoilWorld::new(&scenario, Story::default());
        world.run_until(secs(10));
        world.write_file(A, file);
        if !file.is_empty() {
            // An empty file is a valid one, and a person who asks for it gets it.
            world.hang_up(A);
        }
        world.run_until(scenario.end);
        let (outcome, story) = world.into_parts();
        assert_eq!(outcome.failure, None);
        assert_eq!(story.reloaded(A), []);
        assert_eq!(calm, story, "{file}");
    }
}

#[test]
fn a_changed_file_is_found_without_a_signal() {
    let scenario = scenario(30, Vec::new());
    let mut world = TurmoilWorld::new(&scenario, Story::default());
    world.run_until(ms(11_000));
    let file = world.configured_file(B).replace("priority = 100", "priority = 90");
    world.write_file(B, file);
    world.run_until(scenario.end);
    let (_, story) = world.into_parts();
    // Read every 5 s, and again half a second later.
    assert_eq!(story.reloaded(B), [(ms(15_500), 90)]);
}

#[test]
fn the_files_of_all_scenarios_say_what_they_mean() {
    let base = Scenario::calm(&[255, 100]);
    let mut versions = vec![base.clone()];
    versions.push(Scenario { version: 2, interval_centis: 300, ..base.clone() });
    versions.push(Scenario { ipv6: true, vips: 3, unicast: true, ..base.clone() });
    versions.push(Scenario { unicast: true, vips: 2, lease: false, ..base.clone() });
    for interval_centis in [1, 7, 10, 99, 101, 4095] {
        versions.push(Scenario { interval_centis, ..base.clone() });
    }
    for mut scenario in versions {
        scenario.nodes[0].hooks_take = Some(ms(5));
        scenario.nodes[0].preempt_delay = None;
        scenario.nodes[1].preempt_delay = Some(ms(1_005));
        scenario.nodes[1].check_weight = Some(-60);
        scenario.nodes[0].check_weight = Some(0);
        let world = TurmoilWorld::new(&scenario, Nobody);
        for node in [A, B] {
            let file = world.configured_file(node);
            let loaded = openproxy::config::load("openproxy.toml", &file).expect(&file);
            assert_eq!(loaded.routers, [scenario.config(node, &Changes::default())], "{file}");
        }
    }
}

/// Everything that is told, word for word.
#[derive(Default)]
struct Lines(Vec<String>);

impl Observer for Lines {
    fn observe(&mut self, at: SimTime, node: NodeId, observation: Observation<'_>) {
        self.0.push(format!("{at} {node} {observation:?}"));
    }
}

impl Lines {
    fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        hasher.finish()
    }
}

/// A run in which much goes wrong.
fn eventful() -> Lines {
    let noise = |noise| FaultKind::Noise { from: None, noise, per_mille: 200 };
    let mut scenario = scenario(
        60,
        vec![
            fault(5, 25, FaultKind::Kill { node: A }),
            fault(8, 50, noise(NoiseKind::Loss)),
            fault(8, 50, noise(NoiseKind::Reorder)),
            fault(8, 50, noise(NoiseKind::Reflect)),
            fault(20, 30, FaultKind::Pause { node: B }),
            fault(28, 33, FaultKind::PowerLoss { node: C }),
            fault(35, 45, FaultKind::CutOneWay { from: A, to: B }),
            fault(37, 40, FaultKind::Stop { node: A }),
            fault(47, 47, FaultKind::Reload { node: A, change: Change::Priority { priority: 9 } }),
        ],
    );
    for (position, node) in scenario.nodes.iter_mut().enumerate() {
        node.drift_ppm = 300 - 300 * i32::try_from(position).expect("few");
        node.hooks_take = Some(ms(30));
        node.check_weight = Some(-20);
    }
    let (outcome, lines) = turmoil_world::run(&scenario, Lines::default());
    assert_eq!(outcome.failure, None);
    lines
}

#[test]
fn the_same_scenario_is_the_same_run() {
    let (once, again) = (eventful(), eventful());
    if let Some((one, other)) = once.0.iter().zip(&again.0).find(|(one, other)| one != other) {
        panic!("the first difference:\n{one}\n{other}");
    }
    assert_eq!(once.0.len(), again.0.len());
    assert_eq!(once.hash(), again.hash());
    assert!(once.0.len() > 300, "{} lines", once.0.len());
}

#[test]
fn the_same_scenario_is_the_same_run_in_another_process() {
    let exe = std::env::current_exe().expect("this program");
    let mut other = std::process::Command::new(exe);
    let output = other
        .args(["--ignored", "--exact", "the_hash_of_a_run", "--nocapture"])
        .output()
        .expect("it can be run");
    let hash = format!("hash {:016x}", eventful().hash());
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains(&hash), "{hash} is not in\n{text}");
}

#[test]
#[ignore = "for the other process"]
fn the_hash_of_a_run() {
    println!("hash {:016x}", eventful().hash());
}

#[test]
fn a_panic_in_a_process_fails_the_run() {
    let scenario = scenario(30, Vec::new());
    let mut world = TurmoilWorld::new(&scenario, Nobody);
    // More VIPs than a simulated frame has room for, which is the platform's to find.
    let vips: Vec<String> = (101..=160).map(|last| format!("\"10.0.0.{last}/24\"")).collect();
    let vips = format!("[{}]", vips.join(", "));
    let file = world.configured_file(A).replace("[\"10.0.0.200/24\"]", &vips);
    world.write_file(A, file);
    world.run_until(scenario.end);
    let (outcome, _) = world.into_parts();
    let failure = outcome.failure.expect("a panic");
    assert!(failure.contains("panicked"), "{failure}");
    assert!(outcome.until < secs(5), "{}", outcome.until);
}

#[test]
#[ignore = "a measurement; run it alone, in release mode"]
fn speed() {
    let mut scenario = Scenario::calm(&[150, 100, 50]);
    scenario.end = secs(1_000);
    let begun = std::time::SystemTime::now();
    let (outcome, _) = turmoil_world::run(&scenario, Nobody);
    let took = begun.elapsed().expect("time goes on").as_secs_f64();
    assert_eq!(outcome.failure, None);
    println!("{:.0} simulated seconds a second", 1_000.0 / took);
    assert!(1_000.0 / took > 200.0);
}
