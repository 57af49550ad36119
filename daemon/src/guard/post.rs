//! The guard's side: `openproxy guard`, which only the daemon starts.

use std::ffi::OsStr;

use openproxy_core::vrrp::Inheritance;
use tokio::runtime::Builder;

use crate::exit::Exit;
use crate::linux::{self, Death, VipLock};
use crate::logging::Log;
use crate::run::complain;

/// The command line that the daemon starts it with. It is no command of the command line's parser:
/// that is many times what the guard needs otherwise.
const ARGUMENT: &str = "guard";

/// Whether this process is to be a guard.
pub(crate) fn is_wanted() -> bool {
    let mut args = std::env::args_os().skip(1);
    args.next().as_deref() == Some(OsStr::new(ARGUMENT)) && args.next().is_none()
}

/// Watches over the daemon, and hands over what it has left.
pub(crate) fn run() -> Exit {
    match linux::watch_over_daemon() {
        Ok(Death::Orderly | Death::Replaced) => Exit::Clean,
        Ok(Death::Sudden(estate, lock)) => hand_over(&estate, lock),
        Err(reason) => {
            complain(format_args!("openproxy: no guard can be begun by hand: {reason}"));
            Exit::System
        }
    }
}

fn hand_over(estate: &[Inheritance], lock: VipLock) -> Exit {
    let _log = Log::start();
    let routers: Vec<String> =
        estate.iter().map(|left| left.bequest.config.key.to_string()).collect();
    if routers.is_empty() {
        tracing::warn!("the daemon has died; it served nothing");
    } else {
        tracing::warn!("the daemon has died; handing over {}", routers.join(", "));
    }
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!("no runtime: {error}");
            return Exit::System;
        }
    };
    let ended = runtime.block_on(linux::run_guard(estate, lock));
    match ended {
        Ok(()) => Exit::Clean,
        Err(reason) => {
            tracing::error!("cannot hand over: {reason}");
            Exit::System
        }
    }
}
