//! H.264 key frame detection (RFC 6184 section 5.2): nothing else is needed to forward it.

const SLICE_IDR: u8 = 5;
const SEQUENCE_PARAMETER_SET: u8 = 7;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;
const FU_B: u8 = 29;

/// Whether the payload starts a key frame: it holds a sequence parameter set, or the start of
/// an IDR slice.
pub fn starts_key_frame(payload: &[u8]) -> bool {
    let Some(first) = payload.first() else {
        return false;
    };
    match first & 0x1f {
        SLICE_IDR | SEQUENCE_PARAMETER_SET => true,
        STAP_A => aggregated_units(payload).any(is_key),
        FU_A | FU_B => payload
            .get(1)
            .is_some_and(|header| header & 0x80 != 0 && is_key(header & 0x1f)),
        _ => false,
    }
}

const fn is_key(unit_type: u8) -> bool {
    matches!(unit_type, SLICE_IDR | SEQUENCE_PARAMETER_SET)
}

fn aggregated_units(payload: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let mut rest = payload.get(1..).unwrap_or(&[]);
    std::iter::from_fn(move || {
        let size = usize::from(u16::from_be_bytes([*rest.first()?, *rest.get(1)?]));
        let unit = rest.get(2..2 + size)?;
        rest = &rest[2 + size..];
        Some(unit.first()? & 0x1f)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn key_frames_are_told_in_every_packetisation() {
        assert!(starts_key_frame(&[0x65, 1]));
        assert!(starts_key_frame(&[0x67, 1]));
        assert!(starts_key_frame(&[0x78, 0, 2, 0x67, 1, 0, 1, 0x68]));
        assert!(starts_key_frame(&[0x7c, 0x85]));
        assert!(!starts_key_frame(&[0x7c, 0x05]));
        assert!(!starts_key_frame(&[0x7c, 0x81]));
        assert!(!starts_key_frame(&[0x41, 1]));
        assert!(!starts_key_frame(&[0x78, 0, 1, 0x41, 0, 9, 0x67]));
    }

    proptest! {
        #[test]
        fn any_payload_is_judged_without_panic(payload in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = starts_key_frame(&payload);
        }
    }
}
