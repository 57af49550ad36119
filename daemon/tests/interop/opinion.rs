//! tshark's opinion of packets that no network has seen: of the codec's, and of damaged ones.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::Command;
use std::sync::Arc;

use openproxy_core::vrrp::{
    AdverInterval, AdvertBuffer, AdvertPriority, Advertisement, ChecksumForm, DiscardReason, TTL,
    Version, Vip, Vrid,
};
use openproxy_io_sim::draw::{Draws, Sequence, Stream};

use crate::packet::packet;

const COUNT: usize = 4_000;
/// Packets without a link-layer header, as pcap calls them.
const LINKTYPE_RAW: u32 = 101;
const FIELDS: [&str; 9] = [
    "vrrp.version",
    "vrrp.virt_rtr_id",
    "vrrp.prio",
    "vrrp.addr_count",
    "vrrp.adver_int",
    "vrrp.short_adver_int",
    "vrrp.checksum.status",
    "vrrp.ip_addr",
    "vrrp.ipv6_addr",
];

/// One number after the other, the same in every run.
struct Numbers(Sequence);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.between(0, u64::MAX)
    }

    fn between(&mut self, least: u64, most: u64) -> u64 {
        self.0.between(least, most)
    }

    fn address(&mut self, is_v6: bool) -> IpAddr {
        let (high, low) = (u128::from(self.next()), u128::from(self.next()));
        if is_v6 {
            Ipv6Addr::from_bits(high << 64 | low).into()
        } else {
            Ipv4Addr::from_bits(u32::try_from(low >> 32).expect("32 bits")).into()
        }
    }
}

struct Sample {
    source: IpAddr,
    destination: IpAddr,
    payload: Vec<u8>,
}

impl Sample {
    /// An advert of any kind, and now and then one of its bits is another.
    fn draw(numbers: &mut Numbers) -> Self {
        let version = if numbers.next().is_multiple_of(3) { Version::V2 } else { Version::V3 };
        let is_v6 = version == Version::V3 && numbers.next().is_multiple_of(2);
        let (source, destination) = (numbers.address(is_v6), numbers.address(is_v6));
        let vip = |numbers: &mut Numbers| Vip { ip: numbers.address(is_v6), prefix_len: 24 };
        let addresses: Arc<[Vip]> = (0..numbers.between(1, 20)).map(|_| vip(numbers)).collect();
        let octet = |number: u64| u8::try_from(number).expect("8 bits");
        let interval = match version {
            Version::V2 => AdverInterval::from_secs(octet(numbers.between(1, 255))),
            Version::V3 => {
                let centis = u16::try_from(numbers.between(1, 4_095)).expect("16 bits");
                AdverInterval::from_centis(centis)
            }
        };
        let advert = Advertisement {
            version,
            vrid: Vrid::new(octet(numbers.between(1, 255))).expect("in range"),
            priority: AdvertPriority::from_wire(octet(numbers.between(0, 255))),
            interval: interval.expect("in range"),
            checksum: ChecksumForm::PseudoHeader,
            addresses,
        };
        let mut buffer = AdvertBuffer::new();
        let mut payload = advert.encode(source, destination, &mut buffer).to_vec();
        if numbers.next().is_multiple_of(4) {
            // Its priority or its addresses: elsewhere it would be another kind of packet.
            let end = if version == Version::V2 { payload.len() - 8 } else { payload.len() };
            let places: Vec<usize> = [2].into_iter().chain(8..end).collect();
            let last = u64::try_from(places.len() - 1).expect("few");
            let place = usize::try_from(numbers.between(0, last)).expect("few");
            payload[places[place]] ^= 1 << numbers.between(0, 7);
        }
        Self { source, destination, payload }
    }

    /// What our decoder says of it, in tshark's words.
    fn ours(&self) -> String {
        let advert = match Advertisement::decode(&self.payload, self.source, self.destination) {
            Ok(advert) => advert,
            Err(error) => {
                assert_eq!(error.reason(), DiscardReason::Checksum, "{error}");
                return "bad checksum".to_owned();
            }
        };
        let list: Vec<String> = advert.addresses.iter().map(|ip| ip.to_string()).collect();
        let list = list.join(",");
        let centis = advert.interval.centis();
        let (number, interval) = match advert.version {
            Version::V2 => (2, format!("{}\t", centis / 100)),
            Version::V3 => (3, format!("\t{centis}")),
        };
        let list = if self.source.is_ipv4() { format!("{list}\t") } else { format!("\t{list}") };
        let (vrid, priority) = (advert.vrid, advert.priority.to_wire());
        format!("{number}\t{vrid}\t{priority}\t{}\t{interval}\t1\t{list}", advert.addresses.len())
    }
}

fn pcap(samples: &[Sample]) -> Vec<u8> {
    let mut file = Vec::new();
    file.extend(0xa1b2_c3d4_u32.to_ne_bytes());
    file.extend([2_u16, 4].map(u16::to_ne_bytes).concat());
    file.extend([0, 0, 65_535, LINKTYPE_RAW].map(u32::to_ne_bytes).concat());
    for (second, sample) in (0_u32..).zip(samples) {
        let packet = packet(sample.source, sample.destination, TTL, &sample.payload);
        let len = u32::try_from(packet.len()).expect("short");
        file.extend([second, 0, len, len].map(u32::to_ne_bytes).concat());
        file.extend(packet);
    }
    file
}

#[test]
#[ignore = "needs tshark; .ci/run runs it"]
fn tshark_reads_thousands_of_drawn_adverts_as_we_do() {
    let mut numbers = Numbers(Sequence::new(Draws::new(112), Stream::Stranger, 0));
    let samples: Vec<Sample> = (0..COUNT).map(|_| Sample::draw(&mut numbers)).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("packets");
    fs::write(&file, pcap(&samples)).expect("a file");
    let mut command = Command::new("tshark");
    command.env("HOME", folder.path()).args(["-n", "-T", "fields", "-E", "separator=/t"]);
    command.args(FIELDS.iter().flat_map(|field| ["-e", field])).arg("-r").arg(&file);
    let output = command.output().expect("tshark is installed");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), COUNT, "{}", String::from_utf8_lossy(&output.stderr));
    let status = FIELDS.iter().position(|field| *field == "vrrp.checksum.status").expect("asked");
    let mut bad = 0;
    for (sample, line) in samples.iter().zip(lines) {
        // Of a packet with a bad checksum, what it says doesn't matter.
        let is_bad = line.split('\t').nth(status) == Some("0");
        bad += usize::from(is_bad);
        let theirs = if is_bad { "bad checksum" } else { line };
        assert_eq!(sample.ours(), theirs, "{:02x?}", sample.payload);
    }
    println!("{COUNT} packets, {bad} of them damaged: tshark and we agree");
    assert!((COUNT / 5..COUNT / 3).contains(&bad), "{bad}");
}
