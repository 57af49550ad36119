//! How often an API is asked: never twice at a time, and seldom enough.

use std::fmt::Write as _;
use std::time::Duration;

use crate::daemon::Daemon;
use crate::patroni::{Manner, Patroni, Question};

/// The most questions within any such span.
fn most_within(asked: &[Question], span: Duration) -> usize {
    let count = |first: &Question| {
        let later = asked.iter().filter(|question| question.at >= first.at);
        later.filter(|question| question.at - first.at < span).count()
    };
    asked.iter().map(count).max().unwrap_or_default()
}

/// Ten pools of three shards, all on the same servers.
fn file(patroni: &Patroni) -> String {
    let mut text = "[general.status]\nsocket = \"FOLDER/o.sock\"\n".to_owned();
    for pool in 0..10 {
        for shard in 0..3 {
            write!(
                text,
                "[pools.p{pool}.shards.{shard}]\nuse_patroni = true\npatroni_port = {}\n\
                 servers = {}\n",
                patroni.port,
                patroni.servers()
            )
            .expect("a string takes it");
        }
    }
    text
}

#[test]
fn thirty_shards_ask_one_question_at_a_time_and_two_a_second() {
    let patroni = Patroni::start();
    let daemon = Daemon::start(&file(&patroni));
    let watch = daemon.watch();
    watch.until_primary("127.0.0.1");
    let enough = 12;
    while patroni.asked(0).len() < enough {
        std::thread::yield_now();
    }
    for server in 0..3 {
        let asked = patroni.asked(server);
        assert_eq!(patroni.most_at_once(server), 1);
        // A question may be late by the time that a thread waits for a processor, and the next not.
        let span = Duration::from_millis(900);
        assert!(most_within(&asked, span) <= 2, "{asked:#?}");
        assert!(asked.iter().any(|question| question.path == "/patroni"));
    }
    assert!((0..3).any(|server| patroni.asked(server).iter().any(|q| q.path == "/cluster")));
}

#[test]
fn in_a_transition_it_is_eight_a_second_at_most_and_a_hung_one_is_left_alone() {
    let patroni = Patroni::start();
    let daemon = Daemon::start(&file(&patroni));
    let watch = daemon.watch();
    watch.until_primary("127.0.0.1");
    patroni.set(0, Manner::Silent);
    patroni.promote(None);
    let before = patroni.asked(1).len();
    while patroni.asked(1).len() < before + 24 {
        std::thread::yield_now();
    }
    for server in 0..3 {
        let asked = patroni.asked(server);
        assert_eq!(patroni.most_at_once(server), 1, "server {server}");
        assert!(most_within(&asked, Duration::from_millis(900)) <= 8, "{asked:#?}");
    }
}
