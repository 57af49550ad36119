//! tshark reads what was on the wire.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::net::{INTERFACE, Namespace, poll};

/// What tshark is asked about each packet.
const FIELDS: [&str; 21] = [
    "frame.protocols",
    "eth.dst",
    "ip.src",
    "ip.dst",
    "ip.ttl",
    "ip.checksum.status",
    "ipv6.src",
    "ipv6.dst",
    "ipv6.hlim",
    "vrrp.version",
    "vrrp.virt_rtr_id",
    "vrrp.prio",
    "vrrp.checksum.status",
    "arp.isgratuitous",
    "arp.dst.proto_ipv4",
    "icmpv6.type",
    "icmpv6.checksum.status",
    "icmpv6.nd.na.target_address",
    "icmpv6.nd.na.flag.o",
    "_ws.malformed",
    "_ws.expert.message",
];

/// One packet: tshark's fields by name. What it doesn't have is empty.
#[derive(Debug)]
pub(crate) struct Packet(BTreeMap<&'static str, String>);

impl Packet {
    /// A field, or nothing.
    pub(crate) fn get(&self, field: &str) -> &str {
        self.0.get(field).map_or_else(|| panic!("{field} isn't asked for"), String::as_str)
    }

    /// It is a VRRP advert.
    pub(crate) fn is_advert(&self) -> bool {
        !self.get("vrrp.version").is_empty()
    }
}

/// Records all that a node sees.
#[derive(Debug)]
pub(crate) struct Capture {
    process: Child,
    directory: TempDir,
}

impl Capture {
    /// Returns when it records.
    pub(crate) fn start(node: &Namespace) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        // tshark's own recorder, which is ready sooner.
        let mut command = Command::new("dumpcap");
        command.args(["-q", "-P", "-i", INTERFACE, "-w"]).arg(directory.path().join("packets"));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let process = node.run(|| command.spawn()).expect("dumpcap, a part of tshark");
        let capture = Self { process, directory };
        let begun = poll(Duration::from_secs(10), || {
            let length = capture.file().metadata().ok()?.len();
            (length > 0).then_some(())
        });
        assert!(begun.is_some(), "dumpcap doesn't begin");
        capture
    }

    /// The packets from a hardware address that are there up to now.
    pub(crate) fn packets(&self, from: &str) -> Vec<Packet> {
        let mut command = Command::new("tshark");
        command.env("HOME", self.directory.path()).stderr(Stdio::piped());
        command.args(["-n", "-o", "ip.check_checksum:TRUE", "-T", "fields", "-E", "separator=/t"]);
        command.arg("-Y").arg(format!("eth.src == {from}"));
        command.args(FIELDS.iter().flat_map(|field| ["-e", field]));
        let output = command.arg("-r").arg(self.file()).output().expect("tshark is installed");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        // A file that is still written may end in the middle of a packet, and tshark says so.
        assert!(
            output.status.success() || !text.is_empty(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let packet = |line: &str| {
            let values = line.split('\t').map(str::to_owned);
            Packet(FIELDS.iter().copied().zip(values).collect())
        };
        text.lines().map(packet).collect()
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("packets")
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        if let Ok(id) = i32::try_from(self.process.id()) {
            // It has a helper, and takes that along when asked to end.
            let _ = kill(Pid::from_raw(id), Signal::SIGTERM);
        }
        let _ = self.process.wait();
    }
}
