//! The truth: who accepts writes, as somebody sees it who tries all the time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tokio_postgres::{Client, Config, NoTls};

use crate::cluster::MEMBERS;
use crate::machine::{Machine, address, now};

/// From one attempt to the next: what is measured is as good as this.
pub(crate) const EVERY: Duration = Duration::from_millis(20);
/// A write that takes longer is broken off, and begun anew on another connection.
const PATIENCE: Duration = Duration::from_secs(1);

/// One attempt that succeeded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Write {
    pub(crate) begun: Duration,
    pub(crate) done: Duration,
}

type Writes = Arc<[Mutex<Vec<Write>>; 3]>;

/// A writer on each server.
#[derive(Debug)]
pub(crate) struct Writers {
    writes: Writes,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Writers {
    /// Begins, with a table on this member, which must be primary.
    pub(crate) fn start(machine: &Machine, primary: usize) -> Self {
        let (writes, stop) = (Writes::default(), Arc::new(AtomicBool::new(false)));
        let thread = thread::spawn({
            let (machine, writes, stop) = (machine.clone(), Arc::clone(&writes), Arc::clone(&stop));
            move || {
                machine.enter();
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.expect("a runtime").block_on(async {
                    let client = connect(primary).await.expect("the primary is there");
                    let table = "CREATE TABLE writes (at timestamptz DEFAULT now())";
                    client.batch_execute(table).await.expect("it accepts writes");
                    let write = |member| write(member, &writes[member], &stop);
                    tokio::join!(write(0), write(1), write(2));
                });
            }
        });
        Self { writes, stop, thread: Some(thread) }
    }

    /// The first write to a member from a moment on.
    pub(crate) fn first(&self, member: usize, since: Duration) -> Option<Write> {
        self.of(member).into_iter().find(|write| write.begun >= since)
    }

    /// The longest time without a write to a member, from one moment to another.
    pub(crate) fn longest_gap(&self, member: usize, from: Duration, to: Duration) -> Duration {
        let within = self.of(member).into_iter().map(|write| write.done);
        let mut times = vec![from];
        times.extend(within.filter(|done| (from..to).contains(done)));
        times.push(to);
        times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
    }

    /// All writes to a member.
    pub(crate) fn of(&self, member: usize) -> Vec<Write> {
        self.writes[member].lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn connect(member: usize) -> Option<Client> {
    let mut config = Config::new();
    config.host(address(MEMBERS[member])).user("postgres").dbname("postgres");
    let connected = timeout(PATIENCE, config.connect(NoTls)).await.ok()?;
    let (client, connection) = connected.ok()?;
    tokio::spawn(connection);
    Some(client)
}

async fn write(member: usize, writes: &Mutex<Vec<Write>>, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let Some(client) = connect(member).await else {
            sleep(EVERY).await;
            continue;
        };
        while !client.is_closed() && !stop.load(Ordering::Relaxed) {
            let begun = now();
            let insert = client.batch_execute("INSERT INTO writes DEFAULT VALUES");
            match timeout(PATIENCE, insert).await {
                Ok(Ok(())) => {
                    let write = Write { begun, done: now() };
                    writes.lock().unwrap_or_else(PoisonError::into_inner).push(write);
                }
                // It is a replica, most likely.
                Ok(Err(_)) => {}
                Err(_) => break,
            }
            sleep(EVERY).await;
        }
    }
}
