//! What is left out of a digest, and what isn't.

use std::hash::{DefaultHasher, Hasher};

use super::node::*;
use crate::supervisor::Supervisor;
use crate::time::{Duration, Instant};
use crate::vrrp::StateName::{Backup, Master};

fn digest(node: &Node) -> u64 {
    let mut hasher = DefaultHasher::new();
    node.supervisor.digest(node.now, &mut hasher);
    hasher.finish()
}

#[test]
fn what_is_counted_is_left_out_and_what_decides_is_not() {
    let mut node = Node::start(vec![config(100)]);
    let before = digest(&node);
    node.hear(&Advert { ttl: 254, ..advert(HIGH, 200) });
    assert_eq!(digest(&node), before, "a packet was discarded");
    node.run(Duration::from_millis(10));
    assert_eq!(digest(&node), before, "time has passed");
    node.hear(&advert(HIGH, 200));
    assert_eq!(node.state(), Backup);
    assert_ne!(digest(&node), before, "the timer was set anew");
    let heard = digest(&node);
    node.hear(&advert(HIGH, 200));
    assert_eq!(digest(&node), heard, "the same advert once more");
}

#[test]
fn answers_of_long_ago_are_left_out() {
    let mut node = Node::start(vec![config(100)]);
    node.run(Duration::from_secs(10));
    let mut answering = node.supervisor.clone();
    std::mem::swap(&mut node.supervisor, &mut answering);
    node.hear(&advert(LOW, 50));
    std::mem::swap(&mut node.supervisor, &mut answering);
    assert_eq!(node.state(), Master);
    let of = |supervisor: &Supervisor, from| {
        let mut hasher = DefaultHasher::new();
        supervisor.digest(from, &mut hasher);
        hasher.finish()
    };
    let at = |millis| node.now + Duration::from_millis(millis);
    assert_ne!(of(&node.supervisor, at(0)), of(&answering, at(0)));
    assert_ne!(of(&node.supervisor, at(2_999)), of(&answering, at(2_999)));
    assert_eq!(of(&node.supervisor, at(3_000)), of(&answering, at(3_000)));
}

#[test]
#[should_panic(expected = "outputs wait for the driver")]
fn nothing_may_be_under_way() {
    let mut supervisor = Supervisor::new(vec![config(100)]);
    supervisor.turn(Instant::ZERO, &mut TestInbox::default());
    supervisor.digest(Instant::ZERO, &mut DefaultHasher::new());
}
