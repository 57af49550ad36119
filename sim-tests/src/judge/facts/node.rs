//! What is known of one node.

use std::time::Duration;

use openproxy_core::vrrp::{Priority, RouterConfig, StateName};
use openproxy_io_sim::NodeId;
use openproxy_io_sim::clock::SimTime;
use openproxy_io_sim::kernel::Cause;

/// A valid advert that came to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// When.
    pub at: SimTime,
    /// From whom.
    pub from: NodeId,
    /// 0 to 255.
    pub priority: u8,
    /// The interval in it.
    pub interval: Duration,
}

/// An exchange of programs where all else was well.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// When the old one was gone.
    pub at: SimTime,
    /// When the new one began.
    pub until: SimTime,
    /// The state of its router then.
    pub state: StateName,
    /// When it last sent an advert as MASTER.
    pub sent_at: Option<SimTime>,
    /// Its configuration.
    pub config: RouterConfig,
    /// How many faults had begun and ended.
    pub edges: u32,
}

impl Exchange {
    /// How long what a MASTER leaves is valid: two intervals after it last said that it was alive, as
    /// it stood still for this.
    #[must_use]
    pub fn known_for(&self) -> Duration {
        self.config.interval.duration() * 2
    }
}

/// What is known of one node.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its process runs (it may be stopped).
    pub up: bool,
    /// It is a guard, whose process was killed.
    pub is_guard: bool,
    /// How long its process had been stopped when it died.
    pub died_after: Duration,
    /// When its program was replaced, while nobody has come in its place.
    pub replaced_at: Option<SimTime>,
    /// That, where all else was well; until its node has another process, or a guard.
    pub exchange: Option<Exchange>,
    /// When its process began.
    pub started_at: SimTime,
    /// When it was asked to end.
    pub asked_at: Option<SimTime>,
    /// Whether it was MASTER then, all others BACKUP, and nothing amiss for a while.
    pub stops_calmly: bool,
    /// Whether it was MASTER then, and could send; nobody can tell of one whose machine ails.
    pub owes_zero: Option<bool>,
    /// Zeros sent since it was asked to end.
    pub zeros_sent: u32,
    /// Since when it has been stopped.
    pub paused_at: Option<SimTime>,
    /// When it last went on.
    pub resumed_at: Option<SimTime>,
    /// Its file changed while it was stopped.
    pub unread_config: Option<RouterConfig>,
    /// Its configuration.
    pub config: Option<RouterConfig>,
    /// Its priority now, checks counted.
    pub priority: Priority,
    /// When its configuration or priority last changed.
    pub changed_at: SimTime,
    /// The state it told of last.
    pub state: StateName,
    /// Since when.
    pub state_since: SimTime,
    /// VIPs of ours in its kernel, one bit each.
    pub ours: u8,
    /// VIPs in its kernel, whoever put them there.
    pub present: u8,
    /// When that of ours last changed, and who did it.
    pub ours_since: (SimTime, Cause),
    /// When one last came.
    pub came_at: SimTime,
    /// VIPs that lay there when the process began, and have not gone since.
    pub leftover: u8,
    /// When it last announced.
    pub announced_at: Option<SimTime>,
    /// It told that it serves in part.
    pub in_part: bool,
    /// Faults that make the kernel or the network of the machine fail: how many are active.
    pub ailments: u32,
    /// Until when what they left excuses a router that is out of step.
    pub ailed_until: SimTime,
    /// How many faults keep netlink events from it.
    pub blind: u32,
    /// When it will have read anew what those events would have told.
    pub sighted_at: SimTime,
    /// Since when adverts can't be sent.
    pub mute_since: Option<SimTime>,
    /// When they could be again.
    pub unmuted_at: SimTime,
    /// Since when its check fails.
    pub check_fails_since: Option<SimTime>,
    /// Its promote hook runs, and the VIPs wait for it.
    pub gate_closed: bool,
    /// How long it was last stopped.
    pub paused_for: Duration,
    /// When its machine was started.
    pub booted_at: SimTime,
    /// When it last sent an advert as MASTER.
    pub sent_at: Option<SimTime>,
    /// Since when it has heard a lesser MASTER.
    pub lesser_since: Option<SimTime>,
    /// Whether it may have heard it earlier, by what lay unread.
    pub unsure_since_when: bool,
    /// Its cable is in, its interface and its address are there.
    pub cut_off: u32,
    /// The last advert that it had to respect, if any since its process began.
    pub respected: Option<Heard>,
    /// The last advert with a priority above 0.
    pub last_positive: Option<Heard>,
    /// A zero of the MASTER last heard, since then.
    pub released_at: Option<SimTime>,
    /// Adverts it may still send as BACKUP: its farewell.
    pub farewells: u32,
    /// Since it became MASTER or was reconfigured: adverts sent, and what excuses extra ones.
    pub sent: u64,
    /// Lesser adverts and zeros heard in that time.
    pub provoked: u64,
    /// The same within one turn.
    pub sent_in_turn: u32,
    /// Adverts of others handled in this turn.
    pub provoked_in_turn: u32,
    /// Arrived since the last turn: packets that must change nothing.
    pub bad_unread: u32,
    /// Arrived since the last turn: others.
    pub good_unread: u32,
    /// It has an advert of a better MASTER before it, and was MASTER itself when it came.
    pub better_unread: bool,
    /// Yielded to, and when the loser's VIPs were off.
    pub won_at: Option<(SimTime, NodeId)>,
    /// Somebody else announced a VIP that it holds.
    pub claimed_at: Option<SimTime>,
    /// When another announced a VIP last, and a cut or noise may have kept that from it; or it did so
    /// itself, and the clients were cut off.
    pub unheard_at: Option<SimTime>,
    /// When it last won, before that.
    pub won_before: Option<SimTime>,
}

impl Node {
    pub(super) fn new() -> Self {
        Self {
            up: false,
            is_guard: false,
            died_after: Duration::ZERO,
            replaced_at: None,
            exchange: None,
            started_at: SimTime::ZERO,
            asked_at: None,
            stops_calmly: false,
            owes_zero: Some(false),
            zeros_sent: 0,
            paused_at: None,
            resumed_at: None,
            unread_config: None,
            config: None,
            priority: Priority::new(1).expect("in range"),
            changed_at: SimTime::ZERO,
            state: StateName::Initialize,
            state_since: SimTime::ZERO,
            ours: 0,
            present: 0,
            ours_since: (SimTime::ZERO, Cause::Process),
            came_at: SimTime::ZERO,
            leftover: 0,
            announced_at: None,
            in_part: false,
            ailments: 0,
            ailed_until: SimTime::ZERO,
            blind: 0,
            sighted_at: SimTime::ZERO,
            mute_since: None,
            unmuted_at: SimTime::ZERO,
            check_fails_since: None,
            gate_closed: false,
            paused_for: Duration::ZERO,
            booted_at: SimTime::ZERO,
            sent_at: None,
            lesser_since: None,
            unsure_since_when: false,
            cut_off: 0,
            respected: None,
            last_positive: None,
            released_at: None,
            farewells: 0,
            sent: 0,
            provoked: 0,
            sent_in_turn: 0,
            provoked_in_turn: 0,
            bad_unread: 0,
            good_unread: 0,
            better_unread: false,
            won_at: None,
            claimed_at: None,
            unheard_at: None,
            won_before: None,
        }
    }

    /// Whether faults on its machine, now or a while ago, excuse a router that is out of step.
    #[must_use]
    pub fn is_ailing(&self, at: SimTime) -> bool {
        self.ailments > 0 || at < self.ailed_until
    }
}
