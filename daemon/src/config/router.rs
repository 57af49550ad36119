//! `[general.virtual_router]`: one table makes one router, or two when its VIPs are of both
//! families.

use std::sync::Arc;
use std::time::Duration;

use openproxy_core::vrrp::{
    AdverInterval, ChecksumForm, Family, Handover, HookConfig, HookFailure, InterfaceName,
    IntervalMismatch, Preempt, Priority, RouterConfig, RouterKey, TrackConfig, Version, Vip, Vrid,
};

use super::advice;
use super::follow::{self, Follow};
use super::keys;
use super::peers::{self, Peers};
use super::report::{Report, Spot};
use super::table::Table;
use super::track;
use super::values;
use super::vips;

const DEFAULT_GARP_REFRESH: Duration = Duration::from_secs(60);
const DEFAULT_HOOK_TIMEOUT: Duration = Duration::from_secs(10);
const PREEMPT_DELAY_SECS_MAX: u64 = 1_000;

/// One table as far as it could be read.
#[derive(Debug)]
pub(super) struct Draft {
    /// The interface.
    pub(super) interface: Option<InterfaceName>,
    /// The VRID and its place.
    pub(super) vrid: Option<(Vrid, Spot)>,
    /// The VIPs and their places, in the order of the file.
    pub(super) vips: Vec<(Vip, Spot)>,
    /// The group and its place.
    pub(super) group: Option<(Arc<str>, Spot)>,
    priority: Option<Priority>,
    interval: Option<AdverInterval>,
    options: Options,
}

/// What has a default.
#[derive(Debug)]
struct Options {
    version: Version,
    peers: Peers,
    preempt: Preempt,
    checksum: ChecksumForm,
    interval_mismatch: IntervalMismatch,
    strict: bool,
    lease: bool,
    garp_refresh: Option<Duration>,
    handover: Handover,
    reset_connections: bool,
    hooks: HookConfig,
    track: Vec<TrackConfig>,
    follow: Option<Follow>,
}

impl Draft {
    /// Reads a table, and reports all that is wrong within it.
    pub(super) fn read(report: &mut Report<'_>, table: &Table<'_>) -> Self {
        table.refuse_unknown(report, keys::ROUTER);
        let required = [
            keys::INTERFACE,
            keys::ROUTER_ID,
            keys::PRIORITY,
            keys::ADVERT_INT,
            keys::VIP_ADDRESSES,
        ];
        for key in &required {
            table.require(report, key);
        }
        let version = read_version(report, table);
        let vips = vips::read(report, table, version);
        let priority = table.read(report, &keys::PRIORITY, |value| {
            values::octet(value).and_then(|number| Priority::new(number.get()).ok())
        });
        let vrid = table.read(report, &keys::ROUTER_ID, |value| {
            values::octet(value).and_then(|number| Vrid::new(number.get()).ok())
        });
        let group = table.read(report, &keys::GROUP, values::group_name);
        let spot = |name| table.get(name).map_or_else(|| table.missing(name), |found| found.spot);
        let draft = Self {
            interface: table.read(report, &keys::INTERFACE, values::interface_name),
            vrid: vrid.map(|vrid| (vrid, spot(keys::ROUTER_ID.name))),
            group: group.map(|name| (name, spot(keys::GROUP.name))),
            priority,
            interval: read_interval(report, table, version),
            options: Options::read(report, table, version, priority, &vips),
            vips,
        };
        advice::on_router(report, table, &draft.configs());
        draft
    }

    /// The families of the VIPs.
    pub(super) fn families(&self) -> impl Iterator<Item = Family> {
        [Family::V4, Family::V6]
            .into_iter()
            .filter(|family| self.vips.iter().any(|(vip, _)| Family::of(vip.ip) == *family))
    }

    /// Which primary it follows, and how.
    pub(super) fn follow(&self) -> Option<&Follow> {
        self.options.follow.as_ref()
    }

    /// The routers; none while something that they need is missing.
    pub(super) fn configs(&self) -> Vec<RouterConfig> {
        self.families().filter_map(|family| self.config(family)).collect()
    }

    fn config(&self, family: Family) -> Option<RouterConfig> {
        let (vrid, _) = self.vrid.as_ref()?;
        let of_family = self.vips.iter().map(|(vip, _)| *vip);
        let options = &self.options;
        Some(RouterConfig {
            key: RouterKey { interface: Arc::clone(self.interface.as_ref()?), vrid: *vrid, family },
            version: options.version,
            priority: self.priority?,
            interval: self.interval?,
            vips: of_family.filter(|vip| Family::of(vip.ip) == family).collect(),
            transport: options.peers.transport(family),
            preempt: options.preempt,
            checksum: options.checksum,
            interval_mismatch: options.interval_mismatch,
            strict: options.strict,
            lease: options.lease,
            garp_refresh: options.garp_refresh,
            handover: options.handover,
            reset_connections: options.reset_connections,
            hooks: options.hooks.clone(),
            track: options.track.clone(),
            group: self.group.as_ref().map(|(name, _)| Arc::clone(name)),
        })
    }
}

impl Options {
    fn read(
        report: &mut Report<'_>,
        table: &Table<'_>,
        version: Option<Version>,
        priority: Option<Priority>,
        vips: &[(Vip, Spot)],
    ) -> Self {
        let checksum = table.read(report, &keys::CHECKSUM, |value| {
            let words = [
                ("pseudo-header", ChecksumForm::PseudoHeader),
                ("message-only", ChecksumForm::MessageOnly),
            ];
            values::choice(value, &words)
        });
        let mismatch = table.read(report, &keys::V2_INTERVAL_MISMATCH, |value| {
            let words = [("hold", IntervalMismatch::Hold), ("discard", IntervalMismatch::Discard)];
            values::choice(value, &words)
        });
        let garp_refresh = table.read(report, &keys::GARP_REFRESH, |value| {
            values::whole(value, 0..=86_400).map(Duration::from_secs)
        });
        let garp_refresh = garp_refresh.unwrap_or(DEFAULT_GARP_REFRESH);
        let preempt = read_preempt(report, table);
        let hooks = read_hooks(report, table);
        Self {
            version: version.unwrap_or(Version::V2),
            peers: peers::read(report, table, vips),
            preempt,
            checksum: checksum.unwrap_or(ChecksumForm::PseudoHeader),
            interval_mismatch: mismatch.unwrap_or(IntervalMismatch::Hold),
            strict: table.read(report, &keys::STRICT, values::boolean).unwrap_or(false),
            lease: table.read(report, &keys::LEASE, values::boolean).unwrap_or(true),
            garp_refresh: (!garp_refresh.is_zero()).then_some(garp_refresh),
            handover: read_handover(report, table, &hooks),
            reset_connections: table
                .read(report, &keys::RESET_CONNECTIONS, values::boolean)
                .unwrap_or(true),
            hooks,
            track: track::read(report, table, priority),
            follow: follow::read(report, table, priority, preempt),
        }
    }
}

/// The version, 2 if it isn't given; `None` if it is wrong, and nothing can be said about what
/// depends on it.
fn read_version(report: &mut Report<'_>, table: &Table<'_>) -> Option<Version> {
    if table.get(keys::VERSION.name).is_none() {
        return Some(Version::V2);
    }
    table.read(report, &keys::VERSION, |value| match values::whole(value, 2_u8..=3)? {
        2 => Some(Version::V2),
        _ => Some(Version::V3),
    })
}

fn read_interval(
    report: &mut Report<'_>,
    table: &Table<'_>,
    version: Option<Version>,
) -> Option<AdverInterval> {
    let found = table.get(keys::ADVERT_INT.name)?;
    let v2 = values::interval(found.value, Version::V2);
    let v3 = values::interval(found.value, Version::V3);
    let (interval, message) = match version {
        Some(Version::V2) if v3.is_some() => {
            (v2, "must be a whole number from 1 to 255; fractions need version = 3")
        }
        Some(Version::V2) => (v2, "must be a whole number from 1 to 255"),
        Some(Version::V3) => (v3, "must be a multiple of 0.01 from 0.01 to 40.95"),
        None => (v2.or(v3), keys::ADVERT_INT.allowed),
    };
    if interval.is_none() {
        report.error(&found.spot, message);
    }
    interval
}

fn read_preempt(report: &mut Report<'_>, table: &Table<'_>) -> Preempt {
    let preempt = table.read(report, &keys::PREEMPT, values::boolean).unwrap_or(true);
    let delay = table
        .read(report, &keys::PREEMPT_DELAY, |value| values::seconds(value, PREEMPT_DELAY_SECS_MAX));
    if preempt {
        return Preempt::After(delay.unwrap_or_default());
    }
    if let Some(found) = table.get(keys::PREEMPT_DELAY.name) {
        report.error(&found.spot, "is not allowed with preempt = false");
    }
    Preempt::Never
}

fn read_hooks(report: &mut Report<'_>, table: &Table<'_>) -> HookConfig {
    let on_failure = table.read(report, &keys::HOOK_FAILURE, |value| {
        let words = [("continue", HookFailure::Continue), ("abort", HookFailure::Abort)];
        values::choice(value, &words)
    });
    HookConfig {
        pre_promote: table.read(report, &keys::PRE_PROMOTE_SCRIPT, values::command_line),
        pre_demote: table.read(report, &keys::PRE_DEMOTE_SCRIPT, values::command_line),
        timeout: table
            .read(report, &keys::HOOK_TIMEOUT, |value| values::millis(value, 1..=600_000))
            .unwrap_or(DEFAULT_HOOK_TIMEOUT),
        on_failure: on_failure.unwrap_or(HookFailure::Continue),
    }
}

/// A demote hook may take away what the successor's promote hook has just taken: an address in a cloud,
/// say. So it runs before anybody follows.
fn read_handover(report: &mut Report<'_>, table: &Table<'_>, hooks: &HookConfig) -> Handover {
    let default = match hooks.pre_demote {
        Some(_) => Handover::Strict,
        None => Handover::Planned,
    };
    let handover = table.read(report, &keys::HANDOVER, |value| {
        let words = [("planned", Handover::Planned), ("strict", Handover::Strict)];
        values::choice(value, &words)
    });
    handover.unwrap_or(default)
}
