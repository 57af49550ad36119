//! `[general.status]`: where a running daemon tells what it knows.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::keys;
use super::report::Report;
use super::table::Table;
use super::values;

/// Where the socket is, unless the file says otherwise.
pub const DEFAULT_SOCKET: &str = "/run/openproxy/openproxy.sock";

/// Where a running daemon tells what it knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusConfig {
    /// A Unix socket.
    pub socket: PathBuf,
    /// An address for HTTP over TCP.
    pub listen: Option<SocketAddr>,
}

impl Default for StatusConfig {
    fn default() -> Self {
        Self { socket: DEFAULT_SOCKET.into(), listen: None }
    }
}

/// Reads the table, if there is one.
pub(super) fn read(report: &mut Report<'_>, general: &Table<'_>) -> StatusConfig {
    let Some(found) = general.get(keys::STATUS.name) else { return StatusConfig::default() };
    let Some(table) = found.table() else {
        report.error(&found.spot, format!("must be {}", keys::STATUS.allowed));
        return StatusConfig::default();
    };
    table.refuse_unknown(report, keys::STATUS_KEYS);
    let socket = table.read(report, &keys::STATUS_SOCKET, values::absolute_path);
    let listen = table.read(report, &keys::STATUS_LISTEN, |value| {
        let address: SocketAddr = value.as_str()?.parse().ok()?;
        (address.port() != 0).then_some(address)
    });
    if let Some(found) = table.get(keys::STATUS_LISTEN.name)
        && listen.is_some_and(|address| !address.ip().is_loopback())
    {
        report.warning(&found.spot, "lets everybody who can connect read the topology");
    }
    StatusConfig { socket: socket.map_or_else(|| DEFAULT_SOCKET.into(), PathBuf::from), listen }
}
