//! What is written on the pipe, a line of JSON each.

use openproxy_core::io::{GuardNote, Will};
use openproxy_core::time::Instant;
use serde::{Deserialize, Serialize};

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Line {
    Note(GuardNote),
    /// The process will be replaced, by one that asks for what it served until then.
    HeirUntil(Instant),
    /// It ends, and leaves nothing.
    Goodbye,
}

impl Line {
    /// As it is written; after one that was cut off, with its end first.
    pub(super) fn encode(&self, ends_another: bool) -> Vec<u8> {
        let mut bytes = if ends_another { vec![b'\n'] } else { Vec::new() };
        // Nothing in it can't be written.
        serde_json::to_writer(&mut bytes, self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }
}

/// What the guard knows of the daemon.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) will: Will,
    pub(super) heir_until: Option<Instant>,
    pub(super) is_over: bool,
    /// What has come of the next line.
    rest: Vec<u8>,
}

impl Notes {
    /// Takes what has come through the pipe. A line that was cut off is left out.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else { return };
        let rest = self.rest.split_off(end + 1);
        let whole = std::mem::replace(&mut self.rest, rest);
        for line in whole.split(|byte| *byte == b'\n') {
            if let Ok(line) = serde_json::from_slice(line) {
                self.note(line);
            }
        }
    }

    fn note(&mut self, line: Line) {
        match line {
            Line::Note(note) => self.will.note(note),
            Line::HeirUntil(until) => self.heir_until = Some(until),
            Line::Goodbye => self.is_over = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use openproxy_core::io::RouterId;
    use openproxy_core::vrrp::{
        AdverInterval, Bequest, Family, Priority, RouterConfig, RouterKey, Version, Vip, Vrid,
    };

    use super::*;

    fn bequest(vrid: u8) -> Bequest {
        let key = RouterKey {
            interface: "eth0".into(),
            vrid: Vrid::new(vrid).expect("in range"),
            family: Family::V4,
        };
        let vip = Vip { ip: [10, 0, 0, vrid].into(), prefix_len: 24 };
        let interval = AdverInterval::from_centis(100).expect("in range");
        let priority = Priority::new(100).expect("in range");
        let config = RouterConfig::plain(key, Version::V2, priority, interval, [vip].into());
        Bequest { config, weight: -7 }
    }

    fn serves(id: u32) -> Line {
        let number = u8::try_from(id).expect("small");
        Line::Note(GuardNote::Serves(RouterId(id), Box::new(bequest(number))))
    }

    fn heard(lines: &[Line]) -> Notes {
        let mut notes = Notes::default();
        lines.iter().for_each(|line| notes.take(&line.encode(false)));
        notes
    }

    fn vrids(notes: &Notes) -> Vec<u8> {
        notes.will.estate().iter().map(|left| left.bequest.config.key.vrid.get()).collect()
    }

    #[test]
    fn what_is_served_last_is_left() {
        let alive = Line::Note(GuardNote::Alive(Instant::from_millis(5_000)));
        let ceases = Line::Note(GuardNote::Ceases(RouterId(1)));
        let notes = heard(&[serves(1), serves(2), alive, ceases]);
        let estate = notes.will.estate();
        assert_eq!(estate, [bequest(2).inherited(Instant::from_millis(5_000))]);
        assert_eq!((notes.heir_until, notes.is_over), (None, false));
    }

    #[test]
    fn beginning_anew_forgets() {
        assert_eq!(vrids(&heard(&[serves(1), Line::Note(GuardNote::Anew), serves(2)])), [2]);
    }

    #[test]
    fn lines_come_in_pieces_and_one_that_was_cut_off_is_left_out() {
        let mut notes = Notes::default();
        for byte in serves(1).encode(false) {
            notes.take(&[byte]);
        }
        let cut = serves(2).encode(false);
        notes.take(&cut[..cut.len() / 2]);
        notes.take(&serves(3).encode(true));
        assert_eq!(vrids(&notes), [1, 3]);
    }

    #[test]
    fn an_heir_and_the_end_are_told() {
        let until = Instant::from_millis(7);
        assert_eq!(heard(&[Line::HeirUntil(until)]).heir_until, Some(until));
        assert!(heard(&[Line::Goodbye]).is_over);
    }
}
