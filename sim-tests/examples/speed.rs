//! x
use openproxy_sim_tests::{des::Des, observe::Nobody, scenario::Scenario};
use openproxy_io_sim::clock::SimTime;
fn main() {
    let mut s = Scenario::calm(&[150, 100, 50]);
    s.end = SimTime::from_secs(1_000_000);
    let t = std::time::SystemTime::now();
    let mut d = Des::new(&s, Nobody);
    d.run();
    let (_, tally, _) = d.into_parts();
    println!("{:?} {tally:?}", t.elapsed());
}
