//! Adverts from one host to the other.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use openproxy_core::io::{
    Completion, Destinations, Generation, InterfaceIndex, Output, SendAdvert, SendError,
    SocketError, SocketId, SocketSpec,
};
use openproxy_core::vrrp::{
    AdverInterval, AdvertPriority, Advertisement, ChecksumForm, Family, Version, Vip, Vrid,
};

use crate::host::{Host, ROUTER, cable, vip};
use crate::namespace::isolated;

const LATE: Duration = Duration::from_millis(300);
const STAMPS_BEGIN: Duration = Duration::from_millis(100);

fn socket_of(family: Family) -> SocketId {
    SocketId(match family {
        Family::V4 => 4,
        Family::V6 => 6,
    })
}

async fn open(host: &mut Host, index: InterfaceIndex, family: Family) -> Result<(), SocketError> {
    let id = socket_of(family);
    let spec = SocketSpec { index, name: host.name.clone(), family, routers: 1 };
    host.perform(Output::OpenSocket(id, spec));
    let is_it = |completion: &Completion| match completion {
        Completion::Socket(of, result) if *of == id => Some(result.clone()),
        _ => None,
    };
    host.until("socket", |seen| seen.take(is_it)).await
}

fn advert(vip: Vip) -> Advertisement<Arc<[Vip]>> {
    Advertisement {
        version: Version::V3,
        vrid: Vrid::new(51).expect("a VRID"),
        priority: AdvertPriority::from_wire(100),
        interval: AdverInterval::from_centis(100).expect("an interval"),
        checksum: ChecksumForm::PseudoHeader,
        addresses: [vip].into(),
    }
}

fn send(host: &mut Host, family: Family, to: Destinations) -> Result<(), SendError> {
    let (source, vip) = match family {
        Family::V4 => (host.own.into(), vip("10.99.0.200/24")),
        Family::V6 => (host.link_local.into(), vip("2001:db8::200/64")),
    };
    let advert = advert(vip);
    let (router, generation, socket) = (ROUTER, Generation(7), socket_of(family));
    let destinations = to;
    let send = SendAdvert { router, generation, socket, source, destinations, advert };
    host.perform(Output::SendAdvert(send));
    // It is answered before the next turn: without waiting.
    host.drain();
    let is_it = |completion: &Completion| match completion {
        Completion::AdvertSent(ROUTER, Generation(7), result) => Some(result.clone()),
        _ => None,
    };
    host.seen.take(is_it).expect("an answer at once")
}

async fn crosses(family: Family) {
    let (mut left, mut right) = cable().await;
    for host in [&mut left, &mut right] {
        let index = host.index;
        open(host, index, family).await.expect("a socket");
    }
    // The kernel begins to stamp packets some time after the first socket that asks for it; until
    // then they are stamped when they are read.
    right.until_time(right.now() + STAMPS_BEGIN).await;
    let group: IpAddr = match family {
        Family::V4 => "224.0.0.18".parse().expect("a group"),
        Family::V6 => "ff02::12".parse().expect("a group"),
    };
    let address = |host: &Host| match family {
        Family::V4 => IpAddr::V4(host.own),
        Family::V6 => IpAddr::V6(host.link_local),
    };
    let unicast = Destinations::Unicast([address(&right)].into());
    for (to, destination) in [(Destinations::Multicast, group), (unicast, address(&right))] {
        let sent = left.now();
        send(&mut left, family, to).expect("sent");
        let sent_until = left.now();
        // The reader is busy with something else; the packet has arrived all the same.
        left.until_time(sent_until + LATE).await;
        let got = right.until("advert", |seen| seen.arrivals.pop()).await;
        assert_eq!((got.socket, got.ttl), (socket_of(family), 255));
        assert_eq!((got.source, got.destination), (address(&left), destination));
        assert_eq!(got.payload[..4], [0x31, 51, 100, 1]);
        assert!(got.at <= got.read_at && got.read_at.since(got.at) < Duration::from_secs(1));
        // When it arrived counts, not when it was read; two clocks differ by a little.
        assert!(got.at + Duration::from_millis(20) > sent, "{got:?}, sent at {sent:?}");
        assert!(got.at < sent_until + LATE / 2, "{got:?}, sent at {sent_until:?}");
    }
    // By the time that an answer is there, one's own would be.
    send(&mut right, family, Destinations::Multicast).expect("sent");
    let got = left.until("answer", |seen| seen.arrivals.pop()).await;
    assert_eq!(got.source, address(&right));
    assert!(left.seen.arrivals.is_empty(), "{:?}", left.seen);
    right.drain();
    assert!(right.seen.arrivals.is_empty(), "{:?}", right.seen);
}

#[test]
fn ipv4_adverts_cross_the_cable() {
    isolated(async || crosses(Family::V4).await);
}

#[test]
fn ipv6_adverts_cross_the_cable() {
    isolated(async || crosses(Family::V6).await);
}

#[test]
fn without_a_link_there_is_no_socket_and_nothing_is_sent() {
    isolated(async || {
        let (mut left, _right) = cable().await;
        for family in [Family::V4, Family::V6] {
            let index = left.index;
            open(&mut left, index, family).await.expect("a socket");
            left.switch(left.index, false).await;
            let sent = send(&mut left, family, Destinations::Multicast);
            assert_eq!(sent, Err(SendError::Down), "{family}");
            left.perform(Output::CloseSocket(socket_of(family)));
            let sent = send(&mut left, family, Destinations::Multicast);
            assert_eq!(sent, Err(SendError::Down), "{family}");
            left.switch(left.index, true).await;
        }
        left.name = "nowhere0".into();
        for family in [Family::V4, Family::V6] {
            let opened = open(&mut left, InterfaceIndex(9_999), family).await;
            assert_eq!(opened, Err(SocketError::NoInterface), "{family}");
        }
    });
}

#[test]
fn what_came_in_a_pause_is_seen_before_timers_run_and_in_order() {
    isolated(async || {
        let (mut left, mut right) = cable().await;
        for host in [&mut left, &mut right] {
            for family in [Family::V4, Family::V6] {
                let index = host.index;
                open(host, index, family).await.expect("a socket");
            }
        }
        // The runtime has seen both sockets empty.
        right.wait(right.now() + Duration::from_millis(20)).await;
        right.drain();
        for family in [Family::V6, Family::V4] {
            send(&mut left, family, Destinations::Multicast).expect("sent");
        }
        // The reader's thread stood still: it hasn't asked the runtime since.
        std::thread::sleep(LATE);
        right.drain();
        // Not socket by socket: a flood on the first would hide what waits on the second.
        let sockets: Vec<SocketId> = right.seen.arrivals.iter().map(|got| got.socket).collect();
        assert_eq!(sockets, [socket_of(Family::V6), socket_of(Family::V4)]);
        // The runtime's late news of them ends a wait or two, as the kernel's of a link may: not
        // each.
        let deadline = right.now() + Duration::from_millis(20);
        let mut waits = 0;
        while right.now() < deadline {
            right.wait(deadline).await;
            right.drain();
            waits += 1;
        }
        assert!(waits < 10, "{waits}: {:?}", right.seen);
    });
}
