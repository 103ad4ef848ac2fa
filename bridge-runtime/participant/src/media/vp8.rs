//! VP8 as RTP carries it (RFC 7741): frames of a wanted size with valid descriptors and headers.
//!
//! Nothing is encoded: a frame is a header that says its kind and size, and zeros. That is all
//! that a forwarding unit looks at.

use bytes::{BufMut as _, Bytes, BytesMut};

/// Payload bytes of a packet, descriptor included; fits any network with encryption around it.
const MAXIMUM_PAYLOAD: usize = 1150;
/// Bytes of the descriptor that is written here.
const DESCRIPTOR: usize = 6;
/// Bytes of a key frame's header (RFC 6386 9.1).
const KEY_FRAME_HEADER: usize = 10;

/// Makes the packets of one stream.
#[derive(Debug, Clone)]
pub(crate) struct Vp8 {
    width: u16,
    height: u16,
    picture: u16,
    layer_zero: u8,
}

impl Vp8 {
    /// A stream of pictures of this size.
    pub(crate) fn new(width: u16, height: u16) -> Self {
        Self {
            width,
            height,
            picture: 0,
            layer_zero: 0,
        }
    }

    /// The payloads of the next frame of about `size` bytes.
    pub(crate) fn frame(&mut self, size: usize, key_frame: bool) -> Vec<Bytes> {
        let size = size.max(KEY_FRAME_HEADER);
        self.picture = (self.picture + 1) & 0x7fff;
        self.layer_zero = self.layer_zero.wrapping_add(1);
        let mut left = size;
        let mut packets = Vec::with_capacity(size / MAXIMUM_PAYLOAD + 1);
        while left > 0 {
            let length = left.min(MAXIMUM_PAYLOAD - DESCRIPTOR);
            let first = packets.is_empty();
            let mut payload = BytesMut::with_capacity(DESCRIPTOR + length);
            // X: extended; S: start of a partition; partition 0.
            payload.put_u8(if first { 0x90 } else { 0x80 });
            // I, L, T: picture id, TL0PICIDX and temporal layer follow.
            payload.put_u8(0xe0);
            payload.put_u16(0x8000 | self.picture);
            payload.put_u8(self.layer_zero);
            // Temporal layer 0, synchronised.
            payload.put_u8(0x20);
            if first {
                self.put_frame_header(&mut payload, size, key_frame);
            }
            payload.resize(DESCRIPTOR + length, 0);
            packets.push(payload.freeze());
            left -= length;
        }
        packets
    }

    fn put_frame_header(&self, payload: &mut BytesMut, size: usize, key_frame: bool) {
        let partition = u32::try_from(size).unwrap_or(u32::MAX) & 0x7_ffff;
        // Size of the first partition, shown, version 0, not a key frame.
        let tag = partition << 5 | 1 << 4 | u32::from(!key_frame);
        payload.put_uint_le(u64::from(tag), 3);
        if key_frame {
            payload.put_slice(&[0x9d, 0x01, 0x2a]);
            payload.put_u16_le(self.width);
            payload.put_u16_le(self.height);
        }
    }
}

/// Whether a payload begins a key frame.
pub(crate) fn starts_key_frame(payload: &[u8]) -> bool {
    let mut rest = payload.iter().copied();
    let Some(first) = rest.next() else {
        return false;
    };
    // S is set and the partition is 0.
    if first & 0x17 != 0x10 {
        return false;
    }
    if first & 0x80 != 0 {
        let Some(extensions) = rest.next() else {
            return false;
        };
        if extensions & 0x80 != 0 && rest.next().is_some_and(|picture| picture & 0x80 != 0) {
            rest.next();
        }
        if extensions & 0x40 != 0 {
            rest.next();
        }
        if extensions & 0x30 != 0 {
            rest.next();
        }
    }
    rest.next().is_some_and(|tag| tag & 1 == 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_first_packet_of_a_key_frame_starts_one() {
        let mut stream = Vp8::new(1280, 720);
        let key = stream.frame(3000, true);
        assert_eq!(key.len(), 3);
        assert!(starts_key_frame(&key[0]));
        assert!(!starts_key_frame(&key[1]));
        let delta = stream.frame(3000, false);
        assert!(!starts_key_frame(&delta[0]));
        let bytes: usize = key.iter().map(|packet| packet.len() - DESCRIPTOR).sum();
        assert_eq!(bytes, 3000);
    }

    proptest! {
        #[test]
        fn any_payload_can_be_looked_at(payload in proptest::collection::vec(any::<u8>(), 0..20)) {
            starts_key_frame(&payload);
        }
    }
}
