//! Which shards would be discovered, and who follows them.

use std::fmt::Write as _;

use openproxy::discovery::driver::Settings;
use openproxy::discovery::http::{Client, TlsSettings};
use openproxy::discovery::tracking::TrackedRouter;
use openproxy_core::discovery::coupling::{LOCAL_BONUS, Track};
use openproxy_core::discovery::{FileRole, PatroniConfig, Scheme, ShardConfig};

use super::seconds;
use crate::exit::Exit;

/// Whether TLS can be spoken as the file says; a line for each way that can't.
pub(super) fn check_tls(settings: &Settings) -> (Exit, String) {
    let errors = settings.tls.iter().filter_map(|tls| Client::new(tls.clone()).err());
    let text: String = errors.map(|error| format!("Patroni over TLS: {error}\n")).collect();
    (if text.is_empty() { Exit::Clean } else { Exit::Config }, text)
}

/// All shards, and the routers that follow their primaries.
pub(super) fn describe(text: &mut String, settings: &Settings) {
    for shard in &settings.shards {
        // Writing to a string can't fail.
        let _ = describe_shard(text, shard, &settings.tls);
    }
    for router in &settings.routers {
        let _ = describe_router(text, router);
    }
}

fn describe_shard(text: &mut String, shard: &ShardConfig, tls: &[TlsSettings]) -> std::fmt::Result {
    let servers: Vec<String> = match &shard.patroni {
        Some(_) => shard.servers.iter().map(|server| server.address.host.to_string()).collect(),
        None => shard
            .servers
            .iter()
            .map(|server| format!("{} ({})", server.address, role(server.role)))
            .collect(),
    };
    let servers = servers.join(", ");
    match &shard.patroni {
        None => writeln!(text, "\n{}: the roles of the file: {servers}", shard.id),
        Some(patroni) => {
            writeln!(text, "\n{}: the roles that Patroni tells of {servers}", shard.id)?;
            describe_patroni(text, patroni, tls)
        }
    }
}

fn describe_patroni(
    text: &mut String,
    patroni: &PatroniConfig,
    tls: &[TlsSettings],
) -> std::fmt::Result {
    let how = match patroni.scheme {
        Scheme::Http => "http".to_owned(),
        Scheme::Https(id) => {
            let settings = usize::try_from(id.0).ok().and_then(|place| tls.get(place));
            let ca = settings.and_then(|settings| settings.ca.as_deref());
            let roots = ca.map_or("the system's roots".to_owned(), |ca| ca.display().to_string());
            format!("https, trusting {roots}")
        }
    };
    let (port, timeout) = (patroni.port, seconds(patroni.timeout));
    writeln!(text, "  API         port {port}, {how}, at most {timeout} for an answer")
}

fn describe_router(text: &mut String, router: &TrackedRouter) -> std::fmt::Result {
    let shards: Vec<String> = router.shards.iter().map(ToString::to_string).collect();
    let shards = shards.join(", ");
    match router.track {
        Track::LocalPrimary => writeln!(
            text,
            "\n{}: priority +{LOCAL_BONUS} while a primary of {shards} runs on this node",
            router.key
        ),
        Track::PrimaryReachable { penalty } => writeln!(
            text,
            "\n{}: priority -{penalty} while no primary of {shards} can be reached",
            router.key
        ),
    }
}

const fn role(role: FileRole) -> &'static str {
    match role {
        FileRole::Auto => "auto",
        FileRole::Primary => "primary",
        FileRole::Replica => "replica",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Settings {
        openproxy::config::load("openproxy.toml", text).expect("good").discovery
    }

    #[test]
    fn shards_are_described_with_their_servers_and_followers() {
        let settings = settings(
            "[general.virtual_router]\ninterface = \"eno1\"\nrouter_id = 1\npriority = 100\n\
             advert_int = 1\nvip_addresses = [ \"192.0.2.1/24\" ]\n\
             track_patroni = \"local-primary\"\n\
             [pools.p.shards.0]\nuse_patroni = true\nservers = [ [ \"db1\", 5432 ], [ \"::1\", 5432 ] ]\n\
             patroni_port = 8765\n\
             [pools.p.shards.1]\nservers = [ [ \"db1\", 5432, \"Primary\" ] ]\n",
        );
        let mut text = String::new();
        describe(&mut text, &settings);
        assert_eq!(
            text,
            "\np/0: the roles that Patroni tells of db1, [::1]\n\
             \x20 API         port 8765, http, at most 1 s for an answer\n\
             \np/1: the roles of the file: db1:5432 (primary)\n\
             \neno1/1/IPv4: priority +100 while a primary of p/0 runs on this node\n"
        );
    }

    #[test]
    fn certificates_that_cannot_be_read_are_told() {
        let settings = settings(
            "[pools.p.shards.0]\nuse_patroni = true\nservers = [ [ \"db1\", 5432 ] ]\n\
             patroni_scheme = \"https\"\npatroni_ca = \"/nowhere/ca.pem\"\n",
        );
        let (exit, text) = check_tls(&settings);
        assert_eq!(exit, Exit::Config);
        assert!(
            text.starts_with("Patroni over TLS: ") && text.contains("/nowhere/ca.pem"),
            "{text}"
        );
    }
}
