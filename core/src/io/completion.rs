//! How effects ended.

use super::{CheckId, Generation, HookId, KernelSnapshot, RouterId, SocketId};

/// The end of one effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completion {
    /// Of [`Output::Dump`](super::Output::Dump); `None` when it failed and should be tried again.
    Dump(Option<KernelSnapshot>),
    /// Of [`Output::OpenSocket`](super::Output::OpenSocket).
    Socket(SocketId, Result<(), SocketError>),
    /// Of [`Output::SendAdvert`](super::Output::SendAdvert): the first failure among its
    /// destinations, if none of them got it.
    AdvertSent(RouterId, Generation, Result<(), SendError>),
    /// Of [`Output::Address`](super::Output::Address).
    Address(RouterId, Generation, Result<(), AddressError>),
    /// Of [`Output::ResetConnections`](super::Output::ResetConnections), before that of the removals.
    ConnectionsReset(RouterId, Resets),
    /// Of [`Output::RunHook`](super::Output::RunHook): whether it ended with status 0. It comes
    /// after a kill, too, once the process has been reaped.
    Hook(HookId, Result<(), String>),
    /// Of [`Output::Guard`](super::Output::Guard), which is answered by nothing else: the guard hasn't
    /// got the note.
    GuardMissed,
    /// Of [`Output::RunCheck`](super::Output::RunCheck).
    Check(CheckId, Result<(), String>),
}

/// What became of the connections of addresses that come off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resets {
    /// How many were reset.
    pub reset: usize,
    /// How many were found, and are left: the removal couldn't wait for them.
    pub left: usize,
    /// Whether there was time to find all.
    pub all_found: bool,
}

/// Why a raw socket could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SocketError {
    /// `CAP_NET_RAW` is missing.
    #[error("no permission to open a raw socket (CAP_NET_RAW)")]
    Denied,
    /// The interface is gone.
    #[error("the interface is gone")]
    NoInterface,
    /// Anything else, in the system's words.
    #[error("{0}")]
    Other(String),
}

/// Why an advert could not be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// A firewall or a missing capability refused it (`EPERM`, `EACCES`).
    #[error("refused (EPERM: a firewall rule?)")]
    Denied,
    /// No buffer is free (`ENOBUFS`, `EAGAIN`).
    #[error("no buffer space")]
    NoBuffers,
    /// The network or interface is down or gone (`ENETDOWN`, `ENETUNREACH`, `ENODEV`, …).
    #[error("the network is down")]
    Down,
    /// Anything else, in the system's words.
    #[error("{0}")]
    Other(String),
}

/// Why the kernel refused to add, renew or remove an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The address with this prefix length is there already (`EEXIST`).
    #[error("it is there already")]
    Exists,
    /// No such address (`EADDRNOTAVAIL`).
    #[error("there is no such address")]
    NotFound,
    /// The interface is gone (`ENODEV`).
    #[error("the interface is gone")]
    NoInterface,
    /// `CAP_NET_ADMIN` is missing (`EPERM`, `EACCES`).
    #[error("no permission (CAP_NET_ADMIN)")]
    Denied,
    /// Anything else, in the system's words: IPv6 disabled, an invalid prefix, …
    #[error("{0}")]
    Other(String),
}
