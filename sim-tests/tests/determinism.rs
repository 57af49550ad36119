//! A run is a function of its seed.

use std::process::Command;

use openproxy_sim_tests::des::Des;
use openproxy_sim_tests::swarm;
use openproxy_sim_tests::trace::TraceHash;

#[test]
fn the_same_seed_gives_the_same_trace_twice_in_one_process_and_in_a_new_one() {
    let output = Command::new(env!("CARGO_BIN_EXE_openproxy-sim"))
        .args(["determinism", "--seeds", "0..500"])
        .output()
        .expect("the program runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("500 seeds"), "{text}");
}

/// A change here is a change of behaviour, or of what a seed means: look which, and why.
#[test]
fn three_seeds_have_the_traces_that_they_had() {
    let hash = |seed| {
        let scenario = swarm::scenario(seed);
        let mut des = Des::new(&scenario, TraceHash::default());
        des.run();
        des.into_parts().2.to_string()
    };
    assert_eq!(
        [hash(1), hash(2), hash(3)],
        ["6f4b37b3019a93a0", "60597555de040dba", "e8292bb1f73602b3"]
    );
}
