//! `vrrp_instance` as it is written, `vrrp_sync_group`, and what `global_defs` says of both.

use std::net::IpAddr;

use super::checks::{Tracked, tracked};
use super::keywords::{
    ADDRESS, GLOBAL, GROUP, GlobalKey, GroupKey, INSTANCE, InstanceKey, PEER, boolean, look_up,
};
use super::note::{Notes, Place};
use super::settle::PRIORITY_DEFAULT;
use super::tree::Statement;
use super::values::{Address, from, micros, read};

/// What instances have without words of their own.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Globals {
    pub(super) version: Option<u8>,
    pub(super) garp_refresh_secs: Option<u32>,
    pub(super) is_strict: bool,
}

/// A `vrrp_instance`.
#[derive(Clone, Debug)]
pub(super) struct Instance {
    pub(super) place: Place,
    pub(super) name: String,
    pub(super) starts_as_master: bool,
    pub(super) interface: Option<String>,
    pub(super) vrid: Option<u8>,
    pub(super) priority: Option<u8>,
    pub(super) interval_micros: Option<u64>,
    pub(super) version: Option<u8>,
    pub(super) vips: Vec<Address>,
    pub(super) excluded: Vec<Address>,
    pub(super) peers: Vec<(Place, IpAddr)>,
    pub(super) source: Option<(Place, IpAddr)>,
    pub(super) sends_255: bool,
    /// Where it is said.
    pub(super) nopreempt: Option<Place>,
    pub(super) preempt_delay: Option<(Place, u64)>,
    pub(super) garp_refresh_secs: Option<u32>,
    pub(super) tracked: Vec<Tracked>,
    pub(super) is_strict: Option<bool>,
    pub(super) is_message_only: bool,
}

impl Instance {
    fn new(statement: &Statement) -> Self {
        Self {
            place: statement.place.clone(),
            name: statement.value().unwrap_or_default().to_owned(),
            starts_as_master: false,
            interface: None,
            vrid: None,
            priority: None,
            interval_micros: None,
            version: None,
            vips: Vec::new(),
            excluded: Vec::new(),
            peers: Vec::new(),
            source: None,
            sends_255: false,
            nopreempt: None,
            preempt_delay: None,
            garp_refresh_secs: None,
            tracked: Vec::new(),
            is_strict: None,
            is_message_only: false,
        }
    }

    /// Reads one.
    pub(super) fn read(statement: &Statement, notes: &mut Notes) -> Self {
        let mut instance = Self::new(statement);
        for inner in statement.inner() {
            if let Some(key) = look_up(INSTANCE, inner, notes) {
                instance.take(key, inner, notes);
            }
        }
        instance
    }

    fn take(&mut self, key: InstanceKey, inner: &Statement, notes: &mut Notes) {
        let place = || inner.place.clone();
        match key {
            InstanceKey::State => self.starts_as_master = inner.value() == Some("MASTER"),
            InstanceKey::Interface => self.interface = inner.value().map(str::to_owned),
            InstanceKey::VirtualRouterId => self.vrid = read(inner, notes, |text| from(1, text)),
            InstanceKey::Priority => {
                // For a wrong one keepalived takes 100, whatever the state.
                let priority = read(inner, notes, |text| from(1, text));
                self.priority = Some(priority.unwrap_or(PRIORITY_DEFAULT));
            }
            InstanceKey::AdvertInt => {
                let allowed = 10_000..=255_000_000;
                self.interval_micros =
                    read(inner, notes, |text| micros(text).filter(|m| allowed.contains(m)));
            }
            InstanceKey::Version => self.version = read(inner, notes, version),
            InstanceKey::Addresses => self.vips.extend(addresses(inner, notes)),
            InstanceKey::Excluded => self.excluded.extend(addresses(inner, notes)),
            InstanceKey::Peers => self.peers.extend(peers(inner, notes)),
            InstanceKey::UnicastSource | InstanceKey::MulticastSource => {
                self.source = read(inner, notes, |text| text.parse().ok()).map(|ip| (place(), ip));
            }
            InstanceKey::MulticastGroup => multicast_group(inner, notes),
            InstanceKey::UnicastTtl => {
                self.sends_255 = inner.value() == Some("255");
                if !self.sends_255 {
                    let message = "OpenProxy sends 255, and discards anything else, as the RFCs \
                                   say: set 255 on all keepalived nodes first";
                    notes.decide(&inner.place, inner.keyword(), message);
                }
            }
            InstanceKey::NoPreempt => self.nopreempt = Some(place()),
            InstanceKey::PreemptDelay => {
                let allowed = 0..=1_000_000_000;
                self.preempt_delay =
                    read(inner, notes, |text| micros(text).filter(|m| allowed.contains(m)))
                        .map(|micros| (place(), micros));
            }
            InstanceKey::GarpRefresh => {
                self.garp_refresh_secs = read(inner, notes, |text| from(0, text));
            }
            InstanceKey::TrackInterface => {
                self.tracked.extend(tracked(inner, "track_interface", notes));
            }
            InstanceKey::TrackScript => self.tracked.extend(tracked(inner, "track_script", notes)),
            InstanceKey::Strict => self.is_strict = read(inner, notes, switch(inner)),
            InstanceKey::ChecksumAsV2 => {
                self.is_message_only = read(inner, notes, switch(inner)).unwrap_or(false);
            }
        }
    }
}

/// Reads a keyword that is on when it stands alone.
fn switch(statement: &Statement) -> impl FnOnce(&str) -> Option<bool> {
    let value = boolean(statement.value());
    move |_| value
}

fn version(text: &str) -> Option<u8> {
    from(2, text).filter(|version| *version <= 3)
}

fn multicast_group(statement: &Statement, notes: &mut Notes) {
    let group = statement.value().and_then(|text| text.parse::<IpAddr>().ok());
    let ours = ["224.0.0.18", "ff02::12"].map(|text| text.parse().ok());
    if group.is_none() || !ours.contains(&group) {
        let message = "OpenProxy speaks to the groups of the RFCs alone: use them on all nodes, or \
                       unicast_peers";
        notes.decide(&statement.place, statement.keyword(), message);
    }
}

fn addresses(statement: &Statement, notes: &mut Notes) -> Vec<Address> {
    let mut found = Vec::new();
    for entry in statement.inner() {
        options(ADDRESS, entry, notes);
        match Address::read(entry) {
            Some(address) => found.push(address),
            None => {
                let message = format!("{:?} is not an address; it is left out", entry.keyword());
                notes.decide(&entry.place, statement.keyword(), message);
            }
        }
    }
    found
}

fn peers(statement: &Statement, notes: &mut Notes) -> Vec<(Place, IpAddr)> {
    let mut found = Vec::new();
    for entry in statement.inner() {
        options(PEER, entry, notes);
        match entry.keyword().parse() {
            Ok(ip) => found.push((entry.place.clone(), ip)),
            Err(_) => {
                let message = format!("{:?} is not an address; it is left out", entry.keyword());
                notes.decide(&entry.place, statement.keyword(), message);
            }
        }
    }
    found
}

/// Tells of the options behind an address; a word that is none is the value of the one before it.
fn options(
    table: &[super::keywords::Keyword<super::keywords::Nothing>],
    entry: &Statement,
    notes: &mut Notes,
) {
    let mut words = entry.words.iter().skip(1);
    while let Some(word) = words.next() {
        let option = Statement { words: vec![word.clone()], ..entry.clone() };
        // `None` always: none of them has a key of ours.
        let _ = look_up(table, &option, notes);
        if !TAKES_NO_VALUE.contains(&word.as_str()) {
            words.next();
        }
    }
}

const TAKES_NO_VALUE: [&str; 7] =
    ["use_vmac", "home", "-nodad", "mngtmpaddr", "noprefixroute", "autojoin", "no_track"];

/// Reads `global_defs`.
pub(super) fn globals(statement: &Statement, globals: &mut Globals, notes: &mut Notes) {
    for inner in statement.inner() {
        let Some(key) = look_up(GLOBAL, inner, notes) else { continue };
        match key {
            GlobalKey::Version => globals.version = read(inner, notes, version),
            GlobalKey::GarpRefresh => {
                globals.garp_refresh_secs = read(inner, notes, |text| from(0, text));
            }
            GlobalKey::Strict => {
                globals.is_strict = read(inner, notes, switch(inner)).unwrap_or(false);
            }
            GlobalKey::MulticastGroup => multicast_group(inner, notes),
        }
    }
}

/// A `vrrp_sync_group`.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) place: Place,
    pub(super) name: String,
    pub(super) members: Vec<String>,
    pub(super) tracked: Vec<Tracked>,
    /// Whether the weights of its members' own checks count.
    pub(super) has_own_weights: bool,
}

impl Group {
    /// Reads one.
    pub(super) fn read(statement: &Statement, notes: &mut Notes) -> Self {
        let mut group = Self {
            place: statement.place.clone(),
            name: statement.value().unwrap_or_default().to_owned(),
            members: Vec::new(),
            tracked: Vec::new(),
            has_own_weights: false,
        };
        for inner in statement.inner() {
            let Some(key) = look_up(GROUP, inner, notes) else { continue };
            match key {
                GroupKey::Members => {
                    let names = inner.inner().iter().flat_map(|entry| entry.words.iter().cloned());
                    group.members.extend(names);
                }
                GroupKey::TrackInterface => {
                    group.tracked.extend(tracked(inner, "track_interface", notes));
                }
                GroupKey::TrackScript => {
                    group.tracked.extend(tracked(inner, "track_script", notes));
                }
                GroupKey::OwnWeights => group.has_own_weights = true,
            }
        }
        group
    }
}
