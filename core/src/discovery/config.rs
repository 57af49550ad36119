//! What is to be discovered: shards, their servers, and how Patroni is asked.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::time::Duration;

/// How often a server is asked about itself, at most and as a rule.
pub(super) const ASK_EVERY: Duration = Duration::from_millis(500);

/// A shard of a pool, by the names that both have in the file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId {
    /// The pool.
    pub pool: Arc<str>,
    /// The shard, mostly a number.
    pub shard: Arc<str>,
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.pool, self.shard)
    }
}

/// A host: a name in small letters, or an address in its one form. Two that are the same compare
/// so, however they were written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host(Arc<str>);

impl Host {
    /// Takes a host as it stands in a file or an answer; IPv6 with or without brackets.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        match bare.parse::<IpAddr>() {
            Ok(ip) => Self(ip.to_canonical().to_string().into()),
            Err(_) => Self(bare.trim_end_matches('.').to_ascii_lowercase().into()),
        }
    }

    /// The name or address, IPv6 without brackets.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.contains(':') { write!(f, "[{}]", self.0) } else { f.write_str(&self.0) }
    }
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The host.
    pub host: Host,
    /// The port.
    pub port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// What the file says a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileRole {
    /// Whatever it turns out to be.
    Auto,
    /// The primary.
    Primary,
    /// A replica.
    Replica,
}

/// A server of a shard.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Server {
    /// Where it is.
    pub address: Address,
    /// What the file says it is; of no account with Patroni.
    pub role: FileRole,
}

/// A set of TLS settings that the driver knows by this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TlsId(pub u32);

/// How an endpoint is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// TLS, with these settings.
    Https(TlsId),
}

/// A REST API of Patroni. Whoever names the same one shares its poller.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointKey {
    /// How it is spoken to.
    pub scheme: Scheme,
    /// Where it is.
    pub address: Address,
}

impl fmt::Display for EndpointKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https(_) => "https",
        };
        write!(f, "{scheme}://{}", self.address)
    }
}

/// How Patroni is asked for a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PatroniConfig {
    /// The port of the REST API on every server.
    pub port: u16,
    /// How it is spoken to.
    pub scheme: Scheme,
    /// How long one request may take, from connecting to the end of the answer.
    pub timeout: Duration,
    /// Beyond this lag a replica isn't eligible, in bytes.
    pub lag_bytes_max: u64,
    /// Whether the primary's PostgreSQL port is tried all the time, not only in doubt.
    pub watch_primary: bool,
}

impl PatroniConfig {
    /// One second per request in the clear, and a gigabyte of lag.
    #[must_use]
    pub const fn plain(port: u16) -> Self {
        Self {
            port,
            scheme: Scheme::Http,
            timeout: Duration::from_secs(1),
            lag_bytes_max: 1 << 30,
            watch_primary: false,
        }
    }
}

/// A shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardConfig {
    /// Its names.
    pub id: ShardId,
    /// Its servers.
    pub servers: Vec<Server>,
    /// How Patroni is asked; without, the roles are those of the file.
    pub patroni: Option<PatroniConfig>,
    /// How often `/cluster` is asked at least, and the longest between two looks at a server. It
    /// isn't asked oftener than every half second for as little as this may be.
    pub renew_interval: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_compare_however_they_are_written() {
        for (one, other) in [
            ("OpenSQL1", "opensql1"),
            ("[::1]", "::1"),
            ("fe80:0:0::1", "fe80::1"),
            ("::ffff:10.0.0.1", "10.0.0.1"),
            ("db.example.", "db.example"),
        ] {
            assert_eq!(Host::new(one), Host::new(other));
        }
        assert_ne!(Host::new("10.0.0.1"), Host::new("10.0.0.2"));
    }

    #[test]
    fn an_address_is_written_as_in_a_url() {
        let address = |host| Address { host: Host::new(host), port: 8008 };
        assert_eq!(address("::1").to_string(), "[::1]:8008");
        let key = EndpointKey { scheme: Scheme::Https(TlsId(0)), address: address("db1") };
        assert_eq!(key.to_string(), "https://db1:8008");
    }
}
