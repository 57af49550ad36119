//! The guard's side: `openproxy guard`, which only the daemon starts. It is no command of the command
//! line's parser: that is many times what a guard needs otherwise.

use openproxy_core::vrrp::Inheritance;
use tokio::runtime::Builder;

use crate::exit::Exit;
use crate::linux::{self, Death, VipLock};
use crate::logging::{self, Log};
use crate::run::complain;

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
    let _log = Log::start(logging::guard_format());
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
