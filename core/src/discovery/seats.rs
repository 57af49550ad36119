//! Which endpoint belongs to which server and to which member of `/cluster`.
//!
//! No name is resolved here. A member is a configured server's if it has its address and port, or
//! the name that the node at that address gives itself, or its `api_url` leads there, or if it is
//! the only one on that host.

use std::sync::Arc;

use super::answer::{ClusterAnswer, Member};
use super::config::{Address, EndpointKey, Host, PatroniConfig, Scheme, Server};
use super::endpoint::{Endpoint, EndpointIx};
use crate::time::Instant;

/// An endpoint of a cluster, and whose it is.
#[derive(Clone, Debug)]
pub(super) struct Seat {
    pub(super) endpoint: EndpointIx,
    /// Where its PostgreSQL listens: by the file, until `/cluster` says better.
    pub(super) address: Address,
    /// The server in the file; `None` for one that was learnt.
    pub(super) configured: Option<usize>,
    /// Its name as a member.
    pub(super) name: Option<Arc<str>>,
    /// When a `/cluster` that lists it was last asked for.
    pub(super) listed: Instant,
}

/// Scheme, host and port of an `api_url`.
fn parse_url(url: &str) -> Option<(bool, Address)> {
    let (tls, rest) = match url.strip_prefix("https://") {
        Some(rest) => (true, rest),
        None => (false, url.strip_prefix("http://")?),
    };
    let authority = rest.split(['/', '?', '#']).next()?;
    if authority.contains('@') {
        return None;
    }
    let (host, port) = match authority.rfind(':') {
        Some(colon) if !authority.ends_with(']') => {
            (authority.get(..colon)?, authority.get(colon + 1..)?.parse().ok()?)
        }
        _ => (authority, if tls { 443 } else { 80 }),
    };
    (!host.is_empty()).then(|| (tls, Address { host: Host::new(host), port }))
}

/// Where a member's PostgreSQL listens, if `/cluster` says so.
pub(super) fn address_of(member: &Member) -> Option<Address> {
    let host = member.host.as_deref()?;
    Some(Address { host: Host::new(host), port: member.port.unwrap_or(5432) })
}

/// The endpoint at which a member that isn't configured may be asked: its own host or a configured
/// one, and nowhere else, since whoever writes to the DCS writes this.
pub(super) fn learnt_endpoint(
    member: &Member,
    servers: &[Server],
    config: &PatroniConfig,
) -> Option<EndpointKey> {
    let (tls, address) = parse_url(member.api_url.as_deref()?)?;
    let own = member.host.as_deref().is_some_and(|host| Host::new(host) == address.host);
    let known = || servers.iter().any(|server| server.address.host == address.host);
    let scheme = match (tls, config.scheme) {
        (false, _) => Scheme::Http,
        (true, Scheme::Https(id)) => Scheme::Https(id),
        (true, Scheme::Http) => return None,
    };
    (own || known()).then_some(EndpointKey { scheme, address })
}

/// The member that sits at `seat`, by what its endpoint is and says.
pub(super) fn member_at<'a>(
    seat: &Seat,
    server: Option<&Server>,
    endpoint: &Endpoint,
    answer: &'a ClusterAnswer,
) -> Option<&'a Member> {
    let members = || answer.members.iter();
    let own_name = endpoint.report.as_ref().and_then(|report| report.answer.name.as_deref());
    let known_as = own_name.or(seat.name.as_deref().filter(|_| seat.configured.is_none()));
    let by_address = || {
        let wanted = server.map(|server| &server.address)?;
        members().find(|member| address_of(member).as_ref() == Some(wanted))
    };
    let by_name = || {
        let name = known_as?;
        members().find(|member| member.name.as_deref() == Some(name))
    };
    let by_url = || {
        members().find(|member| {
            let url = member.api_url.as_deref().and_then(parse_url);
            url.is_some_and(|(_, address)| address == endpoint.key.address)
        })
    };
    let by_host = || {
        let host = &endpoint.key.address.host;
        let mut there = members()
            .filter(|member| member.host.as_deref().is_some_and(|h| Host::new(h) == *host));
        there.next().filter(|_| there.next().is_none())
    };
    by_address().or_else(by_name).or_else(by_url).or_else(by_host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let parsed = |url| parse_url(url).map(|(tls, address)| (tls, address.to_string()));
        assert_eq!(
            parsed("http://10.77.0.11:8008/patroni"),
            Some((false, "10.77.0.11:8008".to_owned()))
        );
        assert_eq!(parsed("https://[::1]/patroni"), Some((true, "[::1]:443".to_owned())));
        assert_eq!(parsed("http://[fe80::1]:80"), Some((false, "[fe80::1]:80".to_owned())));
        for odd in ["", "ftp://h/", "http://", "http://h:x/", "http://u@h:1/", "h:8008"] {
            assert_eq!(parsed(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_member_is_asked_at_its_own_host_or_a_configured_one_only() {
        let server = Server {
            address: Address { host: Host::new("db1"), port: 5432 },
            role: super::super::config::FileRole::Auto,
        };
        let member = |host: Option<&str>, url: &str| Member {
            host: host.map(Into::into),
            api_url: Some(url.into()),
            ..Member::default()
        };
        let plain = PatroniConfig::plain(8008);
        let asked =
            |member: &Member| learnt_endpoint(member, std::slice::from_ref(&server), &plain);
        assert!(asked(&member(Some("db2"), "http://db2:8008/patroni")).is_some());
        assert!(asked(&member(Some("db2"), "http://DB1:8009/patroni")).is_some());
        assert!(asked(&member(Some("db2"), "http://elsewhere:8008/patroni")).is_none());
        assert!(asked(&member(None, "http://elsewhere:8008/patroni")).is_none());
        assert!(asked(&member(Some("db2"), "https://db2:8008/patroni")).is_none());
    }
}
