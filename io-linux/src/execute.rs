//! Executing another program in place of this one, and asking a daemon to.

use std::convert::Infallible;
use std::ffi::{CString, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::{Pid, execve};

use crate::capabilities::Lent;
use crate::connect::connect_within;

/// The variable in which a program finds what the one before it has left. What it starts doesn't.
pub const CARRIED: &str = "OPENPROXY_CARRIED";

/// Executes a program with these arguments, and with this in [`CARRIED`]; comes back only with the
/// reason why it couldn't.
///
/// Signals that come meanwhile wait for whoever unblocks them: by default, they would end it.
#[must_use]
pub fn execute(program: &Path, args: &[OsString], carried: &str) -> io::Error {
    match try_execute(program, args, carried) {
        Err(error) => error,
        Ok(never) => match never {},
    }
}

fn try_execute(program: &Path, args: &[OsString], carried: &str) -> io::Result<Infallible> {
    let path = CString::new(program.as_os_str().as_bytes())?;
    let mut words = vec![c"openproxy".to_owned()];
    for arg in args {
        words.push(CString::new(arg.clone().into_vec())?);
    }
    let mut environment = vec![CString::new(format!("{CARRIED}={carried}"))?];
    for (mut pair, value) in std::env::vars_os().filter(|(name, _)| name != CARRIED) {
        pair.push("=");
        pair.push(value);
        environment.push(CString::new(pair.into_vec())?);
    }
    let _lent = Lent::needed().map_err(|error| io::Error::other(error.to_string()))?;
    let before = SigSet::all().thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_BLOCK)?;
    let executed = execve(&path, &words, &environment);
    before.thread_set_mask()?;
    Ok(executed?)
}

/// Sends a signal to whoever listens on a socket, and takes a connection within this time.
///
/// # Errors
/// If nobody does, or may not be sent it.
pub fn signal_listener(socket: &Path, within: Duration, signal: Signal) -> io::Result<()> {
    let listener = getsockopt(&connect_within(socket, within)?, sockopt::PeerCredentials)?;
    Ok(kill(Pid::from_raw(listener.pid()), signal)?)
}
