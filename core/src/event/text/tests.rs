//! What people read in the log, and how loud it is.

use std::net::IpAddr;

use super::EventKind as Kind;
use crate::event::Level::{Debug, Error, Info, Warn};
use crate::event::{Blocker, Event, EventKind, Level, Reason};
use crate::io::{
    Address, AddressError, InterfaceIndex, MacAddress, Resets, SendError, SocketError,
};
use crate::time::Duration;
use crate::vrrp::{
    AdverInterval, AdvertPriority, Check, DecodeError, Family, HookKind, Priority, RouterKey,
    StateName, Vip, Vrid,
};

fn vip() -> Vip {
    Vip { ip: [10, 0, 0, 200].into(), prefix_len: 24 }
}

fn address(valid_secs: Option<u32>, protocol: u8) -> Address {
    let Vip { ip, prefix_len } = vip();
    let index = InterfaceIndex(2);
    let (ours, secondary, tentative) = (false, false, false);
    Address { index, ip, prefix_len, ours, secondary, tentative, valid_secs, protocol }
}

fn peer() -> IpAddr {
    [10, 0, 0, 9].into()
}

fn priority(number: u8) -> Priority {
    Priority::new(number).expect("in range")
}

/// What people read of each event, and how loud it is.
fn check<const N: usize>(table: [(EventKind, Level, &str); N]) {
    for (kind, level, text) in table {
        let event = Event { router: None, kind };
        assert_eq!((event.to_string().as_str(), event.level()), (text, level));
    }
}

#[test]
fn changes_of_state_and_discarded_packets_have_their_words() {
    let changed =
        |from, to, reason| Kind::StateChanged { from, to, reason, priority: Priority::OWNER };
    let late = Reason::LeaseLapsed(Duration::from_millis(1_250));
    let error = DecodeError::Ttl { ttl: 64 };
    let source = peer();
    check([
        (
            changed(StateName::Initialize, StateName::Backup, Reason::Ready),
            Info,
            "INITIALIZE -> BACKUP: ready",
        ),
        (
            changed(StateName::Master, StateName::Backup, late),
            Warn,
            "MASTER -> BACKUP: this process was stopped or starved: the lease passed 1250 ms ago",
        ),
        (
            changed(StateName::Leaving, StateName::Initialize, Reason::NobodyFollowed),
            Warn,
            "LEAVING -> INITIALIZE: nobody advertises in its place, and none has the VIPs now",
        ),
        (
            changed(StateName::Master, StateName::Backup, Reason::CannotSend),
            Warn,
            "MASTER -> BACKUP: no advert could be sent before the lease passed",
        ),
        (Kind::Waiting(Blocker::Group), Info, "waiting: another router of its group is blocked"),
        (
            Kind::Discarded { error, source, untold: 0 },
            Warn,
            "discarded a packet from 10.0.0.9: the TTL or hop limit is 64, not 255",
        ),
        (
            Kind::Discarded { error, source, untold: 59 },
            Warn,
            "discarded a packet from 10.0.0.9: the TTL or hop limit is 64, not 255 \
             (and 59 more like it)",
        ),
    ]);
}

#[test]
fn what_happens_to_a_vip_has_its_words() {
    let mac = MacAddress([2, 0, 0, 0, 0, 0xab]);
    let busy = AddressError::Other("busy".to_owned());
    check([
        (Kind::VipAcquired(vip()), Info, "10.0.0.200/24 is on the interface"),
        (Kind::VipReleased(vip()), Debug, "10.0.0.200/24 is off the interface"),
        (
            Kind::ConnectionsReset(Resets { reset: 1, left: 0, all_found: true }),
            Info,
            "reset 1 TCP connection of VIPs that come off",
        ),
        (
            Kind::ConnectionsReset(Resets { reset: 900, left: 100, all_found: true }),
            Warn,
            "reset 900 TCP connections of VIPs that come off; 100 are left, for want of time",
        ),
        (
            Kind::ConnectionsReset(Resets { reset: 900, left: 0, all_found: false }),
            Warn,
            "reset 900 TCP connections of VIPs that come off; \
             at least 0 are left, for want of time",
        ),
        (
            Kind::VipRefused(vip(), AddressError::Denied),
            Error,
            "cannot add 10.0.0.200/24: no permission (CAP_NET_ADMIN)",
        ),
        (
            Kind::VipRemovalFailed(vip(), busy),
            Warn,
            "cannot remove 10.0.0.200/24: busy; trying again",
        ),
        (
            Kind::VipTakenAway(vip()),
            Warn,
            "10.0.0.200/24 was removed by somebody else; putting it back",
        ),
        (
            Kind::VipConverted(vip(), address(None, 0)),
            Warn,
            "10.0.0.200/24 was there already (permanent, protocol 0); it is leased now",
        ),
        (
            Kind::VipForeign(vip(), address(Some(30), 3)),
            Error,
            "10.0.0.200/24 is on the interface (valid for 30 s, protocol 3) though this node \
             isn't MASTER; `openproxy release --force` removes it",
        ),
        (
            Kind::LeftoverRemoved(address(None, 0)),
            Info,
            "removing 10.0.0.200/24, left by an earlier process",
        ),
        (
            Kind::VipClaimed(vip().ip, mac),
            Warn,
            "02:00:00:00:00:ab announces 10.0.0.200 as its own; announcing it again",
        ),
        (
            Kind::ServingInPart(vec![vip(), vip()]),
            Error,
            "nobody else took the role: serving without 10.0.0.200/24 10.0.0.200/24",
        ),
    ]);
}

#[test]
fn hooks_and_checks_have_their_words() {
    let tcp = Check::Tcp("10.0.0.5:6432".parse().expect("an address"));
    let command = Check::Command(["pg_isready".to_owned(), "-q".to_owned()].into());
    let interface = Check::Interface("eth1".into());
    let failure = Some("refused".to_owned());
    let exit = Err("exit status 1".to_owned());
    check([
        (Kind::HookStarted(HookKind::Promote), Debug, "pre_promote_script started"),
        (Kind::HookEnded(HookKind::Demote, Ok(())), Debug, "pre_demote_script ended well"),
        (
            Kind::HookEnded(HookKind::Promote, exit),
            Warn,
            "pre_promote_script failed: exit status 1",
        ),
        (
            Kind::HookTimedOut(HookKind::Demote),
            Warn,
            "pre_demote_script ran too long and was killed",
        ),
        (Kind::CheckChanged(tcp, None), Info, "check tcp 10.0.0.5:6432 is well"),
        (
            Kind::CheckChanged(command, failure.clone()),
            Warn,
            "check command pg_isready -q failed: refused",
        ),
        (Kind::CheckChanged(interface, failure), Warn, "check interface eth1 failed: refused"),
        (Kind::PriorityChanged(priority(150), priority(50)), Info, "priority 150 -> 50"),
    ]);
}

#[test]
fn what_is_odd_about_a_peer_has_its_words() {
    let interval = AdverInterval::from_centis(2_050).expect("in range");
    let source = peer();
    check([
        (
            Kind::LongInterval { source, interval, believed: false },
            Warn,
            "10.0.0.9 advertises every 20.5 s, more than ten times our interval; capped until \
             it keeps to it",
        ),
        (
            Kind::LongInterval { source, interval, believed: true },
            Warn,
            "10.0.0.9 keeps to its interval of 20.5 s; believing it",
        ),
        (Kind::VipListMismatch(source), Warn, "10.0.0.9 advertises other VIPs than ours; accepted"),
        (
            Kind::GlobalFirst(source),
            Warn,
            "10.0.0.9 advertises no link-local IPv6 address first; accepted (see `strict`)",
        ),
        (
            Kind::DualMaster(source),
            Error,
            "two MASTERs: 10.0.0.9 is lesser and goes on advertising; it doesn't hear us",
        ),
        (Kind::DualMasterEnded, Info, "one MASTER again"),
        (Kind::OwnPeer, Info, "our own address among unicast_peers is left out"),
    ]);
}

#[test]
fn what_concerns_the_daemon_has_its_words() {
    check([
        (Kind::SendFailed(SendError::Down), Warn, "cannot send adverts: the network is down"),
        (
            Kind::SocketFailed("eth0".to_owned(), SocketError::NoInterface),
            Error,
            "cannot listen on eth0: the interface is gone; trying again",
        ),
        (Kind::NetlinkOverrun, Warn, "netlink events were lost; reading all anew"),
        (
            Kind::Reloaded { added: 1, removed: 2, changed: 3 },
            Info,
            "configuration applied: 1 routers added, 2 removed, 3 changed",
        ),
        (Kind::Released, Info, "all virtual routers are released"),
    ]);
}

#[test]
fn an_event_of_a_router_begins_with_its_name() {
    let table = [(Family::V4, "eth0/50/IPv4: one"), (Family::V6, "eth0/50/IPv6: one")];
    for (family, begin) in table {
        let vrid = Vrid::new(50).expect("in range");
        let router = Some(RouterKey { interface: "eth0".into(), vrid, family });
        let event = Event { router, kind: EventKind::DualMasterEnded };
        assert_eq!(event.to_string(), format!("{begin} MASTER again"));
    }
}

#[test]
fn every_reason_has_its_words() {
    let better = Reason::BetterMaster(peer(), AdvertPriority::Of(priority(200)));
    let table = [
        (Reason::Owner, "priority 255"),
        (Reason::Ready, "ready"),
        (Reason::MasterDown, "no advert for the master-down interval"),
        (Reason::MasterReleased, "the MASTER said priority 0"),
        (better, "advert of 10.0.0.9 with priority 200"),
        (Reason::Blocked(Blocker::Stopping), "stopping"),
        (Reason::Group, "another router of its group left MASTER"),
        (Reason::Followed(peer()), "10.0.0.9 advertises in its place"),
        (
            Reason::Announced(MacAddress([2, 0, 0, 0, 0, 9])),
            "02:00:00:00:00:09 announces the VIPs in its place",
        ),
        (Reason::NobodyFollowed, "nobody advertises in its place, and none has the VIPs now"),
        (Reason::Hurried, "asked once more to stop"),
        (Reason::Inherited, "the process before this one was MASTER"),
        (Reason::Resumed, "nobody has followed: it serves on"),
    ];
    for (reason, text) in table {
        assert_eq!(reason.to_string(), text);
    }
}

#[test]
fn every_blocker_has_its_words() {
    let table = [
        (Blocker::NoInterface, "the interface doesn't exist"),
        (Blocker::LinkDown, "the interface is down or has no carrier"),
        (Blocker::NoSource, "the interface has no address to advertise from"),
        (Blocker::NoSocket, "the raw socket isn't open"),
        (Blocker::Check, "a check with weight 0 fails or hasn't been answered yet"),
        (Blocker::Refused, "the kernel refuses a VIP"),
        (Blocker::HookFailed, "pre_promote_script failed"),
        (Blocker::Group, "another router of its group is blocked"),
        (Blocker::Stopping, "stopping"),
        (Blocker::Maintenance, "in maintenance"),
        (Blocker::SteppedDown, "stepped down for a while"),
    ];
    for (blocker, text) in table {
        assert_eq!(blocker.to_string(), text);
    }
}
