//! What to do about missing capabilities, and about rights that would make it better.

use std::path::Path;

/// Lines for a person: what is missing, and two ways to give it.
pub(crate) fn advice(missing: &[&str], binary: &Path) -> String {
    let quoted = quoted(binary);
    let (names, are) = (missing.join(" and "), if missing.len() == 1 { "is" } else { "are" });
    format!(
        "openproxy: {names} {are} missing. Give both to this binary:\n\
         sudo setcap 'cap_net_raw=eip cap_net_admin=eip' {quoted}\n\
         or, under systemd, in [Service] of its unit:\n\
         AmbientCapabilities=CAP_NET_RAW CAP_NET_ADMIN"
    )
}

/// What goes without `general.realtime`'s rights, which the file asks for: a line for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unprivileged {
    /// The threads that adverts and addresses wait for aren't ahead of others.
    Scheduling {
        /// The priority that they would have.
        priority: u8,
    },
    /// Memory may be paged out.
    Memory,
}

impl Unprivileged {
    /// Says what is missing, and two ways to give it.
    pub(crate) fn advice(self, error: &str, binary: &Path) -> String {
        let (lack, capability, limit) = match self {
            Self::Scheduling { priority } => (
                format!("the virtual routers don't run under SCHED_FIFO ({error})"),
                "CAP_SYS_NICE, or an RLIMIT_RTPRIO of its priority",
                format!("LimitRTPRIO={priority}"),
            ),
            Self::Memory => (
                format!("memory isn't locked ({error})"),
                "CAP_IPC_LOCK, or an unlimited RLIMIT_MEMLOCK",
                "LimitMEMLOCK=infinity".to_owned(),
            ),
        };
        format!(
            "general.realtime: {lack}; what runs goes on without. It takes {capability}: {limit} in \
             [Service] of a systemd unit, or sudo setcap 'cap_net_raw=eip cap_net_admin=eip \
             cap_sys_nice=eip cap_ipc_lock=eip' {}",
            quoted(binary)
        )
    }
}

fn quoted(binary: &Path) -> String {
    let binary = binary.display().to_string();
    shlex::try_quote(&binary).map_or_else(|_| binary.clone(), Into::into)
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

    #[test]
    fn what_realtime_lacks_is_one_line_each_with_what_gives_it() {
        let line = |lack: Unprivileged| lack.advice("EPERM", Path::new("/opt/open proxy"));
        assert_eq!(
            line(Unprivileged::Scheduling { priority: 20 }),
            "general.realtime: the virtual routers don't run under SCHED_FIFO (EPERM); what runs \
             goes on without. It takes CAP_SYS_NICE, or an RLIMIT_RTPRIO of its priority: \
             LimitRTPRIO=20 in [Service] of a systemd unit, or sudo setcap 'cap_net_raw=eip \
             cap_net_admin=eip cap_sys_nice=eip cap_ipc_lock=eip' '/opt/open proxy'"
        );
        assert_eq!(
            line(Unprivileged::Memory),
            "general.realtime: memory isn't locked (EPERM); what runs goes on without. It takes \
             CAP_IPC_LOCK, or an unlimited RLIMIT_MEMLOCK: LimitMEMLOCK=infinity in [Service] of a \
             systemd unit, or sudo setcap 'cap_net_raw=eip cap_net_admin=eip cap_sys_nice=eip \
             cap_ipc_lock=eip' '/opt/open proxy'"
        );
    }
}
