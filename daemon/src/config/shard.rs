//! `[pools.POOL.shards.SHARD]`: its servers, and how Patroni is asked for it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use openproxy_core::discovery::{
    Address, FileRole, Host, PatroniConfig, Scheme, Server, ShardConfig, ShardId, TlsId,
};
use toml::de::DeValue;

use super::keys;
use super::report::Report;
use super::table::{Table, Value};
use super::values;
use crate::discovery::http::{self, TlsSettings};

const DEFAULT_PATRONI_PORT: u16 = 8008;
const SERVERS_MAX: usize = 100;

/// One shard as far as it could be read.
#[derive(Debug)]
pub(super) struct Draft {
    /// Its names.
    pub(super) id: ShardId,
    servers: Vec<Server>,
    patroni: Option<PatroniConfig>,
    /// How TLS is spoken, if it is.
    tls: Option<TlsSettings>,
}

impl Draft {
    /// Reads a table, and reports all that is wrong within it.
    pub(super) fn read(report: &mut Report<'_>, id: ShardId, table: &Table<'_>) -> Self {
        let uses = table.read(report, &keys::USE_PATRONI, values::boolean);
        let uses_patroni = uses.unwrap_or(false);
        let (patroni, tls) = read_patroni(report, table);
        let servers = read_servers(report, table, uses_patroni);
        Self { id, servers, patroni: uses_patroni.then_some(patroni), tls }
    }

    /// Whether Patroni is asked for it.
    pub(super) const fn uses_patroni(&self) -> bool {
        self.patroni.is_some()
    }

    /// The shard. Its TLS settings get their place in `tls`; whether the port of its primary is
    /// tried all the time is for others to say.
    pub(super) fn config(
        &self,
        renew_interval: Duration,
        watch_primary: bool,
        tls: &mut Vec<TlsSettings>,
    ) -> ShardConfig {
        let patroni = self.patroni.map(|patroni| {
            let scheme = match &self.tls {
                None => Scheme::Http,
                Some(settings) => Scheme::Https(place(tls, settings)),
            };
            PatroniConfig { scheme, watch_primary, ..patroni }
        });
        ShardConfig { id: self.id.clone(), servers: self.servers.clone(), patroni, renew_interval }
    }
}

fn place(tls: &mut Vec<TlsSettings>, settings: &TlsSettings) -> TlsId {
    let known = tls.iter().position(|known| known == settings);
    let place = known.unwrap_or_else(|| {
        tls.push(settings.clone());
        tls.len() - 1
    });
    TlsId(u32::try_from(place).unwrap_or(u32::MAX))
}

fn read_patroni(
    report: &mut Report<'_>,
    table: &Table<'_>,
) -> (PatroniConfig, Option<TlsSettings>) {
    let port = table.read(report, &keys::PATRONI_PORT, |value| match value.as_str() {
        Some(text) => text.parse::<u16>().ok().filter(|port| *port != 0),
        None => values::whole(value, 1..=u16::MAX),
    });
    let plain = PatroniConfig::plain(port.unwrap_or(DEFAULT_PATRONI_PORT));
    let timeout =
        table.read(report, &keys::PATRONI_TIMEOUT, |value| values::millis(value, 1..=60_000));
    let lag = table.read(report, &keys::PATRONI_LAG_MAX, |value| {
        values::whole::<i64>(value, 0..=i64::MAX).and_then(|bytes| u64::try_from(bytes).ok())
    });
    let patroni = PatroniConfig {
        timeout: timeout.unwrap_or(plain.timeout),
        lag_bytes_max: lag.unwrap_or(plain.lag_bytes_max),
        ..plain
    };
    (patroni, read_tls(report, table))
}

/// How TLS is spoken; `None` for plain HTTP.
fn read_tls(report: &mut Report<'_>, table: &Table<'_>) -> Option<TlsSettings> {
    let is_https = table.read(report, &keys::PATRONI_SCHEME, |value| {
        values::choice(value, &[("http", false), ("https", true)])
    });
    let path = |value: &DeValue<'_>| values::absolute_path(value).map(PathBuf::from);
    let settings = TlsSettings {
        ca: table.read(report, &keys::PATRONI_CA, path),
        server_name: table.read(report, &keys::PATRONI_SERVER_NAME, |value| {
            let name = value.as_str()?;
            name.parse::<http::Host>().ok().map(|_| name.to_owned())
        }),
        certificate: table.read(report, &keys::PATRONI_CERTIFICATE, path),
        key: table.read(report, &keys::PATRONI_KEY, path),
    };
    let one_of_both = [
        (&keys::PATRONI_CERTIFICATE, &keys::PATRONI_KEY),
        (&keys::PATRONI_KEY, &keys::PATRONI_CERTIFICATE),
    ];
    for (key, other) in one_of_both {
        if let (Some(found), None) = (table.get(key.name), table.get(other.name)) {
            report.error(&found.spot, format!("needs {} beside it", other.name));
        }
    }
    if is_https == Some(true) {
        return Some(settings);
    }
    let idle = [
        &keys::PATRONI_CA,
        &keys::PATRONI_SERVER_NAME,
        &keys::PATRONI_CERTIFICATE,
        &keys::PATRONI_KEY,
    ];
    for found in idle.iter().filter_map(|key| table.get(key.name)) {
        report.warning(&found.spot, "has no effect without patroni_scheme = \"https\"");
    }
    None
}

/// The servers. Without Patroni nothing of ours depends on them, and what a pooler may know more
/// of than we do is only told of.
fn read_servers(report: &mut Report<'_>, table: &Table<'_>, is_needed: bool) -> Vec<Server> {
    let Some(found) = table.get(keys::SERVERS.name) else {
        if is_needed {
            table.require(report, &keys::SERVERS);
        }
        return Vec::new();
    };
    let elements = found.elements().filter(|list| (1..=SERVERS_MAX).contains(&list.len()));
    let Some(elements) = elements else {
        tell(report, &found, is_needed, &format!("must be {}", keys::SERVERS.allowed));
        return Vec::new();
    };
    let mut servers: Vec<Server> = Vec::new();
    for element in elements {
        match read_server(&element) {
            Ok(Some(server)) => {
                if servers.iter().any(|known| known.address == server.address) {
                    report.warning(&element.spot, "is in the list already");
                } else {
                    servers.push(server);
                }
            }
            Ok(None) => {}
            Err(message) => tell(report, &element, is_needed, message),
        }
    }
    servers
}

fn tell(report: &mut Report<'_>, found: &Value<'_>, is_error: bool, message: &str) {
    if is_error {
        report.error(&found.spot, message);
    } else {
        report.warning(&found.spot, format!("{message}; left out of the topology"));
    }
}

/// One server; nothing for a mirror, which serves nobody.
fn read_server(element: &Value<'_>) -> Result<Option<Server>, &'static str> {
    const FORM: &str = "must be [ HOST, PORT, ROLE ], such as [ \"192.168.0.8\", 5432, \"Auto\" ]";
    let parts = element.elements().ok_or(FORM)?;
    let [host, port, role @ ..] = &parts[..] else { return Err(FORM) };
    let host = host.value.as_str().map(Host::new).ok_or("must begin with a host, as a string")?;
    if host.as_str().parse::<http::Host>().is_err() {
        return Err("must begin with an IP address or the name of a host");
    }
    let port = values::whole(port.value, 1..=u16::MAX)
        .ok_or("must have a port from 1 to 65535 in the second place")?;
    let role = match role {
        [] => FileRole::Auto,
        [word] => match read_role(word.value).ok_or(ROLES)? {
            Some(role) => role,
            None => return Ok(None),
        },
        _ => return Err(FORM),
    };
    Ok(Some(Server { address: Address { host, port }, role }))
}

const ROLES: &str = "must have \"Auto\", \"Primary\", \"Replica\" or \"Mirror\" in the third place";

/// A role in any case; nothing for a mirror.
fn read_role(value: &DeValue<'_>) -> Option<Option<FileRole>> {
    match value.as_str()?.to_ascii_lowercase().as_str() {
        "auto" => Some(Some(FileRole::Auto)),
        "primary" => Some(Some(FileRole::Primary)),
        "replica" => Some(Some(FileRole::Replica)),
        "mirror" => Some(None),
        _ => None,
    }
}

/// The names of a shard.
pub(super) fn id(pool: &str, shard: &str) -> ShardId {
    ShardId { pool: Arc::from(pool), shard: Arc::from(shard) }
}
