//! Room for what a daemon needs: descriptors, threads, memory.

use std::io;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::signals;

/// What is in use from the start, and room for a few hooks, checks and questions.
const DESCRIPTORS_MIN: usize = 48;
const THREADS_MIN: usize = 12;
const MEMORY_MIN_MIB: usize = 16;
/// What a thread takes: its stack, the one for signals, and what the C library keeps of it.
const THREAD_LEN: usize = (2 << 20) + (128 << 10);

/// Tries whether there is room for all that a daemon needs: said here, it is one clear line.
pub(crate) fn try_it() -> Result<(), String> {
    take_and_give_back().map_err(|error| {
        format!(
            "no room for {DESCRIPTORS_MIN} file descriptors, {THREADS_MIN} threads and \
             {MEMORY_MIN_MIB} MiB: {error}"
        )
    })
}

fn take_and_give_back() -> io::Result<()> {
    let pairs = (0..DESCRIPTORS_MIN / 2).map(|_| UnixStream::pair());
    let _pairs = pairs.collect::<io::Result<Vec<_>>>()?;
    // All at once, and given back before there is a thread: one that finds no room for its signal
    // stack when it begins ends the process without a word of ours.
    Vec::<u8>::new().try_reserve_exact((MEMORY_MIN_MIB << 20) + THREADS_MIN * THREAD_LEN)?;
    let mut threads = Vec::new();
    for _ in 0..THREADS_MIN {
        let (goes_on, waits) = std::sync::mpsc::channel::<()>();
        threads.push((thread::Builder::new().spawn(move || waits.recv())?, goes_on));
    }
    for (thread, goes_on) in threads {
        drop(goes_on);
        // Until it has ended, its stack is in the way of others.
        let _ = thread.join();
    }
    Ok(())
}

/// A runtime on one thread, with so many more for what blocks.
pub(crate) fn runtime(blocking_name: &str, blocking_max: usize) -> io::Result<Runtime> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(blocking_max)
        .thread_keep_alive(Duration::MAX)
        .thread_name(blocking_name)
        .on_thread_start(signals::leave_to_others)
        .build()?;
    // One is there from now on: a pool without a thread panics when it can't start any.
    drop(runtime.spawn_blocking(|| ()));
    Ok(runtime)
}
