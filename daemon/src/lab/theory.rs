//! What the protocol promises: pure arithmetic, from RFC 3768 and RFC 9568.

use std::time::Duration;

/// The kernel counts an address's lifetime in whole seconds and removes it this much late at most.
const LEASE_LATE_MAX: Duration = Duration::from_millis(1250);
/// The lease of routers that advertise more often than once a second.
const SHORT_LEASE: Duration = Duration::from_secs(1);
/// How seldom such a router renews its lease.
const SHORT_LEASE_RENEWAL: Duration = Duration::from_millis(250);

/// The VRRP version a lab speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// RFC 3768: whole seconds.
    V2,
    /// RFC 9568: hundredths of a second.
    V3,
}

impl Version {
    /// The number as written in a configuration file.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::V2 => 2,
            Self::V3 => 3,
        }
    }
}

/// The two numbers every interval of the protocol follows from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// How often a MASTER advertises.
    pub(crate) advert_int: Duration,
    /// Which version's skew applies.
    pub(crate) version: Version,
}

impl Timing {
    /// How much longer than its betters a router of this priority waits.
    pub(crate) fn skew(&self, priority: u8) -> Duration {
        let unit = match self.version {
            Version::V2 => Duration::from_secs(1),
            Version::V3 => self.advert_int,
        };
        unit * (256 - u32::from(priority)) / 256
    }

    /// The silence after which a router of this priority takes over.
    pub(crate) fn master_down(&self, priority: u8) -> Duration {
        3 * self.advert_int + self.skew(priority)
    }

    /// How long after the last advert of a dead MASTER its kernel may still hold the VIPs.
    pub(crate) fn lease_end_max(&self) -> Duration {
        let second = Duration::from_secs(1);
        if self.advert_int < second {
            return SHORT_LEASE_RENEWAL.max(self.advert_int) + SHORT_LEASE + LEASE_LATE_MAX;
        }
        let whole = (3 * self.advert_int).saturating_sub(LEASE_LATE_MAX).as_secs();
        Duration::from_secs(whole.max(2)) + LEASE_LATE_MAX
    }

    /// How long two nodes may hold the VIPs after a crash or freeze of a MASTER whose successor
    /// has this priority: nothing from `advert_int` 1 s on, unless the skew is very small.
    pub(crate) fn two_holders_max(&self, successor: u8) -> Duration {
        self.lease_end_max().saturating_sub(self.master_down(successor))
    }

    /// A window in which every router must have acted if it was ever going to.
    pub(crate) fn settle(&self) -> Duration {
        self.master_down(1) + Duration::from_millis(50)
    }
}

/// The priority of a node: 150, 100, 50, then 40, 30, 20, 10.
pub(crate) fn priority(node: usize) -> u8 {
    const PRIORITIES: [u8; 7] = [150, 100, 50, 40, 30, 20, 10];
    PRIORITIES[node.min(PRIORITIES.len() - 1)]
}

#[cfg(test)]
mod tests;
