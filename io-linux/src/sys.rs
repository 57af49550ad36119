//! The only unsafe code of the project: a link-layer socket address, which no crate in use builds,
//! the promise that tokio asks for a descriptor, owning one that the kernel has just made, and
//! scheduling, of which nix has only the processors.

#![allow(unsafe_code, reason = "each block says why it is sound")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd as _, OwnedFd, RawFd};
use std::task::{Context, Poll, Waker};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use socket2::{SockAddr, SockAddrStorage};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// `AF_PACKET`, in the type that an address has it in.
const AF_PACKET: libc::sa_family_t = 17;
/// `SCHED_FLAG_RESET_ON_FORK` and `SCHED_FLAG_KEEP_POLICY`, in the type that they are used in.
const RESET_ON_FORK: u64 = 0x01;
const KEEP_POLICY: u64 = 0x08;
/// How a thread is scheduled for which nobody asks for anything, in what a kernel of any age knows
/// (`SCHED_ATTR_SIZE_VER0`).
const AS_THE_KERNEL_LIKES: libc::sched_attr = libc::sched_attr {
    size: 48,
    sched_policy: 0,
    sched_flags: 0,
    sched_nice: 0,
    sched_priority: 0,
    sched_runtime: 0,
    sched_deadline: 0,
    sched_period: 0,
};
const _: () = assert!(libc::SCHED_OTHER == 0);
/// The length of a `sockaddr_ll` (packet(7)).
const LEN: libc::socklen_t = 20;
const _: () = assert!(size_of::<libc::sockaddr_ll>() == LEN as usize);

/// The address of an interface for a packet socket: to bind to, or to send to.
pub(crate) fn link_address(index: u32, protocol: u16) -> SockAddr {
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: `sockaddr_ll` is one of the forms of `sockaddr_storage`, no larger, and any bytes
    // are valid for it; the storage is zeroed, and all fields are written through the reference.
    let address = unsafe { storage.view_as::<libc::sockaddr_ll>() };
    address.sll_family = AF_PACKET;
    address.sll_protocol = protocol.to_be();
    // Interface numbers are positive and fit.
    address.sll_ifindex = i32::try_from(index).unwrap_or(0);
    let len = LEN;
    // SAFETY: the storage holds a `sockaddr_ll`, and `len` is its length.
    unsafe { SockAddr::new(storage, len) }
}

/// A type that owns its file descriptor, and returns the same one as long as it lives.
pub(crate) trait OwnsDescriptor: AsRawFd {}

impl OwnsDescriptor for socket2::Socket {}
impl OwnsDescriptor for netlink_sys::Socket {}
impl OwnsDescriptor for crate::platform::Timer {}
impl OwnsDescriptor for crate::lock::VipLock {}

/// Registers a descriptor with the runtime, to be told when it can be read.
pub(crate) fn watch<T: OwnsDescriptor>(owner: T) -> io::Result<AsyncFd<T>> {
    // SAFETY: `T` owns its descriptor and returns the same one until it is dropped, and the
    // `AsyncFd` that owns `T` is deregistered first.
    let registered = unsafe { AsyncFd::register_with_interest(owner, Interest::READABLE) };
    registered.map_err(|error| error.into_parts().1)
}

/// Reads without waiting, whether or not the runtime has told of anything: after a pause of the
/// thread, what came in it must be seen before timers run. (`AsyncFd::try_io` asks no descriptor
/// that the runtime doesn't know to be ready.)
pub(crate) fn read_now<T: OwnsDescriptor, R>(
    watched: &AsyncFd<T>,
    read: impl FnOnce(&T) -> io::Result<R>,
) -> io::Result<R> {
    // The guard is taken before the attempt, so that what comes after it wakes the thread anew.
    let guard = match watched.poll_read_ready(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(guard)) => Some(guard),
        Poll::Ready(Err(_)) | Poll::Pending => None,
    };
    let result = read(watched.get_ref());
    if let (Err(error), Some(mut guard)) = (&result, guard)
        && error.kind() == io::ErrorKind::WouldBlock
    {
        guard.clear_ready();
    }
    result
}

/// Runs the calling thread under `SCHED_FIFO`; what it starts isn't.
pub(crate) fn schedule_fifo(priority: u32) -> io::Result<()> {
    schedule(&libc::sched_attr {
        sched_policy: libc::SCHED_FIFO.cast_unsigned(),
        sched_flags: RESET_ON_FORK,
        sched_priority: priority,
        ..AS_THE_KERNEL_LIKES
    })
}

/// Has the calling thread get on sooner when others want its processor too, in slices so short; it gets
/// no more of it than they do. Kernels before 6.12 take no notice.
pub(crate) fn schedule_in_slices_of(nanos: u64) -> io::Result<()> {
    schedule(&libc::sched_attr {
        // Where somebody has chosen another policy, that stays, or refuses this.
        sched_flags: KEEP_POLICY,
        // As it is: to ask for a slice is to say all.
        sched_nice: nice()?,
        sched_runtime: nanos,
        ..AS_THE_KERNEL_LIKES
    })
}

fn schedule(attributes: &libc::sched_attr) -> io::Result<()> {
    let attributes: *const libc::sched_attr = attributes;
    // The calls of libc's would do for less: musl's always fail.
    // SAFETY: the kernel reads `size` bytes during the call, which the structure has, and writes none.
    let done = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, attributes, 0) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// How nice the calling thread is.
fn nice() -> io::Result<i32> {
    // SAFETY: it reads and writes no memory. Unlike libc's, it has no answer that looks like an error.
    let answer = unsafe { libc::syscall(libc::SYS_getpriority, libc::PRIO_PROCESS, 0) };
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    // From 40 for -20 to 1 for 19.
    Ok(20 - i32::try_from(answer).unwrap_or(20))
}

/// The same file under another number, at least `min`.
pub(crate) fn move_up(fd: &impl AsFd, min: RawFd) -> io::Result<OwnedFd> {
    let moved = fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(min))?;
    // SAFETY: the kernel has just made it, and nothing else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(moved) })
}

/// Owns a descriptor that has come as `SCM_RIGHTS` of a message. To be called once for each.
pub(crate) fn received(fd: RawFd) -> OwnedFd {
    // SAFETY: the kernel has made it for this process, and nothing else knows of it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}
