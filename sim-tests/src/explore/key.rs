//! A state as a number: what decides the future, with times relative to the present.

use std::hash::{BuildHasherDefault, Hasher};

/// Times that lie so far from the present are taken relative to it; no other number does.
const NEAR_NANOS: u64 = 3_600_000_000_000;
/// The start of the clock, in nanoseconds: far from every other number.
pub(super) const START_NANOS: u64 = 3_000_000_000_000_000;

const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// Hashes a state; whatever looks like a time near `now` counts by its distance.
#[derive(Clone, Debug)]
pub(super) struct Relative {
    now: u64,
    sum: u64,
}

impl Relative {
    pub(super) fn to(now: u64) -> Self {
        Self { now, sum: 0x243f_6a88_85a3_08d3 }
    }

    /// The nanoseconds that count as the present from now on.
    pub(super) fn move_to(&mut self, now: u64) {
        self.now = now;
    }

    fn mix(&mut self, word: u64) {
        // Both halves of a long product: each bit of the input changes half of the sum.
        let product = u128::from(self.sum ^ word) * u128::from(MULTIPLIER | 1);
        let [low, high] = [product, product >> 64].map(|half| half & u128::from(u64::MAX));
        let folded = u64::try_from(low ^ high).unwrap_or(0);
        self.sum = folded.rotate_left(23).wrapping_add(0x1319_8a2e_0370_7344);
    }
}

impl Hasher for Relative {
    fn finish(&self) -> u64 {
        let mut last = self.clone();
        last.mix(0x5555_5555_5555_5555);
        last.mix(0xaaaa_aaaa_aaaa_aaaa);
        last.sum
    }

    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            self.mix(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.mix(number.into());
    }

    fn write_u16(&mut self, number: u16) {
        self.mix(number.into());
    }

    fn write_u32(&mut self, number: u32) {
        self.mix(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        if number.abs_diff(self.now) <= NEAR_NANOS {
            // Apart from small numbers, which a distance could be mistaken for.
            self.mix(number.wrapping_sub(self.now) ^ (1 << 62));
        } else {
            self.mix(number);
        }
    }

    fn write_usize(&mut self, number: usize) {
        self.mix(u64::try_from(number).unwrap_or(u64::MAX));
    }
}

/// For keys that are hashes already.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

/// Builds [`AsIs`].
pub(super) type BuildAsIs = BuildHasherDefault<AsIs>;

#[cfg(test)]
mod tests {
    use std::hash::Hash;

    use super::*;

    fn key(now: u64, what: impl Hash) -> u64 {
        let mut hasher = Relative::to(now);
        what.hash(&mut hasher);
        hasher.finish()
    }

    #[test]
    fn times_count_by_their_distance_from_now() {
        let later = START_NANOS + 1_250_000_000;
        assert_eq!(key(START_NANOS, START_NANOS + 7), key(later, later + 7));
        assert_ne!(key(START_NANOS, START_NANOS + 7), key(later, later - 7));
        assert_ne!(key(START_NANOS, START_NANOS + 7), key(START_NANOS, 7_u64));
        assert_eq!(key(START_NANOS, u64::MAX), key(later, u64::MAX));
    }

    #[test]
    fn a_million_neighbours_have_a_million_keys() {
        let mut keys = std::collections::BTreeSet::new();
        for number in 0..1_000_000_u64 {
            keys.insert(key(START_NANOS, (number % 1_000, START_NANOS + number / 1_000)));
        }
        assert_eq!(keys.len(), 1_000_000);
    }
}
