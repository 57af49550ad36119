//! `track_patroni`: a virtual router that follows a primary.

use std::num::NonZeroU8;

use openproxy_core::discovery::ShardId;
use openproxy_core::discovery::coupling::{LOCAL_BONUS, Track};
use openproxy_core::vrrp::{Preempt, Priority};
use toml::de::DeValue;

use super::keys;
use super::report::{Report, Spot};
use super::shard;
use super::table::Table;
use super::values;

const DEFAULT_WEIGHT: u8 = 50;
/// The highest priority of a router that doesn't own its VIPs.
const PRIORITY_MAX: u8 = 254;

/// Which primary a router follows, and how.
#[derive(Debug)]
pub(super) struct Follow {
    track: Track,
    /// The shards that are named, and their places; none for all that use Patroni.
    named: Vec<(ShardId, Spot)>,
    spot: Spot,
}

/// Reads the keys of one router.
pub(super) fn read(
    report: &mut Report<'_>,
    table: &Table<'_>,
    priority: Option<Priority>,
    preempt: Preempt,
) -> Option<Follow> {
    let is_local = table.read(report, &keys::TRACK_PATRONI, |value| {
        values::choice(value, &[("primary-reachable", false), ("local-primary", true)])
    });
    let weight = table.read(report, &keys::TRACK_WEIGHT_PATRONI, |value| {
        values::whole(value, 1..=253_u8).and_then(NonZeroU8::new)
    });
    let named = read_shards(report, table);
    let Some(found) = table.get(keys::TRACK_PATRONI.name) else {
        for key in [&keys::TRACK_WEIGHT_PATRONI, &keys::TRACK_SHARDS] {
            if let Some(found) = table.get(key.name) {
                report.warning(&found.spot, "has no effect without track_patroni");
            }
        }
        return None;
    };
    let track = if is_local? {
        check_local(report, table, &found.spot, priority, preempt);
        Track::LocalPrimary
    } else {
        check_reachable(report, &found.spot, priority, preempt);
        Track::PrimaryReachable { penalty: weight.map_or(DEFAULT_WEIGHT, NonZeroU8::get) }
    };
    Some(Follow { track, named, spot: found.spot })
}

/// A bonus that can't make the primary's node MASTER would be a promise that isn't kept.
fn check_local(
    report: &mut Report<'_>,
    table: &Table<'_>,
    spot: &Spot,
    priority: Option<Priority>,
    preempt: Preempt,
) {
    if preempt == Preempt::Never {
        let message = "is not allowed with preempt = false: the VIPs would never follow";
        report.error(spot, message);
    }
    if let Some(number) = priority.map(Priority::get)
        && number > PRIORITY_MAX - LOCAL_BONUS
    {
        let message = format!(
            "needs a priority of at most {}: the primary's node gets {LOCAL_BONUS} more",
            PRIORITY_MAX - LOCAL_BONUS
        );
        report.error(spot, message);
    }
    if let Some(found) = table.get(keys::TRACK_WEIGHT_PATRONI.name) {
        let message = format!(
            "has no effect with \"local-primary\": the primary's node gets {LOCAL_BONUS} more"
        );
        report.warning(&found.spot, message);
    }
}

fn check_reachable(
    report: &mut Report<'_>,
    spot: &Spot,
    priority: Option<Priority>,
    preempt: Preempt,
) {
    if priority.is_some_and(Priority::is_owner) {
        report.warning(spot, "has no effect: priority 255 is never changed by a weight");
    }
    if preempt == Preempt::Never {
        let message = "lowers the priority, and with preempt = false on the other nodes none of \
                       them takes over for that";
        report.warning(spot, message);
    }
}

fn read_shards(report: &mut Report<'_>, table: &Table<'_>) -> Vec<(ShardId, Spot)> {
    let Some(found) = table.get(keys::TRACK_SHARDS.name) else { return Vec::new() };
    let elements = found.elements().filter(|elements| !elements.is_empty());
    let Some(elements) = elements else {
        report.error(&found.spot, format!("must be {}", keys::TRACK_SHARDS.allowed));
        return Vec::new();
    };
    let mut shards = Vec::new();
    for element in elements {
        match read_shard(element.value) {
            Some(shard) => shards.push((shard, element.spot)),
            None => report.error(&element.spot, "must be a string such as \"my_pool/0\""),
        }
    }
    shards
}

fn read_shard(value: &DeValue<'_>) -> Option<ShardId> {
    let (pool, name) = value.as_str()?.rsplit_once('/')?;
    (!pool.is_empty() && !name.is_empty()).then(|| shard::id(pool, name))
}

impl Follow {
    /// How.
    pub(super) const fn track(&self) -> Track {
        self.track
    }

    /// The shards whose primary it follows; reports those that there aren't.
    pub(super) fn shards(&self, report: &mut Report<'_>, drafts: &[shard::Draft]) -> Vec<ShardId> {
        let asked = drafts.iter().filter(|draft| draft.uses_patroni());
        let asked: Vec<ShardId> = asked.map(|draft| draft.id.clone()).collect();
        if asked.is_empty() {
            report.error(&self.spot, "needs a shard with use_patroni = true");
            return Vec::new();
        }
        if self.named.is_empty() {
            return asked;
        }
        for (shard, spot) in &self.named {
            if !asked.contains(shard) {
                report.error(spot, "is no shard with use_patroni = true");
            }
        }
        self.named.iter().map(|(shard, _)| shard.clone()).collect()
    }
}
