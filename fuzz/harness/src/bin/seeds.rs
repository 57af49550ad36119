//! Writes the first inputs of every target's corpus, from what the project has: packets, recorded
//! answers, and files. `cargo run -p openproxy-fuzz-harness --bin seeds`

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Each is named after what it holds, so that the same input is written once.
struct Corpora(PathBuf);

impl Corpora {
    fn add(&self, target: &str, data: &[u8]) -> io::Result<()> {
        let folder = self.0.join(target);
        fs::create_dir_all(&folder)?;
        // FNV-1a, 64 bits.
        let hash = data.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        fs::write(folder.join(format!("seed-{hash:016x}")), data)
    }
}

fn main() -> io::Result<()> {
    let harness = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = harness.join("../..");
    let corpora = Corpora(root.join("fuzz/corpus"));
    packets(&corpora, &root.join("core/src/vrrp/advert/tests"))?;
    bodies(&corpora, &root.join("core/tests/patroni-bodies"))?;
    for document in ["README.md", "docs/configuration.md", "docs/topology.md"] {
        for file in fenced(&fs::read_to_string(root.join(document))?, "toml") {
            corpora.add("config_toml", file.as_bytes())?;
        }
    }
    corpora.add("config_toml", &fs::read(root.join("daemon/src/config/tests/pooler.toml"))?)?;
    for request in REQUESTS {
        for flag in [0, 1] {
            corpora.add("control_request", &[&[flag], request.as_bytes()].concat())?;
        }
    }
    for file in KEEPALIVED {
        corpora.add("keepalived_conf", file.as_bytes())?;
    }
    for datagram in datagrams() {
        corpora.add("netlink_events", &datagram)?;
    }
    let [arp, advertisement] = frames();
    corpora.add("claim_frame", &arp)?;
    corpora.add("claim_frame", &advertisement)?;
    // What is drawn needs bytes, and no meaning.
    for target in ["advert_roundtrip", "router_inputs", "discovery_inputs"] {
        for seed in 1_u32..=8 {
            let bytes: Vec<u8> = (0..4_096_u32)
                .map(|index| (index + 1).wrapping_mul(2_654_435_761_u32.wrapping_mul(seed)))
                .map(|word| word.to_be_bytes()[1])
                .collect();
            corpora.add(target, &bytes)?;
        }
    }
    Ok(())
}

const REQUESTS: [&str; 9] = [
    "GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text;q=0.5\r\n\r\n",
    "OPTIONS /pools/%70/shards/0/any?host=%5B::1%5D&port=5432&lag=1&stale=ok HTTP/1.0\r\n\r\n",
    "HEAD /routers/eth0/50/ipv4/master HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /topology HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /topology?what HTTP/1.0\r\n\r\n",
    "POST /forget/p/0 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
    "POST /forget/%70/a%2fb HTTP/1.1\r\nHost: x\r\n\r\n",
    "DELETE /topology HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
];

const KEEPALIVED: [&str; 3] = [
    "global_defs {\n router_id x\n vrrp_version 3\n}\nvrrp_script s {\n script \"/x 'a b'\"\n \
     interval 2\n timeout 9\n weight 20 reverse\n fall 3\n rise 2\n}\nvrrp_sync_group G {\n \
     group {\n V W\n }\n track_script { s }\n}\nvrrp_instance V {\n state MASTER\n interface e0\n \
     virtual_router_id 5\n priority 9\n advert_int 0.5\n virtual_ipaddress {\n 192.0.2.1/24 dev e0\n \
     }\n virtual_ipaddress_excluded {\n fe80::1\n }\n track_interface {\n e1 weight -9\n }\n}\n\
     vrrp_instance W {\n interface e0\n virtual_router_id 6\n virtual_ipaddress { 192.0.2.2 }\n}\n",
    "$V= \\\nvrrp_instance V${N} { \\\n interface e0 \\\n virtual_router_id ${N} \\\n@node1 nopreempt \\\n\
     @^node1 priority 7 \\\n unicast_src_ip 192.0.2.8 \\\n unicast_peer { 192.0.2.9 \\\n} \\\n \
     virtual_ipaddress { 192.0.2.${N} } \\\n}\n$N=5\n$V\n$N=6\n$V ! twice\n",
    "vrrp_instance V\n{\ninterface e0\nvirtual_router_id 1\nauthentication {\nauth_type PASS\n}\n\
     preempt_delay 2.5\nnotify \"/x\"\nvirtual_ipaddress {\nfe80::1/64 label e0:1\n}\n}\n\
     include k.conf\n~SEQ(A,1,2) x\nvirtual_server 192.0.2.1 80 {\nreal_server 192.0.2.2 80 {\n}\n}\n",
];

/// The packets that the codec's tests have, as they came, and with their checksums repaired.
fn packets(corpora: &Corpora, tests: &Path) -> io::Result<()> {
    for file in ["vectors.rs", "captures.rs", "edge_cases.rs"] {
        for payload in hexadecimal(&fs::read_to_string(tests.join(file))?) {
            for flags in [0, 2] {
                let total = u16::try_from(20 + payload.len()).unwrap_or(u16::MAX).to_be_bytes();
                let header = [0x45, 0xc0, total[0], total[1], 0, 0, 0, 0, 255, 112, 0, 0];
                let addresses = [192, 0, 2, 2, 224, 0, 0, 18];
                let v4 = [&[flags][..], &header, &addresses, &payload].concat();
                corpora.add("advert_decode", &v4)?;
                let mut v6 = vec![flags | 1, 0xfe, 0x80];
                v6.extend([0; 13]);
                v6.extend([2, 0xff, 2]);
                v6.extend([0; 13]);
                v6.push(0x12);
                v6.extend(&payload);
                corpora.add("advert_decode", &v6)?;
            }
        }
    }
    Ok(())
}

/// The string literals of a source that are bytes.
fn hexadecimal(source: &str) -> Vec<Vec<u8>> {
    let literals = source.split('"').skip(1).step_by(2);
    let digits = literals.filter(|text| {
        text.len() >= 16 && text.len() % 2 == 0 && text.bytes().all(|b| b.is_ascii_hexdigit())
    });
    let byte =
        |pair: &[u8]| str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
    digits.map(|text| text.as_bytes().chunks(2).filter_map(byte).collect()).collect()
}

/// A link, two addresses of ours and one of nobody's, and all of them gone, in one datagram and each
/// in its own.
fn datagrams() -> Vec<Vec<u8>> {
    let link = [
        [0, 0, 1, 0].as_slice(),
        &2_u32.to_ne_bytes(),
        &0x1_1043_u32.to_ne_bytes(),
        &[0; 4],
        &attribute(3, b"eth0\0"),
        &attribute(16, &[6]),
        &attribute(1, &[2, 0, 0, 0, 0, 1]),
    ]
    .concat();
    let index = 2_u32.to_ne_bytes();
    let info = [2_u32.to_ne_bytes(), 2_u32.to_ne_bytes(), [0; 4], [0; 4]].concat();
    let (ip, ip_v6) = ([10, 0, 51, 1], [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    let ours = attribute(11, &[0x70]);
    let v4 = [
        [2, 24, 0x81, 0].as_slice(),
        &index,
        &attribute(1, &[10, 0, 51, 2]),
        &attribute(2, &ip),
        &attribute(6, &info),
        &ours,
    ]
    .concat();
    let flags = attribute(8, &0xc2_u32.to_ne_bytes());
    let v6 = [[10, 64, 0xc2, 0].as_slice(), &index, &attribute(1, &ip_v6), &flags, &ours].concat();
    let foreign = [[2, 16, 0x80, 0].as_slice(), &index, &attribute(1, &ip)].concat();
    let mut datagrams: Vec<_> = [(16_u16, &link), (20, &v4), (20, &v6), (20, &foreign)]
        .into_iter()
        .chain([(21, &foreign), (21, &v6), (21, &v4), (17, &link)])
        .map(|(kind, body)| {
            let len = u32::try_from(16 + body.len()).unwrap_or(u32::MAX).to_ne_bytes();
            [len.as_slice(), &kind.to_ne_bytes(), &[0; 10], body].concat()
        })
        .collect();
    datagrams.push(datagrams.concat());
    datagrams
}

/// `struct nlattr`, its value, and what fills the word.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let len = u16::try_from(4 + value.len()).unwrap_or(u16::MAX).to_ne_bytes();
    let mut attribute = [&len, &kind.to_ne_bytes(), value].concat();
    attribute.resize(attribute.len().next_multiple_of(4), 0);
    attribute
}

/// A gratuitous ARP request, and an unsolicited neighbour advertisement.
fn frames() -> [Vec<u8>; 2] {
    let mac = [2, 0, 0, 0, 0, 9];
    let ip = [10, 0, 51, 1];
    let arp = [&[8, 6, 0, 1, 8, 0, 6, 4, 0, 1], mac.as_slice(), &ip, &mac, &ip].concat();
    let (header, body) =
        ([0x86, 0xdd, 0x60, 0, 0, 0, 0, 32, 58, 255], [136, 0, 0, 0, 0xa0, 0, 0, 0]);
    let advertisement = [header.as_slice(), &[1; 32], &body, &[3; 16], &[2, 1], &mac].concat();
    [arp, advertisement].map(|rest| [[0xff; 6].as_slice(), &mac, &rest].concat())
}

/// What real Patronis answered.
fn bodies(corpora: &Corpora, folder: &Path) -> io::Result<()> {
    let states = fs::read_to_string(folder.join("states.jsonl"))?;
    for line in states.lines() {
        let recorded: Value = serde_json::from_str(line)?;
        let text = |key: &str| recorded.get(key).and_then(Value::as_str).unwrap_or_default();
        let (path, body) = (text("path"), text("body"));
        let target = if path == "/cluster" { "cluster_body" } else { "node_body" };
        corpora.add(target, body.as_bytes())?;
        let heads = [
            "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n".to_owned(),
            format!("HTTP/1.1 503 No\r\nContent-Length: {}\r\n\r\n", body.len()),
        ];
        for (flags, head) in (0..).zip(heads) {
            let piece = [200, flags];
            corpora
                .add("http_response", &[&piece[..], head.as_bytes(), body.as_bytes()].concat())?;
        }
    }
    Ok(())
}

/// The blocks of a language in a document.
fn fenced<'t>(text: &'t str, language: &str) -> Vec<&'t str> {
    let open = format!("```{language}\n");
    let blocks = text.split(open.as_str()).skip(1);
    blocks.filter_map(|rest| rest.split("```").next()).collect()
}
