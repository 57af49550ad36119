//! Executing another program in place of this one, and asking a daemon to.

use std::convert::Infallible;
use std::ffi::{CString, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::{Pid, execv};

use crate::capabilities::Lent;

/// Executes a program with these arguments; comes back only with the reason why it couldn't.
///
/// Signals that come meanwhile wait for whoever unblocks them: by default, they would end it.
#[must_use]
pub fn execute(program: &Path, args: &[OsString]) -> io::Error {
    match try_execute(program, args) {
        Err(error) => error,
        Ok(never) => match never {},
    }
}

fn try_execute(program: &Path, args: &[OsString]) -> io::Result<Infallible> {
    let path = CString::new(program.as_os_str().as_bytes())?;
    let mut words = vec![c"openproxy".to_owned()];
    for arg in args {
        words.push(CString::new(arg.clone().into_vec())?);
    }
    let _lent = Lent::needed().map_err(|error| io::Error::other(error.to_string()))?;
    let before = SigSet::all().thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_BLOCK)?;
    let executed = execv(&path, &words);
    before.thread_set_mask()?;
    Ok(executed?)
}

/// Sends a signal to whoever listens on a socket.
///
/// # Errors
/// If nobody does, or may not be sent it.
pub fn signal_listener(socket: &Path, signal: Signal) -> io::Result<()> {
    let listener = getsockopt(&UnixStream::connect(socket)?, sockopt::PeerCredentials)?;
    Ok(kill(Pid::from_raw(listener.pid()), signal)?)
}
