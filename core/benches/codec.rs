//! What it costs to read and write an advert.

use std::hint::black_box;
use std::net::IpAddr;
use std::sync::Arc;

use divan::{AllocProfiler, Bencher};
use openproxy_core::vrrp::{
    AdverInterval, AdvertBuffer, AdvertPriority, Advertisement, ChecksumForm, MULTICAST_V4,
    MULTICAST_V6, Version, Vip, Vrid, peek,
};

/// Neither reading nor writing may allocate; the profiler would show it.
#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// An advert to read or write.
#[derive(Clone, Copy, Debug)]
enum Kind {
    V2,
    V3PseudoHeader,
    V3MessageOnly,
    V6,
}

const KINDS: [Kind; 4] = [Kind::V2, Kind::V3PseudoHeader, Kind::V3MessageOnly, Kind::V6];

struct Packet {
    source: IpAddr,
    destination: IpAddr,
    advert: Advertisement<Arc<[Vip]>>,
}

impl Packet {
    fn new(kind: Kind, count: u8) -> Self {
        let v6 = matches!(kind, Kind::V6);
        let address = |number: u8| {
            if v6 {
                IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, u16::from(number)])
            } else {
                IpAddr::from([192, 0, 2, number])
            }
        };
        let (version, checksum) = match kind {
            Kind::V2 => (Version::V2, ChecksumForm::MessageOnly),
            Kind::V3MessageOnly => (Version::V3, ChecksumForm::MessageOnly),
            Kind::V3PseudoHeader | Kind::V6 => (Version::V3, ChecksumForm::PseudoHeader),
        };
        let advert = Advertisement {
            version,
            vrid: Vrid::new(51).expect("in range"),
            priority: AdvertPriority::from_wire(100),
            interval: AdverInterval::from_secs(1).expect("in range"),
            checksum,
            addresses: (1..=count)
                .map(|number| Vip { ip: address(number), prefix_len: 24 })
                .collect(),
        };
        let destination = if v6 { MULTICAST_V6.into() } else { MULTICAST_V4.into() };
        Self { source: address(254), destination, advert }
    }

    fn payload(&self) -> Vec<u8> {
        let mut buffer = AdvertBuffer::new();
        self.advert.encode(self.source, self.destination, &mut buffer).to_vec()
    }
}

fn bench_decode(bencher: Bencher<'_, '_>, kind: Kind, count: u8) {
    let packet = Packet::new(kind, count);
    let payload = packet.payload();
    bencher.bench_local(|| {
        let payload = black_box(payload.as_slice());
        black_box(Advertisement::decode(payload, packet.source, packet.destination)).is_ok()
    });
}

fn bench_encode(bencher: Bencher<'_, '_>, kind: Kind, count: u8) {
    let packet = Packet::new(kind, count);
    let mut buffer = AdvertBuffer::new();
    bencher.bench_local(|| {
        let advert = black_box(&packet.advert);
        black_box(advert.encode(packet.source, packet.destination, &mut buffer)).len()
    });
}

#[divan::bench(args = KINDS)]
fn decode_1_address(bencher: Bencher<'_, '_>, kind: Kind) {
    bench_decode(bencher, kind, 1);
}

#[divan::bench(args = KINDS)]
fn decode_255_addresses(bencher: Bencher<'_, '_>, kind: Kind) {
    bench_decode(bencher, kind, 255);
}

#[divan::bench(args = KINDS)]
fn encode_1_address(bencher: Bencher<'_, '_>, kind: Kind) {
    bench_encode(bencher, kind, 1);
}

#[divan::bench(args = KINDS)]
fn encode_255_addresses(bencher: Bencher<'_, '_>, kind: Kind) {
    bench_encode(bencher, kind, 255);
}

#[divan::bench]
fn peek_at_a_foreign_advert(bencher: Bencher<'_, '_>) {
    let payload = Packet::new(Kind::V2, 1).payload();
    bencher.bench_local(|| peek(black_box(&payload)));
}

#[divan::bench]
fn match_255_addresses(bencher: Bencher<'_, '_>) {
    let packet = Packet::new(Kind::V2, 255);
    let payload = packet.payload();
    let list = Advertisement::decode(&payload, packet.source, packet.destination)
        .expect("an advert")
        .addresses;
    bencher.bench_local(|| black_box(list).matches(black_box(&packet.advert.addresses)));
}

#[divan::bench]
fn match_255_addresses_in_reverse(bencher: Bencher<'_, '_>) {
    let packet = Packet::new(Kind::V2, 255);
    let payload = packet.payload();
    let list = Advertisement::decode(&payload, packet.source, packet.destination)
        .expect("an advert")
        .addresses;
    let reversed: Vec<Vip> = packet.advert.addresses.iter().rev().copied().collect();
    bencher.bench_local(|| black_box(list).matches(black_box(&reversed)));
}
