//! Runs, replays and shows simulations of whole clusters.

fn main() {}
