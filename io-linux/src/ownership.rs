//! Which addresses are ours.
//!
//! Each address that OpenProxy adds carries its own `IFA_PROTO`. Kernels before 5.18 ignore that
//! without an error, so what is added is also written to a ledger until an address of ours has been
//! seen with the tag.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use openproxy_core::io::InterfaceIndex;
use openproxy_core::vrrp::Vip;

/// Our `IFA_PROTO`: 1 to 3 are the kernel's, 18 is keepalived's.
pub(crate) const PROTOCOL: u8 = 0x70;

type Entry = (InterfaceIndex, Vip);

/// Who owns what, shared by the netlink worker and the reader of events.
#[derive(Debug)]
pub(crate) struct Ownership {
    path: PathBuf,
    /// The kernel has been seen to keep the tag.
    is_tagging: AtomicBool,
    ledger: Mutex<BTreeSet<Entry>>,
}

impl Ownership {
    /// Reads the ledger, if there is one.
    pub(crate) fn open(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_default();
        Self {
            path: path.to_owned(),
            is_tagging: AtomicBool::new(false),
            ledger: Mutex::new(text.lines().filter_map(parse).collect()),
        }
    }

    /// Whether an address with this tag is ours.
    pub(crate) fn is_ours(&self, index: InterfaceIndex, vip: Vip, protocol: Option<u8>) -> bool {
        match protocol {
            Some(PROTOCOL) => {
                self.is_tagging.store(true, Ordering::Relaxed);
                true
            }
            // Another's tag, or none from a kernel that would have kept ours.
            Some(other) if other != 0 => {
                self.is_tagging.store(true, Ordering::Relaxed);
                false
            }
            _ if self.is_tagging.load(Ordering::Relaxed) => false,
            _ => self.with_ledger(|ledger| ledger.contains(&(index, vip))),
        }
    }

    /// Called before an address is added.
    pub(crate) fn adding(&self, index: InterfaceIndex, vip: Vip) {
        if !self.is_tagging.load(Ordering::Relaxed) {
            self.write(|ledger| ledger.insert((index, vip)));
        }
    }

    /// Called after an address has been removed.
    pub(crate) fn removed(&self, index: InterfaceIndex, vip: Vip) {
        self.write(|ledger| ledger.remove(&(index, vip)));
    }

    fn with_ledger<T>(&self, act: impl FnOnce(&mut BTreeSet<Entry>) -> T) -> T {
        let mut ledger = self.ledger.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        act(&mut ledger)
    }

    fn write(&self, act: impl FnOnce(&mut BTreeSet<Entry>) -> bool) {
        let text = self
            .with_ledger(|ledger| act(ledger).then(|| ledger.iter().map(line).collect::<String>()));
        let Some(text) = text else { return };
        let folder = self.path.parent().map_or(Ok(()), fs::create_dir_all);
        if let Err(error) = folder.and_then(|()| fs::write(&self.path, text)) {
            let path = self.path.display();
            tracing::debug!("cannot write {path}: {error}; only a kernel before 5.18 needs it");
        }
    }
}

fn line((index, vip): &Entry) -> String {
    format!("{} {vip}\n", index.0)
}

fn parse(line: &str) -> Option<Entry> {
    let (index, vip) = line.split_once(' ')?;
    let (ip, prefix_len) = vip.split_once('/')?;
    let vip = Vip { ip: ip.parse().ok()?, prefix_len: prefix_len.parse().ok()? };
    Some((InterfaceIndex(index.parse().ok()?), vip))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: InterfaceIndex = InterfaceIndex(7);

    fn vip() -> Vip {
        Vip { ip: "10.0.0.200".parse().expect("an address"), prefix_len: 24 }
    }

    fn ledger(name: &str) -> PathBuf {
        let file = format!("openproxy-ownership-{}-{name}", std::process::id());
        std::env::temp_dir().join(file)
    }

    #[test]
    fn without_tags_the_ledger_outlives_the_process() {
        let path = ledger("outlives");
        Ownership::open(&path).adding(INDEX, vip());
        let next = Ownership::open(&path);
        assert!(next.is_ours(INDEX, vip(), None));
        assert!(!next.is_ours(InterfaceIndex(8), vip(), None));
        next.removed(INDEX, vip());
        assert!(!Ownership::open(&path).is_ours(INDEX, vip(), None));
        fs::remove_file(path).expect("it was written");
    }

    #[test]
    fn any_tag_shows_that_the_kernel_has_them() {
        let path = ledger("any");
        let ownership = Ownership::open(&path);
        ownership.adding(INDEX, vip());
        let loopback = Vip { ip: "127.0.0.1".parse().expect("an address"), prefix_len: 8 };
        assert!(!ownership.is_ours(InterfaceIndex(1), loopback, Some(1)));
        assert!(!ownership.is_ours(INDEX, vip(), None), "put there by hand after a crash");
        fs::remove_file(path).expect("it was written");
    }

    #[test]
    fn where_the_kernel_tags_an_untagged_address_is_not_ours() {
        let path = ledger("tags");
        let ownership = Ownership::open(&path);
        ownership.adding(INDEX, vip());
        assert!(ownership.is_ours(INDEX, vip(), Some(PROTOCOL)));
        assert!(!ownership.is_ours(INDEX, vip(), None), "somebody replaced it");
        assert!(!ownership.is_ours(INDEX, vip(), Some(18)), "it is keepalived's");
        fs::remove_file(path).expect("it was written");
    }
}
