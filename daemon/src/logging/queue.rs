//! The queue between whoever logs and the thread that writes, and how far that is.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::fmt::MakeWriter;

/// Where lines are put, which never waits.
#[derive(Clone, Debug)]
pub(super) struct Entrance {
    queue: NonBlocking,
    put: Arc<AtomicUsize>,
}

/// How far the thread is that writes.
#[derive(Debug)]
pub(super) struct Progress {
    put: Arc<AtomicUsize>,
    written: watch::Receiver<usize>,
    dropped: ErrorCounter,
}

/// Starts a thread that writes to this; more lines than `lines_max` don't wait for it.
pub(super) fn start(
    output: impl Write + Send + 'static,
    lines_max: usize,
) -> (Entrance, Progress, WorkerGuard) {
    let (count, written) = watch::channel(0);
    let builder = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(lines_max);
    let (queue, worker) = builder.thread_name("log").finish(Counted { output, count });
    let (put, dropped) = (Arc::new(AtomicUsize::new(0)), queue.error_counter());
    let progress = Progress { put: Arc::clone(&put), written, dropped };
    (Entrance { queue, put }, progress, worker)
}

impl Write for Entrance {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // Counted before it is there: who waits for it waits too long rather than not at all.
        self.put.fetch_add(1, Ordering::SeqCst);
        self.queue.write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Entrance {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Progress {
    /// Where the lines that are dropped are counted.
    pub(super) fn dropped(&self) -> &ErrorCounter {
        &self.dropped
    }

    /// Waits until no line is in the queue that is there now; whether that was so in time.
    pub(super) async fn catch_up(&self, within: Duration) -> bool {
        let put = self.put.load(Ordering::SeqCst);
        let mut written = self.written.clone();
        let has = written.wait_for(|written| put <= written + self.dropped.dropped_lines());
        matches!(timeout(within, has).await, Ok(Ok(_)))
    }
}

/// What is written, each time a line.
#[derive(Debug)]
struct Counted<W> {
    output: W,
    count: watch::Sender<usize>,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let written = self.output.write_all(line);
        // What can't be written isn't tried again.
        self.count.send_modify(|count| *count += 1);
        written.map(|()| line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, mpsc};

    use super::*;

    const SOON: Duration = Duration::from_millis(1);
    const LONG: Duration = Duration::from_secs(10);

    /// A reader that takes a line when it is let.
    struct Reader {
        lets: mpsc::Receiver<()>,
        taken: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Reader {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.lets.recv().map_err(io::Error::other)?;
            self.taken.lock().map_err(|_| io::ErrorKind::Other)?.extend(line);
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn it_has_caught_up_once_all_is_written_or_dropped_and_goes_on() {
        let (lets, taken) = (mpsc::channel(), Arc::default());
        let (lets, reader) = (lets.0, Reader { lets: lets.1, taken: Arc::clone(&taken) });
        let taken = || String::from_utf8_lossy(&taken.lock().expect("no panic")).into_owned();
        let (mut entrance, progress, _worker) = start(reader, 2);
        assert!(progress.catch_up(SOON).await, "nothing is there");

        entrance.write_all(b"one\n").expect("it doesn't wait");
        assert!(!progress.catch_up(SOON).await);
        assert_eq!(taken(), "");
        lets.send(()).expect("it reads");
        assert!(progress.catch_up(LONG).await);
        assert_eq!(taken(), "one\n");

        // One is being written, two are in the queue, and the others are dropped.
        let lines: Vec<_> = (0..6).map(|line| format!("{line}\n")).collect();
        for line in &lines {
            entrance.write_all(line.as_bytes()).expect("it doesn't wait");
        }
        let dropped = progress.dropped().dropped_lines();
        assert!((3..=4).contains(&dropped), "{dropped}");
        assert!(!progress.catch_up(SOON).await);
        for _ in 0..lines.len() - dropped {
            lets.send(()).expect("it reads");
        }
        assert!(progress.catch_up(LONG).await);
        assert_eq!(taken().lines().count(), 1 + lines.len() - dropped, "{}", taken());

        // Whoever reads is gone: nothing more is written, nor waited for.
        drop(lets);
        entrance.write_all(b"lost\n").expect("it doesn't wait");
        assert!(progress.catch_up(LONG).await);
    }
}
