//! What an instance comes to, once keepalived's defaults and its groups have had their say.
//!
//! keepalived 2.2.7 is the measure: what it makes of a file is in its log, with `-d`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use openproxy_core::vrrp::Family;

use super::checks::{Check, Script, Track, Tracked, track};
use super::instance::{Globals, Group, Instance};
use super::note::{Notes, Place};
use super::values::Address;

/// Of an instance that isn't of state MASTER.
pub(super) const PRIORITY_DEFAULT: u8 = 100;
const PRIORITY_OWNER: u8 = 255;
const SECOND_MICROS: u64 = 1_000_000;
const CENTI_MICROS: u64 = 10_000;
/// As much as version 3 can write.
const V3_INTERVAL_CENTIS_MAX: u64 = 4_095;
const GARP_REFRESH_SECS_MAX: u32 = 86_400;

/// A table of ours.
#[derive(Clone, Debug)]
pub(super) struct Router {
    pub(super) interface: String,
    pub(super) vrid: u8,
    pub(super) priority: u8,
    pub(super) interval_centis: u64,
    pub(super) version: u8,
    pub(super) vips: Vec<Address>,
    pub(super) peers: Vec<IpAddr>,
    pub(super) source: Option<IpAddr>,
    pub(super) preempts: bool,
    pub(super) preempt_delay_ms: u64,
    pub(super) garp_refresh_secs: u32,
    pub(super) is_strict: bool,
    pub(super) is_message_only: bool,
    pub(super) group: Option<String>,
    pub(super) tracks: Vec<Track>,
}

/// What instances are settled with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surroundings<'a> {
    pub(super) globals: Globals,
    pub(super) scripts: &'a BTreeMap<String, Script>,
    pub(super) groups: &'a [Group],
}

/// The tables that an instance becomes: none, if something is missing that has no default; two, if
/// it has excluded addresses of the other family.
pub(super) fn settle(
    instance: &Instance,
    around: &Surroundings<'_>,
    notes: &mut Notes,
) -> Vec<Router> {
    let (Some(interface), Some(vrid)) = (&instance.interface, instance.vrid) else {
        let message = "can't be converted without interface and virtual_router_id";
        notes.decide(&instance.place, "vrrp_instance", message);
        return Vec::new();
    };
    let Some(family) = instance.vips.first().map(|vip| Family::of(vip.ip)) else {
        let message = "can't be converted without a virtual_ipaddress: OpenProxy needs a VIP";
        notes.decide(&instance.place, "vrrp_instance", message);
        return Vec::new();
    };
    let version = version(instance, around.globals, family);
    let group = around.groups.iter().find(|group| group.members.contains(&instance.name));
    let priority = priority(instance, notes);
    let (priority, tracks) = tracks(instance, priority, interface, group, around, notes);
    let preempt_delay_ms = preempt_delay_ms(instance, notes);
    let is_strict = instance.is_strict.unwrap_or(around.globals.is_strict);
    if is_strict {
        let message = "carried over as far as IPv6 VIPs go; VIPs accept even so, and OpenProxy \
                       doesn't refuse the rest";
        notes.decide(&instance.place, "strict_mode", message);
    }
    let refresh = instance.garp_refresh_secs.or(around.globals.garp_refresh_secs);
    let mut router = Router {
        interface: interface.clone(),
        vrid,
        priority,
        interval_centis: interval_centis(instance, version, notes),
        version,
        vips: on_interface(&instance.vips, interface, "virtual_ipaddress", notes),
        peers: peers(instance, family, notes),
        source: None,
        preempts: preempts(instance, notes),
        preempt_delay_ms,
        garp_refresh_secs: refresh.unwrap_or(0).min(GARP_REFRESH_SECS_MAX),
        is_strict: is_strict && family == Family::V6,
        is_message_only: instance.is_message_only && version == 3 && family == Family::V4,
        group: group.map(|group| group.name.clone()),
        tracks,
    };
    router.vips.retain(|vip| {
        let is_alike = Family::of(vip.ip) == family;
        if !is_alike {
            let message = format!(
                "{} is of another family than the first; keepalived leaves it \
                                   out too: give it an instance of its own",
                vip.ip
            );
            notes.decide(&vip.place, "virtual_ipaddress", message);
        }
        is_alike
    });
    router.source = source(instance, family, !router.peers.is_empty(), notes);
    let beside = excluded(instance, &mut router, family, notes);
    [router].into_iter().chain(beside).collect()
}

fn version(instance: &Instance, globals: Globals, family: Family) -> u8 {
    match family {
        Family::V4 => instance.version.or(globals.version).unwrap_or(2),
        // Whatever is said.
        Family::V6 => 3,
    }
}

fn priority(instance: &Instance, notes: &mut Notes) -> u8 {
    let place = &instance.place;
    match (instance.priority, instance.starts_as_master) {
        (Some(PRIORITY_OWNER), false) => {
            let message = "OpenProxy starts as MASTER with priority 255, whatever the state";
            notes.info(place, "state", message);
            PRIORITY_OWNER
        }
        (Some(priority), _) => priority,
        (None, true) => {
            let message = "without one, keepalived takes 255 for an instance of state MASTER; was \
                           100 meant?";
            notes.decide(place, "priority", message);
            PRIORITY_OWNER
        }
        (None, false) => PRIORITY_DEFAULT,
    }
}

/// In hundredths of a second, rounded as keepalived does.
fn interval_centis(instance: &Instance, version: u8, notes: &mut Notes) -> u64 {
    let micros = instance.interval_micros.unwrap_or(SECOND_MICROS);
    let step_micros = if version == 2 { SECOND_MICROS } else { CENTI_MICROS };
    let steps = (micros + step_micros / 2) / step_micros;
    let centis = (steps * step_micros / CENTI_MICROS).max(step_micros / CENTI_MICROS);
    let centis = if version == 2 { centis } else { centis.min(V3_INTERVAL_CENTIS_MAX) };
    if centis * CENTI_MICROS != micros {
        let message = format!(
            "becomes {} s, as keepalived rounds it too for version {version}",
            decimal(centis, 2)
        );
        notes.info(&instance.place, "advert_int", message);
    }
    centis
}

/// A whole number of `10^-places`, without closing zeros.
pub(super) fn decimal(number: u64, places: u32) -> String {
    let unit = 10_u64.pow(places);
    let width = usize::try_from(places).unwrap_or_default();
    let text = format!("{}.{:0width$}", number / unit, number % unit);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Whether it starts in a state in which keepalived has no use for either keyword.
fn ignores_preemption(instance: &Instance) -> Option<&'static str> {
    let is_owner = instance.priority == Some(PRIORITY_OWNER);
    let is_owner = is_owner || (instance.priority.is_none() && instance.starts_as_master);
    match (is_owner, instance.starts_as_master) {
        (true, _) => Some("keepalived has no use for it with priority 255, nor has OpenProxy"),
        (false, true) => Some("keepalived has no use for it with state MASTER; it is left out"),
        (false, false) => None,
    }
}

fn preempts(instance: &Instance, notes: &mut Notes) -> bool {
    let Some(place) = &instance.nopreempt else { return true };
    let ignored = ignores_preemption(instance);
    if let Some(why) = ignored {
        notes.decide(place, "nopreempt", why);
    }
    ignored.is_some()
}

fn preempt_delay_ms(instance: &Instance, notes: &mut Notes) -> u64 {
    let Some((place, micros)) = &instance.preempt_delay else { return 0 };
    let ignored = ignores_preemption(instance).or_else(|| {
        let why = "keepalived has no use for it with nopreempt; it is left out";
        instance.nopreempt.as_ref().map(|_| why)
    });
    if let Some(why) = ignored {
        notes.info(place, "preempt_delay", why);
        return 0;
    }
    micros.div_ceil(1_000)
}

/// Those of the table's interface.
fn on_interface(
    addresses: &[Address],
    interface: &str,
    subject: &str,
    notes: &mut Notes,
) -> Vec<Address> {
    let mut found: Vec<Address> = Vec::new();
    for address in addresses {
        let ip = address.ip;
        match &address.interface {
            Some(other) if other != interface => {
                let message = format!(
                    "{ip} is on {other}, but VIPs are on the interface of the adverts: give it a \
                     router of its own there, on all nodes at once; keepalived up to 2.3.2 \
                     discards adverts with another list than its own"
                );
                notes.decide(&address.place, subject, message);
            }
            Some(_) | None if found.iter().any(|other| other.ip == ip) => {
                let message = format!(
                    "{ip} is in the list already, and once is enough here; take it away on all \
                     nodes at once, since keepalived up to 2.3.2 counts the addresses of an advert"
                );
                notes.decide(&address.place, subject, message);
            }
            Some(_) | None => found.push(address.clone()),
        }
    }
    found
}

fn peers(instance: &Instance, family: Family, notes: &mut Notes) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = Vec::new();
    for (place, ip) in &instance.peers {
        if Family::of(*ip) != family {
            let message = format!(
                "{ip} is of another family than the VIPs; keepalived leaves it \
                                   out too"
            );
            notes.decide(place, "unicast_peer", message);
        } else if !found.contains(ip) {
            found.push(*ip);
        }
    }
    if !found.is_empty() && family == Family::V6 && !instance.sends_255 {
        let message = "set unicast_ttl 255 on all keepalived nodes first: without it they send hop \
                       limit 64, which OpenProxy discards, as the RFCs say";
        notes.decide(&instance.place, "unicast_ttl", message);
    }
    found
}

fn source(
    instance: &Instance,
    family: Family,
    is_unicast: bool,
    notes: &mut Notes,
) -> Option<IpAddr> {
    let (place, ip) = instance.source.as_ref()?;
    if Family::of(*ip) != family {
        let message = "is of another family than the VIPs; keepalived leaves it out too";
        notes.decide(place, "unicast_src_ip", message);
        return None;
    }
    if !is_unicast {
        let message = "adverts by multicast come from the interface's first address; of two nodes \
                       of one priority, the one with the higher address is MASTER";
        notes.decide(place, "mcast_src_ip", message);
        return None;
    }
    Some(*ip)
}

/// The checks, and the priority while all of them are well.
fn tracks(
    instance: &Instance,
    priority: u8,
    interface: &str,
    group: Option<&Group>,
    around: &Surroundings<'_>,
    notes: &mut Notes,
) -> (u8, Vec<Track>) {
    let is_owner = priority == PRIORITY_OWNER;
    let in_group = group.is_some_and(|group| !group.has_own_weights);
    let mut total = i32::from(priority);
    let mut found: Vec<Track> = Vec::new();
    let own = instance.tracked.iter().map(|tracked| (tracked, in_group));
    let shared = group.iter().flat_map(|group| &group.tracked).map(|tracked| (tracked, false));
    for (tracked, in_group) in own.chain(shared) {
        let Tracked { place, subject, name, .. } = tracked;
        let Some((mut track, added)) = track(tracked, around.scripts, notes) else { continue };
        if track.check == Check::Interface(interface.to_owned()) {
            notes.info(place, subject, "a router's own interface is tracked anyway");
            continue;
        }
        match ignored_weight(&track, is_owner, in_group) {
            Ignored::No => total += added,
            Ignored::Weight(why) => {
                notes.info(place, subject, format!("{name}: {why}"));
                track.weight = 0;
            }
            Ignored::Check(why) => {
                notes.decide(place, subject, format!("{name}: {why}"));
                continue;
            }
        }
        if found.iter().any(|other| other.check == track.check) {
            notes.info(place, subject, format!("{name} is tracked already"));
        } else {
            found.push(track);
        }
    }
    (clamped(total, is_owner, &instance.place, notes), found)
}

/// How keepalived ignores a check.
enum Ignored {
    No,
    Weight(&'static str),
    Check(&'static str),
}

fn ignored_weight(track: &Track, is_owner: bool, in_group: bool) -> Ignored {
    let is_interface = matches!(track.check, Check::Interface(_));
    match (track.weight, is_owner, in_group) {
        (0, _, _) | (_, false, false) => Ignored::No,
        (_, false, true) if is_interface => {
            Ignored::Weight("keepalived takes the weight for 0 in a sync group")
        }
        (_, true, _) => Ignored::Check("left out, as in keepalived: priority 255 has no weights"),
        (_, false, true) => Ignored::Check(
            "left out, as in keepalived: in a sync group, a script with a weight is ignored; let \
             the group track it",
        ),
    }
}

fn clamped(total: i32, is_owner: bool, place: &Place, notes: &mut Notes) -> u8 {
    if is_owner {
        return PRIORITY_OWNER;
    }
    let priority = u8::try_from(total.clamp(1, 254)).unwrap_or(PRIORITY_DEFAULT);
    if i32::from(priority) != total {
        let message = format!(
            "with all weights it is {total}, and becomes {priority}: keepalived adds first, and \
             cuts the sum to 1 to 254; use smaller numbers on all nodes"
        );
        notes.decide(place, "priority", message);
    }
    priority
}

/// Excluded addresses: those of the other family get a table of their own.
fn excluded(
    instance: &Instance,
    router: &mut Router,
    family: Family,
    notes: &mut Notes,
) -> Option<Router> {
    const SUBJECT: &str = "virtual_ipaddress_excluded";
    let found = on_interface(&instance.excluded, &router.interface, SUBJECT, notes);
    let (alike, other): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|vip| Family::of(vip.ip) == family);
    for vip in alike {
        let message = format!(
            "{} is left out: OpenProxy's adverts have every VIP; move it to virtual_ipaddress on \
             all nodes at once, or into a router of its own with another VRID in one group",
            vip.ip
        );
        notes.decide(&vip.place, SUBJECT, message);
    }
    let first = other.first()?;
    let message = "become a router of the other family, in one group with this one: it speaks \
                   version 3 by multicast, which keepalived doesn't mind; see that multicast comes \
                   through between OpenProxy's nodes";
    notes.decide(&first.place, SUBJECT, message);
    router.group.get_or_insert_with(|| instance.name.clone());
    Some(Router {
        version: 3,
        vips: other,
        peers: Vec::new(),
        source: None,
        is_strict: false,
        is_message_only: false,
        ..router.clone()
    })
}
