//! What is told when, by tokio's clock.

use std::net::IpAddr;

use openproxy::driver::Lateness;
use openproxy_core::io::{
    Arrival, Command, Completion, Inbox, InterfaceIndex, KernelEvent, MacAddress,
};
use openproxy_core::supervisor::Supervisor;
use openproxy_core::time::Instant as CoreInstant;
use tokio::sync::{mpsc, oneshot};

use super::*;

const WITHIN: Duration = Duration::from_secs(10);
/// A little longer: four signs of life, and no doubt about a fifth.
const FOUR: Duration = Duration::from_secs(11);

/// A thread of virtual routers, as this test has it, and signs of life that are wanted of it.
fn start() -> (mpsc::Receiver<oneshot::Sender<Look>>, Receiver<Letter>) {
    let (wishes, looks) = mpsc::channel(16);
    let (manager, letters) = ServiceManager::new();
    let (commands, _) = mpsc::channel(1);
    tokio::spawn(manager.tell_alive(Routers::new(wishes, commands), WITHIN));
    (looks, letters)
}

/// Answers looks from now on, until `end`; a turn is due so much later than now.
async fn answer(
    looks: &mut mpsc::Receiver<oneshot::Sender<Look>>,
    end: Duration,
    due: impl Fn(CoreInstant) -> CoreInstant,
) {
    let answering = async {
        let began = Instant::now();
        while let Some(wish) = looks.recv().await {
            let at = CoreInstant::ZERO + Duration::from_secs(1_000) + began.elapsed();
            let look = Look::at(&Supervisor::new(Vec::new()), Lateness::default(), at);
            let _ = wish.send(Look { turn_due_at: due(at), ..look });
        }
    };
    let _ = timeout(end, answering).await;
}

fn count(letters: &Receiver<Letter>) -> usize {
    letters.try_iter().inspect(|letter| assert_eq!(*letter, Letter::Alive)).count()
}

#[tokio::test(start_paused = true)]
async fn signs_of_life_come_in_time_while_the_routers_answer() {
    let (mut looks, letters) = start();
    answer(&mut looks, FOUR, |at| at + Duration::from_secs(1)).await;
    assert_eq!(count(&letters), 4);
}

#[tokio::test(start_paused = true)]
async fn none_comes_while_the_routers_hang_and_they_come_again_afterwards() {
    let (mut looks, letters) = start();
    answer(&mut looks, FOUR, |at| at + Duration::from_secs(1)).await;
    assert_eq!(count(&letters), 4);
    sleep(WITHIN * 6).await;
    assert_eq!(count(&letters), 0);
    answer(&mut looks, FOUR, |at| at + Duration::from_secs(1)).await;
    assert!(count(&letters) >= 3);
}

#[tokio::test(start_paused = true)]
async fn none_comes_while_turns_that_are_due_are_not_taken() {
    let (mut looks, letters) = start();
    answer(&mut looks, FOUR, |_| CoreInstant::ZERO + Duration::from_secs(1_000)).await;
    assert_eq!(count(&letters), 0);
}

#[test]
fn a_service_manager_that_takes_nothing_holds_up_nobody() {
    let (manager, letters) = ServiceManager::new();
    (0..1_000).for_each(|_| manager.reloaded());
    assert_eq!(letters.try_iter().count(), LETTERS_MAX);
}

#[test]
fn the_first_turn_is_due_from_the_beginning() {
    let mut supervisor = Supervisor::new(Vec::new());
    let now = CoreInstant::ZERO + Duration::from_secs(1_000);
    assert!(!has_begun(&Look::at(&supervisor, Lateness::default(), now)));
    supervisor.turn(now, &mut Nothing);
    assert!(has_begun(&Look::at(&supervisor, Lateness::default(), now)));
}

/// Nothing has happened.
struct Nothing;

impl Inbox for Nothing {
    fn next_kernel_event(&mut self) -> Option<KernelEvent> {
        None
    }

    fn next_arrival(&mut self) -> Option<Arrival<'_>> {
        None
    }

    fn next_completion(&mut self) -> Option<Completion> {
        None
    }

    fn next_claim(&mut self) -> Option<(InterfaceIndex, IpAddr, MacAddress)> {
        None
    }

    fn next_command(&mut self) -> Option<Command> {
        None
    }
}
