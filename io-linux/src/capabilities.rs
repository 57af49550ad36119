//! What this process is allowed to do.

use caps::{CapSet, Capability, CapsHashSet};

/// The capabilities that virtual routers need, and their names.
pub(crate) const NEEDED: [(&str, Capability); 2] =
    [("CAP_NET_ADMIN", Capability::CAP_NET_ADMIN), ("CAP_NET_RAW", Capability::CAP_NET_RAW)];

/// The capabilities that realtime threads and locked memory take, where limits don't allow them.
pub(crate) const FOR_REALTIME: [Capability; 2] =
    [Capability::CAP_SYS_NICE, Capability::CAP_IPC_LOCK];

/// The capabilities that virtual routers need and this process doesn't have.
#[must_use]
pub fn missing_capabilities() -> Vec<&'static str> {
    // If they can't be read, nothing is known; the first socket will tell.
    caps::read(None, CapSet::Effective).map_or_else(|_| Vec::new(), |found| missing(&found))
}

fn missing(effective: &CapsHashSet) -> Vec<&'static str> {
    let lacks = |(_, capability): &&(&str, Capability)| !effective.contains(capability);
    NEEDED.iter().filter(lacks).map(|(name, _)| *name).collect()
}

/// What this process may do, lent to programs that the calling thread starts: for as long as it
/// lives.
///
/// Without it, a program that isn't run as root, and whose file has no capabilities, gets none.
#[derive(Debug)]
pub(crate) struct Lent(Vec<Capability>);

impl Lent {
    /// Lends what virtual routers need, realtime ones included, as far as this process has it, and such
    /// programs wouldn't get it anyway.
    ///
    /// # Errors
    /// What the kernel refused.
    pub(crate) fn needed() -> Result<Self, caps::errors::CapsError> {
        let (permitted, ambient) =
            (caps::read(None, CapSet::Permitted)?, caps::read(None, CapSet::Ambient)?);
        let is_to_lend = |it: &Capability| permitted.contains(it) && !ambient.contains(it);
        let mut lent = Self(Vec::new());
        let useful = NEEDED.map(|(_, capability)| capability).into_iter().chain(FOR_REALTIME);
        for capability in useful.filter(is_to_lend) {
            lent.0.push(capability);
            caps::raise(None, CapSet::Inheritable, capability)?;
            caps::raise(None, CapSet::Ambient, capability)?;
        }
        Ok(lent)
    }

    /// Whether anything is.
    pub(crate) fn is_any(&self) -> bool {
        !self.0.is_empty()
    }

    /// In a program that was lent something: what it starts in turn gets nothing.
    pub(crate) fn take_back() {
        // What can't be taken back only goes to hooks, which then may do what this process may.
        let _ = caps::clear(None, CapSet::Ambient);
        let _ = caps::clear(None, CapSet::Inheritable);
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        for capability in &self.0 {
            // As above.
            let _ = caps::drop(None, CapSet::Ambient, *capability);
            let _ = caps::drop(None, CapSet::Inheritable, *capability);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        let set = |capabilities: &[Capability]| capabilities.iter().copied().collect();
        let [(_, admin), (_, raw)] = NEEDED;
        assert_eq!(missing(&set(&[])), ["CAP_NET_ADMIN", "CAP_NET_RAW"]);
        assert_eq!(missing(&set(&[admin, raw])), Vec::<&str>::new());
        assert_eq!(missing(&set(&[admin])), ["CAP_NET_RAW"]);
    }
}
