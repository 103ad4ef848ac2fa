//! What a client answers with: transport-wide feedback about what arrives, as browsers send it
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01).

use std::time::Instant;

use jitctl_media::identifiers::Ssrc;
use jitctl_media::rtcp::{ArrivalRecorder, RtcpWriter};
use jitctl_media::rtp::Header;

/// Arrivals that wait to be told.
#[derive(Debug)]
pub(crate) struct Feedback {
    extension: u8,
    arrivals: ArrivalRecorder,
    media: Ssrc,
}

impl Feedback {
    /// About packets that carry their number in `extension`.
    pub(crate) fn new(extension: u8) -> Self {
        Self {
            extension,
            arrivals: ArrivalRecorder::new(Instant::now()),
            media: Ssrc(0),
        }
    }

    /// Takes down a packet. Header extensions are in the clear (RFC 3711 section 3.1).
    pub(crate) fn record(&mut self, now: Instant, header: &Header, packet: &[u8]) {
        self.media = Ssrc(header.ssrc);
        let extension = header.extension(packet, self.extension);
        let number = extension.map(|extension| extension.data(packet));
        if let Some(&[high, low]) = number {
            let sequence = u16::from_be_bytes([high, low]);
            self.arrivals.record(now, sequence, header.marker);
        }
    }

    /// When there will be something to tell.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.arrivals.next_due()
    }

    /// Writes RTCP into `buffer` if it is time, and tells its length.
    pub(crate) fn write(&mut self, now: Instant, buffer: &mut [u8]) -> Option<usize> {
        if !self.arrivals.is_due(now) {
            return None;
        }
        let mut writer = RtcpWriter::new(buffer);
        self.arrivals
            .write(now, &mut writer, Ssrc(1), self.media)
            .map(|()| writer.len())
    }
}
