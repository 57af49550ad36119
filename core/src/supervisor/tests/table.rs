//! Every state × input of the RFC's table, with OpenProxy's rules.

use super::node::*;
use crate::event::EventKind;
use crate::io::{Command, KernelEvent};
use crate::time::{Duration, Instant};
use crate::vrrp::StateName::{self, Backup, Initialize, Leaving, Master};

/// Our priority is 100, our address 10.0.0.5.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Input {
    ZeroFromMaster,
    ZeroFromOther,
    Higher,
    EqualFromHigherAddress,
    EqualFromLowerAddress,
    Lower,
    Timer,
    LinkDown,
    LinkUp,
    AddressGone,
    InterfaceGone,
    Shutdown,
}

const INPUTS: [Input; 12] = [
    Input::ZeroFromMaster,
    Input::ZeroFromOther,
    Input::Higher,
    Input::EqualFromHigherAddress,
    Input::EqualFromLowerAddress,
    Input::Lower,
    Input::Timer,
    Input::LinkDown,
    Input::LinkUp,
    Input::AddressGone,
    Input::InterfaceGone,
    Input::Shutdown,
];

/// What the timer of a BACKUP does: it stays, starts again, or is set to the skew time.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Timer {
    Stays,
    Restarts,
    Skew,
    None,
}

fn in_state(state: StateName) -> Node {
    match state {
        Initialize => {
            Node::start_with(vec![config(100)], vec![link(false)], vec![address(OWN, 24)])
        }
        Backup => {
            let mut node = Node::start(vec![config(100)]);
            node.hear(&advert(HIGH, 200));
            node.run(Duration::from_millis(500));
            node
        }
        Master => {
            let mut node = Node::start(vec![config(100)]);
            node.run(Duration::from_millis(3_700));
            assert_eq!(node.state(), Master);
            node
        }
        Leaving => {
            let mut node = in_state(Master);
            give(&mut node, Input::Shutdown);
            node
        }
    }
}

fn give(node: &mut Node, input: Input) {
    match input {
        Input::ZeroFromMaster => node.hear(&advert(HIGH, 0)),
        Input::ZeroFromOther => node.hear(&advert(LOW, 0)),
        Input::Higher => node.hear(&advert(HIGH, 200)),
        Input::EqualFromHigherAddress => node.hear(&advert(HIGH, 100)),
        Input::EqualFromLowerAddress => node.hear(&advert(LOW, 100)),
        Input::Lower => node.hear(&advert(LOW, 50)),
        Input::Timer => {
            node.now = node.now.max(node.supervisor.poll_timeout());
            node.turns();
        }
        Input::LinkDown => node.change_link(false),
        Input::LinkUp => node.change_link(true),
        Input::AddressGone => node.take_away(ip(OWN)),
        Input::InterfaceGone => {
            node.links.clear();
            node.addresses.clear();
            node.inbox.events.push_back(KernelEvent::LinkGone(INDEX));
            node.turns();
        }
        Input::Shutdown => {
            node.command(Command::Shutdown);
        }
    }
}

/// What must come of it: the next state, the timer, and what is put out.
fn expected(state: StateName, input: Input) -> (StateName, Timer, &'static [&'static str]) {
    use Timer::{None, Restarts, Skew, Stays};
    const YIELD: &[&str] = &["remove", "advert 100"];
    const ASSERT: &[&str] = &["advert 100", "announce"];
    match (state, input) {
        // Without a link, sockets are open already, and adverts are ignored.
        (Initialize, Input::LinkUp) => (Backup, Restarts, &[]),
        (Initialize, _) => (Initialize, None, &[]),

        (Backup, Input::ZeroFromMaster) => (Backup, Skew, &[]),
        (Backup, Input::ZeroFromOther | Input::Lower | Input::LinkUp) => (Backup, Stays, &[]),
        (Backup, Input::Higher | Input::EqualFromHigherAddress | Input::EqualFromLowerAddress) => {
            (Backup, Restarts, &[])
        }
        (Backup, Input::Timer) => (Master, None, &["advert 100", "add", "announce"]),
        (Backup, Input::LinkDown | Input::AddressGone | Input::InterfaceGone | Input::Shutdown) => {
            (Initialize, None, &[])
        }

        (
            Master,
            Input::ZeroFromMaster
            | Input::ZeroFromOther
            | Input::EqualFromLowerAddress
            | Input::Lower,
        ) => (Master, None, ASSERT),
        (Master, Input::Higher | Input::EqualFromHigherAddress) => (Backup, Restarts, YIELD),
        // The first timer after 0.1 s is a repeated announcement.
        (Master, Input::Timer) => (Master, None, &["advert 100", "renew"]),
        (Master, Input::LinkUp) => (Master, None, &[]),
        // Nothing can be sent any more, but the VIP must go.
        (Master, Input::LinkDown | Input::AddressGone) => (Initialize, None, &["remove"]),
        (Master, Input::InterfaceGone) => (Initialize, None, &[]),
        // The VIP stays until another has it.
        (Master, Input::Shutdown) => (Leaving, None, &["advert 0", "renew"]),

        // An advert of another begins 20 ms in which it is to announce the VIP.
        (
            Leaving,
            Input::Higher
            | Input::EqualFromHigherAddress
            | Input::EqualFromLowerAddress
            | Input::Lower
            | Input::ZeroFromMaster
            | Input::ZeroFromOther
            | Input::LinkUp,
        ) => (Leaving, None, &[]),
        (Leaving, Input::Timer) => (Leaving, None, &["renew"]),
        (Leaving, Input::LinkDown | Input::AddressGone | Input::Shutdown) => {
            (Initialize, None, &["remove"])
        }
        (Leaving, Input::InterfaceGone) => (Initialize, None, &[]),
    }
}

#[test]
fn every_state_answers_every_input_as_the_table_says() {
    for state in [Initialize, Backup, Master, Leaving] {
        for input in INPUTS {
            check(state, input);
        }
    }
}

fn check(state: StateName, input: Input) {
    let mut node = in_state(state);
    if (state, input) == (Master, Input::Timer) {
        // Let the burst of announcements end, so that the next timer is the advert's.
        node.run(Duration::from_millis(5_400));
    }
    let (before, position) = (node.supervisor.poll_timeout(), node.log.len());
    give(&mut node, input);
    let (next, timer, words) = expected(state, input);
    let context = format!("{state} × {input:?}");
    match node.supervisor.routers().first() {
        Some(router) => assert_eq!(router.state(), next, "{context}"),
        None => assert_eq!(next, Initialize, "{context}: only a stopped router is gone"),
    }
    assert_eq!(node.words_since(position), words, "{context}");
    let down = Duration::from_nanos(3_609_375_000);
    let skew = Duration::from_nanos(609_375_000);
    let due = node.supervisor.poll_timeout();
    match timer {
        Timer::Stays => assert_eq!(due, before, "{context}"),
        Timer::Restarts => assert_eq!(due, node.now + down, "{context}"),
        Timer::Skew => assert_eq!(due, node.now + skew, "{context}"),
        Timer::None if next == Initialize => assert_eq!(due, Instant::MAX, "{context}"),
        Timer::None => assert!(due > node.now, "{context}"),
    }
    let holds = node.vip().is_some();
    assert_eq!(holds, matches!(next, Master | Leaving), "{context}: the VIP follows the state");
}

#[test]
fn shutdown_ends_with_everything_released() {
    for state in [Initialize, Backup, Master] {
        let mut node = in_state(state);
        give(&mut node, Input::Shutdown);
        node.run(Duration::from_secs(3));
        assert!(node.supervisor.is_finished(), "{state}");
        assert_eq!(node.events().last(), Some(&&EventKind::Released), "{state}");
    }
}
