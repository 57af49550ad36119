//! Sends announcements: whose Ethernet address a VIP has now.

use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, socket};
use openproxy_core::io::Announcement;
use socket2::SockRef;

use crate::{frames, sys};

/// A packet socket that only sends.
#[derive(Debug)]
pub(crate) struct Announcer {
    socket: OwnedFd,
}

impl Announcer {
    pub(crate) fn open() -> io::Result<Self> {
        // Protocol 0: nothing is received.
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Packet, SockType::Raw, flags, None)?;
        Ok(Self { socket })
    }

    /// Announces each address; a failure is only logged, since it will be repeated.
    pub(crate) fn announce(&self, announcement: &Announcement) {
        for ip in &announcement.addresses {
            let index = announcement.index.0;
            let sent = match ip {
                IpAddr::V4(ip) => self.send(index, &frames::gratuitous_arp(announcement.mac, *ip)),
                IpAddr::V6(ip) => {
                    self.send(index, &frames::unsolicited_na(announcement.mac, *ip, *ip))
                }
            };
            if let Err(error) = sent {
                tracing::debug!("cannot announce {ip}: {error}");
            }
        }
    }

    fn send(&self, index: u32, frame: &[u8]) -> io::Result<()> {
        let address = sys::link_address(index, 0);
        SockRef::from(&self.socket)
            .send_to_with_flags(frame, &address, MsgFlags::MSG_DONTWAIT.bits())
            .map(|_| ())
    }
}
