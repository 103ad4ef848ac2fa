//! RTCP parsed and built in place, without allocation (RFC 3550 section 6, RFC 4585, RFC 5104).
//!
//! Parsers take any bytes and never panic; a packet that contradicts its own length ends the
//! compound. Builders append to a [`RtcpWriter`] over a caller's buffer and refuse, rather than
//! truncate, what does not fit. XR and APP packets are recognised and skipped.

pub mod feedback;
pub mod report;
pub mod transport_cc;

pub use feedback::{FullIntraRequests, Nacks, ReceiverEstimate};
pub use report::{ReportBlock, SenderInfo};
pub use transport_cc::{ArrivalRecorder, TransportFeedback};

use crate::identifiers::Ssrc;

/// Packet types of RFC 3550 section 12.1 and RFC 4585 section 6.1.
pub mod packet_type {
    /// Sender report.
    pub const SENDER_REPORT: u8 = 200;
    /// Receiver report.
    pub const RECEIVER_REPORT: u8 = 201;
    /// Source description.
    pub const SOURCE_DESCRIPTION: u8 = 202;
    /// Goodbye.
    pub const GOODBYE: u8 = 203;
    /// Transport layer feedback.
    pub const TRANSPORT_FEEDBACK: u8 = 205;
    /// Payload-specific feedback.
    pub const PAYLOAD_FEEDBACK: u8 = 206;
}

/// One packet of a compound, borrowed from it.
#[derive(Clone, Debug)]
pub enum RtcpPacket<'a> {
    /// SR: the sender, its clock and counters, and its report blocks.
    SenderReport {
        /// Who reports.
        sender: Ssrc,
        /// Clock and counters.
        info: SenderInfo,
        /// Report blocks, 24 bytes each.
        blocks: report::ReportBlocks<'a>,
    },
    /// RR: report blocks only.
    ReceiverReport {
        /// Who reports.
        sender: Ssrc,
        /// Report blocks, 24 bytes each.
        blocks: report::ReportBlocks<'a>,
    },
    /// BYE: the stream ends.
    Goodbye {
        /// First source that leaves.
        sender: Option<Ssrc>,
    },
    /// Generic NACK (RFC 4585 section 6.2.1).
    Nack {
        /// Stream whose packets are missing.
        media: Ssrc,
        /// Missing sequence numbers.
        lost: Nacks<'a>,
    },
    /// Transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01).
    TransportFeedback(TransportFeedback<'a>),
    /// Picture loss indication (RFC 4585 section 6.3.1).
    PictureLoss {
        /// Stream that shall send a key frame.
        media: Ssrc,
    },
    /// Full intra request (RFC 5104 section 4.3.1).
    FullIntraRequest(FullIntraRequests<'a>),
    /// Receiver estimated maximum bitrate (draft-alvestrand-rmcat-remb-03).
    ReceiverEstimate(ReceiverEstimate),
    /// Anything else: SDES, XR, APP, unknown feedback.
    Other {
        /// Packet type.
        packet_type: u8,
    },
}

/// Iterates over a compound packet; stops at the first contradiction.
#[derive(Clone, Debug)]
pub struct RtcpPackets<'a> {
    rest: &'a [u8],
    malformed: bool,
}

impl<'a> RtcpPackets<'a> {
    /// Starts at the beginning of an unprotected compound.
    pub const fn new(compound: &'a [u8]) -> Self {
        Self {
            rest: compound,
            malformed: false,
        }
    }

    /// Whether the iteration ended early because of a contradiction.
    pub const fn is_malformed(&self) -> bool {
        self.malformed
    }

    fn take_packet(&mut self) -> Option<RtcpPacket<'a>> {
        let header = self.rest.get(..4)?;
        let (first, packet_type) = (header[0], header[1]);
        let length = (usize::from(read_u16(header, 2)?) + 1) * 4;
        let packet = self.rest.get(..length)?;
        let mut body = packet.get(4..)?;
        if first >> 6 != 2 {
            return None;
        }
        if first & 0x20 != 0 {
            let padding = usize::from(*packet.last()?);
            if padding == 0 {
                return None;
            }
            body = body.get(..body.len().checked_sub(padding)?)?;
        }
        self.rest = self.rest.get(length..)?;
        parse_body(packet_type, first & 0x1f, body)
    }
}

impl<'a> Iterator for RtcpPackets<'a> {
    type Item = RtcpPacket<'a>;

    fn next(&mut self) -> Option<RtcpPacket<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let packet = self.take_packet();
        if packet.is_none() {
            self.rest = &[];
            self.malformed = true;
        }
        packet
    }
}

fn parse_body(packet_type: u8, count: u8, body: &[u8]) -> Option<RtcpPacket<'_>> {
    let blocks_length = usize::from(count) * report::BLOCK_LENGTH;
    Some(match (packet_type, count) {
        (packet_type::SENDER_REPORT, _) => RtcpPacket::SenderReport {
            sender: Ssrc(read_u32(body, 0)?),
            info: SenderInfo::parse(body.get(4..24)?)?,
            blocks: report::ReportBlocks::new(body.get(24..24 + blocks_length)?),
        },
        (packet_type::RECEIVER_REPORT, _) => RtcpPacket::ReceiverReport {
            sender: Ssrc(read_u32(body, 0)?),
            blocks: report::ReportBlocks::new(body.get(4..4 + blocks_length)?),
        },
        (packet_type::GOODBYE, _) => RtcpPacket::Goodbye {
            sender: if count == 0 {
                None
            } else {
                Some(Ssrc(read_u32(body, 0)?))
            },
        },
        (packet_type::TRANSPORT_FEEDBACK, 1) => RtcpPacket::Nack {
            media: Ssrc(read_u32(body, 4)?),
            lost: Nacks::new(body.get(8..)?),
        },
        (packet_type::TRANSPORT_FEEDBACK, 15) => {
            RtcpPacket::TransportFeedback(TransportFeedback::parse(body)?)
        }
        (packet_type::PAYLOAD_FEEDBACK, 1) => RtcpPacket::PictureLoss {
            media: Ssrc(read_u32(body, 4)?),
        },
        (packet_type::PAYLOAD_FEEDBACK, 4) => {
            RtcpPacket::FullIntraRequest(FullIntraRequests::new(body.get(8..)?))
        }
        (packet_type::PAYLOAD_FEEDBACK, 15) if body.get(8..12) == Some(b"REMB") => {
            RtcpPacket::ReceiverEstimate(ReceiverEstimate::parse(body)?)
        }
        _ => RtcpPacket::Other { packet_type },
    })
}

/// Appends packets to a caller's buffer.
#[derive(Debug)]
pub struct RtcpWriter<'a> {
    buffer: &'a mut [u8],
    length: usize,
}

impl<'a> RtcpWriter<'a> {
    /// Starts an empty compound in `buffer`.
    pub const fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, length: 0 }
    }

    /// Bytes written so far.
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether nothing has been written yet.
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Bytes that still fit.
    pub const fn remaining(&self) -> usize {
        self.buffer.len() - self.length
    }

    /// Reserves a packet whose body has `body_length` bytes (a multiple of four) and writes its
    /// header; `None` when it does not fit.
    pub(crate) fn packet(
        &mut self,
        packet_type: u8,
        count: u8,
        body_length: usize,
    ) -> Option<&mut [u8]> {
        debug_assert_eq!(body_length % 4, 0, "RTCP packets are whole words");
        let end = self.length.checked_add(4 + body_length)?;
        let packet = self.buffer.get_mut(self.length..end)?;
        let words = u16::try_from(body_length / 4).ok()?;
        packet[0] = 0x80 | (count & 0x1f);
        packet[1] = packet_type;
        packet[2..4].copy_from_slice(&words.to_be_bytes());
        self.length = end;
        packet.get_mut(4..)
    }

    /// Appends an SDES with an empty CNAME, which makes a compound complete
    /// (RFC 3550 section 6.1).
    pub fn source_description(&mut self, sender: Ssrc) -> Option<()> {
        let body = self.packet(packet_type::SOURCE_DESCRIPTION, 1, 8)?;
        write_u32(body, 0, sender.0)?;
        // CNAME item of length zero, end of list, padding to a word.
        body.get_mut(4..8)?.copy_from_slice(&[1, 0, 0, 0]);
        Some(())
    }

    /// Appends a BYE for one stream.
    pub fn goodbye(&mut self, sender: Ssrc) -> Option<()> {
        let body = self.packet(packet_type::GOODBYE, 1, 4)?;
        write_u32(body, 0, sender.0)
    }
}

pub(crate) fn read_u16(bytes: &[u8], offset: usize) -> Option<u16> {
    let slice = bytes.get(offset..offset.checked_add(2)?)?;
    Some(u16::from_be_bytes([slice[0], slice[1]]))
}

pub(crate) fn read_u24(bytes: &[u8], offset: usize) -> Option<u32> {
    let slice = bytes.get(offset..offset.checked_add(3)?)?;
    Some(u32::from_be_bytes([0, slice[0], slice[1], slice[2]]))
}

pub(crate) fn read_u32(bytes: &[u8], offset: usize) -> Option<u32> {
    let slice = bytes.get(offset..offset.checked_add(4)?)?;
    Some(u32::from_be_bytes([slice[0], slice[1], slice[2], slice[3]]))
}

pub(crate) fn write_u16(bytes: &mut [u8], offset: usize, value: u16) -> Option<()> {
    bytes
        .get_mut(offset..offset + 2)?
        .copy_from_slice(&value.to_be_bytes());
    Some(())
}

pub(crate) fn write_u32(bytes: &mut [u8], offset: usize, value: u32) -> Option<()> {
    bytes
        .get_mut(offset..offset + 4)?
        .copy_from_slice(&value.to_be_bytes());
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_compound_built_here_reads_back_packet_by_packet() {
        let mut buffer = [0_u8; 256];
        let mut writer = RtcpWriter::new(&mut buffer);
        writer.receiver_report(Ssrc(1), &[]).unwrap();
        writer.source_description(Ssrc(1)).unwrap();
        writer.picture_loss(Ssrc(1), Ssrc(9)).unwrap();
        writer.goodbye(Ssrc(4)).unwrap();
        let length = writer.len();
        let mut packets = RtcpPackets::new(&buffer[..length]);
        assert!(matches!(
            packets.next(),
            Some(RtcpPacket::ReceiverReport {
                sender: Ssrc(1),
                ..
            })
        ));
        assert!(matches!(
            packets.next(),
            Some(RtcpPacket::Other { packet_type: 202 })
        ));
        assert!(matches!(
            packets.next(),
            Some(RtcpPacket::PictureLoss { media: Ssrc(9) })
        ));
        assert!(matches!(
            packets.next(),
            Some(RtcpPacket::Goodbye {
                sender: Some(Ssrc(4))
            })
        ));
        assert!(packets.next().is_none());
        assert!(!packets.is_malformed());
    }

    #[test]
    fn a_length_beyond_the_datagram_ends_the_compound() {
        let bytes = [0x80, 201, 0, 9, 0, 0, 0, 1];
        let mut packets = RtcpPackets::new(&bytes);
        assert!(packets.next().is_none());
        assert!(packets.is_malformed());
    }

    #[test]
    fn a_packet_that_does_not_fit_is_refused_whole() {
        let mut buffer = [0_u8; 11];
        let mut writer = RtcpWriter::new(&mut buffer);
        assert!(writer.picture_loss(Ssrc(1), Ssrc(2)).is_none());
        assert!(writer.is_empty());
    }

    /// Walks everything a parser can reach; used by the property test and the fuzz target.
    fn exhaust(bytes: &[u8]) -> usize {
        let mut seen = 0;
        for packet in RtcpPackets::new(bytes) {
            seen += match packet {
                RtcpPacket::SenderReport { blocks, .. }
                | RtcpPacket::ReceiverReport { blocks, .. } => blocks.count(),
                RtcpPacket::Nack { lost, .. } => lost.count(),
                RtcpPacket::FullIntraRequest(requests) => requests.count(),
                RtcpPacket::TransportFeedback(feedback) => feedback.packets().count(),
                _ => 1,
            };
        }
        seen
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = exhaust(&bytes);
        }

        #[test]
        fn any_feedback_body_is_read_without_panic(
            count in 0_u8..32,
            kind in 200_u8..208,
            mut body in proptest::collection::vec(any::<u8>(), 0..50),
        ) {
            body.resize(body.len() * 4, 7);
            let words = u16::try_from(body.len() / 4).unwrap();
            let mut bytes = vec![0x80 | count, kind];
            bytes.extend_from_slice(&words.to_be_bytes());
            bytes.extend_from_slice(&body);
            let _ = exhaust(&bytes);
        }
    }
}
