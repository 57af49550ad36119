//! Address operations and dumps, on a thread of their own.
//!
//! The kernel carries out a netlink request inside `sendmsg`, behind a lock that anybody on the host
//! may hold. So it is never done on the thread that sends adverts.

use std::io;
use std::sync::Arc;
use std::thread;

use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use openproxy_core::io::{
    AddressError, AddressOperation, AddressRequest, Completion, InterfaceIndex, KernelSnapshot,
    ResetConnections,
};
use rtnetlink::Handle;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use crate::address_requests::AddressRequests;
use crate::connections::Connections;
use crate::ownership::Ownership;
use crate::{netlink, realtime};

/// How many requests may wait: each router has one per VIP under way at most.
const QUEUE_MAX: usize = 65_536;
/// How many operations are carried out before the first is answered: as many as routers that
/// advertise at the same time.
const BATCH_MAX: usize = 16;

/// Resets that are asked for at about the same time are carried out together, with one look at all
/// connections: so many jobs are taken for that.
const RESET_BATCH_MAX: usize = 1_024;

enum Job {
    Address(AddressRequest),
    Reset(ResetConnections),
    Dump,
}

impl Job {
    fn address(&self) -> Option<&AddressRequest> {
        match self {
            Self::Address(request) => Some(request),
            Self::Reset(_) | Self::Dump => None,
        }
    }

    fn reset(&self) -> Option<&ResetConnections> {
        match self {
            Self::Reset(request) => Some(request),
            Self::Address(_) | Self::Dump => None,
        }
    }
}

/// The way to the worker; the worker ends with it.
#[derive(Debug)]
pub(crate) struct NetlinkWorker {
    jobs: mpsc::Sender<Job>,
    thread: thread::JoinHandle<()>,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(request) => request.fmt(f),
            Self::Reset(request) => request.fmt(f),
            Self::Dump => f.write_str("Dump"),
        }
    }
}

impl NetlinkWorker {
    /// Starts the thread; with this priority under `SCHED_FIFO`, where its starter has it, too: a
    /// promotion waits for both.
    pub(crate) fn start(
        ownership: Arc<Ownership>,
        completions: mpsc::Sender<Completion>,
        realtime: Option<u8>,
    ) -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel(QUEUE_MAX);
        let (opened, is_open) = std::sync::mpsc::channel();
        // It begins in our network namespace, and so do its sockets. Its runtime couldn't be dropped
        // here, where another runs, if anything is lacking.
        let thread =
            thread::Builder::new().name("netlink".to_owned()).spawn(move || match open() {
                Ok((runtime, handle, requests)) => {
                    // Refused, address operations are as late as without it.
                    let _ = realtime.map(realtime::schedule);
                    let _ = opened.send(Ok(()));
                    Connections::prepare();
                    let dump = || runtime.block_on(dump(&handle, &ownership));
                    work(queue, requests, &ownership, &completions, dump);
                }
                Err(error) => drop(opened.send(Err(error))),
            })?;
        is_open.recv().unwrap_or_else(|_| Err(io::Error::other("its thread has ended")))?;
        Ok(Self { jobs, thread })
    }

    /// Waits until all that was begun is done, and ends.
    pub(crate) fn finish(self) {
        drop(self.jobs);
        // If it panicked, there is nothing to wait for.
        let _ = self.thread.join();
    }

    /// Begins an operation on an address; an error if the worker can't take it.
    pub(crate) fn operate(&self, request: AddressRequest) -> Result<(), AddressError> {
        let full = |_| AddressError::Other("the netlink queue is full".to_owned());
        self.jobs.try_send(Job::Address(request)).map_err(full)
    }

    /// Begins to reset connections, before what is asked for next. If the worker can't take it, the
    /// removal that follows won't be taken either.
    pub(crate) fn reset(&self, request: ResetConnections) {
        let _ = self.jobs.try_send(Job::Reset(request));
    }

    /// Begins a dump; whether the worker could take it.
    pub(crate) fn dump(&self) -> bool {
        self.jobs.try_send(Job::Dump).is_ok()
    }
}

fn open() -> io::Result<(Runtime, Handle, AddressRequests)> {
    let requests = AddressRequests::open()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (connection, handle, _) = {
        let _guard = runtime.enter();
        rtnetlink::new_connection()?
    };
    runtime.spawn(connection);
    Ok((runtime, handle, requests))
}

/// Serves jobs in their order, until nobody can give more.
fn work(
    mut queue: mpsc::Receiver<Job>,
    mut requests: AddressRequests,
    ownership: &Ownership,
    completions: &mpsc::Sender<Completion>,
    mut dump: impl FnMut() -> Option<KernelSnapshot>,
) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    let mut connections = Connections::default();
    while queue.blocking_recv_many(&mut batch, BATCH_MAX) > 0 {
        if batch.iter().any(|job| job.reset().is_some()) {
            while batch.len() < RESET_BATCH_MAX
                && let Ok(job) = queue.try_recv()
            {
                batch.push(job);
            }
            let resets = || batch.iter().filter_map(Job::reset);
            let addresses = resets().flat_map(|r| r.addresses.iter().map(|ip| (r.index, *ip)));
            let addresses: Vec<_> = addresses.collect();
            for some in addresses.chunks(BATCH_MAX) {
                requests.remove_ways_in(some.iter().copied());
            }
            // Whatever is removed in this batch is still there.
            let ended = connections.reset(resets());
            if deliver(completions, ended).is_err() {
                return;
            }
            batch.retain(|job| job.reset().is_none());
        }
        let chunks = batch.chunk_by(|a, b| a.address().is_some() && b.address().is_some());
        for jobs in chunks.flat_map(|jobs| jobs.chunks(BATCH_MAX)) {
            let ended = match jobs {
                [Job::Dump, ..] => vec![Completion::Dump(dump())],
                addresses => operate(addresses, &mut requests, ownership),
            };
            if deliver(completions, ended).is_err() {
                return;
            }
        }
        batch.clear();
    }
}

/// An error says that nobody waits for completions any more.
fn deliver(
    completions: &mpsc::Sender<Completion>,
    ended: Vec<Completion>,
) -> Result<(), mpsc::error::SendError<Completion>> {
    ended.into_iter().try_for_each(|completion| completions.blocking_send(completion))
}

/// Carries out operations on addresses, in one call.
fn operate(jobs: &[Job], requests: &mut AddressRequests, ownership: &Ownership) -> Vec<Completion> {
    let operations = || jobs.iter().filter_map(Job::address);
    for request in operations() {
        if let AddressOperation::Add(_) | AddressOperation::Renew(_) = request.operation {
            ownership.adding(request.index, request.vip);
        }
    }
    let results = requests.carry_out(operations());
    let ended = operations().zip(results).map(|(request, result)| {
        if request.operation == AddressOperation::Remove {
            ownership.removed(request.index, request.vip);
        }
        Completion::Address(request.router, request.generation, result)
    });
    ended.collect()
}

/// Reads all links and addresses; `None` if the kernel didn't let us.
pub(crate) async fn dump(handle: &Handle, ownership: &Ownership) -> Option<KernelSnapshot> {
    let links = handle.link().get().execute().try_collect::<Vec<_>>().await;
    let addresses = handle.address().get().execute().try_collect::<Vec<_>>().await;
    match (links, addresses) {
        (Ok(links), Ok(addresses)) => Some(KernelSnapshot {
            links: links.iter().filter_map(netlink::link).collect(),
            addresses: addresses.iter().filter_map(|m| netlink::address(m, ownership)).collect(),
        }),
        (Err(error), _) | (_, Err(error)) => {
            tracing::warn!("cannot read links and addresses: {error}");
            None
        }
    }
}

/// Carries out one operation and waits for it; for `openproxy release`.
pub(crate) async fn operate_now(
    handle: &Handle,
    request: &AddressRequest,
) -> Result<(), AddressError> {
    let answer = handle.clone().request(netlink::operation(request));
    match answer {
        Ok(answer) => outcome(answer).await,
        Err(_) => Err(AddressError::Other("the netlink socket is closed".to_owned())),
    }
}

/// How the kernel answers one operation.
async fn outcome(
    mut answer: impl Stream<Item = NetlinkMessage<RouteNetlinkMessage>> + Unpin,
) -> Result<(), AddressError> {
    let mut result = Ok(());
    while let Some(message) = answer.next().await {
        if let NetlinkPayload::Error(error) = message.payload
            && error.raw_code() != 0
        {
            result = Err(netlink::address_error(error.raw_code()));
        }
    }
    result
}

/// The name of an interface in a snapshot.
pub(crate) fn name_of(snapshot: &KernelSnapshot, index: InterfaceIndex) -> Option<&str> {
    snapshot.links.iter().find(|link| link.index == index).map(|link| &*link.name)
}
