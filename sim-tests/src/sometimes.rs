//! Things that must be seen sometimes: a suite that never sees them shows nothing about them.

macro_rules! marks {
    ($($(#[$doc:meta])* $mark:ident),* $(,)?) => {
        /// Something that the swarm must come across.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Mark { $($(#[$doc])* $mark),* }

        impl Mark {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$mark),*];
        }
    };
}

marks!(
    /// Two MASTERs at once.
    DualMaster,
    /// Three.
    TripleMaster,
    /// A takeover after priority 0.
    Prio0Takeover,
    /// A lesser MASTER replaced.
    PreemptTakeover,
    /// A lesser MASTER left in place.
    NonpreemptHold,
    /// Two of the same priority, and the greater address won.
    IpTieBreak,
    /// An interval that isn't our own, learned.
    IntervalLearned,
    /// A lesser advert answered at once.
    AssertedOnLower,
    /// A node got its own advert.
    OwnAdvertReflected,
    /// A packet whose TTL isn't 255.
    BadTtl,
    /// A packet with a bit flipped.
    BadChecksum,
    /// A VIP that was there already, and not ours.
    VipEexist,
    /// A VIP that was gone when it was to be removed.
    VipMissingOnDel,
    /// The kernel refused an operation.
    NetlinkEperm,
    /// The cable of a MASTER pulled.
    LinkFlapAsMaster,
    /// VIPs of a killed process removed at the next start.
    Kill9LeftoverCleaned,
    /// A lease ran out.
    LeaseExpired,
    /// A stopped MASTER went on.
    PausedMasterResumed,
    /// A stopped BACKUP went on.
    PausedBackupResumed,
    /// A MASTER's file was read again.
    ReloadAsMaster,
    /// A process began while nobody was MASTER.
    RestartMidFailover,
    /// A planned stop ended with the announcement of whoever followed.
    HandedOver,
    /// Nobody followed a planned stop.
    HandoverUnanswered,
    /// A guard handed over what its process had served.
    GuardHandedOver,
    /// A guard was too late to say anything.
    GuardTooLate,
    /// A process went on where the one before it was killed.
    Inherited,
    /// The program of a MASTER was exchanged where all else was well, and it was MASTER again.
    UpgradedAsMaster,
    /// A guard has begun to hand over before the new program came.
    GuardBeforeHeir,
);

impl std::fmt::Display for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = format!("{self:?}");
        for (position, letter) in name.chars().enumerate() {
            if letter.is_uppercase() && position > 0 {
                f.write_str("_")?;
            }
            write!(f, "{}", letter.to_ascii_lowercase())?;
        }
        Ok(())
    }
}

/// Which were seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks(u32);

impl Marks {
    /// Sees one.
    pub fn put(&mut self, mark: Mark) {
        self.0 |= 1 << mark as u32;
    }

    /// Whether it was seen.
    #[must_use]
    pub fn has(self, mark: Mark) -> bool {
        self.0 & (1 << mark as u32) != 0
    }

    /// Those seen in either.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those not seen.
    pub fn missing(self) -> impl Iterator<Item = Mark> {
        Mark::ALL.iter().copied().filter(move |mark| !self.has(*mark))
    }
}
