//! Who says of itself that it is the primary, and who of these is believed.

use super::answer::{SystemIdentifier, Timeline};
use super::cluster::{
    Cluster, Disowned, Endpoints, Fence, Incumbent, Insistence, Regress, Stranger, get,
};
use super::config::Address;
use super::endpoint::{EndpointIx, View, Word};
use super::event::{EventKind, RegressWhy};
use super::topology::{NoneWhy, Primary};
use super::words::{Role, State};
use crate::time::{Duration, Instant};

/// A holder of the fence that was silent for so long can be overruled by all others.
const OVERRULED_AFTER: Duration = Duration::from_secs(60);
/// One that has lost the key and still says that it is primary is believed after this: by then, one
/// that is about to be replaced has been. A new primary is there 2.1 s after the key is gone.
const INSIST_FOR: Duration = Duration::from_secs(5);
/// Only a view that is at most so old has a say about a first claim.
const VIEW_COUNTS_FOR: Duration = Duration::from_secs(16);

/// A fresh word of a running primary about itself.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) endpoint: EndpointIx,
    pub(super) timeline: Timeline,
    pub(super) sent: Instant,
    system: Option<SystemIdentifier>,
}

impl Cluster {
    /// All fresh claims, whichever database they are of.
    fn claims(&self, endpoints: &Endpoints, now: Instant) -> Vec<Claim> {
        let claim = |endpoint: EndpointIx| {
            let asked = get(endpoints, endpoint)?;
            let report = asked.report.as_ref()?;
            let claims = report.word() == Word::Claims;
            let fresh = self.is_fresh(asked, report.sent, now);
            (claims && fresh).then_some(())?;
            let (timeline, system) = (report.answer.timeline?, report.answer.system);
            Some(Claim { endpoint, timeline, sent: report.sent, system })
        };
        self.seats.iter().filter_map(|seat| claim(seat.endpoint)).collect()
    }

    /// Judges the claims; `None` if there are none of this cluster's own.
    pub(super) fn judge_claims(
        &mut self,
        endpoints: &Endpoints,
        now: Instant,
        events: &mut Vec<EventKind>,
    ) -> Option<Primary> {
        let claims = self.claims(endpoints, now);
        let claims = match self.sort_systems(endpoints, claims, events) {
            Ok(claims) => claims,
            Err(conflict) => return Some(self.conflict(&conflict)),
        };
        let highest = claims.iter().map(|claim| claim.timeline).max();
        let Some(highest) = highest else {
            self.regress = None;
            return None;
        };
        let mut top: Vec<Claim> =
            claims.into_iter().filter(|claim| claim.timeline == highest).collect();
        self.put_incumbent_first(&mut top);
        if self.are_several(endpoints, &top) && !mutated!(EqualTimelinesIgnored) {
            return Some(self.conflict(&top));
        }
        let claim = top.into_iter().next()?;
        if let Some(fence) = self.fence.clone().filter(|fence| claim.timeline < fence.timeline)
            && !mutated!(FenceIgnored)
        {
            let Some(why) = self.lifts(endpoints, now, &fence, &claim) else {
                // Whoever is named above the fence isn't touched by it.
                let above = |incumbent: &Incumbent| incumbent.timeline >= fence.timeline;
                let untouched = self.incumbent.as_ref().is_some_and(above);
                let fenced = Primary::None(NoneWhy::Fenced(fence.timeline));
                return (!untouched).then_some(fenced);
            };
            let (from, to) = (fence.timeline, claim.timeline);
            events.push(EventKind::TimelineRegressed { from, to, why });
            self.incumbent = None;
            self.fence = None;
        }
        self.regress = None;
        self.raise_fence(&claim);
        self.consider(endpoints, now, &claim)
    }

    /// Notes the highest claim, once it has been seen.
    fn raise_fence(&mut self, claim: &Claim) {
        if self.fence.as_ref().is_none_or(|fence| fence.timeline < claim.timeline) {
            self.fence = Some(Fence { timeline: claim.timeline, holder: claim.endpoint });
        }
    }

    fn conflict(&self, claims: &[Claim]) -> Primary {
        let mut addresses: Vec<Address> = claims
            .iter()
            .filter_map(|claim| self.seat(claim.endpoint).map(|seat| seat.address.clone()))
            .collect();
        addresses.sort();
        addresses.dedup();
        Primary::None(NoneWhy::Conflict(addresses))
    }

    fn put_incumbent_first(&self, claims: &mut [Claim]) {
        let incumbent = self.incumbent.as_ref().map(|incumbent| incumbent.endpoint);
        claims.sort_by_key(|claim| Some(claim.endpoint) != incumbent);
    }

    /// Whether claims are those of more than one node: one may be reached in two ways.
    fn are_several(&self, endpoints: &Endpoints, claims: &[Claim]) -> bool {
        let name =
            |claim: &Claim| get(endpoints, claim.endpoint)?.report.as_ref()?.answer.name.as_deref();
        let Some((first, others)) = claims.split_first() else { return false };
        others.iter().any(|other| name(other).is_none() || name(other) != name(first))
    }

    /// Leaves the claims of this cluster's database. Another's takes its place only where nobody
    /// claims this one: twice, and as the leader that its own `/cluster` names.
    fn sort_systems(
        &mut self,
        endpoints: &Endpoints,
        claims: Vec<Claim>,
        events: &mut Vec<EventKind>,
    ) -> Result<Vec<Claim>, Vec<Claim>> {
        if mutated!(SystemsMerged) {
            return Ok(claims);
        }
        let mut systems: Vec<SystemIdentifier> =
            claims.iter().filter_map(|claim| claim.system).collect();
        systems.sort();
        systems.dedup();
        match (systems.as_slice(), self.system) {
            ([], _) => Ok(claims),
            ([_, _, ..], _) => Err(claims),
            ([only], None) => {
                self.system = Some(*only);
                Ok(claims)
            }
            ([only], Some(system)) if *only == system => {
                self.stranger = None;
                Ok(claims)
            }
            ([only], Some(from)) => {
                let Some(claim) = claims.iter().find(|claim| claim.system.is_some()) else {
                    return Ok(claims);
                };
                if !self.has_settled(endpoints, *only, claim) {
                    return Ok(Vec::new());
                }
                events.push(EventKind::SystemChanged { from, to: *only });
                self.system = Some(*only);
                (self.fence, self.incumbent, self.stranger) = (None, None, None);
                Ok(claims)
            }
        }
    }

    fn has_settled(
        &mut self,
        endpoints: &Endpoints,
        system: SystemIdentifier,
        claim: &Claim,
    ) -> bool {
        let known = self
            .stranger
            .as_ref()
            .filter(|stranger| stranger.system == system && stranger.endpoint == claim.endpoint);
        let Some(known) = known else {
            let endpoint = claim.endpoint;
            self.stranger = Some(Stranger { system, endpoint, first: claim.sent });
            return false;
        };
        let view = get(endpoints, claim.endpoint).and_then(|endpoint| endpoint.view.as_ref());
        claim.sent > known.first
            && view.is_some_and(|view| {
                view.sent >= known.first && self.gives_key(endpoints, view, claim.endpoint)
            })
    }

    /// Whether a fence is lifted for a claim below it, and by what.
    fn lifts(
        &mut self,
        endpoints: &Endpoints,
        now: Instant,
        fence: &Fence,
        claim: &Claim,
    ) -> Option<RegressWhy> {
        let holder = get(endpoints, fence.holder)?;
        let report = self.report(endpoints, fence.holder);
        if let Some(answer) = report.map(|report| &report.answer) {
            if answer.timeline.is_some_and(|timeline| timeline < fence.timeline) {
                return Some(RegressWhy::HolderIsLower);
            }
            let follows = answer.role == Some(Role::Replica)
                && answer.replication == Some(State::Streaming)
                && answer.timeline.is_none_or(|timeline| timeline <= claim.timeline);
            if follows && self.is_agreed(endpoints, now, claim.endpoint) {
                return Some(RegressWhy::HolderFollows);
            }
        }
        let silent_since = holder.report.as_ref().map_or(Instant::ZERO, |report| report.sent);
        let silent = holder.failure.is_some() && silent_since + OVERRULED_AFTER <= now;
        let agreed = self.is_agreed(endpoints, now, claim.endpoint);
        let known = self.regress.take().filter(|regress| {
            (regress.endpoint, regress.timeline) == (claim.endpoint, claim.timeline)
        });
        if !agreed {
            return None;
        }
        let since = known.map_or(claim.sent, |regress| regress.since);
        let (endpoint, timeline) = (claim.endpoint, claim.timeline);
        self.regress = Some(Regress { endpoint, timeline, since });
        (silent && since + OVERRULED_AFTER <= claim.sent).then_some(RegressWhy::HolderSilent)
    }

    /// Whether every fresh view gives the key to this one, and there are two of them, or as many as
    /// there are servers that answer.
    fn is_agreed(&self, endpoints: &Endpoints, now: Instant, to: EndpointIx) -> bool {
        let mut count = 0;
        for (_, view) in self.views(endpoints) {
            if view.sent + VIEW_COUNTS_FOR <= now {
                continue;
            }
            if !self.gives_key(endpoints, view, to) {
                return false;
            }
            count += 1;
        }
        let answering = self.seats.iter().filter_map(|seat| get(endpoints, seat.endpoint));
        let answering = answering.filter(|endpoint| endpoint.failure.is_none()).count();
        count >= answering.min(2) && count > 0
    }

    /// Takes up the claim that is above all others; `None` if the incumbent's word doesn't count.
    fn consider(&mut self, endpoints: &Endpoints, now: Instant, claim: &Claim) -> Option<Primary> {
        let fresh = Incumbent {
            endpoint: claim.endpoint,
            timeline: claim.timeline,
            since: claim.sent,
            claimed: claim.sent,
            disowned: None,
        };
        let agreed = self.is_agreed(endpoints, now, claim.endpoint);
        match &mut self.incumbent {
            Some(incumbent)
                if incumbent.endpoint == claim.endpoint && incumbent.timeline == claim.timeline =>
            {
                incumbent.claimed = claim.sent;
            }
            // Its promotion is proof enough: nobody else can have begun that timeline.
            Some(incumbent) if incumbent.timeline < claim.timeline => {
                self.former = Some(incumbent.endpoint);
                self.incumbent = Some(fresh);
            }
            Some(incumbent) if agreed => {
                self.former = Some(incumbent.endpoint);
                self.incumbent = Some(fresh);
            }
            Some(_) => return Some(Primary::None(NoneWhy::Unagreed)),
            None => {
                let disowned = self.objection(endpoints, now, claim);
                self.incumbent = Some(Incumbent { disowned, ..fresh });
            }
        }
        self.revalidate(endpoints, now, claim);
        let incumbent = self.incumbent.as_ref()?;
        if incumbent.disowned().is_some() {
            return None;
        }
        Some(Primary::Confirmed(self.own_word(endpoints, incumbent)?))
    }

    /// A view that gives the key to another than the first that claims.
    fn objection(&self, endpoints: &Endpoints, now: Instant, claim: &Claim) -> Option<Disowned> {
        let counts = |view: &View| {
            view.sent + VIEW_COUNTS_FOR > now
                && !view.answer.pause
                && !self.gives_key(endpoints, view, claim.endpoint)
        };
        let (by, view) = self.views(endpoints).find(|(_, view)| counts(view))?;
        let to = view.answer.leader().and_then(|leader| leader.name.clone());
        let (since, insistence) = (view.sent, Insistence::Not);
        Some(Disowned { since, at: since, by, to, insistence })
    }

    /// Lets the incumbent's own word count again once the others agree, or it has insisted.
    fn revalidate(&mut self, endpoints: &Endpoints, now: Instant, claim: &Claim) {
        let Some(incumbent) = &self.incumbent else { return };
        let Some(disowned) = incumbent.disowned.as_ref().filter(|d| claim.sent > d.at) else {
            return;
        };
        let newer = |view: &View| view.sent > disowned.at;
        let later: Vec<&View> =
            self.views(endpoints).map(|(_, view)| view).filter(|view| newer(view)).collect();
        let given_back = !later.is_empty()
            && later.iter().all(|view| self.gives_key(endpoints, view, claim.endpoint))
            && get(endpoints, disowned.by).is_none_or(|by| by.view.as_ref().is_none_or(newer));
        let report = self.report(endpoints, claim.endpoint);
        let failsafe = report.is_some_and(|report| report.answer.failsafe_active);
        let excused = disowned.to.is_none() && (failsafe || self.paused);
        let given_away = self.views(endpoints).any(|(_, view)| {
            view.sent >= disowned.since
                && view.sent + VIEW_COUNTS_FOR > now
                && self.gives_away(endpoints, view, incumbent)
        });
        let insistence = match disowned.insistence {
            Insistence::Not => Insistence::Since(claim.sent),
            Insistence::Since(since) if !given_away && since + INSIST_FOR <= claim.sent => {
                Insistence::Believed
            }
            insistence @ (Insistence::Since(_) | Insistence::Believed) => insistence,
        };
        let disowned = (!given_back && !excused).then(|| disowned.clone());
        if let Some(incumbent) = &mut self.incumbent {
            incumbent.disowned = disowned.map(|disowned| Disowned { insistence, ..disowned });
        }
    }

    /// Whether a view gives the key to another, on no older timeline: one that is cut off gives it
    /// to one on an old timeline.
    pub(super) fn gives_away(
        &self,
        endpoints: &Endpoints,
        view: &View,
        incumbent: &Incumbent,
    ) -> bool {
        let no_older = |timeline: Timeline| timeline >= incumbent.timeline;
        let leader = view.answer.leader().filter(|leader| leader.timeline.is_none_or(no_older));
        leader.is_some() && !self.gives_key(endpoints, view, incumbent.endpoint)
    }
}
