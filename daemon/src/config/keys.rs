//! The names of all keys that are OpenProxy's own, and what they allow.
//!
//! The texts are those of diagnostics ("must be …") and of the table in `docs/configuration.md`;
//! a test compares the two.

/// A key and what it allows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    /// Its name.
    pub(super) name: &'static str,
    /// What its value must be.
    pub(super) allowed: &'static str,
}

const fn key(name: &'static str, allowed: &'static str) -> Key {
    Key { name, allowed }
}

const BOOLEAN: &str = "true or false";
const ABSOLUTE_PATH: &str = "a path that begins with /";
const COMMAND: &str = "a command line as a string, with quotes as in a shell";

pub(super) const RENEW_INTERVAL: Key =
    key("renew_interval", "a whole number of milliseconds from 100 to 86400000");
pub(super) const VIRTUAL_ROUTER: Key = key("virtual_router", "a table or an array of tables");

pub(super) const TOPOLOGY_SCRIPT: Key = key("topology_script", COMMAND);
pub(super) const NOTIFY_SCRIPT: Key = key("notify_script", COMMAND);
pub(super) const NOTIFY_FIFO: Key = key("notify_fifo", ABSOLUTE_PATH);
pub(super) const USER: Key = key("user", "the name of a user other than root");
pub(super) const GUARD: Key = key("guard", BOOLEAN);
pub(super) const REALTIME: Key = key("realtime", "a whole number from 1 to 99");
pub(super) const LOG_FORMAT: Key = key("log_format", "\"text\" or \"json\"");
pub(super) const STATUS: Key = key("status", "a table");

/// In `[general]`.
pub(super) const GENERAL: &[Key] = &[
    RENEW_INTERVAL,
    VIRTUAL_ROUTER,
    TOPOLOGY_SCRIPT,
    NOTIFY_SCRIPT,
    NOTIFY_FIFO,
    USER,
    GUARD,
    REALTIME,
    LOG_FORMAT,
    STATUS,
];

pub(super) const STATUS_SOCKET: Key = key("socket", ABSOLUTE_PATH);
pub(super) const STATUS_LISTEN: Key =
    key("listen", "an IP address and a port, such as \"127.0.0.1:9127\"");

/// In `[general.status]`.
pub(super) const STATUS_KEYS: &[Key] = &[STATUS_SOCKET, STATUS_LISTEN];

pub(super) const INTERFACE: Key =
    key("interface", "the name of a network interface, 1 to 15 bytes");
pub(super) const ROUTER_ID: Key = key("router_id", "a whole number from 1 to 255");
pub(super) const PRIORITY: Key = key("priority", "a whole number from 1 to 255");
pub(super) const ADVERT_INT: Key = key(
    "advert_int",
    "a whole number from 1 to 255; with version = 3 a multiple of 0.01 from 0.01 to 40.95",
);
pub(super) const VIP_ADDRESSES: Key =
    key("vip_addresses", "a list of 1 to 255 addresses with prefix length");
pub(super) const PRE_PROMOTE_SCRIPT: Key = key("pre_promote_script", COMMAND);
pub(super) const PRE_DEMOTE_SCRIPT: Key = key("pre_demote_script", COMMAND);
pub(super) const UNICAST_PEERS: Key = key("unicast_peers", "a list of addresses");
pub(super) const UNICAST_SOURCE: Key =
    key("unicast_source", "an address, or a list with one of each family");
pub(super) const VERSION: Key = key("version", "2 or 3");
pub(super) const PREEMPT: Key = key("preempt", BOOLEAN);
pub(super) const PREEMPT_DELAY: Key =
    key("preempt_delay", "a number from 0 to 1000, with at most three decimals");
pub(super) const HOOK_TIMEOUT: Key =
    key("hook_timeout", "a whole number of milliseconds from 1 to 600000");
pub(super) const HOOK_FAILURE: Key = key("hook_failure", "\"continue\" or \"abort\"");
pub(super) const LEASE: Key = key("lease", BOOLEAN);
pub(super) const HANDOVER: Key = key("handover", "\"planned\" or \"strict\"");
pub(super) const RESET_CONNECTIONS: Key = key("reset_connections", BOOLEAN);
pub(super) const CHECKSUM: Key = key("checksum", "\"pseudo-header\" or \"message-only\"");
pub(super) const V2_INTERVAL_MISMATCH: Key = key("v2_interval_mismatch", "\"hold\" or \"discard\"");
pub(super) const STRICT: Key = key("strict", BOOLEAN);
pub(super) const GARP_REFRESH: Key =
    key("garp_refresh", "a whole number of seconds from 0 to 86400");
pub(super) const GROUP: Key = key("group", "a name of 1 to 64 bytes");
pub(super) const TRACK: Key = key("track", "a list of at most 64 tables");
pub(super) const TRACK_PATRONI: Key =
    key("track_patroni", "\"primary-reachable\" or \"local-primary\"");
pub(super) const TRACK_WEIGHT_PATRONI: Key = key("track_weight", "a whole number from 1 to 253");
pub(super) const TRACK_SHARDS: Key =
    key("track_shards", "a list of shards, such as [ \"my_pool/0\" ]");

/// In `[general.virtual_router]`.
pub(super) const ROUTER: &[Key] = &[
    INTERFACE,
    ROUTER_ID,
    PRIORITY,
    ADVERT_INT,
    VIP_ADDRESSES,
    PRE_PROMOTE_SCRIPT,
    PRE_DEMOTE_SCRIPT,
    UNICAST_PEERS,
    UNICAST_SOURCE,
    VERSION,
    PREEMPT,
    PREEMPT_DELAY,
    HOOK_TIMEOUT,
    HOOK_FAILURE,
    LEASE,
    HANDOVER,
    RESET_CONNECTIONS,
    CHECKSUM,
    V2_INTERVAL_MISMATCH,
    STRICT,
    GARP_REFRESH,
    GROUP,
    TRACK,
    TRACK_PATRONI,
    TRACK_WEIGHT_PATRONI,
    TRACK_SHARDS,
];

pub(super) const TRACK_TCP: Key =
    key("tcp", "an IP address and a port, such as \"127.0.0.1:6432\"");
pub(super) const TRACK_COMMAND: Key = key("command", COMMAND);
pub(super) const TRACK_INTERFACE: Key = INTERFACE;
pub(super) const TRACK_INTERVAL: Key =
    key("interval", "a whole number of milliseconds from 100 to 3600000");
pub(super) const TRACK_TIMEOUT: Key =
    key("timeout", "a whole number of milliseconds from 1 to the interval");
pub(super) const TRACK_FALL: Key = key("fall", "a whole number from 1 to 100");
pub(super) const TRACK_RISE: Key = key("rise", "a whole number from 1 to 100");
pub(super) const TRACK_WEIGHT: Key = key("weight", "a whole number from -253 to 253");

/// In each table of `track`.
pub(super) const TRACK_KEYS: &[Key] = &[
    TRACK_TCP,
    TRACK_COMMAND,
    TRACK_INTERFACE,
    TRACK_INTERVAL,
    TRACK_TIMEOUT,
    TRACK_FALL,
    TRACK_RISE,
    TRACK_WEIGHT,
];

pub(super) const USE_PATRONI: Key = key("use_patroni", BOOLEAN);
pub(super) const PATRONI_PORT: Key =
    key("patroni_port", "a port from 1 to 65535, as a number or a string");
pub(super) const PATRONI_TIMEOUT: Key =
    key("patroni_timeout", "a whole number of milliseconds from 1 to 60000");
pub(super) const PATRONI_LAG_MAX: Key =
    key("patroni_lag_max", "a whole number of bytes, 0 or more");
pub(super) const PATRONI_SCHEME: Key = key("patroni_scheme", "\"http\" or \"https\"");
pub(super) const PATRONI_CA: Key = key("patroni_ca", ABSOLUTE_PATH);
pub(super) const PATRONI_SERVER_NAME: Key =
    key("patroni_server_name", "the name or address that is in the certificates");
pub(super) const PATRONI_CERTIFICATE: Key = key("patroni_certificate", ABSOLUTE_PATH);
pub(super) const PATRONI_KEY: Key = key("patroni_key", ABSOLUTE_PATH);
pub(super) const SERVERS: Key =
    key("servers", "a list of 1 to 100 servers, each [ HOST, PORT, ROLE ]");

/// In `[pools.POOL.shards.SHARD]`.
pub(super) const SHARD: &[Key] = &[
    SERVERS,
    USE_PATRONI,
    PATRONI_PORT,
    PATRONI_TIMEOUT,
    PATRONI_LAG_MAX,
    PATRONI_SCHEME,
    PATRONI_CA,
    PATRONI_SERVER_NAME,
    PATRONI_CERTIFICATE,
    PATRONI_KEY,
];

/// What other programs call our keys.
const FOREIGN_NAMES: &[(&str, &str)] = &[
    ("notify_backup", "pre_demote_script"),
    ("notify_master", "pre_promote_script"),
    ("nopreempt", "preempt"),
    ("preempt_mode", "preempt"),
    ("track_interface", "track"),
    ("track_script", "track"),
    ("unicast_src_ip", "unicast_source"),
    ("virtual_ipaddress", "vip_addresses"),
    ("virtual_router_id", "router_id"),
    ("vrid", "router_id"),
];

/// The known key that `name` was probably meant to be.
pub(super) fn nearest(name: &str, known: &[Key]) -> Option<&'static str> {
    let plain = name.to_lowercase().replace('-', "_");
    let foreign = FOREIGN_NAMES.iter().find(|(other, _)| *other == plain).map(|(_, ours)| *ours);
    if let Some(ours) = foreign.filter(|ours| known.iter().any(|key| key.name == *ours)) {
        return Some(ours);
    }
    let distances =
        known.iter().map(|key| (strsim::damerau_levenshtein(&plain, key.name), key.name));
    let (distance, near) = distances.min()?;
    (distance <= (near.len() / 4).clamp(1, 3)).then_some(near)
}
