use super::*;

const FILE: &str = "openproxy.toml";

fn router(vrid: u8, priority: u8) -> String {
    format!(
        "[[general.virtual_router]]\ninterface = \"eth0\"\nrouter_id = {vrid}\n\
         priority = {priority}\nadvert_int = 3\nvip_addresses = [ \"192.0.2.{vrid}/24\" ]\n"
    )
}

fn old() -> String {
    format!("{}{}", router(1, 100), router(2, 100))
}

fn watcher() -> FileWatcher {
    let text = old();
    let loaded = load_bytes(FILE, text.as_bytes()).expect("good");
    FileWatcher::new(FILE.to_owned(), text.into_bytes(), loaded, at(0))
}

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn text(text: &str) -> Read {
    Ok(text.as_bytes().to_vec())
}

fn priorities(decision: Option<Decision>) -> Vec<u8> {
    let Some(Decision::Apply(loaded)) = decision else { panic!("applied: {decision:?}") };
    loaded.routers.iter().map(|router| router.priority.get()).collect()
}

#[test]
fn an_unchanged_file_is_read_each_renew_interval_and_never_told_of() {
    let mut watcher = watcher();
    assert_eq!(watcher.poll_timeout(), at(5_000));
    assert_eq!(watcher.handle_read(at(5_000), text(&old())), None);
    assert_eq!(watcher.poll_timeout(), at(10_000));
}

#[test]
fn a_change_is_applied_after_two_equal_reads_half_a_second_apart() {
    let mut watcher = watcher();
    let new = format!("[general]\nrenew_interval = 1000\n{}{}", router(1, 90), router(2, 80));
    assert_eq!(watcher.handle_read(at(5_000), text(&new)), None);
    assert_eq!(watcher.poll_timeout(), at(5_500));
    assert_eq!(watcher.handle_read(at(5_499), text(&new)), None);
    assert_eq!(watcher.poll_timeout(), at(5_500));
    assert_eq!(priorities(watcher.handle_read(at(5_500), text(&new))), [90, 80]);
    assert_eq!(watcher.poll_timeout(), at(6_500));
    assert_eq!(watcher.handle_read(at(6_500), text(&new)), None);
}

#[test]
fn truncation_at_every_byte_of_a_rewrite_never_yields_a_wrong_set() {
    let new = format!("{}{}", router(1, 90), router(2, 80));
    for cut in 0..new.len() {
        let mut watcher = watcher();
        let half = new.get(..cut).expect("ASCII");
        assert_eq!(watcher.handle_read(at(5_000), text(half)), None, "{cut}");
        // The writer finishes between the two reads.
        assert_eq!(watcher.handle_read(at(5_500), text(&new)), None, "{cut}");
        assert_eq!(priorities(watcher.handle_read(at(6_000), text(&new))), [90, 80], "{cut}");
    }
    for cut in 0..new.len() {
        // The writer is slow, and each read sees a little more.
        let mut watcher = watcher();
        let mut now = 5_000;
        for end in cut..new.len() {
            assert_eq!(watcher.handle_read(at(now), text(new.get(..end).expect("ASCII"))), None);
            now += 500;
        }
        assert_eq!(watcher.handle_read(at(now), text(&new)), None);
        assert_eq!(priorities(watcher.handle_read(at(now + 500), text(&new))), [90, 80]);
    }
}

#[test]
fn a_file_that_stays_truncated_takes_no_router_away_unless_asked() {
    let mut watcher = watcher();
    assert_eq!(watcher.handle_read(at(5_000), text("")), None);
    assert_eq!(watcher.handle_read(at(5_500), text("")), Some(Decision::NeedsHangup));
    assert_eq!(watcher.handle_read(at(10_500), text("")), None);
    assert_eq!(watcher.handle_read(at(15_500), text("")), None);
    watcher.handle_hangup(at(16_000));
    assert_eq!(watcher.poll_timeout(), at(16_000));
    assert_eq!(watcher.handle_read(at(16_000), text("")), None);
    assert_eq!(watcher.poll_timeout(), at(16_500));
    assert_eq!(priorities(watcher.handle_read(at(16_500), text(""))), [0; 0]);
}

#[test]
fn a_file_that_takes_every_pool_away_needs_asking_too() {
    let both = format!("{}[pools.p]\n", old());
    let loaded = load_bytes(FILE, both.as_bytes()).expect("good");
    let mut watcher = FileWatcher::new(FILE.to_owned(), both.into_bytes(), loaded, at(0));
    assert_eq!(watcher.handle_read(at(5_000), text(&old())), None);
    assert_eq!(watcher.handle_read(at(5_500), text(&old())), Some(Decision::NeedsHangup));
}

#[test]
fn a_broken_file_changes_nothing_and_is_told_of_once() {
    let mut watcher = watcher();
    let broken = old().replace("100", "300");
    assert_eq!(watcher.handle_read(at(5_000), text(&broken)), None);
    let decision = watcher.handle_read(at(5_500), text(&broken));
    let Some(Decision::Broken(found)) = decision else { panic!("broken: {decision:?}") };
    assert_eq!(found.len(), 2);
    for second in 2..10 {
        assert_eq!(watcher.handle_read(at(second * 5_000 + 500), text(&broken)), None);
    }
    let other = broken.replace("eth0", "");
    assert_eq!(watcher.handle_read(at(60_000), text(&other)), None);
    let decision = watcher.handle_read(at(60_500), text(&other));
    assert!(matches!(decision, Some(Decision::Broken(_))), "{decision:?}");
    // A person who asks is answered again.
    watcher.handle_hangup(at(61_000));
    assert_eq!(watcher.handle_read(at(61_000), text(&other)), None);
    let decision = watcher.handle_read(at(61_500), text(&other));
    assert!(matches!(decision, Some(Decision::Broken(_))), "{decision:?}");
}

#[test]
fn a_file_that_is_gone_for_a_moment_is_not_told_of() {
    let mut watcher = watcher();
    let gone = || Err("No such file or directory".to_owned());
    assert_eq!(watcher.handle_read(at(5_000), gone()), None);
    assert_eq!(watcher.handle_read(at(5_500), text(&old())), None);
    assert_eq!(watcher.handle_read(at(10_500), gone()), None);
    let decision = watcher.handle_read(at(11_000), gone());
    assert_eq!(decision, Some(Decision::Unreadable("No such file or directory".to_owned())));
    assert_eq!(watcher.handle_read(at(16_000), gone()), None);
}

#[test]
fn asking_about_an_unchanged_file_is_answered() {
    let mut watcher = watcher();
    watcher.handle_hangup(at(100));
    assert_eq!(watcher.handle_read(at(100), text(&old())), Some(Decision::Unchanged));
    assert_eq!(watcher.handle_read(at(5_100), text(&old())), None);
}

#[test]
fn a_file_that_is_good_in_itself_may_be_refused_for_what_is_on_the_machine() {
    let inspect: Inspect = |path, loaded| {
        let refused = loaded.routers.iter().any(|router| router.priority.get() == 7);
        let found = Diagnostic::of_file(path, None, "not here".to_owned());
        if refused { vec![found] } else { Vec::new() }
    };
    let mut watcher = watcher().inspecting(inspect);
    let changed = format!("{}{}", router(1, 7), router(2, 100));
    assert_eq!(watcher.handle_read(at(5_000), text(&changed)), None);
    let decision = watcher.handle_read(at(5_500), text(&changed));
    let Some(Decision::Broken(found)) = decision else { panic!("refused: {decision:?}") };
    assert_eq!(found[0].to_string(), "openproxy.toml: not here");
    // What runs goes on, and is compared with.
    assert_eq!(watcher.handle_read(at(10_500), text(&old())), None);
}
