//! Watching over the daemon, with as little of everything as can be.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use openproxy_core::time::{Duration, Instant};
use openproxy_core::vrrp::{Inheritance, heir_until};

use super::bequeath::Asker;
use super::notes::Notes;
use crate::clock;
use crate::lock::VipLock;

/// While the daemon writes, the pipe is emptied so often: each line by itself would wake this process
/// as often as the daemon sends adverts.
const DRAIN_EVERY_MILLIS: u16 = 250;
/// If that much has come at once, there is more.
const READ_LEN: usize = 16 << 10;

/// A guard at its post.
#[derive(Debug)]
pub(super) struct Watch {
    pipe: File,
    lock: VipLock,
    notes: Notes,
}

/// How the daemon has ended.
#[derive(Debug)]
pub enum Death {
    /// In good order: there is nothing to do.
    Orderly,
    /// Without a word. This is what it has left.
    Sudden(Vec<Inheritance>, VipLock),
    /// To be replaced; and whoever replaces it has got the lock, and all that was left.
    Replaced,
}

impl Watch {
    /// Begins.
    ///
    /// # Errors
    /// If the lock can't be used.
    pub(super) fn begin(pipe: OwnedFd, lock: VipLock) -> io::Result<Self> {
        lock.set_nonblocking()?;
        Ok(Self { pipe: File::from(pipe), lock, notes: Notes::default() })
    }

    /// Waits for the end of the daemon.
    ///
    /// # Errors
    /// If the pipe can't be read.
    pub(super) fn wait(mut self) -> io::Result<Death> {
        let mut buffer = vec![0; READ_LEN];
        let mut is_busy = false;
        loop {
            // While lines come, nothing but the end of the writer wakes us before the time.
            let (events, timeout) = if is_busy {
                (PollFlags::empty(), PollTimeout::from(DRAIN_EVERY_MILLIS))
            } else {
                (PollFlags::POLLIN, PollTimeout::NONE)
            };
            let is_asked = self.poll(events, timeout)?;
            let mut taken = 0;
            while self.has_news()? {
                let len = self.pipe.read(&mut buffer)?;
                if len == 0 {
                    return Ok(self.end());
                }
                self.notes.take(buffer.get(..len).unwrap_or_default());
                taken += len;
            }
            // Who asks because the daemon is dead has been answered by its end.
            if is_asked {
                self.decline();
            }
            is_busy = 0 < taken && taken < READ_LEN;
        }
    }

    /// Waits; whether somebody asks for the lock.
    fn poll(&self, events: PollFlags, timeout: PollTimeout) -> io::Result<bool> {
        let pipe = PollFd::new(self.pipe.as_fd(), events);
        let mut fds = [pipe, PollFd::new(self.lock.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, timeout) {
            Ok(_) => Ok(fds.last().and_then(PollFd::any).unwrap_or(false)),
            Err(Errno::EINTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether a read would give something, the end included.
    fn has_news(&self) -> io::Result<bool> {
        let mut fds = [PollFd::new(self.pipe.as_fd(), PollFlags::POLLIN)];
        Ok(poll(&mut fds, PollTimeout::ZERO)? > 0)
    }

    /// Whoever asks while the daemon lives gets nothing.
    fn decline(&self) {
        while let Some(asker) = Asker::accept(&self.lock) {
            asker.decline();
        }
    }

    fn end(self) -> Death {
        if self.notes.is_over {
            return Death::Orderly;
        }
        match self.notes.heir_until {
            Some(latest) => self.wait_for_heir(latest),
            None => Death::Sudden(self.notes.will.estate(), self.lock),
        }
    }

    fn wait_for_heir(self, latest: Instant) -> Death {
        let estate = self.notes.will.estate();
        let until = heir_until(&estate, latest);
        loop {
            while let Some(asker) = Asker::accept(&self.lock) {
                if asker.bequeath(&estate, &self.lock) {
                    return Death::Replaced;
                }
            }
            let now = clock::now();
            if until <= now {
                return Death::Sudden(estate, self.lock);
            }
            let left = until.since(now) + Duration::from_millis(1);
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            let mut fds = [PollFd::new(self.lock.as_fd(), PollFlags::POLLIN)];
            // Whatever it says, the time is looked at again.
            let _ = poll(&mut fds, timeout);
        }
    }
}
