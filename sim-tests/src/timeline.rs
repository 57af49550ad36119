//! What a run looked like, as one self-contained page.
//!
//! Times are nanoseconds since the run began. The page computes with JavaScript's numbers, which
//! hold whole nanoseconds exactly for 104 days.

use serde::Serialize;

const PAGE: &str = include_str!("timeline/page.html");
const STYLE: &str = include_str!("timeline/page.css");
const SCRIPT: &str = concat!(
    include_str!("timeline/time.js"),
    include_str!("timeline/model.js"),
    include_str!("timeline/details.js"),
    include_str!("timeline/draw.js"),
    include_str!("timeline/adverts.js"),
    include_str!("timeline/view.js"),
    include_str!("timeline/list.js"),
);

/// One run of a cluster, as far as the page shows it. Lists need no order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Timeline {
    /// The name of the scenario.
    pub title: String,
    /// What a reader wants to know first, such as `seed 4711: 3 routers, VRRPv3, 1 s`.
    pub subtitle: String,
    /// The command line that replays the run.
    pub replay: String,
    /// When the run ended.
    pub end_ns: u64,
    /// The routers; a `node` elsewhere is an index into this list.
    pub nodes: Vec<Node>,
    /// What each node was, and when. Spans of one node don't overlap.
    pub states: Vec<StateSpan>,
    /// Which node held which VIP in its kernel. Spans of one node and one VIP don't overlap.
    pub holdings: Vec<Holding>,
    /// What was done to the cluster.
    pub faults: Vec<Fault>,
    /// Every advert, once for each node it was on its way to.
    pub adverts: Vec<Advert>,
    /// Whom the client's neighbour cache points to. Spans of one VIP don't overlap.
    pub client: Vec<ClientSpan>,
    /// Gratuitous ARP and unsolicited neighbour advertisements.
    pub announcements: Vec<Announcement>,
    /// The invariant that ended the run, if one was broken.
    pub violation: Option<Violation>,
}

/// A router, which has a lane on the page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Node {
    /// Its name in the scenario.
    pub name: String,
    /// Its own address, the source of its adverts.
    pub address: String,
    /// Its configured priority.
    pub priority: u8,
}

/// What a node is at some time: a state of RFC 9568, or one that its host is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Phase {
    /// The router runs and takes no part.
    Initialize,
    /// The router listens.
    Backup,
    /// The router believes that it owns the VIPs.
    Master,
    /// The router goes, and serves until another does.
    Leaving,
    /// The process or its host is stopped and will go on.
    Paused,
    /// There is no process.
    Down,
}

/// A time that a node spent in one phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StateSpan {
    /// The node.
    pub node: usize,
    /// When it began.
    pub from_ns: u64,
    /// When it ended.
    pub to_ns: u64,
    /// What the node was.
    pub state: Phase,
    /// Why it became that, in words.
    pub reason: String,
}

/// A time that a node's kernel held a VIP, whatever the node's router believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Holding {
    /// The node.
    pub node: usize,
    /// The VIP.
    pub vip: String,
    /// When the kernel took it.
    pub from_ns: u64,
    /// When the kernel let it go.
    pub to_ns: u64,
}

/// Something that the scenario did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// When it began.
    pub from_ns: u64,
    /// When it ended: the same as `from_ns` for what takes no time, such as a kill.
    pub to_ns: u64,
    /// What it was, in words.
    pub text: String,
    /// The nodes it was done to; none means all of them.
    pub nodes: Vec<usize>,
}

/// An advert on its way to one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Advert {
    /// The node that sent it.
    pub from: usize,
    /// The node it was on its way to.
    pub to: usize,
    /// When it was sent.
    pub sent_ns: u64,
    /// When it arrived; `None` if it was lost.
    pub arrived_ns: Option<u64>,
    /// The priority in it; 0 is a farewell.
    pub priority: u8,
    /// What else there is to say about it, such as why it was dropped.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// A time that the client's neighbour cache pointed to one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClientSpan {
    /// The VIP that the client looks for.
    pub vip: String,
    /// The node it reaches; `None` while it has no entry.
    pub node: Option<usize>,
    /// When it began.
    pub from_ns: u64,
    /// When it ended.
    pub to_ns: u64,
}

/// A node told its neighbours that a VIP is its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Announcement {
    /// The node.
    pub node: usize,
    /// When it was sent.
    pub at_ns: u64,
    /// The VIP.
    pub vip: String,
}

/// An invariant that the run broke.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Its id, such as `V2`.
    pub invariant: String,
    /// When it was broken.
    pub at_ns: u64,
    /// What happened, in words.
    pub text: String,
}

/// The page that shows `timeline`: one file of HTML that needs nothing else.
pub fn render(timeline: &Timeline) -> String {
    let json =
        serde_json::to_string(timeline).expect("a timeline has nothing but strings for keys");
    // In JSON, `<` stands in strings alone. Without it, no text can end the block it is in.
    let json = json.replace('<', "\\u003c");
    // The data comes last, so that nothing in it is taken for a mark.
    PAGE.replacen("/*style*/", STYLE, 1)
        .replacen("/*script*/", SCRIPT, 1)
        .replacen("/*data*/", &json, 1)
}
