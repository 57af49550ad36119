//! How often a MASTER answers lesser ones.
//!
//! RFC 9568 §6.4.3 answers every lesser advert at once. Unbounded, a forged stream of them, or our
//! own adverts reflected, becomes a storm; answered too seldom, an RFC 5798 peer never learns that
//! it lost, and neighbours keep the loser's MAC address.

mod digest;

use std::net::IpAddr;
use std::time::Duration;

use super::AdverInterval;
use crate::time::Instant;

/// How many senders are told apart; a ninth within three intervals shares the common budget.
const SENDERS_MAX: usize = 8;
/// How many answers in an episode, from one sender or more, are announced to neighbours at once.
const ANNOUNCED_AT_ONCE: u32 = 2;
const ANNOUNCE_GAP_MIN: Duration = Duration::from_secs(1);
const ANNOUNCE_GAP_MAX: Duration = Duration::from_secs(60);
/// So many lesser adverts in a row from one sender mean that it doesn't hear us.
const DEAF_AFTER: u32 = 3;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Sender {
    address: IpAddr,
    heard_at: Instant,
    /// Adverts of this episode.
    count: u32,
}

/// The budget for answers, and the memory of who was answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Assertions {
    senders: Vec<Sender>,
    asserted_at: Option<Instant>,
    announced: u32,
    /// The last lesser advert was not followed by an announcement.
    unannounced: bool,
    announce_at: Instant,
    announce_gap: Duration,
}

/// What to do about a lesser advert.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// Send an advert.
    pub(super) assert: bool,
    /// Announce the VIPs.
    pub(super) announce: bool,
    /// The sender has not taken notice of several answers: it doesn't hear us.
    pub(super) deaf: bool,
}

impl Assertions {
    /// A lesser advert of `sender` was heard.
    pub(super) fn heard(&mut self, now: Instant, own: AdverInterval, sender: IpAddr) -> Answer {
        let silence = own.duration() * 3;
        self.senders.retain(|known| now.since(known.heard_at) < silence);
        if self.senders.is_empty() {
            self.announced = 0;
            self.announce_gap = ANNOUNCE_GAP_MIN;
            self.announce_at = now;
        }
        let count = self.count(now, sender);
        let due = self.asserted_at.is_none_or(|at| now.since(at) >= own.duration());
        // The first advert after a silence is always answered, and so is the second: it is the
        // farewell of a MASTER that has just yielded, after which neighbours must be told again.
        let assert = due || count.is_some_and(|count| count <= 2) || mutated!(AnswersUnbounded);
        if assert {
            self.asserted_at = Some(now);
        }
        let announce = assert && self.may_announce(now);
        self.unannounced = !announce;
        Answer { assert, announce, deaf: count == Some(DEAF_AFTER) }
    }

    /// Whether neighbours haven't been told since the last lesser advert. Its sender may have
    /// announced itself until then; so once it is quiet, they are to be told.
    pub(super) fn take_unannounced(&mut self) -> bool {
        std::mem::take(&mut self.unannounced)
    }

    /// Whether nobody lesser has been heard for three intervals.
    pub(super) fn is_quiet(&self, now: Instant, own: AdverInterval) -> bool {
        self.senders.iter().all(|known| now.since(known.heard_at) >= own.duration() * 3)
    }

    fn count(&mut self, now: Instant, address: IpAddr) -> Option<u32> {
        if let Some(known) = self.senders.iter_mut().find(|known| known.address == address) {
            known.heard_at = now;
            known.count = known.count.saturating_add(1);
            return Some(known.count);
        }
        if self.senders.len() >= SENDERS_MAX {
            return None;
        }
        self.senders.push(Sender { address, heard_at: now, count: 1 });
        Some(1)
    }

    fn may_announce(&mut self, now: Instant) -> bool {
        if self.announced < ANNOUNCED_AT_ONCE {
            self.announced += 1;
            self.announce_at = now + ANNOUNCE_GAP_MIN;
            return true;
        }
        if now < self.announce_at {
            return false;
        }
        self.announce_gap = (self.announce_gap * 2).min(ANNOUNCE_GAP_MAX);
        self.announce_at = now + self.announce_gap;
        true
    }
}

#[cfg(test)]
mod tests;
