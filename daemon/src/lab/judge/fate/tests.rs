use super::*;

const FAULT: Duration = ms(1000);
const NOW: Duration = ms(6000);
const OLD: usize = 0;
const NEW: usize = 1;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn open(at: u64, node: usize) -> Connection {
    Connection::new(ms(at), node)
}

fn ended(at: u64, node: usize, end_at: u64, end: End) -> Connection {
    Connection { ended: Some((ms(end_at), end)), ..open(at, node) }
}

/// The fate of a client whose VIP moves, and is announced at 1600 ms.
fn moved(connections: &[Connection]) -> Fate {
    let announced_at = ms(1600);
    Fate::of(connections, Expected { fault: FAULT, node: NEW, announced_at, asked_at: None }, NOW)
}

/// That of one whose VIP stays, and that asks at 5000 ms.
fn stayed(connections: &[Connection]) -> Fate {
    let asked_at = Some(ms(5000));
    let expected = Expected { fault: FAULT, node: OLD, announced_at: FAULT, asked_at };
    Fate::of(connections, expected, NOW)
}

fn back(ended_after: u64, end: End, after: u64, after_announcement: u64) -> Fate {
    let (after, after_announcement) = (ms(after), ms(after_announcement));
    let anew = Some(Anew { after, after_announcement, node: NEW });
    Fate::Ended { after: ms(ended_after), end, anew }
}

fn holds(kind: Kind, fates: &[Option<Fate>]) -> Option<bool> {
    let runs: Vec<_> =
        fates.iter().map(|fate| Measure { fate: *fate, ..Measure::default() }).collect();
    check(kind, &runs).map(|check| check.holds())
}

#[test]
fn a_client_that_is_reset_is_back_with_the_successors_answer() {
    let old = ended(900, OLD, 1602, End::Reset);
    assert_eq!(moved(&[old, open(1603, NEW)]), back(602, End::Reset, 603, 3));
    // The VIP is reset before it is announced where one node has it at a time.
    let old = ended(900, OLD, 1100, End::Reset);
    assert_eq!(moved(&[old, open(1599, NEW)]), back(100, End::Reset, 599, 0));
    let old = ended(900, OLD, 1602, End::Closed);
    assert_eq!(moved(&[old, open(1603, NEW)]), back(602, End::Closed, 603, 3));
}

#[test]
fn who_is_taken_once_more_by_the_old_node_is_not_back_yet() {
    let [first, second] = [ended(900, OLD, 1602, End::Reset), ended(1604, OLD, 1610, End::Reset)];
    assert_eq!(moved(&[first, second, open(1625, NEW)]), back(602, End::Reset, 625, 25));
    let cut_off = Fate::Ended { after: ms(602), end: End::Reset, anew: None };
    assert_eq!(moved(&[first, second]), cut_off);
    assert_eq!(moved(&[first, open(1604, OLD)]), cut_off);
}

#[test]
fn who_hears_nothing_waits_since_the_announcement() {
    assert_eq!(moved(&[open(900, OLD)]), Fate::Waiting(ms(4400)));
    assert_eq!(moved(&[]), Fate::Waiting(ms(4400)));
    // That one was opened after the fault; nobody waited on it when it came.
    assert_eq!(moved(&[open(1601, NEW)]), Fate::Waiting(ms(4400)));
}

#[test]
fn only_the_connection_at_the_fault_counts() {
    let earlier = ended(100, OLD, 899, End::Closed);
    assert_eq!(moved(&[earlier, open(900, OLD)]), Fate::Waiting(ms(4400)));
    let held = ended(900, OLD, 1602, End::Reset);
    assert_eq!(moved(&[earlier, held, open(1603, NEW)]), back(602, End::Reset, 603, 3));
}

#[test]
fn a_connection_is_kept_if_what_is_asked_on_it_is_answered() {
    let answered = Connection { answered: ms(5001), ..open(900, OLD) };
    assert_eq!(stayed(&[answered]), Fate::Kept(ms(1)));
    let earlier = Connection { answered: ms(4999), ..open(900, OLD) };
    assert_eq!(stayed(&[earlier]), Fate::Waiting(ms(1000)));
    let anew = Some(Anew { after: ms(11), after_announcement: ms(11), node: OLD });
    let replaced = Fate::Ended { after: ms(10), end: End::Reset, anew };
    let fresh = Connection { answered: ms(5001), ..open(1011, OLD) };
    assert_eq!(stayed(&[ended(900, OLD, 1010, End::Reset), fresh]), replaced);
}

#[test]
fn a_goodbye_brings_the_client_back_within_50_ms_every_time() {
    let [good, bad] = [back(602, End::Reset, 650, 50), back(602, End::Reset, 651, 51)];
    let cut_off = Fate::Ended { after: ms(602), end: End::Reset, anew: None };
    for kind in [Kind::Kill, Kind::Stop, Kind::Hook, Kind::Return] {
        assert_eq!(holds(kind, &[Some(good); 3]), Some(true), "{kind:?}");
        for bad in
            [Some(bad), Some(cut_off), Some(Fate::Waiting(ms(1))), Some(Fate::Kept(ms(1))), None]
        {
            assert_eq!(
                holds(kind, &[Some(good), bad, Some(good)]),
                Some(false),
                "{kind:?} {bad:?}"
            );
        }
    }
}

#[test]
fn a_vip_that_stays_keeps_its_connections() {
    let back_at_once = back(1, End::Reset, 2, 2);
    for kind in [Kind::Restart, Kind::Upgrade] {
        assert_eq!(holds(kind, &[Some(Fate::Kept(ms(50))); 3]), Some(true), "{kind:?}");
        for bad in [Fate::Kept(ms(51)), back_at_once, Fate::Waiting(ms(1))] {
            assert_eq!(holds(kind, &[Some(Fate::Kept(ms(1))), Some(bad)]), Some(false), "{bad:?}");
        }
        assert_eq!(holds(kind, &[None]), Some(false), "{kind:?}");
    }
}

#[test]
fn where_nobody_can_say_goodbye_nothing_is_owed() {
    for kind in [Kind::Crash, Kind::Pull, Kind::Partition, Kind::Freeze] {
        assert_eq!(holds(kind, &[Some(Fate::Waiting(ms(1)))]), None, "{kind:?}");
    }
}

#[test]
fn the_worst_of_many_fates_is_shown() {
    let cut_off = Fate::Ended { after: ms(1), end: End::Failed, anew: None };
    let [soon, late] = [back(602, End::Reset, 603, 3), back(2, End::Reset, 602, 30)];
    let ascending = [Fate::Kept(ms(9)), soon, late, cut_off, Fate::Waiting(ms(1))];
    for pair in ascending.windows(2) {
        assert_eq!(pair[0].worse(pair[1]), pair[1]);
        assert_eq!(pair[1].worse(pair[0]), pair[1]);
    }
    let shown: Vec<_> = ascending.iter().map(Fate::to_string).collect();
    let words =
        ["kept", "back in 3.0 ms", "back in 30.0 ms", "cut off", "still waiting after 0.0 s"];
    assert_eq!(shown, words);
}
