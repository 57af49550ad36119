//! One hook at a time, and the latest decision wins.

#![allow(clippy::wildcard_enum_match_arm, reason = "a test picks the outputs that it is about")]

use super::*;
use crate::vrrp::{Family, HookFailure, Vrid};

const UP: Change = Change { from: "BACKUP", to: "MASTER" };
const DOWN: Change = Change { from: "MASTER", to: "BACKUP" };

fn ms(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// Hooks that may run for ten seconds, and what their router has around them.
struct Bench {
    hooks: Hooks,
    config: HookConfig,
    now: Instant,
    out: Vec<Output>,
    news: Vec<HookNews>,
}

impl Bench {
    fn new(promote: bool, demote: bool) -> Self {
        let command = |word: &str| -> CommandLine { [word.to_owned()].into() };
        let config = HookConfig {
            pre_promote: promote.then(|| command("up")),
            pre_demote: demote.then(|| command("down")),
            timeout: Duration::from_secs(10),
            on_failure: HookFailure::Continue,
        };
        let (out, news) = (Vec::new(), Vec::new());
        Self { hooks: Hooks::new(RouterId(7)), config, now: Instant::ZERO, out, news }
    }

    fn act(&mut self, act: impl FnOnce(&mut Hooks, &mut Host<'_>)) {
        let vrid = Vrid::new(50).expect("in range");
        let key = RouterKey { interface: "eth0".into(), vrid, family: Family::V4 };
        let vips = [Vip { ip: [10, 0, 0, 200].into(), prefix_len: 24 }].into();
        let Self { hooks, config, now, out, news } = self;
        act(hooks, &mut Host { now: *now, config, key: &key, vips: &vips, out, news });
    }

    /// What an action runs and kills, in short words.
    fn words(&mut self, act: impl FnOnce(&mut Hooks, &mut Host<'_>)) -> String {
        self.act(act);
        let words = self.out.drain(..).map(|output| match output {
            Output::RunHook(run) => {
                format!("{} {}>{}", run.command.join(" "), run.old_state, run.new_state)
            }
            Output::KillHook(id) => format!("kill {}", id.1.0),
            other => panic!("{other:?} has nothing to do with hooks"),
        });
        words.collect::<Vec<_>>().join(", ")
    }

    fn promote(&mut self) -> String {
        self.words(|hooks, host| hooks.promote(host, UP))
    }

    fn demote(&mut self) -> String {
        self.words(|hooks, host| hooks.demote(host, DOWN))
    }

    /// The hook of this number has ended.
    fn end(&mut self, number: u64, well: bool) -> String {
        let id = HookId(RouterId(7), Generation(number));
        let result = if well { Ok(()) } else { Err("no".to_owned()) };
        self.words(|hooks, host| hooks.handle_result(host, id, result))
    }

    fn wake(&mut self, now: Instant) -> String {
        self.now = now;
        self.words(Hooks::handle_timeout)
    }

    fn take_news(&mut self) -> Vec<HookNews> {
        std::mem::take(&mut self.news)
    }
}

#[test]
fn without_hooks_nothing_runs_and_nothing_waits() {
    let mut bench = Bench::new(false, false);
    assert_eq!(bench.promote(), "");
    assert!(bench.hooks.is_idle() && !bench.hooks.holds_vips());
    assert_eq!(bench.demote(), "");
    assert_eq!((bench.hooks.due_at(), bench.take_news()), (Instant::MAX, Vec::new()));
}

#[test]
fn the_vips_wait_until_the_promote_hook_has_ended() {
    for well in [true, false] {
        let mut bench = Bench::new(true, true);
        assert_eq!(bench.promote(), "up BACKUP>MASTER");
        assert!(bench.hooks.holds_vips() && !bench.hooks.is_idle());
        assert_eq!(bench.hooks.due_at(), ms(10_000));
        assert_eq!(bench.take_news(), [HookNews::Started(HookKind::Promote)]);
        assert_eq!(bench.end(9, well), "", "another one");
        assert!(bench.hooks.holds_vips());
        assert_eq!(bench.end(1, well), "");
        let result = if well { Ok(()) } else { Err("no".to_owned()) };
        let ended = HookNews::Ended(HookKind::Promote, result);
        assert_eq!(bench.take_news(), [ended, HookNews::GateOpened(well)]);
        assert!(bench.hooks.is_idle() && !bench.hooks.holds_vips());
        assert_eq!(bench.hooks.due_at(), Instant::MAX);
    }
}

#[test]
fn a_promote_hook_that_hangs_is_killed_lets_the_vips_go_and_is_given_up() {
    let mut bench = Bench::new(true, true);
    bench.promote();
    bench.take_news();
    assert_eq!(bench.wake(ms(9_999)), "");
    assert_eq!(bench.take_news(), []);
    assert_eq!(bench.wake(ms(10_000)), "kill 1");
    let news = [HookNews::TimedOut(HookKind::Promote), HookNews::GateOpened(false)];
    assert_eq!(bench.take_news(), news);
    assert_eq!(bench.hooks.due_at(), ms(15_000));
    assert_eq!(bench.wake(ms(14_999)), "", "it is killed once");
    assert!(!bench.hooks.is_idle());
    bench.wake(ms(15_000));
    assert!(bench.hooks.is_idle());
    assert_eq!(bench.take_news(), []);
}

#[test]
fn the_demote_hook_waits_for_the_promote_hook_that_it_kills() {
    let mut bench = Bench::new(true, true);
    bench.promote();
    bench.now = ms(1_000);
    assert_eq!(bench.demote(), "kill 1");
    assert!(!bench.hooks.holds_vips());
    assert_eq!(bench.hooks.due_at(), ms(6_000), "or until it is given up");
    bench.take_news();
    bench.now = ms(1_500);
    assert_eq!(bench.end(1, false), "down MASTER>BACKUP");
    let news = bench.take_news();
    assert_eq!(news, [HookNews::Started(HookKind::Demote)], "a killed one has no result");
    assert_eq!(bench.hooks.due_at(), ms(11_500));
    assert_eq!(bench.end(2, true), "");
    assert_eq!(bench.take_news(), [HookNews::Ended(HookKind::Demote, Ok(()))]);
}

#[test]
fn a_promotion_waits_for_the_demote_hook_and_its_time_counts_from_then() {
    let mut bench = Bench::new(true, true);
    assert_eq!(bench.demote(), "down MASTER>BACKUP");
    bench.now = ms(4_000);
    assert_eq!(bench.promote(), "", "hooks never overlap");
    assert!(bench.hooks.holds_vips());
    assert_eq!(bench.hooks.due_at(), ms(10_000), "the demote hook's");
    bench.take_news();
    bench.now = ms(6_000);
    assert_eq!(bench.end(1, true), "up BACKUP>MASTER");
    let news = bench.take_news();
    let demoted = HookNews::Ended(HookKind::Demote, Ok(()));
    assert_eq!(news, [demoted, HookNews::Started(HookKind::Promote)]);
    assert_eq!(bench.hooks.due_at(), ms(14_000), "ten seconds after the promotion");
}

#[test]
fn the_vips_wait_for_no_longer_than_a_hook_may_run_even_if_it_never_starts() {
    let mut bench = Bench::new(true, true);
    bench.demote();
    bench.now = ms(1_000);
    bench.promote();
    bench.take_news();
    assert_eq!(bench.wake(ms(10_000)), "kill 1");
    assert_eq!(bench.take_news(), [HookNews::TimedOut(HookKind::Demote)]);
    assert_eq!(bench.hooks.due_at(), ms(11_000));
    bench.wake(ms(11_000));
    assert_eq!(bench.take_news(), [HookNews::GateOpened(false)]);
    assert!(!bench.hooks.holds_vips());
    assert_eq!(bench.end(1, false), "up BACKUP>MASTER");
    assert_eq!(bench.hooks.due_at(), ms(21_000), "it has its own time");
}

#[test]
fn back_and_forth_the_latest_decision_wins() {
    let mut bench = Bench::new(true, true);
    bench.demote();
    bench.promote();
    assert_eq!(bench.demote(), "", "the demote hook that runs is the one");
    assert!(!bench.hooks.holds_vips());
    assert_eq!(bench.end(1, true), "");
    assert!(bench.hooks.is_idle());
    let mut silent = Bench::new(false, true);
    silent.promote();
    assert_eq!(silent.demote(), "down MASTER>BACKUP");
    assert_eq!(silent.promote(), "");
    assert!(!silent.hooks.holds_vips(), "there is no promote hook");
    let mut up_only = Bench::new(true, false);
    up_only.promote();
    assert_eq!(up_only.demote(), "kill 1");
    assert_eq!(up_only.demote(), "", "it is killed once");
    assert_eq!(up_only.end(1, false), "");
    assert!(up_only.hooks.is_idle());
}

#[test]
fn the_last_hook_has_ended_in_time() {
    for secs in [1, 10, 60] {
        let mut bench = Bench::new(true, true);
        bench.config.timeout = Duration::from_secs(secs);
        let by = Instant::ZERO + bench.config.end_max();
        bench.promote();
        bench.demote();
        let mut last = Instant::ZERO;
        for _ in 0..10 {
            if !bench.hooks.is_idle() {
                last = bench.hooks.due_at();
                bench.wake(last);
            }
        }
        assert!(bench.hooks.is_idle());
        assert_eq!(last, by);
    }
}

#[test]
fn the_end_of_a_hook_that_was_killed_lets_no_vip_on_before_the_next_hook() {
    let mut bench = Bench::new(true, false);
    assert_eq!(bench.promote(), "up BACKUP>MASTER");
    assert_eq!(bench.demote(), "kill 1");
    assert_eq!(bench.promote(), "");
    bench.news.clear();
    assert_eq!(bench.end(1, false), "up BACKUP>MASTER");
    assert_eq!(bench.news, [HookNews::Started(HookKind::Promote)]);
    assert!(bench.hooks.holds_vips());
    assert_eq!(bench.end(2, true), "");
    assert_eq!(
        bench.news[1..],
        [HookNews::Ended(HookKind::Promote, Ok(())), HookNews::GateOpened(true)]
    );
}
