//! Who is named while the one that was named is silent, and why.

use super::answer::Member;
use super::cluster::{
    Cluster, Disowned, Endpoints, Hearsay, Incumbent, Insistence, KeyStreak, get,
};
use super::endpoint::EndpointIx;
use super::event::EventKind;
use super::probe::Port;
use super::seats::address_of;
use super::topology::{Evidence, KeptWhy, Named, NoneWhy, Primary, Rule};
use super::words::{Role, State};
use crate::time::{Duration, Instant};

/// From the moment at which a leader key is gone to the first write of another primary, at least:
/// 0.10 s until another has it and 0.10 s until that one is promoted. Who was seen to hold the key
/// later than that can't have been replaced.
const KEY_FRESH_FOR: Duration = Duration::from_millis(200);
/// So many timely answers in a row before the key alone confirms anything.
const KEY_STREAK: u32 = 8;
/// The views that name a leader whose own Patroni never answers must be so far apart.
const HEARSAY_AFTER: Duration = Duration::from_secs(20);
/// A view of another member counts for a confirmation by the key for so long.
const OTHERS_FRESH_FOR: Duration = Duration::from_secs(2);
/// After this, the first `/cluster` isn't waited for any longer.
const FIRST_VIEW_WITHIN: Duration = Duration::from_secs(3);

impl Cluster {
    /// Decides who is the primary by all that is known at `now`.
    pub(super) fn judge(
        &mut self,
        endpoints: &Endpoints,
        now: Instant,
        events: &mut Vec<EventKind>,
    ) -> Primary {
        self.ready |= self.is_heard(endpoints, now) || mutated!(ToldAtFirstAnswer);
        if !self.ready {
            return Primary::None(NoneWhy::Starting);
        }
        if self.denial(endpoints).is_some()
            && let Some(disowned) = self.incumbent.as_mut().and_then(|i| i.disowned.as_mut())
        {
            disowned.insistence = Insistence::Not;
        }
        match self.judge_claims(endpoints, now, events) {
            Some(primary) => primary,
            None => self.without_claim(endpoints, now),
        }
    }

    /// Whether every configured server has answered or failed once, and one was asked for members.
    fn is_heard(&self, endpoints: &Endpoints, now: Instant) -> bool {
        let mut all = self.configured().filter_map(|seat| get(endpoints, seat.endpoint));
        let mut some = self.configured().filter_map(|seat| get(endpoints, seat.endpoint));
        all.all(|endpoint| endpoint.tried)
            && (some.any(|endpoint| endpoint.view_tried)
                || self.all_failed(endpoints)
                || self.started + FIRST_VIEW_WITHIN <= now)
    }

    fn all_failed(&self, endpoints: &Endpoints) -> bool {
        let mut seats = self.seats.iter().filter_map(|seat| get(endpoints, seat.endpoint));
        seats.all(|endpoint| endpoint.failure.is_some())
    }

    /// When [`Self::judge`] may decide otherwise though nothing happens.
    pub(super) fn judge_again_at(&self, endpoints: &Endpoints, now: Instant) -> Instant {
        let mut times = vec![self.streak.last + KEY_FRESH_FOR];
        if !self.ready {
            times.push(self.started + FIRST_VIEW_WITHIN);
        }
        for endpoint in self.seats.iter().filter_map(|seat| get(endpoints, seat.endpoint)) {
            let fresh_for = self.fresh_for(endpoint);
            let report = endpoint.report.as_ref().map(|report| report.sent);
            let view = endpoint.view.as_ref().map(|view| view.sent);
            times.extend(report.into_iter().chain(view).map(|sent| sent + fresh_for));
        }
        times.into_iter().filter(|at| *at > now).min().unwrap_or(Instant::MAX)
    }

    fn without_claim(&self, endpoints: &Endpoints, now: Instant) -> Primary {
        if mutated!(LeaderKeyIsProof)
            && let Some(named) = self.by_key_alone(endpoints)
        {
            return Primary::Confirmed(named);
        }
        if self.all_silent(endpoints, now) {
            return self.kept_by_silence();
        }
        let denial = self.denial(endpoints);
        let none_claims = self.incumbent.is_none() || denial.is_some();
        if none_claims && self.is_standby_cluster(endpoints, now) {
            return Primary::None(NoneWhy::StandbyCluster);
        }
        let Some(incumbent) = &self.incumbent else { return self.by_hearsay(endpoints, now) };
        if let Some((role, state)) = denial {
            return Primary::None(NoneWhy::GaveUp(role, state));
        }
        match incumbent.disowned() {
            Some(Disowned { to: Some(to), .. }) => {
                return Primary::None(NoneWhy::KeyMoved(to.clone()));
            }
            Some(Disowned { to: None, .. }) => return Primary::None(NoneWhy::KeyGone),
            None => {}
        }
        self.while_silent(endpoints, now, incumbent)
    }

    fn kept_by_silence(&self) -> Primary {
        match &self.topology.primary {
            Primary::Confirmed(named) | Primary::Kept(named, _) | Primary::Hearsay(named) => {
                Primary::Kept(named.clone(), KeptWhy::AllSilent)
            }
            Primary::None(NoneWhy::Starting) => Primary::None(NoneWhy::NoneAnswered),
            Primary::None(why) => Primary::None(why.clone()),
        }
    }

    /// The incumbent's own Patroni is silent, and nobody has said anything against it.
    fn while_silent(&self, endpoints: &Endpoints, now: Instant, incumbent: &Incumbent) -> Primary {
        let Some(named) = self.own_word(endpoints, incumbent) else {
            return Primary::None(NoneWhy::NobodyClaims);
        };
        let timely = self.streak.count >= KEY_STREAK
            && now < self.streak.last + KEY_FRESH_FOR
            && self.all_others_agree(endpoints, now, incumbent.endpoint);
        let mut port = self.probing.port(now);
        if matches!(port, Port::Closed { .. }) && !self.is_witnessed(endpoints, incumbent.endpoint)
        {
            // Perhaps nothing gets through to anybody.
            port = Port::Unknown;
        }
        match (port, self.paused && !mutated!(PauseIgnored), timely) {
            (Port::Closed { .. }, _, _) => Primary::None(NoneWhy::Unreachable),
            (Port::Open | Port::Unknown, true, _) => Primary::Kept(named, KeptWhy::Paused),
            (Port::Open, false, true) => {
                let evidence =
                    Evidence { rule: Rule::LeaderKey, at: self.streak.last, ..named.evidence };
                Primary::Confirmed(Named { evidence, ..named })
            }
            (Port::Open, false, false) | (Port::Unknown, false, _) => {
                Primary::Kept(named, KeptWhy::OwnSilent)
            }
        }
    }

    /// Whether another server has answered since this one's port was found closed.
    fn is_witnessed(&self, endpoints: &Endpoints, closed: EndpointIx) -> bool {
        let Some(closed_at) = self.probing.closed_at() else { return false };
        let others = self.seats.iter().filter(|seat| seat.endpoint != closed);
        let mut others = others.filter_map(|seat| get(endpoints, seat.endpoint));
        others.any(|endpoint| {
            let report = endpoint.report.as_ref().map(|report| report.sent);
            let view = endpoint.view.as_ref().map(|view| view.sent);
            report.max(view).is_some_and(|sent| closed_at <= sent)
        })
    }

    /// Whether all other servers in the file have lately given the key to this one. One that is
    /// silent might be the new primary.
    fn all_others_agree(&self, endpoints: &Endpoints, now: Instant, to: EndpointIx) -> bool {
        self.configured().filter(|seat| seat.endpoint != to).all(|seat| {
            let view = get(endpoints, seat.endpoint).and_then(|endpoint| endpoint.view.as_ref());
            view.is_some_and(|view| {
                now < view.sent + OTHERS_FRESH_FOR && self.gives_key(endpoints, view, to)
            })
        })
    }

    /// The incumbent, by its own last claim.
    pub(super) fn own_word(&self, endpoints: &Endpoints, incumbent: &Incumbent) -> Option<Named> {
        let seat = self.seat(incumbent.endpoint)?;
        let source = get(endpoints, incumbent.endpoint).map(|endpoint| endpoint.key.clone());
        let (at, timeline) = (incumbent.claimed, Some(incumbent.timeline));
        let evidence = Evidence { rule: Rule::OwnWord, source, at, timeline };
        Some(Named { name: seat.name.clone(), address: seat.address.clone(), evidence })
    }

    fn by_hearsay(&self, endpoints: &Endpoints, now: Instant) -> Primary {
        let named = self.hearsay.as_ref().filter(|hearsay| {
            let fresh = now < hearsay.last + self.renew * 3 + self.patroni.timeout;
            let long = hearsay.since + HEARSAY_AFTER <= hearsay.last;
            let fenced = self.fence.as_ref().is_some_and(|f| hearsay.timeline < f.timeline);
            fresh && long && !fenced && self.probing.port(now) == Port::Open
        });
        let Some(hearsay) = named else { return Primary::None(NoneWhy::NobodyClaims) };
        let source = get(endpoints, hearsay.source).map(|endpoint| endpoint.key.clone());
        let timeline = Some(hearsay.timeline);
        let evidence = Evidence { rule: Rule::LeaderKey, source, at: hearsay.last, timeline };
        let (name, address) = (Some(hearsay.name.clone()), hearsay.address.clone());
        Primary::Hearsay(Named { name, address, evidence })
    }

    /// What a naive reader of `/cluster` would name.
    fn by_key_alone(&self, endpoints: &Endpoints) -> Option<Named> {
        let (by, view) = self.views(endpoints).max_by_key(|(_, view)| view.sent)?;
        let leader = view.answer.leader()?;
        let source = get(endpoints, by).map(|endpoint| endpoint.key.clone());
        let (at, timeline) = (view.sent, leader.timeline);
        let evidence = Evidence { rule: Rule::LeaderKey, source, at, timeline };
        Some(Named { name: leader.name.clone(), address: address_of(leader)?, evidence })
    }

    /// Takes note of a new view of this endpoint.
    pub(super) fn note_view(
        &mut self,
        endpoints: &Endpoints,
        from: EndpointIx,
        events: &mut Vec<EventKind>,
    ) {
        let Some(endpoint) = get(endpoints, from) else { return };
        let Some(view) = &endpoint.view else { return };
        if endpoint.report.is_some() && self.report(endpoints, from).is_none() {
            return;
        }
        self.paused = view.answer.pause;
        self.view_hangs = 0;
        self.note_hearsay(endpoints, from);
        let Some(incumbent) = &self.incumbent else { return };
        let leader = view.answer.leader();
        if self.gives_key(endpoints, view, incumbent.endpoint) {
            self.streak = next_streak(self.streak, view.sent, leader);
            self.told.stale_views.remove(&from);
            return;
        }
        self.streak = KeyStreak::default();
        // A timeline in a view proves little: a member's lags behind by seconds, and in some
        // versions by whole timelines. Who was replaced, or was there before, is known better.
        let names_former = self.former.is_some_and(|ix| self.gives_key(endpoints, view, ix));
        let unchanged = view.since <= incumbent.since;
        if (names_former && self.is_fenced(leader) || unchanged) && !mutated!(StaleViewBelieved) {
            if names_former && self.told.stale_views.insert(from) {
                events.push(EventKind::StaleView { by: endpoint.key.clone() });
            }
            return;
        }
        let own = self.report(endpoints, incumbent.endpoint);
        let failsafe = own.is_some_and(|report| {
            report.answer.failsafe_active && report.answer.is_running_primary()
        });
        // In pause nobody takes the key of one that goes on; whom it is given, it is given by people.
        let is_paused = self.paused && !mutated!(PauseIgnored);
        let excused = leader.is_none() && (failsafe || is_paused);
        let excused = if mutated!(KeyGoneIgnored) { true } else { excused };
        if excused {
            return;
        }
        let to = leader.map(|leader| leader.name.clone().unwrap_or_else(|| "another".into()));
        let at = view.sent;
        let given_away = self.gives_away(endpoints, view, incumbent);
        if let Some(incumbent) = &mut self.incumbent {
            let known = incumbent.disowned.as_ref();
            let since = known.map_or(at, |disowned| disowned.since);
            let insistence = match known {
                Some(disowned) if !given_away => disowned.insistence,
                Some(_) | None => Insistence::Not,
            };
            incumbent.disowned = Some(Disowned { since, at, by: from, to, insistence });
        }
    }

    /// Whether a view gives a leader a timeline below the highest that was claimed.
    fn is_fenced(&self, leader: Option<&Member>) -> bool {
        let timeline = leader.and_then(|leader| leader.timeline);
        let fence = self.fence.as_ref().map(|fence| fence.timeline);
        timeline.zip(fence).is_some_and(|(timeline, fence)| timeline < fence)
    }

    /// A survivor sees no leader: the key may be gone, or only its DCS.
    pub(super) fn note_unlocked(&mut self) {
        self.streak = KeyStreak::default();
    }

    fn note_hearsay(&mut self, endpoints: &Endpoints, from: EndpointIx) {
        let known = self.hearsay.take();
        let Some(view) = get(endpoints, from).and_then(|endpoint| endpoint.view.as_ref()) else {
            return;
        };
        if self.incumbent.is_some() {
            return;
        }
        let Some(leader) = view.answer.leader() else { return };
        let (Some(name), Some(address), Some(timeline)) =
            (leader.name.clone(), address_of(leader), leader.timeline)
        else {
            return;
        };
        if leader.role != Some(Role::Leader) || leader.state != Some(State::Running) {
            return;
        }
        let seat = self.seats.iter().find(|seat| self.gives_key(endpoints, view, seat.endpoint));
        let own = seat.and_then(|seat| get(endpoints, seat.endpoint));
        if own.is_some_and(|endpoint| endpoint.report.is_some()) {
            return;
        }
        let same = known.filter(|known| (&known.name, known.timeline) == (&name, timeline));
        let since = same.map_or(view.sent, |known| known.since);
        let (source, last) = (from, view.sent);
        self.hearsay = Some(Hearsay { name, address, timeline, source, since, last });
    }
}

fn next_streak(streak: KeyStreak, sent: Instant, leader: Option<&Member>) -> KeyStreak {
    let runs = leader
        .is_some_and(|leader| leader.timeline.is_some() && leader.state == Some(State::Running));
    if !runs || sent < streak.last {
        return KeyStreak { count: 0, last: streak.last.max(sent) };
    }
    let timely = sent <= streak.last + KEY_FRESH_FOR;
    KeyStreak { count: if timely { streak.count.saturating_add(1) } else { 1 }, last: sent }
}
