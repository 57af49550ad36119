//! Who is asked.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

/// How long a name may be, in bytes: DNS's limit.
const NAME_LEN_MAX: usize = 253;

/// With or without TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

/// An IP address, or a name in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host(Inner);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Inner {
    Address(IpAddr),
    Name(Arc<str>),
}

/// Where a Patroni REST API is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// With or without TLS.
    pub scheme: Scheme,
    /// The machine.
    pub host: Host,
    /// The port.
    pub port: u16,
}

/// Why something is no host.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "{text:?} is neither an IP address nor a name; a name has 1 to 253 letters, digits, '-', '_' \
     and single dots, and doesn't end in a number"
)]
pub struct HostError {
    text: String,
}

impl Host {
    /// The address, if it is one.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        match self.0 {
            Inner::Address(address) => Some(address),
            Inner::Name(_) => None,
        }
    }

    /// The name, if it is one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match &self.0 {
            Inner::Address(_) => None,
            Inner::Name(name) => Some(name),
        }
    }
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        Self(Inner::Address(address))
    }
}

impl FromStr for Host {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        if let Ok(address) = text.parse() {
            return Ok(Self(Inner::Address(address)));
        }
        if is_name(text) {
            Ok(Self(Inner::Name(text.to_ascii_lowercase().into())))
        } else {
            Err(HostError { text: text.to_owned() })
        }
    }
}

/// Whether it can be a host's name. One whose last label is a number is a mistyped IPv4 address,
/// which the resolver would take for another one: 10.1 is 10.0.0.1 to it.
fn is_name(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let labels = text.strip_suffix('.').unwrap_or(text);
    let last = labels.rsplit('.').next().unwrap_or(labels);
    text.len() <= NAME_LEN_MAX
        && labels.split('.').all(|label| !label.is_empty() && label.bytes().all(is_allowed))
        && !last.bytes().all(|byte| byte.is_ascii_digit())
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Inner::Address(address) => address.fmt(f),
            Inner::Name(name) => name.fmt(f),
        }
    }
}

impl Endpoint {
    /// `HOST:PORT`, as the `Host` header has it.
    pub(super) fn authority(&self) -> String {
        match &self.host.0 {
            Inner::Address(IpAddr::V6(address)) => format!("[{address}]:{}", self.port),
            Inner::Address(IpAddr::V4(address)) => format!("{address}:{}", self.port),
            Inner::Name(name) => format!("{name}:{}", self.port),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        write!(f, "{scheme}://{}", self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_addresses_or_names() {
        for text in ["10.0.0.1", "::1", "db1", "patroni_2.example.com", "db1.example.", "3com"] {
            let host: Host = text.parse().expect(text);
            assert_eq!(host.to_string(), text);
        }
        assert_eq!("DB1".parse::<Host>(), "db1".parse());
    }

    #[test]
    fn what_the_resolver_would_take_for_something_else_is_no_host() {
        let long = "a".repeat(254);
        let bad =
            ["", ".", "10.1", "10.0.0.256", "a..b", ".a", "a b", "a/b", "a:80", "[::1]", &long];
        for text in bad {
            let error = text.parse::<Host>().expect_err(text);
            assert!(error.to_string().starts_with(&format!("{text:?} is neither")), "{error}");
        }
    }

    #[test]
    fn an_endpoint_reads_as_the_beginning_of_its_address() {
        let endpoint = |scheme, host: &str| Endpoint {
            scheme,
            host: host.parse().expect("a host"),
            port: 8008,
        };
        assert_eq!(endpoint(Scheme::Http, "10.0.0.1").to_string(), "http://10.0.0.1:8008");
        assert_eq!(endpoint(Scheme::Https, "::1").to_string(), "https://[::1]:8008");
        assert_eq!(endpoint(Scheme::Http, "db1").to_string(), "http://db1:8008");
    }
}
