//! `docs/http.md`, the list of endpoints and what is served are the same.

use std::collections::{BTreeMap, BTreeSet};

use openproxy_core::vrrp::StateName;

use super::*;
use crate::api::tests::{NO_DISCOVERY, NO_ROUTERS, WELL, World};

const DOCS: &str = include_str!("../../../../docs/http.md");
const CHECKS: &str = include_str!("../../../../docs/checks.md");

const BACKUP: World = World { state: StateName::Backup, ..WELL };
const OPEN_METRICS: &str = "\r\nAccept: application/openmetrics-text";
const PLAIN: &str = "text/plain; charset=utf-8";

/// Requests that show each status of each endpoint.
const REQUESTS: &[(&str, World, u16)] = &[
    ("GET /", WELL, 200),
    ("GET /status", WELL, 200),
    ("GET /status?watch", WELL, 200),
    ("GET /status?watch=1", WELL, 400),
    ("GET /status?watch", NO_ROUTERS, 503),
    ("GET /topology", WELL, 200),
    ("GET /topology?watch", WELL, 200),
    ("GET /topology?all", WELL, 400),
    ("GET /topology", NO_DISCOVERY, 503),
    ("GET /metrics", WELL, 200),
    ("GET /metrics", NO_ROUTERS, 200),
    ("GET /health", WELL, 200),
    ("GET /health", NO_ROUTERS, 503),
    ("GET /ready", WELL, 200),
    ("GET /ready", NO_DISCOVERY, 503),
    ("GET /pools/p/shards/0/primary?stale=ok", WELL, 200),
    ("GET /pools/p/shards/0/primary?lag=5", WELL, 400),
    ("GET /pools/p/shards/1/primary", WELL, 404),
    ("GET /pools/p/shards/0/primary", WELL, 503),
    ("GET /pools/p/shards/0/replica", WELL, 200),
    ("GET /pools/p/shards/0/replica?lag=x", WELL, 400),
    ("GET /pools/q/shards/0/replica", WELL, 404),
    ("GET /pools/p/shards/0/replica?lag=4", WELL, 503),
    ("GET /pools/p/shards/0/any", WELL, 200),
    ("GET /pools/p/shards/0/any?port=65536", WELL, 400),
    ("GET /pools/p%2F/shards/0/any", WELL, 404),
    ("GET /pools/p/shards/0/any", NO_DISCOVERY, 503),
    ("GET /routers/eth0/50/master", WELL, 200),
    ("GET /routers/eth0/50/master?host=x", WELL, 400),
    ("GET /routers/eth0/51/master", WELL, 404),
    ("GET /routers/eth0/50/master", BACKUP, 503),
    ("GET /routers/eth%30/50/ipv4/master", WELL, 200),
    ("GET /routers/eth0/50/IPv4/master?x", WELL, 400),
    ("GET /routers/eth0/50/IPv6/master", WELL, 404),
    ("GET /routers/eth0/50/IPv4/master", NO_ROUTERS, 503),
    ("POST /forget/p/0", WELL, 200),
    ("POST /forget/p/0?x", WELL, 400),
    ("POST /forget/p/1", WELL, 404),
    ("POST /forget/p/0", NO_DISCOVERY, 503),
    ("POST /stepdown", WELL, 200),
    ("POST /stepdown?for=0", WELL, 400),
    ("POST /stepdown?for=60&router=eth1/50", WELL, 404),
    ("POST /stepdown", NO_ROUTERS, 503),
    ("POST /maintenance/on?router=eth0/50", WELL, 200),
    ("POST /maintenance/on?for=60", WELL, 400),
    ("POST /maintenance/on?router=eth1/50", WELL, 404),
    ("POST /maintenance/on", NO_ROUTERS, 503),
    ("POST /maintenance/off?router=eth0/50/IPv4", WELL, 200),
    ("POST /maintenance/off?force", WELL, 400),
    ("POST /maintenance/off?router=x", WELL, 404),
    ("POST /maintenance/off", NO_ROUTERS, 503),
];

/// What may stand behind the question mark, by key.
const PAIRS: &[(&str, &str)] = &[
    ("watch", "watch"),
    ("host", "host=10.0.0.1"),
    ("port", "port=5432"),
    ("lag", "lag=5"),
    ("stale", "stale=ok"),
    ("for", "for=60"),
    ("router", "router=eth0/50"),
    ("hots", "hots=10.0.0.1"),
];

/// A row of the table.
#[derive(Debug)]
struct Row {
    methods: String,
    is_for_socket: bool,
    /// Any, if none are named.
    keys: Option<BTreeSet<String>>,
    statuses: BTreeSet<u16>,
    kinds: BTreeSet<String>,
}

/// What is in backticks in a cell.
fn quoted(cell: &str) -> impl Iterator<Item = String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned)
}

fn cells(row: &str) -> Vec<&str> {
    row.trim_matches('|').split('|').map(str::trim).collect()
}

/// The rows of the table, by path.
fn documented() -> BTreeMap<String, Row> {
    let (_, table) = DOCS.split_once("\n| Path |").expect("the table");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let rows = rows.map(|row| {
        let [path, methods, from, query, statuses, kinds, what] = cells(row)[..] else {
            panic!("seven cells: {row}")
        };
        assert!(!what.is_empty(), "{row}");
        let row = Row {
            methods: quoted(methods).collect::<Vec<_>>().join(", "),
            is_for_socket: match from {
                "socket" => true,
                "anywhere" => false,
                _ => panic!("neither socket nor anywhere: {row}"),
            },
            keys: match query {
                "any" => None,
                "none" => Some(BTreeSet::new()),
                keys => Some(quoted(keys).collect()),
            },
            statuses: statuses.split(", ").map(|s| s.parse().expect("a status")).collect(),
            kinds: quoted(kinds).collect(),
        };
        (path.trim_matches('`').to_owned(), row)
    });
    let rows: Vec<_> = rows.collect();
    let by_path: BTreeMap<_, _> = rows.into_iter().collect();
    by_path
}

/// What came back.
#[derive(Debug)]
struct Reply {
    status: u16,
    kind: String,
    allow: Option<String>,
    body: String,
}

async fn ask(world: World, request: &str, headers: &str, caller: Caller) -> Reply {
    let text = world.ask(&format!("{request} HTTP/1.0{headers}"), caller).await;
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let header = |name: &str| {
        let line = head.lines().find_map(|line| line.strip_prefix(name));
        line.map(|value| value.trim().to_owned())
    };
    Reply {
        status: status.expect("a status"),
        kind: header("content-type:").unwrap_or_default(),
        allow: header("allow:"),
        body: body.to_owned(),
    }
}

/// Where an endpoint of the world is.
fn path(endpoint: Endpoint) -> String {
    let names = [
        ("POOL", "p"),
        ("SHARD", "0"),
        ("INTERFACE", "eth0"),
        ("ROUTER_ID", "50"),
        ("FAMILY", "IPv4"),
    ];
    names.iter().fold(endpoint.path().to_owned(), |path, (word, name)| path.replace(word, name))
}

#[test]
fn every_endpoint_is_documented_and_no_other() {
    let known: BTreeSet<_> = Endpoint::ALL.iter().map(|endpoint| endpoint.path()).collect();
    assert_eq!(known.len(), Endpoint::ALL.len(), "each path once");
    let documented = documented();
    assert_eq!(documented.keys().map(String::as_str).collect::<BTreeSet<_>>(), known);
    for endpoint in Endpoint::ALL {
        let row = &documented[endpoint.path()];
        let keys = endpoint.keys().map(|keys| keys.iter().map(|key| (*key).to_owned()).collect());
        assert_eq!(row.keys, keys, "{endpoint:?}");
        assert_eq!(row.methods, endpoint.access().methods(Caller::Socket), "{endpoint:?}");
        assert_eq!(row.is_for_socket, endpoint.access().methods(Caller::Network).is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn every_endpoint_is_served_with_the_documented_statuses_and_types_and_no_others() {
    let mut seen: BTreeMap<_, (BTreeSet<u16>, BTreeSet<String>)> = BTreeMap::new();
    for (request, world, status) in REQUESTS {
        let path = request.split([' ', '?']).nth(1).expect("a path");
        let (endpoint, _) = Endpoint::at(path).expect("it is there");
        let headers = if endpoint == Endpoint::Metrics { &["", OPEN_METRICS][..] } else { &[""] };
        for headers in headers {
            let reply = ask(*world, request, headers, Caller::Socket).await;
            assert_eq!(reply.status, *status, "{request}, {world:?}: {reply:?}");
            let (statuses, kinds) = seen.entry(endpoint.path().to_owned()).or_default();
            statuses.insert(reply.status);
            if reply.status == 200 {
                kinds.insert(reply.kind);
            } else {
                assert_eq!(reply.kind, PLAIN, "{request}");
                assert!(reply.body.ends_with('\n'), "{request}: {}", reply.body);
            }
        }
    }
    let documented = documented().into_iter();
    let documented: BTreeMap<_, _> =
        documented.map(|(path, row)| (path, (row.statuses, row.kinds))).collect();
    assert_eq!(seen, documented);
}

#[tokio::test(start_paused = true)]
async fn a_key_is_understood_where_it_is_documented_and_nowhere_else() {
    let documented = documented();
    for endpoint in Endpoint::ALL {
        let row = &documented[endpoint.path()];
        let method = row.methods.split(',').next().expect("a method");
        for (key, pair) in PAIRS {
            let request = format!("{method} {}?{pair}", path(endpoint));
            let reply = ask(WELL, &request, "", Caller::Socket).await;
            let is_refused = row.keys.as_ref().is_some_and(|keys| !keys.contains(*key));
            assert_eq!(reply.status == 400, is_refused, "{request}: {reply:?}");
        }
    }
    let keys = documented.values().flat_map(|row| row.keys.iter().flatten());
    let tried: BTreeSet<_> = PAIRS.iter().map(|(key, _)| *key).collect();
    assert!(keys.into_iter().all(|key| tried.contains(&**key)), "each has a pair");
}

#[tokio::test(start_paused = true)]
async fn another_method_or_caller_is_told_what_is_allowed() {
    let documented = documented();
    for endpoint in Endpoint::ALL {
        let row = &documented[endpoint.path()];
        for caller in [Caller::Socket, Caller::Network] {
            let is_for_caller = caller == Caller::Socket || !row.is_for_socket;
            let methods = if is_for_caller { &*row.methods } else { "" };
            for method in ["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE"] {
                let request = format!("{method} {}", path(endpoint));
                let reply = ask(WELL, &request, "", caller).await;
                let is_allowed = methods.split(", ").any(|allowed| allowed == method);
                assert_eq!(reply.status != 405, is_allowed, "{request}, {caller:?}: {reply:?}");
                let is_told = !is_allowed || method == "OPTIONS";
                assert_eq!(reply.allow.as_deref(), is_told.then_some(methods), "{request}");
                let has_no_body = ["HEAD", "OPTIONS"].contains(&method);
                assert_eq!(reply.body.is_empty(), has_no_body, "{request}: {reply:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_for_anything_else_is_told_what_there_is() {
    for path in ["/nothing", "/status/", "//", "/pools/p/shards/0/leader", "/routers/eth0/master"] {
        let reply = ask(WELL, &format!("GET {path}"), "", Caller::Network).await;
        assert_eq!(reply.status, 404, "{path}");
        let lines: BTreeSet<_> = reply.body.lines().skip(1).collect();
        assert_eq!(lines, Endpoint::ALL.iter().map(|endpoint| endpoint.path()).collect());
    }
}

/// `docs/checks.md` says what the keys of checks mean, and of which roles they are.
#[test]
fn what_the_keys_of_checks_mean_is_documented() {
    let (_, table) = CHECKS.split_once("\n| Query |").expect("the table");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let documented = rows.flat_map(|row| {
        let [pair, roles, meaning] = cells(row)[..] else { panic!("three cells: {row}") };
        assert!(!meaning.is_empty(), "{row}");
        let key = pair.trim_matches('`').split('=').next().unwrap_or_default().to_owned();
        let roles: Vec<_> = match roles {
            "all three" => vec!["primary".to_owned(), "replica".to_owned(), "any".to_owned()],
            roles => quoted(roles).collect(),
        };
        roles.into_iter().map(move |role| (role, key.clone())).collect::<Vec<_>>()
    });
    let shards = [Role::Primary, Role::Replica, Role::Any].map(Endpoint::Shard);
    let known = shards.into_iter().flat_map(|endpoint| {
        let role = endpoint.path().rsplit('/').next().unwrap_or_default();
        let keys = endpoint.keys().unwrap_or_default();
        keys.iter().map(move |key| (role.to_owned(), (*key).to_owned()))
    });
    assert_eq!(documented.collect::<BTreeSet<_>>(), known.collect());
}
