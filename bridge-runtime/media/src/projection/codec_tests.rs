//! VP9 scalable and as simulcast, AV1, and H.264 by generic rules.

use std::collections::HashSet;
use std::sync::Arc;

use super::*;
use crate::codec::Codec;
use crate::codec::av1::tests::key_frame;
use crate::rtp::{HeaderFields, write_header};

/// Projects one packet of a stream.
pub(super) struct Feeder {
    codec: Codec,
    sequence: u64,
    structure: Option<Arc<av1::Structure>>,
    pub(super) projection: Projection,
    sent: Vec<Rewrite>,
}

impl Feeder {
    pub(super) fn new(codec: Codec, target: LayerIndex) -> Self {
        let mut projection = Projection::new();
        projection.set_target(Some(target));
        Self {
            codec,
            sequence: 65_530,
            structure: None,
            projection,
            sent: vec![],
        }
    }

    pub(super) fn feed(
        &mut self,
        encoding: u8,
        timestamp: u32,
        marker: bool,
        payload: &[u8],
        element: Option<&[u8]>,
    ) -> Option<Rewrite> {
        self.sequence += 1;
        let mut bytes = [0; 12];
        let fields = HeaderFields {
            payload_type: 98,
            marker,
            sequence_number: self.sequence as u16,
            timestamp,
            ssrc: 1,
        };
        write_header(&mut bytes, &fields, &[]).unwrap();
        let facts = VideoFacts::parse(self.codec, payload, element, &mut self.structure);
        let rewrite = self.projection.project(&PacketView {
            header: &Header::parse(&bytes).unwrap(),
            sequence: self.sequence,
            encoding,
            facts: &facts,
            structure: self.structure.as_deref(),
            arrival_milliseconds: u64::from(timestamp / 90),
        });
        self.sent.extend(rewrite);
        rewrite
    }

    pub(super) fn assert_sequence_runs_on(&self) {
        for pair in self.sent.windows(2) {
            assert_eq!(
                pair[1].sequence.wrapping_sub(pair[0].sequence),
                1,
                "{pair:?}"
            );
        }
    }
}

pub(super) fn layer(encoding: u8, spatial: u8, temporal: u8) -> LayerIndex {
    LayerIndex {
        encoding,
        spatial,
        temporal,
    }
}

/// A picture of three spatial layers, inter-layer prediction on key pictures only; returns
/// which layers came through.
fn vp9_picture(feeder: &mut Feeder, number: u16, key: bool) -> Vec<(u8, bool)> {
    let temporal = [0, 2, 1, 2][usize::from(number % 4)];
    let tl0 = (number / 4) as u8;
    let mut came = vec![];
    for spatial in 0..3_u8 {
        // I, L, B, E, and P unless key.
        let first = 0x80 | 0x20 | 0x08 | 0x04 | if key { 0 } else { 0x40 };
        let layers = temporal << 5 | 0x10 | spatial << 1 | u8::from(key && spatial > 0);
        let payload = [
            first,
            0x80 | (number >> 8) as u8,
            number as u8,
            layers,
            tl0,
            0x55,
        ];
        let timestamp = u32::from(number) * 3000;
        if let Some(rewrite) = feeder.feed(0, timestamp, spatial == 2, &payload, None) {
            assert_eq!(rewrite.picture, number, "pictures keep their distances");
            came.push((spatial, rewrite.marker));
        }
    }
    came
}

#[test]
fn vp9_sends_the_layers_asked_for_and_marks_where_a_picture_ends() {
    let mut feeder = Feeder::new(Codec::Vp9, layer(0, 1, 1));
    for number in 0..40 {
        let came = vp9_picture(&mut feeder, number, number == 0);
        if number % 4 == 1 || number % 4 == 3 {
            assert_eq!(came, []);
        } else {
            assert_eq!(came, [(0, false), (1, true)], "picture {number}");
        }
    }
    feeder.assert_sequence_runs_on();
}

#[test]
fn vp9_takes_up_a_spatial_layer_at_a_key_picture_and_drops_it_at_once() {
    let mut feeder = Feeder::new(Codec::Vp9, layer(0, 0, 2));
    for number in 0..8 {
        assert_eq!(vp9_picture(&mut feeder, number, number == 0), [(0, true)]);
    }
    assert!(!feeder.projection.needs_key_frame());
    feeder.projection.set_target(Some(layer(0, 2, 2)));
    for number in 8..16 {
        assert_eq!(vp9_picture(&mut feeder, number, false).len(), 1);
    }
    assert!(feeder.projection.needs_key_frame());
    assert_eq!(
        vp9_picture(&mut feeder, 16, true),
        [(0, false), (1, false), (2, true)]
    );
    assert!(!feeder.projection.needs_key_frame());
    assert_eq!(vp9_picture(&mut feeder, 17, false).len(), 3);
    feeder.projection.set_target(Some(layer(0, 1, 2)));
    assert_eq!(vp9_picture(&mut feeder, 18, false), [(0, false), (1, true)]);
    feeder.assert_sequence_runs_on();
}

#[test]
fn vp9_takes_up_no_layer_on_a_picture_that_has_ended() {
    let mut feeder = Feeder::new(Codec::Vp9, layer(0, 1, 0));
    let mut frame = |number: u8, spatial: u8, predicted: bool, marker| {
        let first = 0xac | u8::from(predicted) << 6;
        let payload = [
            first,
            number,
            spatial << 1 | u8::from(spatial > 0),
            number,
            0x55,
        ];
        let rewrite = feeder.feed(0, u32::from(number) * 3000, marker, &payload, None);
        (
            rewrite.map(|rewrite| rewrite.marker),
            feeder.projection.needs_key_frame(),
        )
    };
    assert_eq!(frame(0, 0, false, true), (Some(true), false));
    // The sender begins another layer without a key picture.
    assert_eq!(frame(1, 0, true, false), (Some(true), false));
    assert_eq!(frame(1, 1, false, true), (None, true));
    assert_eq!(frame(2, 0, false, false), (Some(false), true));
    assert_eq!(frame(2, 1, false, true), (Some(true), false));
}

/// One frame of one spatial and two temporal layers.
fn av1_frame(feeder: &mut Feeder, number: u16, key: bool) -> Option<Rewrite> {
    let temporal = u8::from(number % 2 == 1);
    let mut element = vec![0xc0 | (5 + temporal), (number >> 8) as u8, number as u8];
    if key {
        element = key_frame(number);
    }
    let timestamp = u32::from(number) * 3000;
    feeder.feed(0, timestamp, true, &[0; 20], Some(&element))
}

#[test]
fn av1_follows_the_decode_target_and_keeps_frame_distances() {
    let mut feeder = Feeder::new(Codec::Av1, layer(0, 0, 0));
    assert!(av1_frame(&mut feeder, 1, false).is_none());
    for number in 2..20 {
        let rewrite = av1_frame(&mut feeder, number, number == 2);
        assert_eq!(rewrite.is_some(), number % 2 == 0, "frame {number}");
        if let Some(rewrite) = rewrite {
            assert_eq!(rewrite.picture, number);
        }
    }
    feeder.projection.set_target(Some(layer(0, 0, 1)));
    for number in 20..30 {
        assert!(
            av1_frame(&mut feeder, number, false).is_some(),
            "frame {number}"
        );
    }
    feeder.assert_sequence_runs_on();
}

#[test]
fn av1_without_a_descriptor_goes_by_generic_rules() {
    let mut feeder = Feeder::new(Codec::Av1, layer(0, 0, 0));
    av1_frame(&mut feeder, 2, true);
    assert!(feeder.feed(0, 9_000, true, &[0; 20], None).is_some());
}

#[test]
fn h264_switches_encodings_at_key_frames_only() {
    let mut low = Feeder::new(Codec::H264, layer(1, 0, 0));
    let mut came = vec![];
    for frame in 0..40_u32 {
        let key = frame % 10 == 0;
        for encoding in 0..2 {
            if encoding == 1 && frame < 15 {
                continue;
            }
            let payload = [if key { 0x65 } else { 0x41 }, 1, 2];
            // Each encoding has its own numbers; the feeder's running ones stand for both.
            let base = 50_000 * (u64::from(encoding) + 1);
            let sequence = low.sequence;
            low.sequence = base + u64::from(frame);
            let rewrite = low.feed(
                encoding,
                frame * 3000 + 7 * u32::from(encoding),
                true,
                &payload,
                None,
            );
            low.sequence = sequence;
            came.extend(rewrite.map(|_| (frame, encoding)));
        }
    }
    // The low key frame of picture 20 comes before the high one and is still taken.
    assert!(came.iter().all(|(frame, encoding)| match frame {
        20 => true,
        _ => (*encoding == 1) == (*frame > 20),
    }));
    assert_eq!(came.len(), 41);
    low.assert_sequence_runs_on();
    let ascending = low.sent.windows(2).all(|pair| {
        let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
        (2_900..10_000).contains(&step)
    });
    assert!(ascending);
}

#[test]
fn vp9_simulcast_switches_at_key_pictures_and_its_counters_run_on() {
    let mut feeder = Feeder::new(Codec::Vp9, layer(1, 0, 2));
    let mut came = vec![];
    for number in 0..60_u16 {
        if number == 40 {
            feeder.projection.set_target(Some(layer(0, 0, 2)));
        }
        for encoding in 0..2_u16 {
            // The second encoding begins later; each has counters and numbers of its own.
            let key = number % 10 == 0;
            if encoding == 1 && number < 20 {
                continue;
            }
            let temporal = [0, 2, 1, 2][usize::from(number % 10 % 4)];
            let picture = (0x8000 | ((32_760 + number + encoding * 900) % 0x8000)).to_be_bytes();
            let tl0 = (number / 4 + encoding * 77) as u8;
            let first = 0xac | u8::from(!key) << 6;
            let layers = temporal << 5 | 0x10;
            let payload = [first, picture[0], picture[1], layers, tl0, 0x55];
            let sequence = feeder.sequence;
            feeder.sequence = 70_000 * (u64::from(encoding) + 1) + u64::from(number);
            let timestamp = u32::from(number) * 3000;
            let rewrite = feeder.feed(encoding as u8, timestamp, true, &payload, None);
            feeder.sequence = sequence;
            came.extend(rewrite.map(|rewrite| (number, encoding, rewrite)));
        }
    }
    // At the key pictures that begin the change and end it, both may come.
    for (number, encoding, _) in &came {
        match number {
            20 | 40 => {}
            _ => assert_eq!(*encoding == 1, (21..40).contains(number), "{number}"),
        }
    }
    let numbers: HashSet<_> = came.iter().map(|(number, ..)| number).collect();
    assert_eq!(numbers.len(), 60, "a picture is missing");
    feeder.assert_sequence_runs_on();
    for pair in came.windows(2) {
        let step = pair[1].2.picture.wrapping_sub(pair[0].2.picture) & 0x7fff;
        assert_eq!(step, 1, "{pair:?}");
        assert!(pair[1].2.tl0.wrapping_sub(pair[0].2.tl0) <= 1, "{pair:?}");
    }
}
