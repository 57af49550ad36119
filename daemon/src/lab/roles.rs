//! Primary and replicas change places, and every daemon is watched as it tells of that.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use openproxy::discovery::document::ShardObject;
use serde_json::{Value, json};

use super::clock;
use super::cluster::Cluster;
use super::error::{Context, LabError};
use super::judge::millis;
use super::net::address;
use super::stand_in::StandIn;

/// From the first write that a new primary accepts to the line that names it.
const NAMED_WITHIN: Duration = Duration::from_millis(300);
/// What is waited for beyond that, before it counts as never.
const PATIENCE: Duration = Duration::from_secs(5);
/// A leader that hands over is seen to do so for about so long before its successor writes.
const LEAVING: Duration = Duration::from_millis(1_500);
/// How long a primary whose Patroni is dead keeps its key; a real one does for up to 30 s.
const KEY_KEPT: Duration = Duration::from_secs(2);
/// From the key's end to the next one's first write.
const VOTING: Duration = Duration::from_millis(500);

/// What a daemon said, and when.
type Said = Arc<Mutex<Vec<(Duration, ShardObject)>>>;

/// What came of one change of places.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    what: &'static str,
    from: usize,
    to: usize,
    /// How long after its first write each daemon named the new one.
    named_after: Vec<Option<Duration>>,
    /// For how long, in all, the old one was confirmed after that.
    old_confirmed: Duration,
    /// What the last node's daemon said of the primary meanwhile.
    words: Vec<String>,
    failure: Option<String>,
}

impl Change {
    /// Whether everybody was told in time, and nothing wrong.
    pub(crate) fn holds(&self) -> bool {
        let in_time = |after: &Option<Duration>| after.is_some_and(|after| after <= NAMED_WITHIN);
        self.named_after.iter().all(in_time)
            && self.old_confirmed.is_zero()
            && self.failure.is_none()
    }

    /// A line about it, and one for everything that was said meanwhile.
    pub(crate) fn lines(&self) -> Vec<String> {
        let after = |after: &Option<Duration>| {
            after.map_or_else(|| "never".to_owned(), |after| format!("{:.0}", millis(after)))
        };
        let after: Vec<String> = self.named_after.iter().map(after).collect();
        let verdict = if self.holds() { "ok" } else { "BROKEN" };
        let why = self.failure.as_ref().map_or_else(String::new, |why| format!(": {why}"));
        let line = format!(
            "  {:<27} node {} -> node {}, told by all after {} ms, the old one confirmed for {:.0} ms \
             more  {verdict}{why}",
            self.what,
            self.from + 1,
            self.to + 1,
            after.join(", "),
            millis(self.old_confirmed)
        );
        let words = self.words.iter().map(|words| format!("      primary: {words}"));
        std::iter::once(line).chain(words).collect()
    }

    /// The same for `--json`.
    pub(crate) fn json(&self) -> Value {
        json!({
            "what": self.what,
            "from": self.from + 1,
            "to": self.to + 1,
            "named_after_ms": self.named_after.iter().map(|after| after.map(millis)).collect::<Vec<_>>(),
            "named_after_bound_ms": millis(NAMED_WITHIN),
            "old_confirmed_ms": millis(self.old_confirmed),
            "failure": self.failure,
            "ok": self.holds(),
        })
    }
}

/// Lets the primary change places twice: by a switchover, and since its Patroni dies.
pub(crate) fn run(cluster: &mut Cluster, stand_in: &StandIn) -> Result<Vec<Change>, LabError> {
    let said: Vec<Said> =
        cluster.nodes.iter().map(|node| watch(&node.socket())).collect::<Result<_, _>>()?;
    let begin = clock::now();
    let failure = wait_confirmed(cluster, &said, 0, begin)?;
    let mut changes = vec![switch_over(cluster, stand_in, &said)?];
    changes.push(patroni_dies(cluster, stand_in, &said)?);
    stand_in.script().silent = None;
    if let (Some(first), Some(why)) = (changes.first_mut(), failure) {
        first.failure.get_or_insert(why);
    }
    Ok(changes)
}

fn switch_over(
    cluster: &mut Cluster,
    stand_in: &StandIn,
    said: &[Said],
) -> Result<Change, LabError> {
    let (from, to) = (0, 1);
    let begun = clock::now();
    stand_in.script().is_leaving = true;
    cluster.wait_until("the primary hands over", begun + LEAVING)?;
    let wrote = promote(stand_in, to);
    measure(cluster, said, "switchover", (from, to), (begun, wrote))
}

fn patroni_dies(
    cluster: &mut Cluster,
    stand_in: &StandIn,
    said: &[Said],
) -> Result<Change, LabError> {
    let (from, to) = (1, 0);
    let fault = clock::now();
    stand_in.script().silent = Some(from);
    cluster.wait_until("the primary's Patroni is dead", fault + KEY_KEPT)?;
    // Its PostgreSQL goes on, and nobody else is primary yet.
    let dropped = said.iter().any(|said| last(said).is_none_or(|shard| !names(&shard, from)));
    stand_in.script().leader = None;
    cluster.wait_until("the others vote", clock::now() + VOTING)?;
    let wrote = promote(stand_in, to);
    let mut change =
        measure(cluster, said, "Patroni of the primary dies", (from, to), (fault, wrote))?;
    if dropped {
        let why = "a primary that still had its key was dropped for its Patroni's silence";
        change.failure.get_or_insert(why.to_owned());
    }
    Ok(change)
}

/// Another one accepts writes from now on.
fn promote(stand_in: &StandIn, to: usize) -> Duration {
    let mut script = stand_in.script();
    (script.leader, script.is_leaving) = (Some(to), false);
    script.timeline += 1;
    clock::now()
}

fn measure(
    cluster: &mut Cluster,
    said: &[Said],
    what: &'static str,
    (from, to): (usize, usize),
    (begun, wrote): (Duration, Duration),
) -> Result<Change, LabError> {
    let failure = wait_confirmed(cluster, said, to, wrote)?;
    let end = clock::now();
    let named_after = said.iter().map(|said| {
        let said = said.lock().unwrap_or_else(PoisonError::into_inner);
        let mut after = said.iter().filter(|(at, shard)| *at >= wrote && confirms(shard, to));
        after.next().map(|(at, _)| *at - wrote)
    });
    let old_confirmed = said.iter().map(|said| confirmed_for(said, from, wrote, end)).sum();
    let (named_after, words) = (named_after.collect(), words(said, begun));
    Ok(Change { what, from, to, named_after, old_confirmed, words, failure })
}

/// Waits until all confirm a node; the reason if that doesn't come to pass.
fn wait_confirmed(
    cluster: &mut Cluster,
    said: &[Said],
    node: usize,
    since: Duration,
) -> Result<Option<String>, LabError> {
    let what = format!("node {} must be told of as primary", node + 1);
    let deadline = since + NAMED_WITHIN + PATIENCE;
    while clock::now() < deadline {
        if said.iter().all(|said| last(said).is_some_and(|shard| confirms(&shard, node))) {
            return Ok(None);
        }
        cluster.wait_until(&what, clock::now() + Duration::from_millis(10))?;
    }
    Ok(Some(what))
}

/// For how long a daemon confirmed a node from one moment to another.
fn confirmed_for(said: &Said, node: usize, from: Duration, to: Duration) -> Duration {
    let said = said.lock().unwrap_or_else(PoisonError::into_inner);
    let ends = said.iter().skip(1).map(|(at, _)| *at).chain([to]);
    let spans = said.iter().zip(ends).filter(|((_, shard), _)| confirms(shard, node));
    spans.map(|((begun, _), ended)| ended.min(to).saturating_sub(*begun.max(&from))).sum()
}

/// What the last daemon said of the primary from a moment on, doubled words once.
fn words(said: &[Said], from: Duration) -> Vec<String> {
    let Some(said) = said.last() else { return vec![] };
    let said = said.lock().unwrap_or_else(PoisonError::into_inner);
    let since = said.iter().filter(|(at, _)| *at >= from);
    let mut words: Vec<String> = since.map(|(_, shard)| shard.primary.reason.clone()).collect();
    words.dedup();
    words
}

fn last(said: &Said) -> Option<ShardObject> {
    said.lock().unwrap_or_else(PoisonError::into_inner).last().map(|(_, shard)| shard.clone())
}

fn names(shard: &ShardObject, node: usize) -> bool {
    shard.primary.address.host == Some(address(node).to_string())
}

fn confirms(shard: &ShardObject, node: usize) -> bool {
    shard.primary.status == "confirmed" && names(shard, node)
}

/// Reads what a daemon says on its socket, on a thread that ends with the daemon.
fn watch(socket: &std::path::Path) -> Result<Said, LabError> {
    let what = format!("ask the daemon at {}", socket.display());
    let mut stream = UnixStream::connect(socket).context(&what)?;
    stream.write_all(b"GET /topology?watch HTTP/1.1\r\nHost: lab\r\n\r\n").context(&what)?;
    let said = Said::default();
    let shared = Arc::clone(&said);
    thread::Builder::new()
        .name("watch".to_owned())
        .spawn(move || {
            // What isn't JSON belongs to HTTP.
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                if let Ok(shard) = serde_json::from_str(&line) {
                    let at = clock::now();
                    shared.lock().unwrap_or_else(PoisonError::into_inner).push((at, shard));
                }
            }
        })
        .context(&what)?;
    Ok(said)
}
