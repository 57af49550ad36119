//! Many operations on addresses in one call of the kernel.

use std::io;
use std::net::IpAddr;

use netlink_packet_core::{NLM_F_ACK, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, protocols::NETLINK_ROUTE};
use nix::errno::Errno;
use openproxy_core::io::{AddressError, AddressRequest, InterfaceIndex};

use crate::netlink;

/// Room for an error, which repeats the request.
const ANSWER_MAX: usize = 4 << 10;
/// Messages are aligned to so many bytes.
const ALIGNMENT: usize = 4;

/// A netlink socket for operations on addresses.
pub(crate) struct AddressRequests {
    socket: Socket,
    sequence: u32,
    messages: Vec<u8>,
    answer: Box<[u8; ANSWER_MAX]>,
}

impl AddressRequests {
    pub(crate) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        Ok(Self { socket, sequence: 0, messages: Vec::new(), answer: Box::new([0; ANSWER_MAX]) })
    }

    /// Carries out operations in their order; how each ended, in the same order.
    pub(crate) fn carry_out<'a>(
        &mut self,
        requests: impl Iterator<Item = &'a AddressRequest>,
    ) -> Vec<Result<(), AddressError>> {
        self.exchange(requests.map(netlink::operation))
    }

    /// From now on, nobody gets in to these addresses, which are about to be removed: whoever is reset
    /// and connects anew mustn't be taken once more. Where the way in isn't the usual one, it stays.
    pub(crate) fn remove_ways_in(
        &mut self,
        addresses: impl Iterator<Item = (InterfaceIndex, IpAddr)>,
    ) {
        let messages = addresses.map(|(index, ip)| netlink::way_in_removal(index, ip));
        drop(self.exchange(messages));
    }

    /// Only the last message asks for an answer; the kernel answers the others if it refuses them.
    fn exchange(
        &mut self,
        messages: impl Iterator<Item = NetlinkMessage<RouteNetlinkMessage>>,
    ) -> Vec<Result<(), AddressError>> {
        let first = self.sequence;
        self.messages.clear();
        let mut messages = messages.peekable();
        while let Some(mut message) = messages.next() {
            if messages.peek().is_some() {
                message.header.flags &= !NLM_F_ACK;
            }
            message.header.sequence_number = self.sequence;
            self.sequence = self.sequence.wrapping_add(1);
            message.finalize();
            let start = self.messages.len();
            let len = message.buffer_len();
            self.messages.resize(start + len.next_multiple_of(ALIGNMENT), 0);
            message.serialize(self.messages.get_mut(start..start + len).unwrap_or_default());
        }
        let count = self.sequence.wrapping_sub(first) as usize;
        match self.socket.send(&self.messages, 0) {
            Ok(_) => self.read_answers(first, count),
            Err(error) => {
                vec![Err(netlink::address_error(error.raw_os_error().unwrap_or(0))); count]
            }
        }
    }

    /// How so many messages from this sequence number on ended.
    fn read_answers(&mut self, first: u32, count: usize) -> Vec<Result<(), AddressError>> {
        let mut answers = vec![None; count];
        let mut is_any_lost = false;
        // The kernel has answered before it returned: what isn't there won't come.
        while let Some(answer) = self.read_answer() {
            let Answer::Of(len) = answer else {
                is_any_lost = true;
                continue;
            };
            let bytes = self.answer.get(..len).unwrap_or_default();
            let Ok(message) = NetlinkMessage::<RouteNetlinkMessage>::deserialize(bytes) else {
                is_any_lost = true;
                continue;
            };
            let position = message.header.sequence_number.wrapping_sub(first) as usize;
            if let (NetlinkPayload::Error(error), Some(answer)) =
                (message.payload, answers.get_mut(position))
            {
                *answer = Some(match error.raw_code() {
                    0 => Ok(()),
                    code => Err(netlink::address_error(code)),
                });
            }
        }
        is_any_lost |= answers.last().is_some_and(Option::is_none);
        let unanswered = if is_any_lost {
            Err(AddressError::Other("the kernel's answer is lost".to_owned()))
        } else {
            Ok(())
        };
        answers.into_iter().map(|answer| answer.unwrap_or_else(|| unanswered.clone())).collect()
    }

    fn read_answer(&mut self) -> Option<Answer> {
        loop {
            let mut buffer = &mut self.answer[..];
            match self.socket.recv(&mut buffer, nix::libc::MSG_DONTWAIT) {
                Ok(len) => return Some(Answer::Of(len)),
                Err(error) if error.raw_os_error() == Some(Errno::ENOBUFS as i32) => {
                    return Some(Answer::Lost);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
    }
}

/// What can be read of the kernel's answers.
enum Answer {
    /// One of so many bytes.
    Of(usize),
    /// Some were lost, not those that are behind them.
    Lost,
}
