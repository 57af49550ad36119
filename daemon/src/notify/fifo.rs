//! A FIFO that is written to and never waited for.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::libc;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use openproxy::config::NotifyConfig;
use openproxy::routers::history::Transition;

use super::{Outlet, Settings, message};

/// Writes a line for each change, as long as somebody reads.
#[derive(Debug, Default)]
pub(super) struct Fifo {
    path: Option<PathBuf>,
    /// The writing end, while there is a reader.
    file: Option<File>,
    /// Lines that were lost since the last that wasn't.
    lost: u64,
}

impl Outlet for Fifo {
    const KEY: &'static str = "notify_fifo";

    fn prepare(&mut self, config: &NotifyConfig) {
        if self.path != config.fifo {
            *self = Self { path: config.fifo.clone(), ..Self::default() };
            // A reader may wait for it to be there.
            if let Some(path) = &self.path
                && let Err(error) = make(path)
            {
                tracing::error!("{}: {}: {error}", Self::KEY, path.display());
            }
        }
    }

    async fn tell(&mut self, change: &Transition, settings: Settings) {
        self.prepare(&settings.config);
        let Some(path) = self.path.clone() else { return };
        match self.write(&path, message::line(change).as_bytes()) {
            Ok(()) => self.tell_lost(&path),
            Err(error) => {
                self.lost += 1;
                if self.lost == 1 {
                    let path = path.display();
                    tracing::warn!(
                        "{}: {path}: {}: changes of state aren't told there until somebody reads",
                        Self::KEY,
                        reason(&error)
                    );
                }
            }
        }
    }
}

impl Fifo {
    /// Writes a line as a whole, or nothing of it: it is shorter than `PIPE_BUF`.
    fn write(&mut self, path: &Path, line: &[u8]) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            match file.write_all(line) {
                // Its reader has gone; another may have come.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.file = None,
                written => return written,
            }
        }
        let mut file = open(path)?;
        file.write_all(line)?;
        self.file = Some(file);
        Ok(())
    }

    fn tell_lost(&mut self, path: &Path) {
        let lost = std::mem::take(&mut self.lost);
        if lost > 0 {
            let path = path.display();
            tracing::warn!("{}: {path}: read again; {lost} changes are lost", Self::KEY);
        }
    }
}

/// Makes it, unless something is there.
fn make(path: &Path) -> io::Result<()> {
    match mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR) {
        Ok(()) | Err(nix::errno::Errno::EEXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn open(path: &Path) -> io::Result<File> {
    make(path)?;
    // Without a reader, this is an error.
    let file = OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.file_type().is_fifo() {
        return Err(io::Error::other("no FIFO"));
    }
    Ok(file)
}

fn reason(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::ENXIO) => "nobody reads".to_owned(),
        Some(libc::EAGAIN) => "whoever reads is too slow".to_owned(),
        Some(_) | None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn reader(path: &Path) -> File {
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(libc::O_NONBLOCK).open(path).expect("a FIFO")
    }

    fn read(reader: &mut File) -> String {
        let mut text = vec![0; 1 << 20];
        let len = reader.read(&mut text).unwrap_or(0);
        String::from_utf8_lossy(&text[..len]).into_owned()
    }

    #[test]
    fn it_is_made_for_its_owner_alone_and_written_to_while_somebody_reads() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("fifo");
        let mut fifo = Fifo::default();
        let error = fifo.write(&path, b"1\n").expect_err("nobody reads");
        assert_eq!(reason(&error), "nobody reads");
        let mode = path.metadata().expect("it is there").permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        let mut first = reader(&path);
        fifo.write(&path, b"2\n").expect("somebody reads");
        fifo.write(&path, b"3\n").expect("somebody reads");
        assert_eq!(read(&mut first), "2\n3\n");
        drop(first);
        assert!(fifo.write(&path, b"4\n").is_err());
        let mut second = reader(&path);
        fifo.write(&path, b"5\n").expect("somebody reads again");
        assert_eq!(read(&mut second), "5\n");
    }

    #[test]
    fn a_reader_that_is_too_slow_loses_whole_lines() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("fifo");
        make(&path).expect("ours");
        let mut reader = reader(&path);
        let mut fifo = Fifo::default();
        let line = [[b'x'; 99].as_slice(), b"\n"].concat();
        let written = (0..10_000).take_while(|_| fifo.write(&path, &line).is_ok()).count();
        assert!((1..10_000).contains(&written), "{written}");
        let error = fifo.write(&path, &line).expect_err("full");
        assert_eq!(reason(&error), "whoever reads is too slow");
        let text = read(&mut reader);
        assert_eq!(text.len(), written * line.len());
        fifo.write(&path, b"last\n").expect("there is room");
        assert_eq!(read(&mut reader), "last\n");
    }

    #[test]
    fn what_is_no_fifo_is_not_written_to() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let error = Fifo::default().write(file.path(), b"1\n").expect_err("a file");
        assert_eq!(error.to_string(), "no FIFO");
        assert_eq!(std::fs::read(file.path()).expect("a file"), b"");
    }
}
