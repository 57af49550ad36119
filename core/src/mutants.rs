//! Deliberate bugs, one at a time, to show that the simulator catches them.
//!
//! A site asks `mutated!(Name)`, which is the literal `false` in a build without the feature
//! `mutants`: nothing of this is in what is shipped. The switch belongs to a thread, as a
//! simulation does.

use std::cell::Cell;

thread_local! {
    static ACTIVE: Cell<Option<Mutant>> = const { Cell::new(None) };
}

/// Runs something with one bug, or with none, on this thread; the one from before comes back.
pub fn with<R>(mutant: Option<Mutant>, run: impl FnOnce() -> R) -> R {
    let _restore = Restore(ACTIVE.replace(mutant));
    run()
}

pub(crate) fn is_active(mutant: Mutant) -> bool {
    ACTIVE.get() == Some(mutant)
}

/// Puts back what was active, after a panic too.
struct Restore(Option<Mutant>);

impl Drop for Restore {
    fn drop(&mut self) {
        ACTIVE.set(self.0);
    }
}

macro_rules! mutants {
    (
        $(#[doc = $bug:literal] $mutant:ident = $name:literal,)+
        discovery:
        $(#[doc = $wrong:literal] $discovery:ident = $found_as:literal,)+
    ) => {
        /// A bug that whoever writes a VRRP router, or looks for a primary, could make.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Mutant {
            $(#[doc = $bug] $mutant,)+
            $(#[doc = $wrong] $discovery,)+
        }

        impl Mutant {
            /// All of a virtual router.
            pub const ALL: &[Self] = &[$(Self::$mutant),+];
            /// All of discovery.
            pub const DISCOVERY: &[Self] = &[$(Self::$discovery),+];

            /// Its name, for command lines and reports.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$mutant => $name,)+
                    $(Self::$discovery => $found_as,)+
                }
            }
        }
    };
}

mutants! {
    /// A node that has slept through its lease resets connections, though the VIP is another's by now.
    ResetAfterLapse = "reset_after_lapse",
    /// A VIP that can't be renewed is taken for gone, and stays when the router steps down.
    RefusedRenewalForgotten = "refused_renewal_forgotten",
    /// A BACKUP that wakes up takes what its full receive buffer kept for all that came.
    TakenForAllThatCame = "taken_for_all_that_came",
    /// A claim of a VIP by another, soon after the one before, stays unanswered.
    ClaimsDropped = "claims_dropped",
    /// A MASTER answers a lesser advert before it has read the others.
    AnsweredBeforeAllIsRead = "answered_before_all_is_read",
    /// A BACKUP never replaces a lesser MASTER, though it is to preempt.
    PreemptIgnored = "preempt_ignored",
    /// A BACKUP replaces a lesser MASTER, though it is not to preempt.
    PreemptOffIgnored = "preempt_off_ignored",
    /// A BACKUP replaces a lesser MASTER at once, whatever its `preempt_delay`.
    PreemptDelayIgnored = "preempt_delay_ignored",
    /// Of two MASTERs with the same priority, both yield.
    EqualYields = "equal_yields",
    /// Of two MASTERs with the same priority, the one with the lesser address stays.
    TieBreakReversed = "tie_break_reversed",
    /// A MASTER goes on against a better one.
    BetterMasterIgnored = "better_master_ignored",
    /// The owner of the addresses yields to anybody.
    OwnerYields = "owner_yields",
    /// A BACKUP doesn't take up the interval of its MASTER.
    IntervalNotLearned = "interval_not_learned",
    /// A BACKUP takes no notice of priority 0.
    ZeroIgnored = "zero_ignored",
    /// Priority 0 of anybody starts an election, not the MASTER's alone.
    AnyZeroElects = "any_zero_elects",
    /// A BACKUP advertises whenever it has heard a better router.
    BackupAdvertises = "backup_advertises",
    /// A process that was stopped beyond its lease is MASTER again at once, without listening.
    LapsedReturnsAtOnce = "lapsed_returns_at_once",
    /// A version 2 router discards adverts with another interval, and holds off from nobody.
    MismatchDiscarded = "mismatch_discarded",
    /// A change of priority sets a BACKUP's timer anew, however long it has run.
    PriorityRestartsTimer = "priority_restarts_timer",
    /// A MASTER that wakes late sends all the adverts that it missed.
    MissedAdvertsSent = "missed_adverts_sent",
    /// The next advert counts from when this one was sent, so that every late wake-up adds up.
    AdvertTimerDrifts = "advert_timer_drifts",
    /// A BACKUP waits for two intervals instead of three.
    TwoMissedAdverts = "two_missed_adverts",
    /// Version 3 skews by up to a second, as version 2 does, whatever the interval.
    SkewInSeconds = "skew_in_seconds",
    /// The skew grows with the priority, so that the least router is first.
    SkewReversed = "skew_reversed",
    /// Without skew, all BACKUPs take over at once.
    SkewMissing = "skew_missing",
    /// A slow MASTER's interval stays capped, however long it keeps it.
    CapNeverLifted = "cap_never_lifted",
    /// One advert with the longest interval is believed at once.
    IntervalUncapped = "interval_uncapped",
    /// Timers run before the adverts that have arrived are read.
    TimersBeforeArrivals = "timers_before_arrivals",
    /// An advert counts from when it is read, not from when it arrived.
    CountedFromReading = "counted_from_reading",
    /// An advert that has passed a router is accepted.
    TtlUnchecked = "ttl_unchecked",
    /// An advert of our own that comes back is taken for another's.
    OwnSourceAccepted = "own_source_accepted",
    /// An advert of a VRID that has no router here is taken for one of ours.
    VridUnchecked = "vrid_unchecked",
    /// An advert of another version is accepted.
    VersionUnchecked = "version_unchecked",
    /// A unicast router hears anybody.
    PeersUnchecked = "peers_unchecked",
    /// An advert need not be as long as it says: the rest may be missing.
    LengthUnchecked = "length_unchecked",
    /// An advert with a wrong checksum is accepted.
    ChecksumUnchecked = "checksum_unchecked",
    /// The kernel is never asked to renew the leases of a MASTER's VIPs.
    LeaseNotRenewed = "lease_not_renewed",
    /// An advert that could not be sent renews the leases all the same.
    LeaseRenewedUnsent = "lease_renewed_unsent",
    /// Leases are twice as long, and outlive the takeover by a BACKUP.
    LeaseTooLong = "lease_too_long",
    /// A MASTER whose own lease has passed goes on as if nothing had happened.
    LapseUnnoticed = "lapse_unnoticed",
    /// A MASTER whose own lease has passed notices only after it has answered and advertised.
    LapseNoticedLast = "lapse_noticed_last",
    /// An advert that could not be sent is taken for sent.
    SendFailureIgnored = "send_failure_ignored",
    /// An advert that could not be sent is not tried again before the next one.
    SendNotRetried = "send_not_retried",
    /// A MASTER that can't go on leaves without priority 0.
    ZeroOmitted = "zero_omitted",
    /// A MASTER that can't go on says priority 0 twice.
    ZeroSentTwice = "zero_sent_twice",
    /// A MASTER that yields sends no last advert.
    FarewellOmitted = "farewell_omitted",
    /// A MASTER that yields sends its last advert while its VIPs are still on.
    FarewellEarly = "farewell_early",
    /// A MASTER lets a lesser one advertise, and says nothing.
    LesserUnanswered = "lesser_unanswered",
    /// A MASTER answers a lesser one with an advert alone: neighbours keep the other's MAC address.
    AnswerUnannounced = "answer_unannounced",
    /// Every lesser advert is answered, however many there are.
    AnswersUnbounded = "answers_unbounded",
    /// VIPs are announced to neighbours when they are asked for, before the kernel has them.
    AnnouncedBeforeAdded = "announced_before_added",
    /// VIPs are announced once, and not again: a lost frame is never made good.
    AnnouncedOnce = "announced_once",
    /// Another host that announces a VIP has the last word.
    ClaimUnanswered = "claim_unanswered",
    /// VIPs stay on the interface when their router leaves MASTER.
    VipsKeptOnExit = "vips_kept_on_exit",
    /// VIPs stay on the interface until the demote hook has ended.
    VipsAwaitDemoteHook = "vips_await_demote_hook",
    /// A VIP that is there already counts as refused.
    ExistsRefused = "exists_refused",
    /// A VIP that is there already, somebody else's and without a lease, is left as it is.
    ExistsNotConverted = "exists_not_converted",
    /// A VIP that can't be removed because it isn't there counts as still there.
    NotFoundRetried = "not_found_retried",
    /// A removal that failed is not tried again.
    RemovalNotRetried = "removal_not_retried",
    /// A VIP that somebody takes away from a MASTER is not put back.
    TakenAwayNotPutBack = "taken_away_not_put_back",
    /// A VIP whose add ends after its router has left MASTER is not removed again.
    LateAddKept = "late_add_kept",
    /// The result of an operation that nobody waits for any more counts for the one under way.
    OldResultsCounted = "old_results_counted",
    /// A VIP that is taken from the file stays on the interface.
    DroppedVipKept = "dropped_vip_kept",
    /// A MASTER whose VIP the kernel refuses stays MASTER without it.
    RefusalIgnored = "refusal_ignored",
    /// What an earlier process left on the interface stays there.
    LeftoversKept = "leftovers_kept",
    /// The clean-up at the start removes VIPs that somebody else has added.
    ForeignCleanedUp = "foreign_cleaned_up",
    /// A router takes part although its link is down.
    LinkDownIgnored = "link_down_ignored",
    /// A router goes on with a source address that the interface has no more.
    SourceGoneIgnored = "source_gone_ignored",
    /// A VIP can be the source of adverts.
    VipAsSource = "vip_as_source",
    /// Lost netlink events are told of, and links and addresses not read anew.
    OverrunIgnored = "overrun_ignored",
    /// Links and addresses that could not be read are not tried again.
    DumpNotRetried = "dump_not_retried",
    /// A socket that could not be opened is not tried again.
    SocketNotRetried = "socket_not_retried",
    /// VIPs are added without waiting for the promote hook.
    PromoteHookNotAwaited = "promote_hook_not_awaited",
    /// A promote hook that fails stops nothing, though it is to abort.
    HookFailureIgnored = "hook_failure_ignored",
    /// A check that must be well may fail.
    CheckFaultIgnored = "check_fault_ignored",
    /// A check that fails leaves the priority as it is.
    CheckWeightIgnored = "check_weight_ignored",
    /// A router becomes MASTER without the others of its group.
    GroupPromotesAlone = "group_promotes_alone",
    /// The others of its group stay MASTER when a router leaves.
    GroupNotFollowed = "group_not_followed",
    /// A reload replaces every router by a new one, what has not changed too.
    ReloadRestartsAll = "reload_restarts_all",
    /// A shutdown ends before the VIPs are off.
    RemovalsNotAwaited = "removals_not_awaited",
    /// A shutdown waits for ever for what never ends.
    ShutdownUnbounded = "shutdown_unbounded",
    /// A planned stop lets go of the VIPs at once.
    HandoverOmitted = "handover_omitted",
    /// One that hands over doesn't listen for whoever follows.
    SuccessorUnheard = "successor_unheard",
    /// Leases run out during a handover.
    LeavingNotRenewed = "leaving_not_renewed",
    /// The loss of one priority 0 is the loss of the handover.
    SecondZeroOmitted = "second_zero_omitted",
    /// The guard doesn't hear what there is to hand over.
    GuardUntold = "guard_untold",
    /// A guard puts VIPs back.
    GuardAdds = "guard_adds",
    /// A guard believes what it knows, however old that is.
    OldBequestBelieved = "old_bequest_believed",
    /// A guard waits for a successor as long as a planned stop would.
    GuardUncut = "guard_uncut",
    /// A process that goes on where another was killed advertises off its grid.
    HeirOffGrid = "heir_off_grid",
    /// A program that takes the place of another doesn't ask what that one served.
    HeirAsksNobody = "heir_asks_nobody",
    /// The clean-up at the start takes off what was inherited, too.
    InheritanceCleanedUp = "inheritance_cleaned_up",
    /// The guard doesn't wait for the program that takes the place of its process.
    HeirNotAwaited = "heir_not_awaited",

discovery:
    /// A role that isn't known counts as primary.
    UnknownRoleIsPrimary = "unknown_role_is_primary",
    /// A node is primary by its role alone, whatever the state of PostgreSQL.
    StateIgnored = "state_ignored",
    /// A primary on a lower timeline than one before is believed.
    FenceIgnored = "fence_ignored",
    /// Of two primaries on one timeline, the first is named.
    EqualTimelinesIgnored = "equal_timelines_ignored",
    /// Whoever holds the leader key by the latest view is named, whatever it says of itself.
    LeaderKeyIsProof = "leader_key_is_proof",
    /// A silent primary stays confirmed though its leader key is gone.
    KeyGoneIgnored = "key_gone_ignored",
    /// What a node that is cut off says of the leader key counts against the new primary.
    StaleViewBelieved = "stale_view_believed",
    /// In Patroni's pause, a silent primary is dropped with its key.
    PauseIgnored = "pause_ignored",
    /// What was said once stays fresh.
    EvidenceNeverAges = "evidence_never_ages",
    /// An answer is as fresh as when it came, not as when it was asked for.
    AnswerTimeCounts = "answer_time_counts",
    /// Something is told before every server has answered or failed once.
    ToldAtFirstAnswer = "told_at_first_answer",
    /// One failed probe closes a port.
    OneFailureDecides = "one_failure_decides",
    /// An endpoint is asked again while a request to it is under way.
    AskedTwiceAtOnce = "asked_twice_at_once",
    /// An endpoint that hung is asked again at once.
    HangNotRested = "hang_not_rested",
    /// An endpoint is asked as often as the grid says, however many requests that makes a second.
    BudgetIgnored = "budget_ignored",
    /// `/cluster` is asked although its node says that the DCS is down.
    FailsafeNotSpared = "failsafe_not_spared",
    /// Haste goes on though nothing new happens.
    HasteForever = "haste_forever",
    /// Servers of another database count as this one's.
    SystemsMerged = "systems_merged",
    /// The virtual router follows a primary that nothing confirms.
    KeptDecides = "kept_decides",
    /// One look moves the virtual router.
    OneLookMoves = "one_look_moves",
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::panic::catch_unwind;

    use super::*;

    #[test]
    fn every_mutant_has_a_name_of_its_own_in_small_words() {
        let all = || Mutant::ALL.iter().chain(Mutant::DISCOVERY);
        let names: BTreeSet<_> = all().map(|mutant| mutant.name()).collect();
        assert_eq!(names.len(), all().count());
        for mutant in all() {
            let camel = format!("{mutant:?}").to_lowercase();
            assert_eq!(mutant.name().replace('_', ""), camel);
        }
    }

    #[test]
    fn what_was_active_comes_back_after_a_run_and_after_a_panic() {
        assert!(!mutated!(ZeroIgnored));
        with(Some(Mutant::ZeroIgnored), || {
            assert!(mutated!(ZeroIgnored));
            with(None, || assert!(!mutated!(ZeroIgnored)));
            let panicked = catch_unwind(|| {
                with(Some(Mutant::EqualYields), || {
                    assert!(mutated!(EqualYields) && !mutated!(ZeroIgnored));
                    panic!("on purpose");
                })
            });
            assert!(panicked.is_err() && mutated!(ZeroIgnored));
        });
        assert!(!mutated!(ZeroIgnored));
    }

    #[test]
    fn a_mutant_belongs_to_its_thread() {
        with(Some(Mutant::ZeroIgnored), || {
            let elsewhere = std::thread::spawn(|| mutated!(ZeroIgnored));
            assert!(!elsewhere.join().expect("no panic"));
        });
    }
}
