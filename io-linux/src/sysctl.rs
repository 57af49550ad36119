//! The one setting of the kernel that is changed.

use std::fs;

/// Has the kernel keep an interface's secondary addresses when their primary goes; otherwise one
/// VIP that expires takes other addresses of its subnet along.
pub(crate) fn promote_secondaries(interface: &str) {
    // A name with a dot is a VLAN's; its folder in procfs has the same name.
    let path = format!("/proc/sys/net/ipv4/conf/{interface}/promote_secondaries");
    if fs::read_to_string(&path).is_ok_and(|value| value.trim() == "1") {
        return;
    }
    if let Err(error) = fs::write(&path, "1") {
        tracing::warn!("cannot set {path} to 1: {error}; a VIP that goes may take others along");
    }
}
