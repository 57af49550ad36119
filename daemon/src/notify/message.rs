//! What is told of a change, in keepalived's words: a script or a reader that was written for
//! keepalived's `notify` or `notify_fifo` understands it.

use std::collections::BTreeMap;

use openproxy::routers::history::Transition;
use openproxy_core::event::Reason;
use openproxy_core::vrrp::{RouterKey, StateName, Vip};

use crate::linux;

/// What a program of ours has told before this one took its place.
#[derive(Debug)]
pub(super) struct Told(BTreeMap<RouterKey, StateName>);

impl Told {
    /// The states that were told of last.
    pub(super) fn before(told: &BTreeMap<RouterKey, StateName>) -> Self {
        Self(told.clone())
    }

    /// Whether a change is known from there: a router that goes on as it was has entered no new
    /// state.
    pub(super) fn knows(&mut self, change: &Transition) -> bool {
        let is_known = self.0.remove(&change.router) == Some(change.to);
        // The one that has died was MASTER.
        is_known || change.reason == Reason::Inherited
    }
}

/// keepalived's arguments of `notify`.
pub(super) fn arguments(change: &Transition) -> [String; 4] {
    let (router, priority) = (change.router.to_string(), change.priority.to_string());
    ["INSTANCE".to_owned(), router, word(change).to_owned(), priority]
}

/// keepalived's line of `notify_fifo`.
pub(super) fn line(change: &Transition) -> String {
    format!("INSTANCE \"{}\" {} {}\n", change.router, word(change), change.priority)
}

/// The variables of hooks, and what only a change has.
pub(super) fn environment(change: &Transition, vips: &[Vip]) -> Vec<(&'static str, String)> {
    let (from, to) = (change.from.as_str(), change.to.as_str());
    let mut environment = linux::router_environment(&change.router, vips, from, to).to_vec();
    environment.extend([
        ("OPENPROXY_ROUTER", change.router.to_string()),
        ("OPENPROXY_PRIORITY", change.priority.to_string()),
        ("OPENPROXY_REASON", change.reason.to_string()),
        ("OPENPROXY_TIME", humantime::format_rfc3339_millis(change.at).to_string()),
    ]);
    environment
}

/// keepalived's word for a state. It has two for INITIALIZE, by what is behind it, and none for
/// LEAVING.
fn word(change: &Transition) -> &'static str {
    match (change.to, &change.reason) {
        (StateName::Master | StateName::Backup | StateName::Leaving, _) => change.to.as_str(),
        (StateName::Initialize, Reason::Blocked(blocker)) if blocker.is_fault() => "FAULT",
        (StateName::Initialize, _) => "STOP",
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use openproxy_core::event::Blocker;
    use openproxy_core::io::MacAddress;
    use openproxy_core::vrrp::StateName::{Backup, Initialize, Leaving, Master};
    use openproxy_core::vrrp::{Family, Priority, Vrid};

    use super::*;

    fn change(from: StateName, to: StateName, reason: Reason) -> Transition {
        let router = RouterKey {
            interface: "eth0".into(),
            vrid: Vrid::new(50).expect("in range"),
            family: Family::V4,
        };
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_500);
        Transition { at, router, from, to, reason, priority: Priority::new(150).expect("in range") }
    }

    #[test]
    fn every_change_has_a_line_and_arguments_in_keepalived_s_words() {
        let mac = MacAddress([2, 0, 0, 0, 0, 9]);
        let table = [
            (Initialize, Backup, Reason::Ready, "BACKUP"),
            (Backup, Master, Reason::MasterDown, "MASTER"),
            (Backup, Initialize, Reason::Blocked(Blocker::LinkDown), "FAULT"),
            (Master, Initialize, Reason::Blocked(Blocker::Check), "FAULT"),
            (Backup, Initialize, Reason::Blocked(Blocker::Stopping), "STOP"),
            (Master, Leaving, Reason::Blocked(Blocker::Stopping), "LEAVING"),
            (Leaving, Initialize, Reason::Announced(mac), "STOP"),
            (Leaving, Initialize, Reason::NobodyFollowed, "STOP"),
            (Leaving, Initialize, Reason::Blocked(Blocker::LinkDown), "FAULT"),
        ];
        for (from, to, reason, word) in table {
            let change = change(from, to, reason);
            assert_eq!(line(&change), format!("INSTANCE \"eth0/50/IPv4\" {word} 150\n"));
            assert_eq!(arguments(&change), ["INSTANCE", "eth0/50/IPv4", word, "150"]);
        }
    }

    #[test]
    fn a_script_finds_all_of_it_in_its_environment() {
        let vip = Vip { ip: [10, 0, 0, 200].into(), prefix_len: 24 };
        let change = change(Backup, Master, Reason::MasterReleased);
        let environment: BTreeMap<_, _> = environment(&change, &[vip]).into_iter().collect();
        let expected = [
            ("OPENPROXY_FAMILY", "IPv4"),
            ("OPENPROXY_INTERFACE", "eth0"),
            ("OPENPROXY_NEW_STATE", "MASTER"),
            ("OPENPROXY_OLD_STATE", "BACKUP"),
            ("OPENPROXY_PRIORITY", "150"),
            ("OPENPROXY_REASON", "the MASTER said priority 0"),
            ("OPENPROXY_ROUTER", "eth0/50/IPv4"),
            ("OPENPROXY_ROUTER_ID", "50"),
            ("OPENPROXY_TIME", "1970-01-01T00:00:01.500Z"),
            ("OPENPROXY_VIPS", "10.0.0.200/24"),
        ];
        assert_eq!(environment.iter().map(|(k, v)| (*k, &**v)).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_the_program_before_has_told_is_not_told_again() {
        let ready = change(Initialize, Backup, Reason::Ready);
        let inherited = change(Initialize, Master, Reason::Inherited);
        let by = |told: &[StateName]| {
            let told = told.iter().map(|state| (ready.router.clone(), *state));
            Told::before(&told.collect())
        };
        assert!(by(&[Backup]).knows(&ready));
        assert!(!by(&[]).knows(&ready), "a start is told of");
        assert!(!by(&[Master]).knows(&ready), "it isn't MASTER any more");
        assert!(by(&[Master]).knows(&inherited) && by(&[]).knows(&inherited));
        let mut told = by(&[Backup]);
        assert!(told.knows(&ready) && !told.knows(&ready), "the second is another");
    }
}
