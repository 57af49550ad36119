//! Chance as a function of the seed and of the question.
//!
//! A single stream of random numbers would tie everything to everything: with one packet fewer, each
//! later packet would get another fate, and no failing run could be made smaller. So each question
//! has a number of its own: "is the 17th packet from node 1 to node 2 lost" is answered the same
//! whatever else happens.

/// What is asked. The numbers are part of the meaning of a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Stream {
    /// What kind of scenario a seed is.
    Scenario = 1,
    /// The faults of a scenario.
    Faults,
    /// How long a packet travels.
    Latency,
    /// Whether it is lost.
    Loss,
    /// Whether it comes twice.
    Duplicate,
    /// Whether, and by how much, it is overtaken.
    Reorder,
    /// Whether, and where, a bit is flipped.
    Corrupt,
    /// Whether, and where, it is cut short.
    Truncate,
    /// Whether its TTL is another.
    Ttl,
    /// Whether the sender gets it back.
    Reflect,
    /// How late the kernel removes an address.
    Lateness,
    /// How long the kernel takes for an operation.
    KernelDelay,
    /// Packets of strangers.
    Stranger,
    /// What a Patroni does, and when.
    Patroni,
    /// How a question to a Patroni fares.
    Question,
}

/// All answers of one seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draws {
    seed: u64,
}

impl Draws {
    /// The answers of this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed: mix(seed ^ 0x6f70_656e_7072_6f78) }
    }

    /// The answer to the `counter`-th question about `key`.
    #[must_use]
    pub const fn draw(self, stream: Stream, key: u64, counter: u64) -> u64 {
        let keyed = mix(self.seed ^ ((stream as u64) << 32) ^ key);
        mix(keyed ^ counter)
    }

    /// Whether a thing happens that happens `per_mille` times in a thousand.
    #[must_use]
    pub const fn chance(self, stream: Stream, key: u64, counter: u64, per_mille: u16) -> bool {
        self.draw(stream, key, counter) % 1000 < per_mille as u64
    }

    /// A number between `low` and `high`, both included.
    #[must_use]
    pub const fn between(self, stream: Stream, key: u64, counter: u64, low: u64, high: u64) -> u64 {
        if low >= high {
            return low;
        }
        // The upper half of a product is even over any range, and far cheaper than a division.
        let span = (high - low) as u128 + 1;
        low + ((self.draw(stream, key, counter) as u128 * span) >> 64) as u64
    }
}

/// One answer after the other, to questions that are asked in order.
#[derive(Clone, Copy, Debug)]
pub struct Sequence {
    draws: Draws,
    stream: Stream,
    key: u64,
    asked: u64,
}

impl Sequence {
    /// The answers about `key`, from the first.
    #[must_use]
    pub const fn new(draws: Draws, stream: Stream, key: u64) -> Self {
        Self { draws, stream, key, asked: 0 }
    }

    /// The next, between `low` and `high`, both included.
    pub const fn between(&mut self, low: u64, high: u64) -> u64 {
        self.asked += 1;
        self.draws.between(self.stream, self.key, self.asked, low, high)
    }

    /// The next, below `count`.
    pub const fn below(&mut self, count: u64) -> u64 {
        self.between(0, count.saturating_sub(1))
    }
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014): each bit of the input changes half of
/// the output.
const fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_depends_on_the_question_alone() {
        let draws = Draws::new(7);
        let answer = draws.draw(Stream::Loss, 3, 17);
        let _ = draws.draw(Stream::Loss, 3, 16);
        assert_eq!(draws.draw(Stream::Loss, 3, 17), answer);
        assert_ne!(draws.draw(Stream::Loss, 4, 17), answer);
        assert_ne!(draws.draw(Stream::Latency, 3, 17), answer);
        assert_ne!(Draws::new(8).draw(Stream::Loss, 3, 17), answer);
    }

    #[test]
    fn chances_come_out_as_often_as_they_say() {
        let draws = Draws::new(1);
        let hits = (0..100_000).filter(|n| draws.chance(Stream::Loss, 9, *n, 250)).count();
        assert!((24_000..26_000).contains(&hits), "{hits} of 100,000 at 250 per mille");
    }

    #[test]
    fn ranges_reach_both_ends_and_no_further() {
        let draws = Draws::new(2);
        let drawn: std::collections::BTreeSet<_> =
            (0..1_000).map(|n| draws.between(Stream::Latency, 0, n, 5, 8)).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [5, 6, 7, 8]);
        assert_eq!(draws.between(Stream::Latency, 0, 0, 9, 9), 9);
        assert!(draws.between(Stream::Latency, 0, 0, 0, u64::MAX) > 0);
    }
}
