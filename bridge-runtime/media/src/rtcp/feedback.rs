//! Feedback on streams: NACK, PLI (RFC 4585), FIR (RFC 5104), REMB
//! (draft-alvestrand-rmcat-remb-03).

use super::{RtcpWriter, packet_type, read_u16, read_u24, read_u32, write_u16, write_u32};
use crate::identifiers::Ssrc;

/// Iterates over the sequence numbers of a generic NACK.
#[derive(Clone, Debug)]
pub struct Nacks<'a> {
    rest: &'a [u8],
    base: u16,
    pending: u32,
}

impl<'a> Nacks<'a> {
    pub(super) const fn new(rest: &'a [u8]) -> Self {
        Self {
            rest,
            base: 0,
            pending: 0,
        }
    }
}

impl Iterator for Nacks<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        if self.pending == 0 {
            self.base = read_u16(self.rest, 0)?;
            self.pending = u32::from(read_u16(self.rest, 2)?) << 1 | 1;
            self.rest = self.rest.get(4..)?;
        }
        let offset = self.pending.trailing_zeros();
        self.pending &= self.pending - 1;
        Some(self.base.wrapping_add(offset as u16))
    }
}

/// Iterates over the streams of a full intra request: SSRC and command sequence number.
#[derive(Clone, Debug)]
pub struct FullIntraRequests<'a> {
    rest: &'a [u8],
}

impl<'a> FullIntraRequests<'a> {
    pub(super) const fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }
}

impl Iterator for FullIntraRequests<'_> {
    type Item = (Ssrc, u8);

    fn next(&mut self) -> Option<(Ssrc, u8)> {
        let entry = (Ssrc(read_u32(self.rest, 0)?), *self.rest.get(4)?);
        self.rest = self.rest.get(8..)?;
        Some(entry)
    }
}

/// A receiver's estimate of what it can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiverEstimate {
    /// Bits per second.
    pub bitrate: u64,
}

impl ReceiverEstimate {
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let exponent = u32::from(*body.get(13)? >> 2);
        let mantissa = u64::from(read_u24(body, 13)? & 0x3_ffff);
        // An exponent that overflows states no usable number.
        let bitrate = mantissa.checked_mul(1_u64.checked_shl(exponent)?)?;
        Some(Self { bitrate })
    }
}

impl RtcpWriter<'_> {
    /// Appends a PLI.
    pub fn picture_loss(&mut self, sender: Ssrc, media: Ssrc) -> Option<()> {
        let body = self.packet(packet_type::PAYLOAD_FEEDBACK, 1, 8)?;
        write_u32(body, 0, sender.0)?;
        write_u32(body, 4, media.0)
    }

    /// Appends a FIR for one stream; `command` must differ from the last request's
    /// (RFC 5104 section 4.3.1.2).
    pub fn full_intra_request(&mut self, sender: Ssrc, media: Ssrc, command: u8) -> Option<()> {
        let body = self.packet(packet_type::PAYLOAD_FEEDBACK, 4, 16)?;
        write_u32(body, 0, sender.0)?;
        write_u32(body, 4, 0)?;
        write_u32(body, 8, media.0)?;
        write_u32(body, 12, u32::from(command) << 24)
    }

    /// Appends a generic NACK for `lost`, which is sorted in sequence order (with wrap).
    pub fn nack(&mut self, sender: Ssrc, media: Ssrc, lost: &[u16]) -> Option<()> {
        let mut entries = 0;
        for_each_nack_entry(lost, |_, _| entries += 1);
        let body = self.packet(packet_type::TRANSPORT_FEEDBACK, 1, 8 + entries * 4)?;
        write_u32(body, 0, sender.0)?;
        write_u32(body, 4, media.0)?;
        let mut offset = 8;
        for_each_nack_entry(lost, |base, mask| {
            let _ = write_u16(body, offset, base);
            let _ = write_u16(body, offset + 2, mask);
            offset += 4;
        });
        Some(())
    }

    /// Appends a REMB for up to 255 streams.
    pub fn receiver_estimate(
        &mut self,
        sender: Ssrc,
        bitrate: u64,
        streams: &[Ssrc],
    ) -> Option<()> {
        let count = u8::try_from(streams.len()).ok()?;
        let body = self.packet(packet_type::PAYLOAD_FEEDBACK, 15, 16 + streams.len() * 4)?;
        let significant = 64 - bitrate.leading_zeros();
        let exponent = significant.saturating_sub(18);
        let mantissa = (bitrate >> exponent) as u32;
        write_u32(body, 0, sender.0)?;
        write_u32(body, 4, 0)?;
        body.get_mut(8..12)?.copy_from_slice(b"REMB");
        write_u32(body, 12, u32::from(count) << 24 | exponent << 18 | mantissa)?;
        for (stream, room) in streams.iter().zip(body.get_mut(16..)?.chunks_exact_mut(4)) {
            room.copy_from_slice(&stream.0.to_be_bytes());
        }
        Some(())
    }
}

/// Packs sorted sequence numbers into (base, mask of the following sixteen).
fn for_each_nack_entry(lost: &[u16], mut entry: impl FnMut(u16, u16)) {
    let mut numbers = lost.iter().copied();
    let Some(mut base) = numbers.next() else {
        return;
    };
    let mut mask = 0_u16;
    for number in numbers {
        let distance = number.wrapping_sub(base);
        if (1..=16).contains(&distance) {
            mask |= 1 << (distance - 1);
        } else if distance != 0 {
            entry(base, mask);
            (base, mask) = (number, 0);
        }
    }
    entry(base, mask);
}

#[cfg(test)]
mod tests {
    use super::super::{RtcpPacket, RtcpPackets};
    use super::*;
    use proptest::prelude::*;

    fn read(buffer: &[u8]) -> RtcpPacket<'_> {
        RtcpPackets::new(buffer).next().unwrap()
    }

    proptest! {
        #[test]
        fn a_nack_names_exactly_the_lost_packets(
            start: u16, steps in proptest::collection::vec(1_u16..40, 0..60)
        ) {
            let mut lost = vec![start];
            for step in steps {
                lost.push(lost.last().unwrap().wrapping_add(step));
            }
            let mut buffer = [0_u8; 512];
            let mut writer = RtcpWriter::new(&mut buffer);
            writer.nack(Ssrc(1), Ssrc(2), &lost).unwrap();
            let length = writer.len();
            let RtcpPacket::Nack { media, lost: read_back } = read(&buffer[..length]) else {
                panic!("no nack")
            };
            prop_assert_eq!(media, Ssrc(2));
            prop_assert_eq!(read_back.collect::<Vec<_>>(), lost);
        }

        #[test]
        fn an_estimate_survives_within_its_precision(bitrate in 0_u64..1 << 40) {
            let mut buffer = [0_u8; 64];
            let mut writer = RtcpWriter::new(&mut buffer);
            writer.receiver_estimate(Ssrc(1), bitrate, &[Ssrc(3), Ssrc(4)]).unwrap();
            let length = writer.len();
            let RtcpPacket::ReceiverEstimate(estimate) = read(&buffer[..length]) else {
                panic!("no estimate")
            };
            prop_assert!(estimate.bitrate <= bitrate);
            prop_assert!(bitrate - estimate.bitrate <= bitrate >> 17);
        }
    }

    #[test]
    fn a_full_intra_request_names_its_stream() {
        let mut buffer = [0_u8; 64];
        let mut writer = RtcpWriter::new(&mut buffer);
        writer.full_intra_request(Ssrc(1), Ssrc(2), 7).unwrap();
        let length = writer.len();
        let RtcpPacket::FullIntraRequest(mut requests) = read(&buffer[..length]) else {
            panic!("no request")
        };
        assert_eq!(requests.next(), Some((Ssrc(2), 7)));
        assert_eq!(requests.next(), None);
    }
}
