//! When a change is in the air, so that everybody is asked faster.

use super::cluster::{Cluster, Endpoints, get};
use super::endpoint::Word;
use super::topology::{NoneWhy, Primary};
use crate::time::{Duration, Instant};

/// How long haste lasts without anything new.
pub(super) const HASTE_FOR: Duration = Duration::from_secs(60);
/// A view that old arouses no suspicion any more.
const VIEW_COUNTS_FOR: Duration = Duration::from_secs(16);

impl Cluster {
    /// Whether anything says that the primary changes, has changed, or is about to.
    pub(super) fn is_suspect(
        &self,
        endpoints: &Endpoints,
        now: Instant,
        primary: &Primary,
    ) -> bool {
        match primary {
            Primary::None(NoneWhy::Starting | NoneWhy::StandbyCluster | NoneWhy::Unknown) => false,
            Primary::None(
                NoneWhy::NoneAnswered
                | NoneWhy::NobodyClaims
                | NoneWhy::GaveUp(..)
                | NoneWhy::KeyGone
                | NoneWhy::KeyMoved(_)
                | NoneWhy::Unreachable
                | NoneWhy::Conflict(_)
                | NoneWhy::Fenced(_)
                | NoneWhy::Unagreed,
            )
            | Primary::Kept(..)
            | Primary::Hearsay(_) => true,
            Primary::Confirmed(_) => self.is_shaky(endpoints, now),
        }
    }

    /// Whether anything speaks against the one that is confirmed.
    fn is_shaky(&self, endpoints: &Endpoints, now: Instant) -> bool {
        let Some(incumbent) = &self.incumbent else { return true };
        let Some(own) = get(endpoints, incumbent.endpoint) else { return true };
        let silent = own.failure.is_some();
        let unsure = own.report.as_ref().is_none_or(|report| report.word() != Word::Claims);
        // Virtual routers follow a new primary at its second word.
        let once = self.former.is_some() && incumbent.claimed == incumbent.since;
        let by_reports = self.seats.iter().any(|seat| {
            self.report(endpoints, seat.endpoint).is_some_and(|report| {
                let answer = &report.answer;
                let fresh = report.sent + VIEW_COUNTS_FOR > now;
                let higher = answer.timeline.is_some_and(|t| t > incumbent.timeline);
                let unlocked = answer.cluster_unlocked && !answer.failsafe_active && !answer.pause;
                fresh && (higher || unlocked)
            })
        });
        let by_views = self.views(endpoints).any(|(_, view)| {
            let leader = view.answer.leader();
            let timeline = leader.and_then(|leader| leader.timeline);
            // One that is cut off shows what it showed before.
            let behind = view.since <= incumbent.since
                || self.former.is_some_and(|ix| self.gives_key(endpoints, view, ix));
            let leaving = leader.is_some() && timeline.is_none();
            let higher = timeline.is_some_and(|timeline| timeline > incumbent.timeline);
            let not_its = !behind && !self.gives_key(endpoints, view, incumbent.endpoint);
            let fresh = view.sent + VIEW_COUNTS_FOR > now;
            // In pause, a leader that runs not or has no key is nothing new; another's key is.
            let is_anothers = not_its && leader.is_some();
            let suspicious = leaving || higher || not_its;
            fresh && (is_anothers || suspicious && !view.answer.pause)
        });
        silent || unsure || once || by_reports || by_views
    }

    /// Whether haste is in order, as long as new facts keep coming.
    pub(super) fn wants_haste(
        &self,
        endpoints: &Endpoints,
        now: Instant,
        primary: &Primary,
    ) -> bool {
        let lasting = now < self.last_fact + HASTE_FOR || mutated!(HasteForever);
        lasting && self.is_suspect(endpoints, now, primary)
    }
}
