//! A frame as turmoil carries it: what the network knows of it, and then its bytes.

use crate::NodeId;
use crate::clock::SimTime;
use crate::frame::{Frame, Truth};

/// The sender, what was done to the frame, and when it arrives.
const HEADER_LEN: usize = 10;
/// The longest datagram.
pub(super) const DATAGRAM_LEN_MAX: usize = HEADER_LEN + crate::frame::FRAME_LEN_MAX;

const TRUTHS: [Truth; 6] = [
    Truth::Whole,
    Truth::Corrupted,
    Truth::Truncated,
    Truth::Forwarded,
    Truth::Reflected,
    Truth::Stranger,
];

/// What a datagram holds.
#[derive(Clone, Debug)]
pub(super) struct Parcel {
    /// Who sent it.
    pub(super) from: NodeId,
    /// When it is due: turmoil may be early by less than a tick.
    pub(super) at: SimTime,
    /// The packet.
    pub(super) frame: Frame,
}

impl Parcel {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let truth = TRUTHS.iter().position(|truth| *truth == self.frame.truth).unwrap_or(0);
        let mut bytes = vec![self.from.0, u8::try_from(truth).unwrap_or(0)];
        bytes.extend(self.at.0.to_be_bytes());
        bytes.extend(self.frame.bytes());
        bytes
    }

    /// `None` for a frame that is too broken to have a header: no socket would be given it.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (header, frame) = bytes.split_at_checked(HEADER_LEN)?;
        let ([from, truth], at) = header.split_first_chunk()?;
        let truth = TRUTHS.get(usize::from(*truth))?;
        Some(Self {
            from: NodeId(*from),
            at: SimTime(u64::from_be_bytes(at.try_into().ok()?)),
            frame: Frame::from_bytes(frame, *truth)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use openproxy_core::vrrp::MULTICAST_V4;

    use super::*;

    #[test]
    fn a_frame_comes_out_as_it_went_in() {
        for truth in TRUTHS {
            let mut frame = Frame::new([10, 0, 0, 1].into(), MULTICAST_V4.into(), &[7; 20]);
            frame.truth = truth;
            let parcel =
                Parcel { from: NodeId(3), at: SimTime(u64::MAX - 1), frame: frame.clone() };
            let bytes = parcel.to_bytes();
            assert!(bytes.len() <= DATAGRAM_LEN_MAX);
            let back = Parcel::from_bytes(&bytes).expect("whole");
            assert_eq!((back.from, back.at, back.frame.truth), (parcel.from, parcel.at, truth));
            assert_eq!(back.frame.bytes(), frame.bytes());
        }
    }
}
