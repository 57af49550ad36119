//! `openproxy convert`: an `openproxy.toml` from a `keepalived.conf`.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern, glob_with};
use openproxy::convert::{self, Files};

use crate::cli::ConvertArgs;
use crate::exit::Exit;
use crate::file;
use crate::run::complain;

/// As a shell: a leading dot is only matched by a dot.
const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// Prints the file, and tells of all that isn't in it.
pub(crate) fn convert(args: &ConvertArgs) -> Exit {
    let id = args.id.clone().unwrap_or_else(host_name);
    let converted = match convert::convert(&args.path, &id, &Disk) {
        Ok(converted) => converted,
        Err(unreadable) => {
            complain(unreadable);
            return Exit::Config;
        }
    };
    converted.notes.iter().for_each(complain);
    match io::stdout().lock().write_all(converted.toml.as_bytes()) {
        Ok(()) if converted.is_undecided() => Exit::Warning,
        Ok(()) => Exit::Clean,
        Err(_) => Exit::System,
    }
}

/// What keepalived takes for its configuration's id.
fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().split('.').next().unwrap_or_default().to_owned()
}

/// The files of this machine.
struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        file::read(path)
    }

    fn matching(&self, folder: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
        let pattern = if Path::new(pattern).is_absolute() || folder.as_os_str().is_empty() {
            pattern.to_owned()
        } else {
            // The folder's own name is no pattern.
            format!("{}/{pattern}", Pattern::escape(&folder.display().to_string()))
        };
        let paths = glob_with(&pattern, OPTIONS).map_err(|error| error.to_string())?;
        // What can't be read can't be included; keepalived passes over folders, too.
        Ok(paths.filter_map(Result::ok).filter(|path| !path.is_dir()).collect())
    }
}
