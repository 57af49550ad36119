//! The rest of the file: the pooler's keys are accepted, those that are ours among them are
//! checked, and what looks like a misspelt one of ours is told.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use openproxy_core::vrrp::CommandLine;

use super::NotifyConfig;
use super::keys::{self, Key, nearest};
use super::log_format::LogFormat;
use super::report::Report;
use super::shard;
use super::status::{self, StatusConfig};
use super::table::{Table, Value};
use super::values;

/// How often the file is read again, unless it says otherwise.
pub(super) const DEFAULT_RENEW_INTERVAL: Duration = Duration::from_secs(5);

const GENERAL_TABLE: &str = "general";
const POOLS_TABLE: &str = "pools";
const TOP_LEVEL: &[Key] = &[Key { name: GENERAL_TABLE, allowed: "a table" }];

/// What was found outside the virtual routers.
#[derive(Debug, Default)]
pub(super) struct Rest<'d> {
    /// Every element of `general.virtual_router`.
    pub(super) routers: Vec<Table<'d>>,
    /// `general.renew_interval`.
    pub(super) renew_interval: Option<Duration>,
    /// How many pools there are.
    pub(super) pools: usize,
    /// Every shard.
    pub(super) shards: Vec<shard::Draft>,
    /// `general.topology_script`.
    pub(super) topology_script: Option<CommandLine>,
    /// `general.notify_script` and `general.notify_fifo`.
    pub(super) notify: NotifyConfig,
    /// `general.user`.
    pub(super) user: Option<Box<str>>,
    /// `general.guard`.
    pub(super) guard: Option<bool>,
    /// `general.realtime`.
    pub(super) realtime: Option<u8>,
    /// `general.log_format`.
    pub(super) log_format: Option<LogFormat>,
    /// `general.status`.
    pub(super) status: StatusConfig,
    /// The keys and tables that are not ours, with `*` for names that users choose.
    foreign: Vec<String>,
    /// The same, to find repeated ones.
    told: BTreeSet<String>,
}

impl<'d> Rest<'d> {
    /// Reads all of it.
    pub(super) fn read(report: &mut Report<'_>, root: &Table<'d>) -> Self {
        let mut rest = Self::default();
        for (name, spot) in root.key_spots() {
            let Some(found) = root.get(name) else { continue };
            match name {
                GENERAL_TABLE => rest.read_general(report, &found),
                POOLS_TABLE => rest.read_pools(report, &found),
                _ => {
                    // Old poolers have a table of that name here.
                    let is_theirs = name == keys::USER.name && found.table().is_some();
                    if keys::GENERAL.iter().any(|key| key.name == name) && !is_theirs {
                        report.warning(&spot, "is not used here; it belongs into [general]");
                    } else if let Some(near) = nearest(name, TOP_LEVEL) {
                        report.warning(&spot, format!("is not used; did you mean {near}?"));
                    } else {
                        rest.add_foreign(spot.key);
                    }
                }
            }
        }
        rest
    }

    /// One line about what is accepted and not used.
    pub(super) fn tell_foreign(&self, report: &mut Report<'_>) {
        if !self.foreign.is_empty() {
            let names = self.foreign.join(", ");
            report.file_info(format!("accepted and not used: {names}"));
        }
    }

    fn read_general(&mut self, report: &mut Report<'_>, found: &Value<'d>) {
        let Some(table) = found.table() else {
            report.error(&found.spot, "must be a table");
            return;
        };
        self.renew_interval = table
            .read(report, &keys::RENEW_INTERVAL, |value| values::millis(value, 100..=86_400_000));
        self.topology_script = table.read(report, &keys::TOPOLOGY_SCRIPT, values::command_line);
        self.notify = NotifyConfig {
            script: table.read(report, &keys::NOTIFY_SCRIPT, values::command_line),
            fifo: table.read(report, &keys::NOTIFY_FIFO, values::absolute_path).map(PathBuf::from),
        };
        self.user = table.read(report, &keys::USER, values::user_name);
        self.guard = table.read(report, &keys::GUARD, values::boolean);
        self.realtime = table.read(report, &keys::REALTIME, |value| values::whole(value, 1..=99));
        self.log_format = table.read(report, &keys::LOG_FORMAT, LogFormat::read);
        self.status = status::read(report, &table);
        if let Some(router) = table.get(keys::VIRTUAL_ROUTER.name) {
            self.read_virtual_routers(report, &router);
        }
        self.sort_out(report, &table, keys::GENERAL, GENERAL_TABLE);
    }

    fn read_virtual_routers(&mut self, report: &mut Report<'_>, found: &Value<'d>) {
        let tables = match (found.table(), found.elements()) {
            (Some(table), _) => Some(vec![table]),
            (None, Some(elements)) => elements.iter().map(Value::table).collect(),
            (None, None) => None,
        };
        match tables {
            Some(tables) => self.routers = tables,
            None => {
                report.error(&found.spot, format!("must be {}", keys::VIRTUAL_ROUTER.allowed));
            }
        }
    }

    fn read_pools(&mut self, report: &mut Report<'_>, found: &Value<'d>) {
        let Some(pools) = found.table() else {
            self.add_foreign(POOLS_TABLE.to_owned());
            return;
        };
        for (name, _) in pools.key_spots() {
            self.pools += 1;
            if let Some(pool) = pools.get(name).and_then(|pool| pool.table()) {
                self.read_pool(report, name, &pool);
            }
        }
    }

    fn read_pool(&mut self, report: &mut Report<'_>, pool_name: &str, pool: &Table<'d>) {
        for (name, spot) in pool.key_spots() {
            let shards = (name == "shards").then(|| pool.get(name)).flatten();
            if let Some(shards) = shards.and_then(|shards| shards.table()) {
                for (number, _) in shards.key_spots() {
                    if let Some(shard) = shards.get(number).and_then(|shard| shard.table()) {
                        let id = shard::id(pool_name, number);
                        self.shards.push(shard::Draft::read(report, id, &shard));
                        self.sort_out(report, &shard, keys::SHARD, "pools.*.shards.*");
                    }
                }
            } else if keys::SHARD.iter().any(|key| key.name == name) {
                report.warning(&spot, "is not used here; it belongs into a shard");
            } else {
                self.add_foreign(format!("{POOLS_TABLE}.*.{name}"));
            }
        }
    }

    /// Warns of near misses of `ours` in a table, and notes the rest as not ours.
    fn sort_out(&mut self, report: &mut Report<'_>, table: &Table<'d>, ours: &[Key], path: &str) {
        for (name, spot) in table.key_spots() {
            if ours.iter().any(|key| key.name == name) {
                continue;
            }
            match nearest(name, ours) {
                Some(near) => {
                    report.warning(&spot, format!("is not used; did you mean {near}?"));
                }
                None => self.add_foreign(format!("{path}.{name}")),
            }
        }
    }

    fn add_foreign(&mut self, name: String) {
        if self.told.insert(name.clone()) {
            self.foreign.push(name);
        }
    }
}
