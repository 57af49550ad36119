//! x
use openproxy_io_sim::clock::SimTime;
use openproxy_sim_tests::{des::Des, judge::Judge, observe::Nobody, scenario::Scenario, sweep};
fn main() {
    let mut s = Scenario::calm(&[150, 100, 50]);
    s.end = SimTime::from_secs(1_000_000);
    let t = std::time::SystemTime::now();
    let mut d = Des::new(&s, Nobody);
    d.run();
    let (_, tally, _) = d.into_parts();
    println!("{:?} {tally:?}", t.elapsed());
    let t = std::time::SystemTime::now();
    let mut d = Des::new(&s, Judge::new(&s));
    d.run();
    let (e, tally, j) = d.into_parts();
    println!("{:?} {tally:?} {:?}", t.elapsed(), j.verdict(e));
    let n: u64 = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(1000);
    let t = std::time::SystemTime::now();
    let r = sweep::sweep(0..n, 2, &Default::default());
    println!("{:?} {r} {:?}", t.elapsed(), r.failure);
    for m in r.marks.missing() {
        println!("missing {m}");
    }
}
