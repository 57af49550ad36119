//! How a daemon is, in one short line.

use std::fmt::Write as _;

use openproxy::discovery::driver::Snapshot;
use openproxy::routers::Look;
use openproxy_core::discovery::Primary;
use openproxy_core::vrrp::StateName;

/// In the order in which they are told.
const STATES: [StateName; 4] =
    [StateName::Master, StateName::Leaving, StateName::Backup, StateName::Initialize];
const PRIMARIES: [&str; 4] = ["confirmed", "kept", "hearsay", "without a primary"];

/// Such as: 2 MASTER, 1 BACKUP; 3 shards confirmed. Without discovery, that is said.
pub(super) fn of(look: &Look, known: Option<&Snapshot>) -> String {
    let routers = look.routers.iter().map(|router| router.state);
    let shards = known.map(|known| known.shards.iter().map(|(_, shard)| word(&shard.primary)));
    line(routers, shards)
}

const fn word(primary: &Primary) -> &'static str {
    let [confirmed, kept, hearsay, none] = PRIMARIES;
    match primary {
        Primary::Confirmed(_) => confirmed,
        Primary::Kept(..) => kept,
        Primary::Hearsay(_) => hearsay,
        Primary::None(_) => none,
    }
}

fn line(
    routers: impl Iterator<Item = StateName> + Clone,
    shards: Option<impl Iterator<Item = &'static str> + Clone>,
) -> String {
    let states =
        STATES.map(|state| (state.as_str(), routers.clone().filter(|s| *s == state).count()));
    let mut line = counted(states, "");
    let shards = match shards {
        None => "discovery has ended".to_owned(),
        Some(shards) => {
            let known = PRIMARIES.map(|name| (name, shards.clone().filter(|s| *s == name).count()));
            let unit = if shards.count() == 1 { "shard " } else { "shards " };
            counted(known, unit)
        }
    };
    match (line.is_empty(), shards.is_empty()) {
        (true, true) => "no virtual router and no shard".to_owned(),
        (true, false) => shards,
        (false, true) => line,
        (false, false) => {
            line += "; ";
            line + &shards
        }
    }
}

/// What there is any of; the first with a unit.
fn counted(counts: [(&str, usize); 4], unit: &str) -> String {
    let mut line = String::new();
    for (name, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
        let (comma, unit) = if line.is_empty() { ("", unit) } else { (", ", "") };
        // A string takes everything.
        let _ = write!(line, "{comma}{count} {unit}{name}");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    type Case<'a> = (&'a [StateName], Option<&'a [&'static str]>, &'a str);

    #[test]
    fn it_counts_what_there_is() {
        use StateName::{Backup, Initialize, Leaving, Master};
        let cases: [Case<'_>; 7] = [
            (&[], Some(&[]), "no virtual router and no shard"),
            (&[Backup], Some(&[]), "1 BACKUP"),
            (
                &[Backup, Master, Master],
                Some(&["confirmed"; 3]),
                "2 MASTER, 1 BACKUP; 3 shards confirmed",
            ),
            (&[Initialize, Leaving], Some(&[]), "1 LEAVING, 1 INITIALIZE"),
            (&[], Some(&["kept"]), "1 shard kept"),
            (
                &[],
                Some(&["without a primary", "confirmed"]),
                "1 shards confirmed, 1 without a primary",
            ),
            (&[Master], None, "1 MASTER; discovery has ended"),
        ];
        for (routers, shards, expected) in cases {
            let shards = shards.map(|shards| shards.iter().copied());
            assert_eq!(line(routers.iter().copied(), shards), expected);
        }
    }
}
