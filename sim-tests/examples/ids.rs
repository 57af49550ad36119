//! x
use openproxy_sim_tests::{swarm, sweep};
use std::collections::BTreeMap;
fn main() {
    let a: u64 = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(0);
    let b: u64 = std::env::args().nth(2).and_then(|a| a.parse().ok()).unwrap_or(1000);
    let mut m: BTreeMap<_, Vec<(u64, String)>> = BTreeMap::new();
    let t = std::time::SystemTime::now();
    for seed in a..b {
        let o = sweep::run(&swarm::scenario(seed));
        if let Some(v) = o.violation {
            m.entry(v.id).or_default().push((seed, v.to_string()));
        }
    }
    println!("{:?}", t.elapsed());
    for (id, list) in m {
        println!("{id}: {}", list.len());
        for (seed, text) in list.iter().take(4) {
            println!("   {seed}: {text}");
        }
    }
}
