//! When an endpoint may be asked: on a grid of its own, within a budget, and rested after a hang.

use std::collections::VecDeque;

use super::config::ASK_EVERY;
use crate::time::{Duration, Instant};

/// Between two requests to one endpoint while a change is suspected.
pub(super) const HASTE_EVERY: Duration = Duration::from_millis(125);
/// Sparse questions go out at multiples of this.
const TOGETHER_EVERY: Duration = Duration::from_millis(100);
/// The budget counts over this.
const BUDGET_SPAN: Duration = Duration::from_secs(1);
const CALM_BUDGET: usize = 2;
const HASTE_BUDGET: usize = 8;
const REST_MAX: Duration = Duration::from_secs(10);
/// A `/cluster` that hangs holds one of the five threads of its Patroni for ten seconds, though
/// nobody waits for it any more: a second one at a time would be one too many.
const VIEW_REST_MIN: Duration = Duration::from_secs(10);
const VIEW_REST_MAX: Duration = Duration::from_secs(60);

/// How often an endpoint is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speed {
    /// A change is suspected.
    Haste,
    /// As a rule.
    Calm,
    /// One of many endpoints, and nothing is suspected: at these intervals, longer than the rule's.
    Sparse(Duration),
}

impl Speed {
    pub(super) const fn every(self) -> Duration {
        match self {
            Self::Haste => HASTE_EVERY,
            Self::Calm => ASK_EVERY,
            Self::Sparse(every) => every,
        }
    }

    /// How many requests may go out within [`BUDGET_SPAN`].
    const fn budget(self) -> usize {
        match self {
            Self::Haste => HASTE_BUDGET,
            Self::Calm | Self::Sparse(_) => CALM_BUDGET,
        }
    }
}

/// How fast an endpoint is asked, and where on the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    pub(super) speed: Speed,
    /// Where between two points of the grid, in 1/65536 of their distance.
    pub(super) phase: u16,
}

impl Pace {
    const fn every(self) -> Duration {
        self.speed.every()
    }

    /// The first point of the grid that isn't before `from`.
    fn point(self, from: Instant) -> Instant {
        let every = u64::try_from(self.every().as_nanos()).unwrap_or(u64::MAX);
        let offset = (every >> 16) * u64::from(self.phase);
        let next = wait_for_multiple(from.as_nanos() + every - offset % every, every);
        let point = from + Duration::from_nanos(next);
        match self.speed {
            Speed::Haste | Speed::Calm => point,
            // Those that are near each other go out together: to wake up once for thirteen questions
            // takes half as much of a processor as to wake up for each.
            Speed::Sparse(_) => point + until_multiple(point, TOGETHER_EVERY),
        }
    }
}

/// From `at` to the next multiple of `every`.
fn until_multiple(at: Instant, every: Duration) -> Duration {
    let every = u64::try_from(every.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(wait_for_multiple(at.as_nanos(), every))
}

const fn wait_for_multiple(number: u64, of: u64) -> u64 {
    (of - number % of) % of
}

/// The phases of a sequence that are far from each other, however long it gets.
pub(super) fn spread(index: usize) -> u16 {
    // The golden ratio, in 1/65536.
    let index = u16::try_from(index & 0xffff).unwrap_or_default();
    index.wrapping_mul(40_503)
}

#[derive(Clone, Debug)]
pub(super) struct Slots {
    /// The next point of the grid.
    next: Instant,
    /// When the last requests went out, the oldest first.
    sent: VecDeque<Instant>,
    rest_until: Instant,
    /// When the request that hung was given up, and for how long it had hung.
    hung: Option<(Instant, Duration)>,
    rest: Duration,
    view_rest_until: Instant,
    view_rest: Duration,
}

impl Slots {
    pub(super) fn new(first: Instant) -> Self {
        Self {
            next: first,
            sent: VecDeque::with_capacity(HASTE_BUDGET),
            rest_until: Instant::ZERO,
            hung: None,
            rest: Duration::ZERO,
            view_rest_until: Instant::ZERO,
            view_rest: Duration::ZERO,
        }
    }

    /// When the next request may go out.
    pub(super) fn due_at(&self, pace: Pace) -> Instant {
        let within =
            self.sent.len().checked_sub(pace.speed.budget()).and_then(|index| self.sent.get(index));
        let floor = within.map_or(Instant::ZERO, |sent| *sent + BUDGET_SPAN);
        if mutated!(BudgetIgnored) {
            return self.next;
        }
        self.next.max(floor).max(self.rest_until)
    }

    /// A request goes out now.
    pub(super) fn note_sent(&mut self, now: Instant, pace: Pace) {
        if self.sent.len() == HASTE_BUDGET {
            self.sent.pop_front();
        }
        self.sent.push_back(now);
        self.next = pace.point(now + pace.every() / 2);
    }

    /// The pace has changed.
    pub(super) fn set_pace(&mut self, now: Instant, pace: Pace) {
        let last = self.sent.back().map_or(Instant::ZERO, |sent| *sent + pace.every() / 2);
        if !self.sent.is_empty() {
            self.next = pace.point(last.max(now));
        }
    }

    /// The next request may go out at the pace of haste, once: a first look at something.
    pub(super) fn hurry_once(&mut self) {
        if let Some(sent) = self.sent.back() {
            self.next = self.next.min(*sent + HASTE_EVERY);
        }
    }

    /// A request hung for so long, and was given up.
    pub(super) fn note_hang(&mut self, now: Instant, hung: Duration) {
        if mutated!(HangNotRested) {
            return;
        }
        self.rest = (self.rest * 2).clamp(hung, REST_MAX.max(hung));
        self.rest_until = now + self.rest;
        self.hung = Some((now, hung));
    }

    /// A request was answered, or refused at once.
    pub(super) fn note_prompt(&mut self) {
        self.rest = Duration::ZERO;
        self.hung = None;
    }

    /// Something new is known of the node: it need not rest longer than it hung.
    pub(super) fn shorten_rest(&mut self) {
        if let Some((at, hung)) = self.hung {
            self.rest_until = self.rest_until.min(at + hung);
        }
    }

    /// A `/cluster` hung for so long.
    pub(super) fn note_view_hang(&mut self, now: Instant, hung: Duration) {
        if mutated!(HangNotRested) {
            return;
        }
        self.view_rest = (self.view_rest * 2).clamp(VIEW_REST_MIN.max(hung), VIEW_REST_MAX);
        self.view_rest_until = now + self.view_rest;
        self.rest_until = self.rest_until.max(now + hung);
    }

    pub(super) fn note_view_prompt(&mut self) {
        self.view_rest = Duration::ZERO;
    }

    pub(super) fn views_rest(&self, now: Instant) -> bool {
        now < self.view_rest_until
    }

    /// How many requests in a row have hung: none, one, or more.
    pub(super) fn has_hung_once(&self) -> bool {
        self.hung.is_some_and(|(_, hung)| self.rest <= hung)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALM: Pace = Pace { speed: Speed::Calm, phase: 0 };
    const HASTE: Pace = Pace { speed: Speed::Haste, phase: 0x8000 };

    #[test]
    fn a_grid_has_its_points_where_the_phase_says() {
        assert_eq!(CALM.point(Instant::from_millis(501)), Instant::from_millis(1000));
        assert_eq!(CALM.point(Instant::from_millis(1000)), Instant::from_millis(1000));
        let half = HASTE.point(Instant::from_millis(10)).since(Instant::ZERO);
        assert!(half.abs_diff(Duration::from_micros(62_500)) < Duration::from_micros(100));
    }

    #[test]
    fn sparse_questions_go_out_together_and_no_later_than_that_makes_them() {
        let every = Duration::from_millis(1_001);
        for (index, from) in (0..200)
            .map(|index| (index, Instant::from_millis(5_000 + 37 * u64::try_from(index).unwrap())))
        {
            let pace = Pace { speed: Speed::Sparse(every), phase: spread(index) };
            let point = pace.point(from);
            assert_eq!(point.as_nanos() % 100_000_000, 0);
            assert!(point >= from && point.since(from) < every + TOGETHER_EVERY);
        }
    }

    #[test]
    fn the_budget_holds_however_late_the_driver_is() {
        for (pace, budget) in [(CALM, 2), (HASTE, 8)] {
            let mut slots = Slots::new(Instant::ZERO);
            let mut sent: Vec<Instant> = Vec::new();
            for turn in 0..200_u64 {
                let late = Duration::from_micros(turn * 7919 % 40_000);
                let now = slots.due_at(pace) + late;
                slots.note_sent(now, pace);
                sent.push(now);
            }
            for window in sent.windows(budget + 1) {
                assert!(window[budget].since(window[0]) >= BUDGET_SPAN);
            }
            let span = sent[199].since(sent[0]);
            assert!(span < pace.every() * 240, "{span:?}");
        }
    }

    #[test]
    fn a_hang_is_rested_for_as_long_and_doubling_up_to_ten_seconds() {
        let mut slots = Slots::new(Instant::ZERO);
        let hung = Duration::from_secs(1);
        for secs in [1, 2, 4, 8, 10, 10] {
            slots.note_hang(Instant::ZERO, hung);
            assert_eq!(slots.due_at(CALM), Instant::from_millis(1000 * secs));
            assert_eq!(slots.has_hung_once(), secs == 1);
        }
        slots.shorten_rest();
        assert_eq!(slots.due_at(CALM), Instant::from_millis(1000));
        slots.note_prompt();
        slots.note_hang(Instant::ZERO, hung);
        assert_eq!(slots.rest, hung);
    }

    #[test]
    fn a_cluster_that_hangs_is_left_alone_for_at_least_ten_seconds() {
        let mut slots = Slots::new(Instant::ZERO);
        slots.note_view_hang(Instant::ZERO, Duration::from_secs(1));
        assert!(slots.views_rest(Instant::from_millis(9999)));
        assert!(!slots.views_rest(Instant::from_millis(10_000)));
        assert_eq!(slots.due_at(CALM), Instant::from_millis(1000));
        slots.note_view_hang(Instant::from_millis(10_000), Duration::from_secs(1));
        assert!(slots.views_rest(Instant::from_millis(29_999)));
    }
}
