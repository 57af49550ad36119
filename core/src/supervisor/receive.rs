//! From a received packet to the router it is for (RFC 9568 §7.1).
//!
//! The cheap checks come first, and the VRID before the checksum: most of what is discarded on a
//! busy network are the adverts of neighbours' routers. Whatever is discarded is counted under
//! exactly one reason and changes nothing else.

use std::net::IpAddr;

use super::Supervisor;
use crate::event::{Event, EventKind};
use crate::io::{Arrival, Datagram, Output, SocketId};
use crate::time::Instant;
use crate::vrrp::{
    Advertisement, ChecksumForm, DecodeError, Heard, MULTICAST_V4, MULTICAST_V6, PeerTraits, TTL,
    Transport, Version, ipv4, peek,
};

/// A packet without its IP header.
struct Packet<'a> {
    socket: SocketId,
    at: Instant,
    source: IpAddr,
    destination: IpAddr,
    ttl: u8,
    payload: &'a [u8],
}

impl Supervisor {
    pub(super) fn handle_arrival(&mut self, now: Instant, arrival: Arrival<'_>) {
        let socket = arrival.socket;
        let at = if mutated!(CountedFromReading) { now } else { arrival.at.min(now) };
        let packet = match arrival.datagram {
            Datagram::V4(bytes) => match ipv4::parse(bytes) {
                Ok(ip) => Packet {
                    socket,
                    at,
                    source: ip.source.into(),
                    destination: ip.destination.into(),
                    ttl: ip.ttl,
                    payload: ip.payload,
                },
                Err(error) => return self.discard(now, IpAddr::from([0; 4]), error),
            },
            Datagram::V6 { source, destination, hop_limit, payload } => Packet {
                socket,
                at,
                source: source.into(),
                destination: destination.into(),
                ttl: hop_limit,
                payload,
            },
        };
        if let Err(error) = self.deliver(now, &packet) {
            self.discard(now, packet.source, error);
        }
    }

    fn deliver(&mut self, now: Instant, packet: &Packet<'_>) -> Result<(), DecodeError> {
        // RFC 5082: a packet that was forwarded can't have 255 left.
        if packet.ttl != TTL && !mutated!(TtlUnchecked) {
            return Err(DecodeError::Ttl { ttl: packet.ttl });
        }
        let header = peek(packet.payload)?;
        let unknown = DecodeError::UnknownVrid { vrid: header.vrid };
        let (index, id) = self.ports.route(packet.socket, header.vrid).ok_or(unknown)?;
        let position = id.and_then(|id| self.position(id));
        let position = position.or(mutated!(VridUnchecked).then_some(0)).ok_or(unknown)?;
        let router = self.routers.get(position).ok_or(unknown)?;
        let config = router.config();
        if self.interfaces.has(index, packet.source) && !mutated!(OwnSourceAccepted) {
            return Err(DecodeError::OwnSource { source_ip: packet.source });
        }
        if header.version != config.version && !mutated!(VersionUnchecked) {
            return Err(DecodeError::OtherVersion { found: header.version, ours: config.version });
        }
        check_transport(&config.transport, packet)?;
        let advert = Advertisement::decode(packet.payload, packet.source, packet.destination)?;
        let first = advert.addresses.iter().next();
        let is_global_first = match first {
            Some(IpAddr::V6(first)) if !first.is_unicast_link_local() => {
                if config.strict {
                    return Err(DecodeError::LinkLocal { first });
                }
                true
            }
            Some(IpAddr::V4(_) | IpAddr::V6(_)) | None => false,
        };
        let heard = Heard {
            source: packet.source,
            at: packet.at,
            priority: advert.priority,
            interval: advert.interval,
        };
        let (found, ours) = (advert.interval, config.interval);
        if config.version == Version::V2 && found != ours {
            self.with_router(now, position, |router, ctx| {
                router.handle_interval_mismatch(ctx, heard);
            });
            return Err(DecodeError::IntervalMismatch { found, ours });
        }
        let traits = PeerTraits {
            list_differs: !advert.addresses.matches(&config.vips),
            global_first: is_global_first,
            message_only_checksum: advert.checksum == ChecksumForm::MessageOnly
                && config.version == Version::V3
                && packet.source.is_ipv4(),
        };
        self.with_router(now, position, |router, ctx| {
            router.note_peer(ctx, heard.source, traits);
            router.handle_advert(ctx, heard);
        });
        Ok(())
    }

    fn discard(&mut self, now: Instant, source: IpAddr, error: DecodeError) {
        if let Some(untold) = self.discards.add(now, error, source) {
            let kind = EventKind::Discarded { error, source, untold };
            self.out.push(Output::Event(Event { router: None, kind }));
        }
    }
}

/// Multicast routers listen to their group alone, unicast ones to their peers alone.
fn check_transport(transport: &Transport, packet: &Packet<'_>) -> Result<(), DecodeError> {
    let to_group = match packet.destination {
        IpAddr::V4(destination) => destination == MULTICAST_V4,
        IpAddr::V6(destination) => destination == MULTICAST_V6,
    };
    match transport {
        Transport::Multicast if to_group => Ok(()),
        Transport::Multicast => Err(DecodeError::Destination { destination: packet.destination }),
        Transport::Unicast { .. } if packet.destination.is_multicast() => {
            Err(DecodeError::Destination { destination: packet.destination })
        }
        Transport::Unicast { peers, .. } if peers.contains(&packet.source) => Ok(()),
        Transport::Unicast { .. } if mutated!(PeersUnchecked) => Ok(()),
        Transport::Unicast { .. } => Err(DecodeError::Peer { source_ip: packet.source }),
    }
}
