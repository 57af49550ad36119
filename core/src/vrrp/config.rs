//! What a virtual router is told to be. Only valid configurations can be built by the daemon's
//! validation; the core trusts what it is given here.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{AdverInterval, ChecksumForm, Priority, Version, Vrid};

/// An address family; a virtual router belongs to one (RFC 9568 §1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// The name of a network interface.
pub type InterfaceName = Arc<str>;

/// A virtual IP (VIP): an address and the prefix length it is added with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Vip {
    /// The address.
    pub ip: IpAddr,
    /// The prefix length, at most 32 or 128.
    pub prefix_len: u8,
}

impl fmt::Display for Vip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.prefix_len)
    }
}

/// What names a virtual router on one host: no two routers share one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RouterKey {
    /// The interface that adverts are sent on and VIPs are added to.
    pub interface: InterfaceName,
    /// The virtual router identifier.
    pub vrid: Vrid,
    /// The address family.
    pub family: Family,
}

impl fmt::Display for RouterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.interface, self.vrid, self.family)
    }
}

/// Everything about one virtual router.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouterConfig {
    /// Interface, VRID and family.
    pub key: RouterKey,
    /// The protocol version; 3 for IPv6.
    pub version: Version,
    /// The priority before failed checks lower it.
    pub priority: Priority,
    /// The interval of our own adverts, one that `version` can write.
    pub interval: AdverInterval,
    /// The VIPs, 1 to 255, all of the key's family, in the order in which they are advertised.
    pub vips: Arc<[Vip]>,
    /// Who adverts are sent to and accepted from.
    pub transport: Transport,
    /// Whether, and how soon, a lesser MASTER is replaced.
    pub preempt: Preempt,
    /// How the checksum of a version 3 advert over IPv4 is sent.
    pub checksum: ChecksumForm,
    /// What a version 2 advert does that is wrong only in its interval.
    pub interval_mismatch: IntervalMismatch,
    /// Whether IPv6 adverts must begin with a link-local address (RFC 9568 §5.2.9, erratum 8300).
    pub strict: bool,
    /// Whether VIPs are added with a lifetime, so that the kernel takes them from a dead process.
    pub lease: bool,
    /// How often a MASTER repeats its announcements; `None` for never.
    pub garp_refresh: Option<Duration>,
    /// How the VIPs go when the router is stopped.
    pub handover: Handover,
    /// Whether TCP connections through a VIP are reset right before it comes off. An earlier version
    /// that leaves its routers to this one doesn't say.
    #[serde(default = "resets_by_default")]
    pub reset_connections: bool,
    /// Programs to run at changes of state.
    pub hooks: HookConfig,
    /// What must work for the VIPs to be useful here; nobody else's to check.
    #[serde(skip)]
    pub track: Vec<TrackConfig>,
    /// Routers of one group are MASTER together or not at all.
    pub group: Option<Arc<str>>,
}

impl RouterConfig {
    /// A router of a file that says no more than this: multicast, preempting at once, with leases,
    /// a planned handover and connections reset, and without hooks, checks or a group.
    #[must_use]
    pub fn plain(
        key: RouterKey,
        version: Version,
        priority: Priority,
        interval: AdverInterval,
        vips: Arc<[Vip]>,
    ) -> Self {
        Self {
            key,
            version,
            priority,
            interval,
            vips,
            transport: Transport::Multicast,
            preempt: Preempt::After(Duration::ZERO),
            checksum: ChecksumForm::PseudoHeader,
            interval_mismatch: IntervalMismatch::Hold,
            strict: false,
            lease: true,
            garp_refresh: Some(Duration::from_secs(60)),
            handover: Handover::Planned,
            reset_connections: resets_by_default(),
            hooks: HookConfig {
                pre_promote: None,
                pre_demote: None,
                timeout: Duration::from_secs(10),
                on_failure: HookFailure::Continue,
            },
            track: Vec::new(),
            group: None,
        }
    }
}

const fn resets_by_default() -> bool {
    true
}

/// Who adverts are sent to and accepted from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Transport {
    /// 224.0.0.18 or ff02::12.
    Multicast,
    /// Each of `peers`, and nobody else.
    Unicast {
        /// Our address towards the peers; `None` takes the interface's.
        source: Option<IpAddr>,
        /// The other nodes. Our own address may be among them: one file serves all nodes.
        peers: Arc<[IpAddr]>,
    },
}

/// Whether a better BACKUP replaces a lesser MASTER (RFC 9568 §6.1 Preempt_Mode).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Preempt {
    /// Never; except that an address owner always does.
    Never,
    /// Once adverts of a lesser MASTER have been heard for this long (`preempt_delay`).
    After(Duration),
}

/// What a version 2 advert does whose interval is not ours, but which is otherwise good.
///
/// RFC 3768 §7.1 says that it must be discarded, which makes two MASTERs that both stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IntervalMismatch {
    /// A lesser router stays or becomes BACKUP while such adverts come from a better one.
    Hold,
    /// The RFC's letter.
    Discard,
}

/// How the VIPs go when a MASTER is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Handover {
    /// Once whoever follows has them: clients see no gap, and for a moment two nodes have them.
    Planned,
    /// At once, before anybody follows: never two nodes have them.
    Strict,
}

/// A command line, split into words; never empty, no shell is involved.
pub type CommandLine = Arc<[String]>;

/// The programs run at changes of state, and their bounds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookConfig {
    /// Run at every entry to MASTER, before the VIPs are added.
    pub pre_promote: Option<CommandLine>,
    /// Run at every exit from MASTER.
    pub pre_demote: Option<CommandLine>,
    /// How long a hook may run before it is killed with its process group.
    pub timeout: Duration,
    /// What a promote hook that fails does.
    pub on_failure: HookFailure,
}

/// What a promote hook that fails does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HookFailure {
    /// It is logged and counted, and the promotion goes on.
    Continue,
    /// The router steps down.
    Abort,
}

/// A check of something that the VIPs need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackConfig {
    /// What is checked.
    pub check: Check,
    /// From the start of one check to the start of the next.
    pub interval: Duration,
    /// How long a check may take; then it has failed.
    pub timeout: Duration,
    /// How many failures in a row make it failed, at least 1.
    pub fall: u32,
    /// How many successes in a row make it well again, at least 1.
    pub rise: u32,
    /// What a failed check does.
    pub weight: Weight,
}

/// What is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// A TCP connection is accepted.
    Tcp(SocketAddr),
    /// A program ends with status 0.
    Command(CommandLine),
    /// An interface exists, is up and has carrier.
    Interface(InterfaceName),
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "tcp {address}"),
            Self::Command(words) => write!(f, "command {}", words.join(" ")),
            Self::Interface(name) => write!(f, "interface {name}"),
        }
    }
}

/// What a failed check does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// The router can't be MASTER: it says priority 0 and waits in INITIALIZE.
    Fault,
    /// The priority changes by this much while the check fails.
    Change(i16),
}
