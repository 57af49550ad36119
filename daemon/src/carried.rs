//! What a program leaves to the one that is executed in its place, besides what the guard gives: in
//! a variable of its environment. A daemon that is started in any other way begins without.

use openproxy::routers::Look;
use openproxy::routers::history::History;
use openproxy_core::vrrp::{Duty, RouterKey, StateName};
use serde::{Deserialize, Serialize};

use crate::linux;

/// What is carried over.
#[derive(Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Carried {
    /// Whose number the process has: it is the same one afterwards, and no child's.
    pid: u32,
    /// The routers that an operator has taken out of service.
    pub(crate) duties: Vec<(RouterKey, Duty)>,
    /// The state that was told of each router last.
    pub(crate) told: Vec<(RouterKey, StateName)>,
}

impl Carried {
    /// What a process leaves that is like this.
    pub(crate) fn of(look: &Look, history: &History) -> Self {
        let duties = look.routers.iter().map(|report| (report.config.key.clone(), report.duty));
        Self {
            pid: std::process::id(),
            duties: duties.filter(|(_, duty)| *duty != Duty::Full).collect(),
            told: history.states().into_iter().collect(),
        }
    }

    /// What the program before this one has left; nothing if there was none.
    pub(crate) fn take() -> Self {
        let text = std::env::var(linux::CARRIED).ok();
        text.map(|text| Self::read(&text, std::process::id())).unwrap_or_default()
    }

    /// What another version has written may be another thing.
    fn read(text: &str, pid: u32) -> Self {
        let read: Option<Self> = serde_json::from_str(text).ok();
        read.filter(|carried| carried.pid == pid).unwrap_or_default()
    }

    /// As it is written into the environment.
    pub(crate) fn write(&self) -> String {
        // It consists of texts, numbers and lists: all of that can be written.
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use openproxy_core::time::Instant;
    use openproxy_core::vrrp::{Family, Vrid};

    use super::*;

    #[test]
    fn what_is_left_is_read_by_the_same_process_alone() {
        let vrid = Vrid::new(50).expect("in range");
        let router = RouterKey { interface: "eth0".into(), vrid, family: Family::V6 };
        let until = Instant::from_millis(7);
        let left = Carried {
            pid: 42,
            duties: vec![
                (router.clone(), Duty::Maintenance),
                (router.clone(), Duty::SteppedDown { until }),
            ],
            told: vec![(router, StateName::Backup)],
        };
        let text = left.write();
        assert_eq!(Carried::read(&text, 42), left);
        assert_eq!(Carried::read(&text, 43), Carried::default());
        assert_eq!(Carried::read("{\"pid\":42}", 42), Carried::default(), "another version's");
    }
}
