//! Words of Patroni's answers: roles, states, and how a replica is fed.

use std::fmt;

macro_rules! words {
    (
        $(#[doc = $doc:literal])+
        $name:ident { $($(#[doc = $word_doc:literal])+ $word:ident = $text:literal,)+ }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[doc = $word_doc])+ $word,)+
            /// A word that isn't known here, cut to 64 bytes.
            Other(Box<str>),
        }

        impl $name {
            /// Reads a word, in upper or lower case.
            #[must_use]
            pub fn from_word(word: &str) -> Self {
                $(if word.eq_ignore_ascii_case($text) {
                    return Self::$word;
                })+
                Self::Other(cut(word).into())
            }

            /// The word, as Patroni writes it.
            #[must_use]
            pub fn as_word(&self) -> &str {
                match self {
                    $(Self::$word => $text,)+
                    Self::Other(word) => word,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_word())
            }
        }
    };
}

words! {
    /// A role, of either `/patroni` or `/cluster`.
    Role {
        /// The holder of the leader key (`/cluster`); it proves nothing about PostgreSQL.
        Leader = "leader",
        /// The holder of the leader key of a standby cluster, which is read-only.
        StandbyLeader = "standby_leader",
        /// A synchronous standby (`/cluster`).
        SyncStandby = "sync_standby",
        /// A standby of a quorum (`/cluster`, since 4.0).
        QuorumStandby = "quorum_standby",
        /// A replica.
        Replica = "replica",
        /// A primary, as Patroni said it until 3.3 (`/patroni`).
        Master = "master",
        /// A primary (`/patroni`, since 4.0).
        Primary = "primary",
        /// It was primary and gave it up (`/patroni`).
        Demoted = "demoted",
        /// It has no data yet (`/patroni`).
        Uninitialized = "uninitialized",
        /// It is on its way to primary (`/patroni`).
        Promoted = "promoted",
    }
}

words! {
    /// A state of PostgreSQL, or how a replica is fed where `/cluster` says that instead.
    State {
        /// It runs. A replica in older versions (up to 3.0.3) says this too.
        Running = "running",
        /// A replica that receives from another server.
        Streaming = "streaming",
        /// A replica that reads from the archive.
        InArchiveRecovery = "in archive recovery",
        /// Being initialised.
        Initializing = "initializing new cluster",
        /// Initialisation failed.
        InitdbFailed = "initdb failed",
        /// A bootstrap script of the user's runs.
        CustomBootstrap = "running custom bootstrap script",
        /// It failed.
        CustomBootstrapFailed = "custom bootstrap failed",
        /// A copy of the primary is being made.
        CreatingReplica = "creating replica",
        /// Starting.
        Starting = "starting",
        /// Starting after a bootstrap script.
        StartingAfterBootstrap = "starting after custom bootstrap",
        /// It doesn't start.
        StartFailed = "start failed",
        /// Restarting.
        Restarting = "restarting",
        /// It didn't come back.
        RestartFailed = "restart failed",
        /// Stopping.
        Stopping = "stopping",
        /// Stopped.
        Stopped = "stopped",
        /// It doesn't stop.
        StopFailed = "stop failed",
        /// It has crashed.
        Crashed = "crashed",
        /// PostgreSQL didn't answer Patroni's query.
        Unknown = "unknown",
    }
}

/// The first 64 bytes or fewer, whole characters.
pub(super) fn cut(word: &str) -> &str {
    word.get(..word.floor_char_boundary(64)).unwrap_or_default()
}

impl Role {
    /// Whether `/patroni` says by it that its node is the primary.
    #[must_use]
    pub fn is_primary(&self) -> bool {
        match self {
            Self::Master | Self::Primary => true,
            Self::Other(_) => mutated!(UnknownRoleIsPrimary),
            Self::Leader
            | Self::StandbyLeader
            | Self::SyncStandby
            | Self::QuorumStandby
            | Self::Replica
            | Self::Demoted
            | Self::Uninitialized
            | Self::Promoted => false,
        }
    }

    /// Whether `/cluster` says by it that its member holds the leader key.
    #[must_use]
    pub fn holds_key(&self) -> bool {
        match self {
            Self::Leader | Self::StandbyLeader | Self::Master | Self::Primary => true,
            Self::SyncStandby
            | Self::QuorumStandby
            | Self::Replica
            | Self::Demoted
            | Self::Uninitialized
            | Self::Promoted
            | Self::Other(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_known_in_any_case_and_others_are_kept() {
        assert_eq!(Role::from_word("Sync_Standby"), Role::SyncStandby);
        assert_eq!(State::from_word("In Archive Recovery"), State::InArchiveRecovery);
        assert_eq!(Role::from_word("observer"), Role::Other("observer".into()));
        assert_eq!(State::from_word("observer").as_word(), "observer");
    }

    #[test]
    fn a_long_word_is_cut_between_characters() {
        let word = "é".repeat(100);
        assert_eq!(Role::from_word(&word).as_word().len(), 64);
        assert_eq!(Role::from_word(&format!("x{word}")).as_word().len(), 63);
    }

    #[test]
    fn only_primary_and_master_are_a_primary() {
        let roles = ["leader", "standby_leader", "promoted", "demoted", "replica", "PRIMARYY", ""];
        assert!(roles.iter().all(|role| !Role::from_word(role).is_primary()));
        assert!(Role::from_word("MASTER").is_primary() && Role::from_word("primary").is_primary());
    }
}
