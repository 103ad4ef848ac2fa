//! Redundant audio (RFC 2198): finds the primary block for receivers without RED.

use std::ops::Range;

/// The primary block of a RED payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Primary {
    /// Its payload type.
    pub payload_type: u8,
    /// Where it lies in the payload.
    pub range: Range<usize>,
}

/// Finds the primary block; `None` when the block headers contradict the length.
pub fn primary(payload: &[u8]) -> Option<Primary> {
    let mut offset = 0;
    let mut redundant = 0;
    loop {
        let first = *payload.get(offset)?;
        if first & 0x80 == 0 {
            let start = offset + 1 + redundant;
            return (start <= payload.len()).then_some(Primary {
                payload_type: first & 0x7f,
                range: start..payload.len(),
            });
        }
        let length = payload.get(offset + 2..offset + 4)?;
        redundant += usize::from(u16::from_be_bytes([length[0], length[1]]) & 0x03ff);
        offset += 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_primary_block_is_the_last() {
        // One redundant block of 3 bytes (payload type 111), then the primary one.
        let payload = [0x80 | 0x6f, 0, 0, 3, 111, 1, 2, 3, 9, 8];
        assert_eq!(
            primary(&payload),
            Some(Primary {
                payload_type: 111,
                range: 8..10
            })
        );
        assert_eq!(
            primary(&[111, 5]),
            Some(Primary {
                payload_type: 111,
                range: 1..2
            })
        );
    }

    #[test]
    fn a_block_longer_than_the_payload_is_refused() {
        assert_eq!(primary(&[0x80 | 0x6f, 0, 0, 30, 111, 1]), None);
    }

    proptest! {
        #[test]
        fn any_payload_is_judged_without_panic(payload in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Some(primary) = primary(&payload) {
                prop_assert!(primary.range.end <= payload.len());
            }
        }
    }
}
