//! Who this process is: another user than root, who may do what virtual routers need and no more.
//!
//! To be done before there is a second thread: what a thread may do is its own.

use std::ffi::CString;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use caps::{CapSet, Capability, CapsHashSet};
use nix::errno::Errno;
use nix::sys::prctl;
use nix::unistd::{Gid, Uid, User, chown, geteuid, initgroups, setresgid, setresuid};

use crate::capabilities::{FOR_REALTIME, NEEDED};

/// Why it can't become that user.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// Nobody has this name.
    #[error("there is no user {0}")]
    Unknown(String),
    /// It is another name of root.
    #[error("user {0} is root")]
    Root(String),
    /// It runs as somebody else already.
    #[error("only root can become user {0}; start it as root, or as that user")]
    NotRoot(String),
    /// The kernel refused a step.
    #[error("cannot {step}")]
    Refused {
        /// What was tried.
        step: &'static str,
        /// In the system's words.
        #[source]
        source: io::Error,
    },
}

/// Who it is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    name: CString,
    uid: Uid,
    gid: Gid,
}

impl Identity {
    /// Looks up a user. Nothing if this process is that one already.
    ///
    /// # Errors
    /// If there is none, if it is root, or if this process can't become another.
    pub fn find(name: &str) -> Result<Option<Self>, UserError> {
        let found = User::from_name(name).map_err(refused("look up users"))?;
        let user = found.ok_or_else(|| UserError::Unknown(name.to_owned()))?;
        if user.uid.is_root() {
            return Err(UserError::Root(name.to_owned()));
        }
        if geteuid() == user.uid {
            return Ok(None);
        }
        if !geteuid().is_root() {
            return Err(UserError::NotRoot(name.to_owned()));
        }
        let name = CString::new(name).map_err(|_| UserError::Unknown(name.to_owned()))?;
        Ok(Some(Self { name, uid: user.uid, gid: user.gid }))
    }

    /// Makes a folder of this user's, if it isn't there.
    ///
    /// # Errors
    /// What the system refused.
    pub fn make_folder(&self, path: &Path) -> io::Result<()> {
        let missing: Vec<PathBuf> =
            path.ancestors().take_while(|step| !step.exists()).map(Path::to_owned).collect();
        for step in missing.iter().rev() {
            match DirBuilder::new().mode(0o755).create(step) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => made?,
            }
        }
        match missing.first() {
            Some(made) => Ok(chown(made, Some(self.uid), Some(self.gid))?),
            None => Ok(()),
        }
    }

    /// Becomes this user, for good; with `CAP_NET_ADMIN` and `CAP_NET_RAW` if `may_route`, with
    /// `CAP_SYS_NICE` and `CAP_IPC_LOCK` if `is_realtime`, as far as it has them.
    ///
    /// # Errors
    /// The step that was refused. Then it may be half done: nothing is to be run any more.
    pub fn assume(&self, may_route: bool, is_realtime: bool) -> Result<(), UserError> {
        let needed = NEEDED.iter().filter(|_| may_route).map(|(_, capability)| *capability);
        let permitted = caps::read(None, CapSet::Permitted).map_err(denied("read capabilities"))?;
        let useful = FOR_REALTIME.into_iter().filter(|it| is_realtime && permitted.contains(it));
        let kept: CapsHashSet = needed.chain(useful).collect();
        for capability in caps::all() {
            if !kept.contains(&capability) && is_bounded(capability) {
                caps::drop(None, CapSet::Bounding, capability)
                    .map_err(denied("give up a capability"))?;
            }
        }
        prctl::set_keepcaps(true).map_err(refused("keep capabilities"))?;
        initgroups(&self.name, self.gid).map_err(refused("take the user's groups"))?;
        setresgid(self.gid, self.gid, self.gid).map_err(refused("take the user's group"))?;
        setresuid(self.uid, self.uid, self.uid).map_err(refused("become the user"))?;
        prctl::set_keepcaps(false).map_err(refused("keep no capabilities"))?;
        // The change of user has left the effective ones empty, so that the others can shrink.
        for set in [CapSet::Permitted, CapSet::Effective] {
            caps::set(None, set, &kept).map_err(denied("set capabilities"))?;
        }
        caps::clear(None, CapSet::Inheritable).map_err(denied("clear capabilities"))?;
        forgo_privileges()
    }
}

/// No program that this process runs gets more than it has, setuid or not.
///
/// # Errors
/// What the kernel refused.
pub fn forgo_privileges() -> Result<(), UserError> {
    prctl::set_no_new_privs().map_err(refused("forgo new privileges"))
}

/// One that the kernel doesn't know isn't bounded, either.
fn is_bounded(capability: Capability) -> bool {
    caps::has_cap(None, CapSet::Bounding, capability).unwrap_or(false)
}

fn refused(step: &'static str) -> impl Fn(Errno) -> UserError {
    move |errno| UserError::Refused { step, source: errno.into() }
}

fn denied(step: &'static str) -> impl Fn(caps::errors::CapsError) -> UserError {
    move |error| UserError::Refused { step, source: io::Error::other(error.to_string()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_that_nobody_is_or_that_root_is_is_refused_by_name() {
        let text = |name: &str| Identity::find(name).expect_err("refused").to_string();
        assert_eq!(text("no-such-user"), "there is no user no-such-user");
        assert_eq!(text("root"), "user root is root");
    }
}
