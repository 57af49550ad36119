//! How the process ends: the statuses of `sysexits.h`, so that service managers and scripts can
//! tell a wrong file from a missing privilege.

use std::process::ExitCode;

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All is done, and every VIP released.
    Clean,
    /// Stopped by a third signal, before every VIP was released.
    Cut,
    /// What was asked for is well but for something that needs a look or a decision.
    Warning,
    /// What was asked for isn't well, or nobody answers.
    Critical,
    /// A defect of the program (`EX_SOFTWARE`).
    Defect,
    /// The system refused something essential (`EX_OSERR`).
    System,
    /// Another OpenProxy holds the VIPs of this network namespace (`EX_TEMPFAIL`).
    Busy,
    /// A capability is missing (`EX_NOPERM`).
    NoPermission,
    /// The file is wrong or can't be read (`EX_CONFIG`).
    Config,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Clean => 0,
            Exit::Cut | Exit::Warning => 1,
            Exit::Critical => 2,
            Exit::Defect => 70,
            Exit::System => 71,
            Exit::Busy => 75,
            Exit::NoPermission => 77,
            Exit::Config => 78,
        })
    }
}
