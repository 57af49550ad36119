//! `/patroni`: what a node says about itself, with no look at the DCS.

use std::sync::Arc;

use serde::de::{IgnoredAny, MapAccess};

use super::lenient::{Fields, Object, Scalar};
use super::{AnswerError, NAME_BYTES_MAX, Odd, SystemIdentifier, Timeline, check_length};
use crate::discovery::words::{Role, State};

/// Where a server is in the write-ahead log, in bytes since its beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Positions {
    /// What a primary has written.
    pub written: Option<u64>,
    /// What a replica has received.
    pub received: Option<u64>,
    /// What a replica has replayed.
    pub replayed: Option<u64>,
    /// Replay is paused.
    pub paused: bool,
}

/// An answer to `/patroni`. It comes with status 200 whatever it says; the answers to `/primary`
/// and the like have the same form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeAnswer {
    /// The role; out of Patroni's memory unless the state is running.
    pub role: Option<Role>,
    /// The state of PostgreSQL.
    pub state: Option<State>,
    /// The timeline; absent while PostgreSQL doesn't run, and at times on a replica.
    pub timeline: Option<Timeline>,
    /// Positions in the log.
    pub positions: Positions,
    /// How a replica is fed; since 3.0.4, and only while it is.
    pub replication: Option<State>,
    /// It is a synchronous standby.
    pub sync_standby: bool,
    /// It is a standby of a quorum.
    pub quorum_standby: bool,
    /// The cluster is paused: nobody is promoted, and nobody gives up for want of the key.
    pub pause: bool,
    /// It knows of no leader: there is none, or it has lost the DCS.
    pub cluster_unlocked: bool,
    /// The DCS is down, and the primary goes on with the consent of all members.
    pub failsafe_active: bool,
    /// Clients are to leave this replica alone (`tags.noloadbalance`).
    pub no_load_balance: bool,
    /// Which database it has.
    pub system: Option<SystemIdentifier>,
    /// Patroni's version.
    pub version: Option<Box<str>>,
    /// The cluster's name.
    pub scope: Option<Arc<str>>,
    /// The member's name; since 3.2.
    pub name: Option<Arc<str>>,
    /// Fields of a wrong type.
    pub odd: Odd,
}

impl NodeAnswer {
    /// Reads a body.
    ///
    /// # Errors
    /// If it is too long, no JSON, or no object.
    pub fn parse(body: &[u8]) -> Result<Self, AnswerError> {
        check_length(body)?;
        match serde_json::from_slice::<Object<Self>>(body)? {
            Object::Is(answer) => Ok(answer),
            Object::IsNot => Err(AnswerError::NotAnObject),
        }
    }

    /// Whether its node says that it is the primary and that PostgreSQL runs: the only words by
    /// which a node can be named one.
    #[must_use]
    pub fn is_running_primary(&self) -> bool {
        let running = self.state == Some(State::Running) || mutated!(StateIgnored);
        running && self.role.as_ref().is_some_and(Role::is_primary)
    }
}

impl<'de> Fields<'de> for NodeAnswer {
    fn take<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        let odd = &mut self.odd;
        match key {
            "role" => {
                self.role = take_text(map, odd, "role")?.map(|role| Role::from_word(&role));
            }
            "state" => {
                self.state = take_text(map, odd, "state")?.map(|state| State::from_word(&state));
            }
            "timeline" => self.timeline = take_timeline(map, odd)?,
            "xlog" => match map.next_value::<Object<Xlog>>()? {
                Object::Is(xlog) => {
                    self.positions = xlog.positions;
                    (0..xlog.odd.count).for_each(|_| odd.note("xlog"));
                }
                Object::IsNot => odd.note("xlog"),
            },
            "replication_state" => {
                let state = take_text(map, odd, "replication_state")?;
                self.replication = state.map(|state| State::from_word(&state));
            }
            "sync_standby" => self.sync_standby = take_flag(map, odd, "sync_standby")?,
            "quorum_standby" => self.quorum_standby = take_flag(map, odd, "quorum_standby")?,
            "pause" => self.pause = take_flag(map, odd, "pause")?,
            "cluster_unlocked" => self.cluster_unlocked = take_flag(map, odd, "cluster_unlocked")?,
            "failsafe_mode_is_active" => {
                self.failsafe_active = take_flag(map, odd, "failsafe_mode_is_active")?;
            }
            "tags" => match map.next_value::<Object<Tags>>()? {
                Object::Is(tags) => self.no_load_balance = tags.no_load_balance,
                Object::IsNot => odd.note("tags"),
            },
            "database_system_identifier" => {
                let text = take_text(map, odd, "database_system_identifier")?;
                self.system = text.and_then(|text| text.parse().ok()).map(SystemIdentifier);
            }
            "patroni" => match map.next_value::<Object<Patroni>>()? {
                Object::Is(patroni) => {
                    (self.version, self.scope, self.name) =
                        (patroni.version, patroni.scope, patroni.name);
                    (0..patroni.odd.count).for_each(|_| odd.note("patroni"));
                }
                Object::IsNot => odd.note("patroni"),
            },
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

#[derive(Default)]
struct Xlog {
    positions: Positions,
    odd: Odd,
}

impl<'de> Fields<'de> for Xlog {
    fn take<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        let (positions, odd) = (&mut self.positions, &mut self.odd);
        match key {
            "location" => positions.written = take_number(map, odd, "location")?,
            "received_location" => {
                positions.received = take_number(map, odd, "received_location")?;
            }
            "replayed_location" => {
                positions.replayed = take_number(map, odd, "replayed_location")?;
            }
            "paused" => positions.paused = take_flag(map, odd, "paused")?,
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

#[derive(Default)]
struct Patroni {
    version: Option<Box<str>>,
    scope: Option<Arc<str>>,
    name: Option<Arc<str>>,
    odd: Odd,
}

impl<'de> Fields<'de> for Patroni {
    fn take<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        let odd = &mut self.odd;
        match key {
            "version" => self.version = take_name(map, odd, "version")?.map(|v| Box::from(&*v)),
            "scope" => self.scope = take_name(map, odd, "scope")?,
            "name" => self.name = take_name(map, odd, "name")?,
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

/// The tags of a member, of which one matters; their values may be anything.
#[derive(Default)]
pub(super) struct Tags {
    pub(super) no_load_balance: bool,
}

impl<'de> Fields<'de> for Tags {
    fn take<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        let value = map.next_value::<Scalar<'de>>()?;
        if key == "noloadbalance" {
            self.no_load_balance = value.is_set();
        }
        Ok(())
    }
}

pub(super) fn take_text<'de, A: MapAccess<'de>>(
    map: &mut A,
    odd: &mut Odd,
    key: &'static str,
) -> Result<Option<std::borrow::Cow<'de, str>>, A::Error> {
    let value = map.next_value::<Scalar<'de>>()?;
    Ok(value.into_text().unwrap_or_else(|()| {
        odd.note(key);
        None
    }))
}

/// A name, if it isn't longer than any may be.
pub(super) fn take_name<'de, A: MapAccess<'de>>(
    map: &mut A,
    odd: &mut Odd,
    key: &'static str,
) -> Result<Option<Arc<str>>, A::Error> {
    let text = take_text(map, odd, key)?.filter(|text| !text.is_empty());
    Ok(text.and_then(|text| {
        if text.len() > NAME_BYTES_MAX {
            odd.note(key);
            return None;
        }
        Some(Arc::from(&*text))
    }))
}

pub(super) fn take_number<'de, A: MapAccess<'de>>(
    map: &mut A,
    odd: &mut Odd,
    key: &'static str,
) -> Result<Option<u64>, A::Error> {
    let value = map.next_value::<Scalar<'de>>()?;
    Ok(value.into_number().unwrap_or_else(|()| {
        odd.note(key);
        None
    }))
}

pub(super) fn take_flag<'de, A: MapAccess<'de>>(
    map: &mut A,
    odd: &mut Odd,
    key: &'static str,
) -> Result<bool, A::Error> {
    let value = map.next_value::<Scalar<'de>>()?;
    Ok(value.into_flag().unwrap_or_else(|()| {
        odd.note(key);
        false
    }))
}

pub(super) fn take_timeline<'de, A: MapAccess<'de>>(
    map: &mut A,
    odd: &mut Odd,
) -> Result<Option<Timeline>, A::Error> {
    let Some(number) = take_number(map, odd, "timeline")? else { return Ok(None) };
    match u32::try_from(number) {
        // PostgreSQL counts from 1; Patroni says 0 for "not known".
        Ok(0) => Ok(None),
        Ok(timeline) => Ok(Some(Timeline(timeline))),
        Err(_) => {
            odd.note("timeline");
            Ok(None)
        }
    }
}
