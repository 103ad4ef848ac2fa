//! RTP headers: what is written is read back, and nothing a network can send makes the parser panic.
#![expect(clippy::expect_used, reason = "tests name what must hold")]

use jitctl_media::rtp::{
    ExtensionForm, Header, HeaderError, HeaderFields, WriteError, rewrite, write_header,
};
use proptest::prelude::*;

fn fields() -> impl Strategy<Value = HeaderFields> {
    (
        0u8..128,
        any::<bool>(),
        any::<u16>(),
        any::<u32>(),
        any::<u32>(),
    )
        .prop_map(
            |(payload_type, marker, sequence_number, timestamp, ssrc)| HeaderFields {
                payload_type,
                marker,
                sequence_number,
                timestamp,
                ssrc,
            },
        )
}

fn one_byte_extensions() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
    prop::collection::vec((1u8..15, prop::collection::vec(any::<u8>(), 1..17)), 0..8)
}

fn two_byte_extensions() -> impl Strategy<Value = Vec<(u8, Vec<u8>)>> {
    prop::collection::vec(
        (1u8..=255, prop::collection::vec(any::<u8>(), 0..256)),
        0..6,
    )
}

fn borrowed(extensions: &[(u8, Vec<u8>)]) -> Vec<(u8, &[u8])> {
    extensions
        .iter()
        .map(|(id, data)| (*id, data.as_slice()))
        .collect()
}

fn written(fields: &HeaderFields, extensions: &[(u8, Vec<u8>)], payload: &[u8]) -> Vec<u8> {
    let extensions = borrowed(extensions);
    let mut packet = vec![0xAA; rewrite::header_length(&extensions)];
    let length = write_header(&mut packet, fields, &extensions).expect("fits");
    assert_eq!(length, packet.len());
    packet.extend_from_slice(payload);
    packet
}

fn assert_reads_back(fields: &HeaderFields, extensions: &[(u8, Vec<u8>)], payload: &[u8]) {
    let packet = written(fields, extensions, payload);
    let header = Header::parse(&packet).expect("parses");
    assert_eq!(header.ssrc, fields.ssrc);
    assert_eq!(header.timestamp, fields.timestamp);
    assert_eq!(header.sequence_number, fields.sequence_number);
    assert_eq!(header.payload_type, fields.payload_type);
    assert_eq!(header.marker, fields.marker);
    let found: Vec<(u8, Vec<u8>)> = header
        .extensions(&packet)
        .map(|extension| (extension.id, extension.data(&packet).to_vec()))
        .collect();
    assert_eq!(found, extensions);
    assert_eq!(
        &packet[header.payload(&packet).expect("no padding")],
        payload
    );
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(header) = Header::parse(&bytes) {
            prop_assert!(header.length() <= bytes.len());
            let _ = header.payload(&bytes);
            prop_assert_eq!(header.csrcs(&bytes).count(), usize::from(header.csrc_count));
            for extension in header.extensions(&bytes) {
                prop_assert!(extension.range().end <= header.length());
            }
            rewrite::blank_extensions(&mut bytes, &header, |id| id == 1);
            prop_assert!(header.extensions(&bytes).all(|extension| extension.id == 1));
        }
    }

    #[test]
    fn one_byte_extensions_read_back(
        fields in fields(),
        extensions in one_byte_extensions(),
        payload in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        assert_reads_back(&fields, &extensions, &payload);
    }

    #[test]
    fn two_byte_extensions_read_back(
        fields in fields(),
        extensions in two_byte_extensions(),
        payload in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        assert_reads_back(&fields, &extensions, &payload);
    }

    #[test]
    fn blanking_keeps_length_and_the_kept_elements(
        fields in fields(),
        extensions in two_byte_extensions(),
        kept in any::<u8>(),
    ) {
        let mut packet = written(&fields, &extensions, &[1, 2, 3]);
        let length = packet.len();
        let header = Header::parse(&packet).expect("parses");
        rewrite::blank_extensions(&mut packet, &header, |id| id <= kept);
        prop_assert_eq!(packet.len(), length);
        let found: Vec<(u8, Vec<u8>)> = header
            .extensions(&packet)
            .map(|extension| (extension.id, extension.data(&packet).to_vec()))
            .collect();
        let expected: Vec<(u8, Vec<u8>)> =
            extensions.into_iter().filter(|(id, _)| *id <= kept).collect();
        prop_assert_eq!(found, expected);
        prop_assert_eq!(&packet[header.length()..], &[1, 2, 3]);
    }

    #[test]
    fn setters_change_only_their_field(before in fields(), after in fields()) {
        let mut packet = written(&before, &[(3, vec![7, 8])], &[9; 20]);
        rewrite::set_marker(&mut packet, after.marker);
        rewrite::set_payload_type(&mut packet, after.payload_type);
        rewrite::set_sequence_number(&mut packet, after.sequence_number);
        rewrite::set_timestamp(&mut packet, after.timestamp);
        rewrite::set_ssrc(&mut packet, after.ssrc);
        prop_assert_eq!(packet, written(&after, &[(3, vec![7, 8])], &[9; 20]));
    }
}

#[test]
fn contributing_sources_and_padding_are_found() {
    let mut packet = vec![0xB2, 0x60, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
    packet.extend([0, 0, 0, 4, 0, 0, 0, 5]);
    packet.extend([0xBE, 0xDE, 0, 1, 0x10, 0x7F, 0, 0]);
    packet.extend([1, 2, 3, 0, 0, 3]);
    let header = Header::parse(&packet).expect("parses");
    assert_eq!(header.csrcs(&packet).collect::<Vec<_>>(), [4, 5]);
    assert_eq!(header.extension_form, ExtensionForm::OneByte);
    assert_eq!(
        header
            .extension(&packet, 1)
            .map(|e| e.data(&packet).to_vec()),
        Some(vec![0x7F])
    );
    assert_eq!(
        &packet[header.payload(&packet).expect("padding of 3")],
        [1, 2, 3]
    );
}

#[test]
fn impossible_padding_is_refused() {
    let mut packet = vec![0xA0, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 9, 9];
    let header = Header::parse(&packet).expect("parses");
    assert_eq!(
        header.payload(&packet),
        Err(HeaderError::Padding {
            padding: 9,
            payload: 2
        })
    );
    packet[13] = 0;
    assert_eq!(
        header.payload(&packet),
        Err(HeaderError::Padding {
            padding: 0,
            payload: 2
        })
    );
    packet[13] = 2;
    assert_eq!(header.payload(&packet), Ok(12..12));
}

#[test]
fn identifier_fifteen_ends_the_one_byte_walk() {
    let packet = [
        0x90, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0xBE, 0xDE, 0, 2, 0x10, 1, 0xF0, 2, 0x20, 3, 0, 0,
    ];
    let header = Header::parse(&packet).expect("parses");
    assert_eq!(
        header.extensions(&packet).map(|e| e.id).collect::<Vec<_>>(),
        [1]
    );
}

#[test]
fn truncated_and_foreign_datagrams_are_named() {
    assert_eq!(
        Header::parse(&[0x80; 11]),
        Err(HeaderError::Truncated {
            needed: 12,
            length: 11
        })
    );
    assert_eq!(Header::parse(&[0x40; 12]), Err(HeaderError::Version(1)));
    assert_eq!(
        Header::parse(&[0x9F; 30]),
        Err(HeaderError::Truncated {
            needed: 76,
            length: 30
        })
    );
}

#[test]
fn uncodable_extensions_are_refused() {
    let fields = HeaderFields {
        payload_type: 96,
        marker: false,
        sequence_number: 1,
        timestamp: 2,
        ssrc: 3,
    };
    let mut buffer = [0u8; 400];
    assert_eq!(
        write_header(&mut buffer, &fields, &[(0, &[1])]),
        Err(WriteError::Extension { id: 0, length: 1 })
    );
    assert_eq!(
        write_header(&mut buffer, &fields, &[(1, &[0; 256])]),
        Err(WriteError::Extension { id: 1, length: 256 })
    );
    assert_eq!(
        write_header(&mut buffer[..19], &fields, &[(1, &[1])]),
        Err(WriteError::Space {
            needed: 20,
            length: 19
        })
    );
}
