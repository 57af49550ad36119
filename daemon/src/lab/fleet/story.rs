//! What befell each VIP of many, from where it came and went. Pure.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use crate::lab::record::Move;

/// How many nodes there are.
const NODES: usize = 2;

/// What befell one VIP between two moments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Story {
    /// For how long no node had it, once one had had it.
    pub(super) gap: Duration,
    /// For how long both had it.
    pub(super) overlap: Duration,
    /// How often it came to each node.
    pub(super) came_to: [usize; NODES],
}

impl Story {
    /// Follows the moves of one VIP.
    pub(super) fn of(moves: &[Move], from: Duration, to: Duration) -> Self {
        let mut story = Self::default();
        let (mut held, mut was_held, mut since) = ([false; NODES], false, Duration::ZERO);
        let mut pass = |held: [bool; NODES], was_held: bool, since: Duration, until: Duration| {
            let time = until.min(to).saturating_sub(since.max(from));
            match held {
                [true, true] => story.overlap += time,
                [false, false] if was_held => story.gap += time,
                [false, false] | [true, false] | [false, true] => {}
            }
        };
        for m in moves {
            pass(held, was_held, since, m.at);
            (held[m.node], since) = (m.held, m.at);
            was_held |= m.held;
        }
        pass(held, was_held, since, to);
        let within = moves.iter().filter(|m| m.held && (from..=to).contains(&m.at));
        within.for_each(|m| story.came_to[m.node] += 1);
        story
    }
}

/// Who has which VIP, as far as it was followed.
#[derive(Debug, Default)]
pub(super) struct Possession {
    followed: usize,
    held: BTreeMap<Ipv4Addr, [bool; NODES]>,
}

impl Possession {
    /// Takes in what is new of all moves.
    pub(super) fn follow(&mut self, moves: &[Move]) {
        for m in &moves[self.followed..] {
            self.held.entry(m.vip).or_default()[m.node] = m.held;
        }
        self.followed = moves.len();
    }

    /// How many VIPs this node has, and the other hasn't.
    pub(super) fn alone(&self, node: usize) -> usize {
        self.held.values().filter(|held| held[node] && !held[1 - node]).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIP: Ipv4Addr = Ipv4Addr::new(10, 99, 1, 1);

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn moves(them: &[(u64, usize, bool)]) -> Vec<Move> {
        let of = |&(at, node, held)| Move { at: ms(at), node, vip: VIP, held };
        them.iter().map(of).collect()
    }

    #[test]
    fn a_vip_that_nobody_has_had_yet_has_no_gap() {
        let story = Story::of(&moves(&[(500, 0, true)]), ms(0), ms(900));
        assert_eq!(story, Story { came_to: [1, 0], ..Story::default() });
    }

    #[test]
    fn gaps_and_overlaps_count_within_the_window_only() {
        let them = moves(&[(100, 0, true), (200, 0, false), (300, 1, true), (400, 0, true)]);
        let story = Story::of(&them, ms(250), ms(450));
        assert_eq!(story, Story { gap: ms(50), overlap: ms(50), came_to: [1, 1] });
    }

    #[test]
    fn possession_is_followed_from_where_it_was_left() {
        let them = moves(&[(100, 0, true), (200, 1, true), (300, 0, false)]);
        let mut possession = Possession::default();
        possession.follow(&them[..1]);
        assert_eq!((possession.alone(0), possession.alone(1)), (1, 0));
        possession.follow(&them[..2]);
        assert_eq!((possession.alone(0), possession.alone(1)), (0, 0));
        possession.follow(&them);
        assert_eq!((possession.alone(0), possession.alone(1)), (0, 1));
    }
}
