//! `openproxy release`: takes off VIPs that a dead daemon left on this node.

use std::io::{self, Write as _};

use crate::cli::ReleaseArgs;
use crate::exit::Exit;
use crate::linux;
use crate::run::{complain, prepare, refuse};

/// Releases what the file names; says what was taken off.
pub(crate) fn run(args: &ReleaseArgs) -> Exit {
    let loaded = match prepare(&args.file.path) {
        Ok((_, loaded)) => loaded,
        Err(exit) => return exit,
    };
    let _lock = match linux::lock() {
        Ok(lock) => lock,
        Err(refusal) => return refuse(refusal),
    };
    match linux::release(&loaded.routers, args.force) {
        Ok(released) => {
            let mut text: String = released.iter().map(|line| format!("{line}\n")).collect();
            if text.is_empty() {
                text.push_str("nothing to release\n");
            }
            match io::stdout().lock().write_all(text.as_bytes()) {
                Ok(()) => Exit::Clean,
                Err(_) => Exit::System,
            }
        }
        Err(reason) => {
            complain(format_args!("openproxy: {reason}"));
            Exit::System
        }
    }
}
