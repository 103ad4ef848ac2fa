//! Transport checksums of Ethernet frames, pure (RFC 1071, RFC 9293 section 3.1, RFC 768).
//!
//! Frames taken from a virtual link often carry only half a checksum: the kernel leaves the rest
//! to hardware that is not there. Whoever hands such a frame on by itself must finish it.

const ETHERNET: usize = 14;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// Computes the TCP or UDP checksum of a frame anew; leaves every other frame alone.
pub(super) fn finish(frame: &mut [u8]) {
    let Some((kind, packet)) = frame
        .get_mut(ETHERNET - 2..)
        .and_then(|rest| rest.split_at_mut_checked(2))
    else {
        return;
    };
    match kind {
        [0x08, 0x00] => finish_ipv4(packet),
        [0x86, 0xdd] => finish_ipv6(packet),
        _ => {}
    }
}

fn finish_ipv4(packet: &mut [u8]) {
    let Some(&[first, _, high, low, _, _, flags, offset, _, protocol, ..]) = packet.get(..20)
    else {
        return;
    };
    // A fragment holds no whole segment.
    if flags & 0x3f != 0 || offset != 0 {
        return;
    }
    let header = usize::from(first & 0x0f) * 4;
    let end = usize::from(u16::from_be_bytes([high, low])).min(packet.len());
    if header < 20 || end < header {
        return;
    }
    let (head, rest) = packet.split_at_mut(header);
    finish_segment(&head[12..20], protocol, &mut rest[..end - header]);
}

fn finish_ipv6(packet: &mut [u8]) {
    let Some(&[_, _, _, _, high, low, protocol, ..]) = packet.get(..40) else {
        return;
    };
    let (head, rest) = packet.split_at_mut(40);
    let length = usize::from(u16::from_be_bytes([high, low])).min(rest.len());
    finish_segment(&head[8..40], protocol, &mut rest[..length]);
}

fn finish_segment(addresses: &[u8], protocol: u8, segment: &mut [u8]) {
    let place = match protocol {
        TCP => 16,
        UDP => 6,
        _ => return,
    };
    let Some(field) = segment.get_mut(place..place + 2) else {
        return;
    };
    // Without any checksum: allowed for UDP over IPv4.
    if protocol == UDP && field == [0, 0] {
        return;
    }
    field.fill(0);
    let length = u32::try_from(segment.len()).unwrap_or(0);
    let total = sum(addresses) + u32::from(protocol) + length + sum(segment);
    let checksum = match !fold(total) {
        0 if protocol == UDP => 0xffff,
        checksum => checksum,
    };
    if let Some(field) = segment.get_mut(place..place + 2) {
        field.copy_from_slice(&checksum.to_be_bytes());
    }
}

/// The sum of big-endian words; a frame is too short for it to overflow.
fn sum(bytes: &[u8]) -> u32 {
    let words = bytes.chunks(2).map(|word| match word {
        [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
        [high] => u32::from(*high) << 8,
        _ => 0,
    });
    words.sum()
}

fn fold(mut total: u32) -> u16 {
    while total > 0xffff {
        total = (total >> 16) + (total & 0xffff);
    }
    u16::try_from(total).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// UDP 10.0.0.1:1 → 10.0.0.2:2 with `payload` and a wrong checksum.
    fn datagram(payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).unwrap();
        let mut frame = vec![0; 12];
        frame.extend([0x08, 0x00]);
        frame.extend([0x45, 0, 0, 28 + length, 0, 0, 0x40, 0, 64, UDP, 0, 0]);
        frame.extend([10, 0, 0, 1, 10, 0, 0, 2]);
        frame.extend([0, 1, 0, 2, 0, 8 + length, 0xde, 0xad]);
        frame.extend(payload);
        frame
    }

    /// What a receiver does: the sum over everything must be all ones.
    fn is_valid(frame: &[u8]) -> bool {
        let segment = &frame[34..];
        let length = u32::try_from(segment.len()).unwrap();
        fold(sum(&frame[26..34]) + u32::from(UDP) + length + sum(segment)) == 0xffff
    }

    #[test]
    fn a_finished_datagram_is_valid_to_its_receiver() {
        for payload in [&b""[..], b"x", b"even", b"odd"] {
            let mut frame = datagram(payload);
            assert!(!is_valid(&frame));
            finish(&mut frame);
            assert!(is_valid(&frame), "{payload:?}");
        }
    }

    #[test]
    fn padding_behind_the_packet_is_not_counted() {
        let mut frame = datagram(b"odd");
        finish(&mut frame);
        let checksum = frame[40..42].to_vec();
        let mut padded = datagram(b"odd");
        padded.extend([0xff; 15]);
        finish(&mut padded);
        assert_eq!(padded[40..42], checksum);
    }

    #[test]
    fn fragments_and_datagrams_without_checksum_stay_as_they_are() {
        let mut fragment = datagram(b"part");
        fragment[20] = 0x20;
        let mut without = datagram(b"none");
        without[40..42].fill(0);
        for frame in [fragment, without] {
            let mut after = frame.clone();
            finish(&mut after);
            assert_eq!(after, frame);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_frame_makes_it_panic(
            mut frame in proptest::collection::vec(proptest::num::u8::ANY, 0..120),
            kind in 0..3_usize,
        ) {
            let kinds = [[0x08, 0x00], [0x86, 0xdd], [0x45, 0x45]];
            if frame.len() > 24 {
                frame[12..14].copy_from_slice(&kinds[kind]);
                frame[23] = if frame[23] & 1 == 0 { TCP } else { UDP };
                frame[14] = 0x45;
            }
            let length = frame.len();
            finish(&mut frame);
            proptest::prop_assert_eq!(frame.len(), length);
        }
    }
}
