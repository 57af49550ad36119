//! Threads that run ahead of everything that isn't realtime, and memory that stays where it is.
//!
//! How a thread is scheduled is its own; locks on memory are the process's, and end with the program.

use std::hint::black_box;
use std::io;

use nix::errno::Errno;
use nix::libc;
use nix::sys::mman::{MlockAllFlags, mlockall, munlockall};
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};

use crate::sys;

/// A turn that sends sixteen adverts takes half of it; the kernel's own is some 3 ms.
const SLICE_NANOS: u64 = 500_000;

/// Runs the calling thread under `SCHED_FIFO` from now on, but nothing that it starts.
///
/// # Errors
/// If this process may not, or if the priority isn't within 1 to 99.
pub fn schedule(priority: u8) -> io::Result<()> {
    raise(Resource::RLIMIT_RTPRIO);
    sys::schedule_fifo(priority.into())
}

/// Among threads that aren't realtime, has the calling one, and those that it starts, get on sooner when
/// all want a processor. It takes no right, and no more of the processor than theirs.
pub fn shorten_slices() {
    // Refused, a thread is as late as without it.
    let _ = sys::schedule_in_slices_of(SLICE_NANOS);
}

/// Gives up the limit's right to further realtime threads, which hooks would inherit; those that are
/// there stay. The next [`schedule`] takes it back.
pub(crate) fn forgo() {
    // Hooks that may do more than they need are no reason not to run.
    let _ = getrlimit(Resource::RLIMIT_RTPRIO)
        .and_then(|(_, most)| setrlimit(Resource::RLIMIT_RTPRIO, 0, most));
}

/// Keeps every page of this process in memory once it is there, and those to come.
///
/// # Errors
/// If this process may not lock as much as it may ever have.
pub fn lock_memory() -> io::Result<()> {
    raise(Resource::RLIMIT_MEMLOCK);
    // Without it, all of the stacks would be there at once.
    let on_fault = MlockAllFlags::from_bits_retain(libc::MCL_ONFAULT);
    mlockall(MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE | on_fault)?;
    if can_grow() {
        return Ok(());
    }
    munlockall()?;
    Err(Errno::EPERM.into())
}

/// Whether there is memory beyond the limit on what may be locked: what is asked for later is
/// locked, too, and a limit would end this process then. Capabilities don't tell: those of a user
/// namespace count for nothing here.
fn can_grow() -> bool {
    let limit = getrlimit(Resource::RLIMIT_MEMLOCK).map_or(0, |(limit, _)| limit);
    if limit == RLIM_INFINITY {
        return true;
    }
    let beyond = usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(1);
    // Nothing of it is ever touched; a compiler that sees that asks nobody for it.
    black_box(&mut Vec::<u8>::new()).try_reserve_exact(beyond).is_ok()
}

/// Raises a limit as far as anybody may.
fn raise(limit: Resource) {
    // What is refused here is told of by whoever needs it.
    let _ = getrlimit(limit).and_then(|(_, most)| setrlimit(limit, most, most));
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::thread;

    use super::*;

    /// The fields of `/proc/thread-self/stat` behind the name, from the third on.
    fn fields() -> Vec<String> {
        let stat = fs::read_to_string("/proc/thread-self/stat").expect("it is there");
        let (_, fields) = stat.rsplit_once(") ").expect("a name");
        fields.split_whitespace().map(ToOwned::to_owned).collect()
    }

    #[test]
    fn shorter_slices_leave_policy_and_niceness_as_they_are() {
        let scheduling = || {
            let fields = fields();
            // Priority, niceness, realtime priority and policy (proc(5)).
            [18, 19, 40, 41].map(|field| fields[field - 3].clone())
        };
        let seen = thread::spawn(move || {
            let before = scheduling();
            sys::schedule_in_slices_of(SLICE_NANOS).expect("everybody may");
            (before, scheduling())
        });
        let (before, after) = seen.join().expect("no panic");
        assert_eq!(before, after);
    }
}
