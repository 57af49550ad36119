//! x
use openproxy_core::mutants::{self, Mutant};
use openproxy_sim_tests::{shrink, swarm, sweep};
fn main() {
    let n: u64 = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(2000);
    let only = std::env::args().nth(2);
    let work = std::sync::Mutex::new(Mutant::ALL.to_vec());
    std::thread::scope(|s| {
        for _ in 0..2 {
            s.spawn(|| {
                loop {
                    let Some(m) = work.lock().unwrap().pop() else { break };
                    if only.as_ref().is_some_and(|o| !m.name().contains(o.as_str())) {
                        continue;
                    }
                    let t = std::time::SystemTime::now();
                    let found = mutants::with(Some(m), || {
                        for seed in 0..n {
                            let sc = swarm::scenario(seed);
                            if let Some(v) = sweep::run(&sc).violation
                                && mutants::with(None, || sweep::run(&sc).violation.is_none())
                            {
                                let t2 = std::time::SystemTime::now();
                                let sh = shrink::shrink(&sc, v.id);
                                return Some((
                                    seed,
                                    v.id,
                                    sh.scenario.faults.len(),
                                    sh.runs,
                                    t2.elapsed().unwrap(),
                                ));
                            }
                        }
                        None
                    });
                    println!("{:24} {found:?} {:?}", m.name(), t.elapsed().unwrap());
                }
            });
        }
    });
}
