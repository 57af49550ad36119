//! `/cluster`: the members and the leader key, as the asked node sees the DCS.

use std::marker::PhantomData;
use std::sync::Arc;

use serde::de::{IgnoredAny, MapAccess};

use super::lenient::{Fields, List, ListUpTo, Object, Scalar};
use super::node::{Tags, take_flag, take_name, take_number, take_text, take_timeline};
use super::{AnswerError, MEMBERS_MAX, Odd, Timeline, check_length};
use crate::discovery::words::{Role, State};

/// A member, as `/cluster` lists it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: Option<Arc<str>>,
    /// Its role, from the leader key and not from PostgreSQL.
    pub role: Option<Role>,
    /// Its state, or how it is fed.
    pub state: Option<State>,
    /// Where its Patroni answers.
    pub api_url: Option<Arc<str>>,
    /// Where its PostgreSQL listens: a name or an address; IPv6 without brackets.
    pub host: Option<Arc<str>>,
    /// The port, likewise.
    pub port: Option<u16>,
    /// Its timeline; absent while it doesn't run, and on a leader that is leaving. A new leader
    /// shows its old one for a second.
    pub timeline: Option<Timeline>,
    /// How far it is behind, in bytes, as of its last heartbeat of the DCS: seconds ago.
    pub lag_bytes: Option<u64>,
    /// Clients are to leave it alone (`tags.noloadbalance`).
    pub no_load_balance: bool,
}

/// An answer to `/cluster`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterAnswer {
    /// The members, in the order of the answer.
    pub members: Vec<Member>,
    /// The cluster's name; since 3.2.
    pub scope: Option<Arc<str>>,
    /// The cluster is paused.
    pub pause: bool,
    /// A switchover is scheduled.
    pub switchover_scheduled: bool,
    /// Fields of a wrong type.
    pub odd: Odd,
}

impl ClusterAnswer {
    /// Reads a body.
    ///
    /// # Errors
    /// If it is too long, no JSON, no object, or has no list of up to [`MEMBERS_MAX`] members.
    pub fn parse(body: &[u8]) -> Result<Self, AnswerError> {
        check_length(body)?;
        let Object::Is(raw) = serde_json::from_slice::<Object<Raw>>(body)? else {
            return Err(AnswerError::NotAnObject);
        };
        let mut odd = raw.odd;
        let members = match raw.members {
            None => return Err(AnswerError::NoMembers),
            Some(List::IsNot) => return Err(AnswerError::MembersNotAList),
            Some(List::Is { count, .. }) if count > MEMBERS_MAX => {
                return Err(AnswerError::TooManyMembers { count });
            }
            Some(List::Is { objects, others, .. }) => {
                (0..others).for_each(|_| odd.note("members"));
                objects
            }
        };
        let members = members.into_iter().map(|raw| {
            (0..raw.odd.count).for_each(|_| odd.note(raw.odd.first.unwrap_or("members")));
            raw.member
        });
        let members = members.collect();
        let Raw { scope, pause, switchover_scheduled, .. } = raw;
        Ok(Self { members, scope, pause, switchover_scheduled, odd })
    }

    /// The holder of the leader key, if there is one.
    #[must_use]
    pub fn leader(&self) -> Option<&Member> {
        self.members.iter().find(|member| member.role.as_ref().is_some_and(Role::holds_key))
    }
}

#[derive(Default)]
struct Raw {
    members: Option<List<RawMember>>,
    scope: Option<Arc<str>>,
    pause: bool,
    switchover_scheduled: bool,
    odd: Odd,
}

impl<'de> Fields<'de> for Raw {
    fn take<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        let odd = &mut self.odd;
        match key {
            "members" => {
                self.members = Some(map.next_value_seed(ListUpTo(MEMBERS_MAX, PhantomData))?);
            }
            "scope" => self.scope = take_name(map, odd, "scope")?,
            "pause" => self.pause = take_flag(map, odd, "pause")?,
            "scheduled_switchover" => {
                self.switchover_scheduled = !matches!(map.next_value()?, Scalar::Null);
            }
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

#[derive(Default)]
struct RawMember {
    member: Member,
    odd: Odd,
}

impl<'de> Fields<'de> for RawMember {
    fn take<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        let (member, odd) = (&mut self.member, &mut self.odd);
        match key {
            "name" => member.name = take_name(map, odd, "name")?,
            "role" => {
                member.role = take_text(map, odd, "role")?.map(|role| Role::from_word(&role));
            }
            "state" => {
                member.state = take_text(map, odd, "state")?.map(|state| State::from_word(&state));
            }
            "api_url" => member.api_url = take_name(map, odd, "api_url")?,
            "host" => member.host = take_name(map, odd, "host")?,
            "port" => {
                let number = take_number(map, odd, "port")?;
                member.port = number.and_then(|port| u16::try_from(port).ok());
                if number.is_some() && member.port.is_none() {
                    odd.note("port");
                }
            }
            "timeline" => member.timeline = take_timeline(map, odd)?,
            "lag" => {
                // A string is what Patroni says for "unknown".
                member.lag_bytes = match map.next_value::<Scalar<'de>>()? {
                    Scalar::Number(bytes) => Some(bytes),
                    Scalar::Text(_) | Scalar::Null => None,
                    Scalar::Bool(_) | Scalar::Other => {
                        odd.note("lag");
                        None
                    }
                };
            }
            "tags" => match map.next_value::<Object<Tags>>()? {
                Object::Is(tags) => member.no_load_balance = tags.no_load_balance,
                Object::IsNot => odd.note("tags"),
            },
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}
