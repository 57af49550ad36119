//! Runs, replays and shows simulations of whole clusters.

use openproxy_sim_tests::{des::Des, judge::Judge, swarm, trace::Lines};
fn main() {
    let seed: u64 = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(1);
    let from: f64 = std::env::args().nth(2).and_then(|a| a.parse().ok()).unwrap_or(0.0);
    let s = swarm::scenario(seed);
    println!("{}", toml::to_string(&s).unwrap());
    let mut d = Des::new(&s, (Judge::new(&s), Lines::default()));
    d.run();
    let (e, t, (j, l)) = d.into_parts();
    for line in l.lines {
        if line.at.0 as f64 / 1e9 >= from {
            println!("{line}");
        }
    }
    println!("{t:?} {:?}", j.verdict(e));
}
