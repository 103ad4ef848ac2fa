//! Sender and receiver reports (RFC 3550 section 6.4).

use std::time::Duration;

use super::{RtcpWriter, packet_type, read_u24, read_u32, write_u32};
use crate::identifiers::Ssrc;

/// Bytes of one report block.
pub const BLOCK_LENGTH: usize = 24;

/// Clock and counters of a sender report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderInfo {
    /// NTP timestamp, 32.32 fixed point seconds.
    pub ntp_time: u64,
    /// RTP timestamp of the same instant.
    pub rtp_time: u32,
    /// RTP packets sent so far.
    pub packets: u32,
    /// RTP payload bytes sent so far.
    pub octets: u32,
}

impl SenderInfo {
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            ntp_time: u64::from(read_u32(bytes, 0)?) << 32 | u64::from(read_u32(bytes, 4)?),
            rtp_time: read_u32(bytes, 8)?,
            packets: read_u32(bytes, 12)?,
            octets: read_u32(bytes, 16)?,
        })
    }

    /// The middle 32 bits of the NTP time, which a receiver returns as LSR.
    pub const fn compact_ntp(&self) -> u32 {
        (self.ntp_time >> 16) as u32
    }
}

/// One report block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// Stream reported on.
    pub source: Ssrc,
    /// Lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Lost since the beginning, signed 24 bit.
    pub cumulative_lost: i32,
    /// Extended highest sequence number received.
    pub highest_sequence: u32,
    /// Interarrival jitter in timestamp units.
    pub jitter: u32,
    /// Middle bits of the NTP time of the last SR, zero when none came.
    pub last_sender_report: u32,
    /// Time since that SR in 1/65536 s.
    pub delay_since_last: u32,
}

impl ReportBlock {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let lost = read_u24(bytes, 5)?;
        Some(Self {
            source: Ssrc(read_u32(bytes, 0)?),
            fraction_lost: *bytes.get(4)?,
            // Sign extension of a 24 bit number.
            cumulative_lost: (lost << 8).cast_signed() >> 8,
            highest_sequence: read_u32(bytes, 8)?,
            jitter: read_u32(bytes, 12)?,
            last_sender_report: read_u32(bytes, 16)?,
            delay_since_last: read_u32(bytes, 20)?,
        })
    }

    fn write(&self, bytes: &mut [u8]) -> Option<()> {
        let lost = self
            .cumulative_lost
            .clamp(-0x80_0000, 0x7f_ffff)
            .cast_unsigned()
            & 0xff_ffff;
        write_u32(bytes, 0, self.source.0)?;
        write_u32(bytes, 4, u32::from(self.fraction_lost) << 24 | lost)?;
        write_u32(bytes, 8, self.highest_sequence)?;
        write_u32(bytes, 12, self.jitter)?;
        write_u32(bytes, 16, self.last_sender_report)?;
        write_u32(bytes, 20, self.delay_since_last)
    }

    /// Round-trip time, given the compact NTP time at which the block arrived
    /// (RFC 3550 section 6.4.1); `None` without an SR or when the clock contradicts itself.
    pub fn round_trip(&self, arrival_compact_ntp: u32) -> Option<Duration> {
        if self.last_sender_report == 0 {
            return None;
        }
        let units = arrival_compact_ntp
            .wrapping_sub(self.last_sender_report)
            .wrapping_sub(self.delay_since_last);
        // More than a minute means a bent clock or a hostile report.
        (units < 60 << 16).then(|| Duration::from_micros((u64::from(units) * 1_000_000) >> 16))
    }
}

/// Iterates over report blocks.
#[derive(Clone, Debug)]
pub struct ReportBlocks<'a> {
    rest: &'a [u8],
}

impl<'a> ReportBlocks<'a> {
    pub(super) const fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }
}

impl Iterator for ReportBlocks<'_> {
    type Item = ReportBlock;

    fn next(&mut self) -> Option<ReportBlock> {
        let block = ReportBlock::parse(self.rest.get(..BLOCK_LENGTH)?)?;
        self.rest = self.rest.get(BLOCK_LENGTH..)?;
        Some(block)
    }
}

impl RtcpWriter<'_> {
    /// Appends a receiver report with up to 31 blocks.
    pub fn receiver_report(&mut self, sender: Ssrc, blocks: &[ReportBlock]) -> Option<()> {
        let count = u8::try_from(blocks.len())
            .ok()
            .filter(|count| *count <= 31)?;
        let body = self.packet(
            packet_type::RECEIVER_REPORT,
            count,
            4 + blocks.len() * BLOCK_LENGTH,
        )?;
        write_u32(body, 0, sender.0)?;
        let rooms = body.get_mut(4..)?.chunks_exact_mut(BLOCK_LENGTH);
        for (block, room) in blocks.iter().zip(rooms) {
            block.write(room)?;
        }
        Some(())
    }

    /// Appends a sender report without blocks.
    pub fn sender_report(&mut self, sender: Ssrc, info: &SenderInfo) -> Option<()> {
        let body = self.packet(packet_type::SENDER_REPORT, 0, 24)?;
        write_u32(body, 0, sender.0)?;
        write_u32(body, 4, (info.ntp_time >> 32) as u32)?;
        write_u32(body, 8, info.ntp_time as u32)?;
        write_u32(body, 12, info.rtp_time)?;
        write_u32(body, 16, info.packets)?;
        write_u32(body, 20, info.octets)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{RtcpPacket, RtcpPackets};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_report_block_survives_the_wire(
            source: u32, fraction_lost: u8, cumulative_lost in -0x80_0000_i32..0x7f_ffff,
            highest_sequence: u32, jitter: u32, last_sender_report: u32, delay_since_last: u32,
        ) {
            let block = ReportBlock {
                source: Ssrc(source), fraction_lost, cumulative_lost, highest_sequence, jitter,
                last_sender_report, delay_since_last,
            };
            let mut buffer = [0_u8; 64];
            let mut writer = RtcpWriter::new(&mut buffer);
            writer.receiver_report(Ssrc(5), &[block]).unwrap();
            let length = writer.len();
            let Some(RtcpPacket::ReceiverReport { mut blocks, .. }) =
                RtcpPackets::new(&buffer[..length]).next() else { panic!("no report") };
            prop_assert_eq!(blocks.next(), Some(block));
            prop_assert_eq!(blocks.next(), None);
        }

        #[test]
        fn sender_information_survives_the_wire(ntp_time: u64, rtp_time: u32, packets: u32, octets: u32) {
            let sent = SenderInfo { ntp_time, rtp_time, packets, octets };
            let mut buffer = [0_u8; 64];
            let mut writer = RtcpWriter::new(&mut buffer);
            writer.sender_report(Ssrc(5), &sent).unwrap();
            let length = writer.len();
            let Some(RtcpPacket::SenderReport { info, .. }) =
                RtcpPackets::new(&buffer[..length]).next() else { panic!("no report") };
            prop_assert_eq!(info, sent);
        }
    }

    #[test]
    fn round_trip_is_arrival_less_report_less_delay() {
        let block = ReportBlock {
            last_sender_report: 10 << 16,
            delay_since_last: 1 << 15,
            ..ReportBlock::default()
        };
        assert_eq!(
            block.round_trip((10 << 16) + (1 << 15) + (1 << 14)),
            Some(Duration::from_millis(250))
        );
    }

    #[test]
    fn a_report_from_the_future_gives_no_round_trip() {
        let block = ReportBlock {
            last_sender_report: 10 << 16,
            delay_since_last: 1 << 20,
            ..ReportBlock::default()
        };
        assert_eq!(block.round_trip(10 << 16), None);
    }
}
