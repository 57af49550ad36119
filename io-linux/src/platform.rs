//! The core's platform on Linux: it lives on the VRRP thread, and nothing in it waits but
//! [`Platform::wait`].

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context, Poll};

use nix::sys::time::{TimeSpec, TimeValLike as _};
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use openproxy_core::io::{
    Arrival, Command, Completion, Inbox, InterfaceIndex, KernelEvent, MacAddress, Output, Platform,
    WatchClaims,
};
use openproxy_core::time::Instant;
use openproxy_core::vrrp::{AdvertBuffer, Family};
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;

use crate::advert_socket::AdvertSocket;
use crate::announce::Announcer;
use crate::claims::Claims;
use crate::guard::GuardPipe;
use crate::link_events::LinkEvents;
use crate::netlink_worker::NetlinkWorker;
use crate::ownership::Ownership;
use crate::process::ProcessHandle;
use crate::{clock, realtime, sys, sysctl};

/// How many completions may wait for the VRRP thread; their senders wait, never it.
const COMPLETIONS_MAX: usize = 4_096;

/// Why the platform can't be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot open {what}")]
pub struct StartError {
    what: &'static str,
    source: io::Error,
}

/// Virtual routers' sockets, netlink, timer and processes.
#[derive(Debug)]
pub struct LinuxPlatform {
    adverts: Vec<AdvertSocket>,
    events: LinkEvents,
    claims: Vec<Claims>,
    worker: NetlinkWorker,
    announcer: Announcer,
    processes: ProcessHandle,
    guard: Option<GuardPipe>,
    timer: AsyncFd<Timer>,
    armed_for: Instant,
    commands: mpsc::Receiver<Command>,
    completions: mpsc::Receiver<Completion>,
    /// Completions of what was done at once, and what was taken while waiting.
    done: VecDeque<Completion>,
    taken_commands: VecDeque<Command>,
    commands_closed: bool,
    buffer: Box<AdvertBuffer>,
}

#[derive(Debug)]
pub(crate) struct Timer(TimerFd);

impl AsRawFd for Timer {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl LinuxPlatform {
    /// Opens what every router needs. To be called on the VRRP thread, in its runtime.
    ///
    /// `ledger` is where ownership of VIPs is kept for kernels that can't tag addresses; `guard` is
    /// told what there is to hand over; `realtime` is the priority that the calling thread has under
    /// `SCHED_FIFO`, and that those get which it waits for.
    ///
    /// # Errors
    /// If the kernel refuses a socket, a thread or a timer.
    pub fn new(
        commands: mpsc::Receiver<Command>,
        processes: ProcessHandle,
        ledger: PathBuf,
        guard: Option<GuardPipe>,
        realtime: Option<u8>,
    ) -> Result<Self, StartError> {
        let opening = |what| move |source| StartError { what, source };
        let ownership = Arc::new(Ownership::open(&ledger));
        let (sender, completions) = mpsc::channel(COMPLETIONS_MAX);
        processes.report_to(sender.clone());
        // Events first: what happens between here and the dump is heard.
        let events =
            LinkEvents::open(Arc::clone(&ownership)).map_err(opening("a netlink event socket"))?;
        let worker = NetlinkWorker::start(ownership, sender, realtime)
            .map_err(opening("a netlink socket"))?;
        if realtime.is_some() {
            realtime::forgo();
        }
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_BOOTTIME, flags).map_err(io::Error::from);
        let timer = timer.and_then(|t| sys::watch(Timer(t)));
        Ok(Self {
            adverts: Vec::new(),
            events,
            claims: Vec::new(),
            worker,
            announcer: Announcer::open().map_err(opening("a packet socket"))?,
            processes,
            guard,
            timer: timer.map_err(opening("a timer"))?,
            armed_for: Instant::MAX,
            commands,
            completions,
            done: VecDeque::new(),
            taken_commands: VecDeque::new(),
            commands_closed: false,
            buffer: Box::new(AdvertBuffer::new()),
        })
    }

    /// Does something once all that the kernel was asked for is done, and then closes the sockets:
    /// of packet sockets, that takes tens of milliseconds.
    pub async fn close<T>(self, then: impl FnOnce() -> T) -> T {
        let Self { worker, mut completions, .. } = self;
        let ended = tokio::task::spawn_blocking(move || worker.finish());
        tokio::pin!(ended);
        loop {
            tokio::select! {
                _ = &mut ended => return then(),
                // Nobody waits for these any more; but it must get rid of them.
                Some(_) = completions.recv() => {}
            }
        }
    }

    /// A BACKUP's deadline is put off by each advert: one that is armed too early is left to pass.
    fn arm(&mut self, deadline: Instant) {
        if self.armed_for <= deadline {
            return;
        }
        self.armed_for = deadline;
        // A time of 0 would disarm; any time in the past fires at once.
        let nanos = i64::try_from(deadline.as_nanos().max(1)).unwrap_or(i64::MAX);
        let at = Expiration::OneShot(TimeSpec::nanoseconds(nanos));
        if let Err(error) = self.timer.get_ref().0.set(at, TimerSetTimeFlags::TFD_TIMER_ABSTIME) {
            tracing::error!("cannot set a timer: {error}");
        }
    }

    /// Whether the deadline has passed; if not, the timer is armed for it.
    fn poll_timer(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        loop {
            self.arm(deadline);
            match self.timer.poll_read_ready(cx) {
                // Nobody reads the expiry: to arm the timer anew takes it back.
                Poll::Ready(Ok(mut guard)) => guard.clear_ready(),
                Poll::Ready(Err(_)) | Poll::Pending => return Poll::Pending,
            }
            self.armed_for = Instant::MAX;
            if clock::now() >= deadline {
                return Poll::Ready(());
            }
        }
    }

    /// Whether there may be something to do. All sources are asked, so that all are registered.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut ready = !self.done.is_empty() || !self.taken_commands.is_empty();
        ready |= self.events.poll_ready(cx).is_ready();
        for socket in &self.adverts {
            ready |= socket.poll_ready(cx).is_ready();
        }
        for claims in &self.claims {
            ready |= claims.poll_ready(cx).is_ready();
        }
        while let Poll::Ready(Some(completion)) = self.completions.poll_recv(cx) {
            self.done.push_back(completion);
            ready = true;
        }
        while !self.commands_closed
            && let Poll::Ready(command) = self.commands.poll_recv(cx)
        {
            match command {
                Some(command) => self.taken_commands.push_back(command),
                // Whoever gives commands is gone, and with it the daemon.
                None => {
                    self.commands_closed = true;
                    self.taken_commands.push_back(Command::Shutdown);
                }
            }
            ready = true;
        }
        if ready { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Closing a packet socket waits for the kernel's readers, tens of milliseconds at times; so one
    /// that is open is kept, with another filter.
    fn watch_claims(&mut self, watch: &WatchClaims) {
        for family in [Family::V4, Family::V6] {
            let of_family = |ip: &&IpAddr| Family::of(**ip) == family;
            let addresses: Vec<_> = watch.addresses.iter().filter(of_family).copied().collect();
            let watch = WatchClaims { addresses, ..*watch };
            let is_it = |claims: &&mut Claims| claims.is_of(watch.index, family);
            let watched = match self.claims.iter_mut().find(is_it) {
                Some(claims) => claims.watch(watch),
                None if watch.addresses.is_empty() => continue,
                None => Claims::open(watch, family).map(|claims| self.claims.push(claims)),
            };
            if let Err(error) = watched {
                tracing::warn!("cannot watch for other holders of the VIPs: {error}");
            }
        }
    }
}

impl Inbox for LinuxPlatform {
    fn next_kernel_event(&mut self) -> Option<KernelEvent> {
        self.adverts.iter_mut().for_each(AdvertSocket::begin_turn);
        self.claims.iter_mut().for_each(Claims::begin_turn);
        let event = self.events.next();
        if let Some(KernelEvent::LinkGone(index)) = event {
            self.claims.retain(|claims| claims.index() != index);
        }
        event
    }

    /// The core stops at the first packet that came after its turn began. So that a flood on one
    /// socket can't hide what waits on another, the oldest packet of all comes first.
    fn next_arrival(&mut self) -> Option<Arrival<'_>> {
        let nexts = self.adverts.iter_mut().enumerate();
        let nexts = nexts.filter_map(|(position, socket)| Some((socket.next_at()?, position)));
        let (_, position) = nexts.min()?;
        self.adverts.get_mut(position).and_then(AdvertSocket::take)
    }

    fn next_completion(&mut self) -> Option<Completion> {
        self.done.pop_front().or_else(|| self.completions.try_recv().ok())
    }

    fn next_claim(&mut self) -> Option<(InterfaceIndex, IpAddr, MacAddress)> {
        self.claims.iter_mut().find_map(Claims::next)
    }

    fn next_command(&mut self) -> Option<Command> {
        self.taken_commands.pop_front().or_else(|| self.commands.try_recv().ok())
    }
}

impl Platform for LinuxPlatform {
    fn now(&self) -> Instant {
        clock::now()
    }

    async fn wait(&mut self, deadline: Instant) {
        poll_fn(|cx| match self.poll_ready(cx) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => self.poll_timer(cx, deadline),
        })
        .await;
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::Dump => {
                if !self.worker.dump() {
                    self.done.push_back(Completion::Dump(None));
                }
            }
            Output::OpenSocket(id, spec) => {
                let result = AdvertSocket::open(id, &spec).map(|socket| self.adverts.push(socket));
                self.done.push_back(Completion::Socket(id, result));
            }
            Output::CloseSocket(id) => self.adverts.retain(|socket| socket.id() != id),
            Output::SendAdvert(send) => {
                let socket = self.adverts.iter().find(|socket| socket.id() == send.socket);
                let down = Err(openproxy_core::io::SendError::Down);
                let result = socket.map_or(down, |socket| socket.send(&send, &mut self.buffer));
                self.done.push_back(Completion::AdvertSent(send.router, send.generation, result));
            }
            Output::Address(request) => {
                if let Err(error) = self.worker.operate(request) {
                    let (router, generation) = (request.router, request.generation);
                    self.done.push_back(Completion::Address(router, generation, Err(error)));
                }
            }
            Output::ResetConnections(request) => self.worker.reset(request),
            Output::Announce(announcement) => self.announcer.announce(&announcement),
            Output::WatchClaims(watch) => self.watch_claims(&watch),
            Output::PromoteSecondaries(interface) => sysctl::promote_secondaries(&interface),
            Output::RunHook(run) => {
                let id = run.id;
                if !self.processes.run_hook(run) {
                    let full = Err("too many processes wait".to_owned());
                    self.done.push_back(Completion::Hook(id, full));
                }
            }
            Output::KillHook(id) => self.processes.kill_hook(id),
            Output::RunCheck(id, check) => self.processes.run_check(id, check),
            Output::CancelCheck(id) => self.processes.cancel_check(id),
            Output::Guard(note) => {
                if self.guard.as_ref().is_some_and(|guard| !guard.tell(note)) {
                    self.done.push_back(Completion::GuardMissed);
                }
            }
            // Events are the driver's.
            Output::Event(_) => {}
        }
    }
}
