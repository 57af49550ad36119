//! What happens to a cluster when something goes wrong, told so that it can be read.
//!
//! Each story runs with all invariants on; what it asserts beside them is what a person who runs the
//! cluster would look at: who is MASTER, who holds the VIP, whom the clients reach.

mod story;

use openproxy_io_sim::draw::{Draws, Stream};
use openproxy_sim_tests::fault::Change;
use story::{
    A, B, C, Story, cut_one_way, cut_pair, kill, pause, power_loss, reload, split, stop, upgrade,
};

/// A is the best, C the least; adverts every second.
fn three() -> Story {
    Story::of(&[150, 100, 50])
}

#[test]
fn partition_each_side_has_a_master_of_its_own_and_one_is_left_after_healing() {
    let split = split(&[A]);
    let run = three().fault("20s", "40s", split).run();
    assert_eq!(run.masters_at("19s"), [A]);
    assert_eq!(run.masters_at("30s"), [A, B], "each side serves");
    assert_eq!(run.masters_at("42s"), [A], "the better one is left");
    assert_eq!(run.client_at("42s"), Some(A), "and the clients know");
}

#[test]
fn split_brain_heals_within_one_interval_and_the_loser_gives_its_vip_back() {
    let run = three().fault("20s", "40s", cut_pair(A, B)).run();
    assert_eq!(run.masters_at("30s"), [A, B], "C hears both, A and B don't hear each other");
    assert_eq!(run.masters_at("41.1s"), [A]);
    assert_eq!(run.holders_at("41.1s"), [A]);
}

#[test]
fn one_way_cut_leaves_two_masters_if_the_better_one_is_not_heard() {
    // VRRP can't do better: B never hears that A is there.
    let run = three().fault("20s", "40s", cut_one_way(A, B)).run();
    assert_eq!(run.masters_at("30s"), [A, B]);
    assert_eq!(run.masters_at("42s"), [A]);
}

#[test]
fn one_way_cut_changes_nothing_if_the_lesser_one_is_not_heard() {
    let run = three().fault("20s", "40s", cut_one_way(B, A)).run();
    assert_eq!(run.changes_between("19s", "42s"), 0);
}

#[test]
fn non_transitive_cut_leaves_two_masters_until_it_heals() {
    // B hears A and C, but they don't hear each other.
    let run = three().fault("20s", "40s", cut_pair(A, C)).run();
    assert_eq!(run.masters_at("30s"), [A, C], "A and C can't know of each other");
    assert_eq!(run.masters_at("42s"), [A]);
}

#[test]
fn kill_9_of_the_master_costs_a_master_down_interval_and_never_has_two_holders() {
    let run = three().fault("20s", "50s", kill(A)).run();
    assert_eq!(run.masters_at("24s"), [B], "three intervals and B's skew later");
    assert_eq!(run.two_holders_millis(), 0, "the lease of the dead was over before");
    assert_eq!(run.masters_at("55s"), [A], "the better one comes back");
}

#[test]
fn power_loss_of_the_master_is_survived_by_the_next() {
    let run = three().fault("20s", "50s", power_loss(A)).run();
    assert_eq!(run.masters_at("24s"), [B]);
    assert_eq!(run.client_at("24s"), Some(B));
    assert_eq!(run.two_holders_millis(), 0);
}

#[test]
fn frozen_master_wakes_up_as_backup_and_lets_the_successor_be() {
    let run = Story::of(&[100, 100, 50]).fault("20s", "40s", pause(B)).run();
    assert_eq!(run.masters_at("19s"), [B], "the greater address wins a tie");
    assert_eq!(run.holders_at("24s"), [A], "the kernel took the VIP from the frozen one");
    assert_eq!(run.masters_at("41s"), [A], "it reads what it missed before it acts");
    assert_eq!(run.two_holders_millis(), 0);
}

#[test]
fn rolling_restart_of_the_backups_is_no_event() {
    let run = three().fault("20s", "21s", stop(C)).fault("30s", "31s", stop(B)).run();
    assert_eq!(run.states_of_between(A, "10s", "60s"), ["MASTER"]);
    assert_eq!(run.two_holders_millis(), 0);
}

#[test]
fn rolling_restart_of_the_master_costs_no_gap() {
    let run = three().fault("20s", "21s", stop(A)).run();
    assert_eq!(run.holders_at("20.5s"), [A], "it serves though it has said priority 0");
    assert_eq!(run.masters_at("20.7s"), [B], "which asks for a successor at once");
    assert_eq!(run.no_holder_micros("10s", "20.9s"), 0);
    assert!(run.two_holders_millis() < 20, "until the announcement is heard");
}

#[test]
fn a_planned_stop_waits_for_the_successors_slow_hook() {
    let run =
        three().hooks_take(A, "0.1s").hooks_take(B, "1.5s").fault("20s", "30s", stop(A)).run();
    assert_eq!(run.masters_at("21s"), [B]);
    assert_eq!(run.holders_at("22s"), [A], "its hook runs");
    assert_eq!(run.holders_at("23s"), [B]);
    assert_eq!(run.no_holder_micros("10s", "29s"), 0);
}

#[test]
fn another_program_in_place_of_each_is_no_event() {
    let run = three()
        .guarded()
        .vips(3)
        .fault("20s", "20.04s", upgrade(C))
        .fault("30s", "30.06s", upgrade(A))
        .fault("40s", "40.03s", upgrade(B))
        .run();
    assert!(run.masters_at("30.03s").is_empty(), "its old program is gone");
    assert_eq!(run.masters_at("30.07s"), [A], "it goes on where the old one was");
    for vip in ["10.0.0.200", "10.0.0.201", "10.0.0.202"] {
        assert_eq!(run.holders_of(vip), [A], "{vip} was never off");
    }
    assert_eq!(run.states_of_between(B, "10s", "39s"), ["BACKUP"]);
}

#[test]
fn another_program_that_does_not_come_is_a_planned_stop_a_second_later() {
    let run = three().guarded().fault("20s", "30s", upgrade(A)).run();
    assert_eq!(run.holders_at("21.5s"), [A], "its guard has just begun to hand over");
    assert_eq!(run.masters_at("21.7s"), [B], "which takes a skew time");
    assert_eq!(run.no_holder_micros("10s", "30s"), 0);
    assert!(run.two_holders_millis() < 20, "until the announcement is heard");
    assert_eq!(run.masters_at("35s"), [A]);
}

#[test]
fn upgrade_from_version_2_to_3_with_the_backups_down_never_has_two_masters() {
    // The versions don't hear each other: whoever is changed alone takes itself for the only one.
    let to_v3 = |node| reload(node, Change::Version { version: 3 });
    let run = Story::of(&[150, 100, 50])
        .version(2)
        .fault("20s", "32s", stop(B))
        .fault("21s", "34s", stop(C))
        .fault("25s", "25s", to_v3(A))
        .fault("26s", "26s", to_v3(B))
        .fault("27s", "27s", to_v3(C))
        .run();
    assert_eq!(run.states_of_between(A, "10s", "60s"), ["MASTER"], "it never stops to serve");
    assert_eq!(run.two_holders_millis(), 0);
    assert_eq!(run.masters_at("59s"), [A]);
}

#[test]
fn reload_under_load_leaves_alone_what_it_does_not_change() {
    let nothing = |node| reload(node, Change::Nothing);
    let mut story = Story::of(&[150, 100, 50]).every_centis(1);
    for (node, at) in [(A, "1s"), (B, "1.003s"), (A, "1.0051s"), (C, "1.5s"), (A, "2s")] {
        story = story.fault(at, at, nothing(node));
    }
    let run = story.run();
    assert_eq!(run.states_of_between(A, "0.5s", "6s"), ["MASTER"]);
    assert_eq!(run.changes_between("0.5s", "6s"), 0, "hundred adverts a second go on");
}

#[test]
fn a_thousand_reloads_at_random_moments_change_no_state() {
    let draws = Draws::new(6);
    let draw = |number, what, most| draws.between(Stream::Faults, number, what, 0, most);
    let mut story = Story::of(&[150, 100]).every_centis(1).vips(3).until("34s");
    for number in 0..1_000 {
        let is_so = draw(number, 1, 1) == 0;
        let small = u8::try_from(draw(number, 2, 40)).expect("small");
        let node = if is_so { A } else { B };
        let change = match draw(number, 3, 6) {
            0 => Change::Nothing,
            // A stays the better one.
            1 if is_so => Change::Priority { priority: 150 + small },
            1 => Change::Priority { priority: 100 + small },
            2 => Change::Preempt { preempt: small % 2 == 0 },
            3 => Change::FewerVips { fewer: small % 2 == 0 },
            4 => Change::Lease { lease: small % 2 == 0 },
            5 => Change::GarpRefresh { secs: small.into() },
            _ => Change::Checked { checked: small % 2 == 0 },
        };
        let micros = draw(number, 0, 30_000_000);
        let at = format!("{}.{:06}s", 2 + micros / 1_000_000, micros % 1_000_000);
        story = story.fault(&at, &at, reload(node, change));
    }
    let run = story.run();
    assert_eq!(run.states_of_between(A, "1s", "34s"), ["MASTER"]);
    assert_eq!(run.states_of_between(B, "1s", "34s"), ["BACKUP"]);
    for vip in ["10.0.0.200", "10.0.0.201"] {
        assert_eq!(run.holders_of(vip), [A], "{vip} was never off");
    }
}

#[test]
fn reload_that_lowers_the_priority_hands_over_to_the_next() {
    let lower = reload(A, Change::Priority { priority: 10 });
    let run = three().fault("20s", "20s", lower).run();
    assert_eq!(run.masters_at("25s"), [B]);
}
