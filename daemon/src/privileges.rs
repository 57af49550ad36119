//! What to do about missing capabilities.

use std::path::Path;

/// Lines for a person: what is missing, and two ways to give it.
pub(crate) fn advice(missing: &[&str], binary: &Path) -> String {
    let binary = binary.display().to_string();
    let quoted = shlex::try_quote(&binary).map_or_else(|_| binary.clone(), Into::into);
    let (names, are) = (missing.join(" and "), if missing.len() == 1 { "is" } else { "are" });
    format!(
        "openproxy: {names} {are} missing. Give both to this binary:\n\
         sudo setcap 'cap_net_raw=eip cap_net_admin=eip' {quoted}\n\
         or, under systemd, in [Service] of its unit:\n\
         AmbientCapabilities=CAP_NET_RAW CAP_NET_ADMIN"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advice_can_be_pasted() {
        assert_eq!(
            advice(&["CAP_NET_RAW", "CAP_NET_ADMIN"], Path::new("/opt/open proxy/openproxy")),
            "openproxy: CAP_NET_RAW and CAP_NET_ADMIN are missing. Give both to this binary:\n\
             sudo setcap 'cap_net_raw=eip cap_net_admin=eip' '/opt/open proxy/openproxy'\n\
             or, under systemd, in [Service] of its unit:\n\
             AmbientCapabilities=CAP_NET_RAW CAP_NET_ADMIN"
        );
        assert!(
            advice(&["CAP_NET_ADMIN"], Path::new("/x"))
                .starts_with("openproxy: CAP_NET_ADMIN is m")
        );
    }
}
