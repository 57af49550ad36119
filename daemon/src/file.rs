//! Reads the configuration file from disk.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use openproxy::config::{Diagnostic, Loaded, load_bytes};
use openproxy::reload::Read;

/// Far more than any file needs; a wrong path may be a disk image.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The file's bytes, or why there are none.
pub(crate) fn read(path: &Path) -> Read {
    read_bounded(path).map_err(|error| error.to_string())
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len > FILE_BYTES_MAX) {
        return Err(io::Error::other(format!("it has more than {FILE_BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

/// Reads a file that must be good; a missing one is a diagnostic, too.
pub(crate) fn load(path: &Path) -> Result<(Vec<u8>, Loaded), Vec<Diagnostic>> {
    let shown = path.display().to_string();
    let bytes = read(path).map_err(|reason| {
        vec![Diagnostic::of_file(&shown, None, format!("can't be read: {reason}"))]
    })?;
    load_bytes(&shown, &bytes).map(|loaded| (bytes, loaded))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_missing_is_told_by_name() {
        let found = load(Path::new("/nowhere/openproxy.toml")).expect_err("missing");
        let lines: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            ["/nowhere/openproxy.toml: can't be read: No such file or directory (os error 2)"]
        );
    }

    #[test]
    fn a_file_without_end_is_not_read_to_its_end() {
        let reason = read(Path::new("/dev/zero")).expect_err("too large");
        assert_eq!(reason, "it has more than 4194304 bytes");
    }
}
