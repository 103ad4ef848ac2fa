//! Scalable streams against a decoder that knows every reference: whatever is asked for and
//! whenever key pictures come, only what can be decoded is sent, and every picture is ended.

use std::collections::HashSet;

use proptest::prelude::*;

use super::codec_tests::{Feeder, layer};
use super::*;
use crate::codec::Codec;
use crate::codec::av1::tests::scalable_frame;

const SPATIAL: u8 = 3;
/// Temporal layers, from a key picture on.
const PATTERN: [u8; 4] = [0, 2, 1, 2];

/// A sender of three spatial and three temporal layers, two packets a frame.
struct Sender {
    feeder: Feeder,
    codec: Codec,
    /// Inter-layer prediction on key pictures only.
    is_key_scalable: bool,
    number: u16,
    since_key: u16,
    tl0: u8,
    /// Frames that came through, by picture and spatial layer.
    received: HashSet<(u16, u8)>,
}

/// What a receiver got of one picture.
struct Picture {
    temporal: u8,
    spatial: Option<u8>,
}

impl Sender {
    fn new(codec: Codec, is_key_scalable: bool) -> Self {
        Self {
            feeder: Feeder::new(codec, layer(0, 0, 0)),
            codec,
            is_key_scalable,
            // Counters wrap on the way.
            number: 65_500,
            since_key: 0,
            tl0: 250,
            received: HashSet::new(),
        }
    }

    /// Frames a frame refers to.
    fn references(&self, spatial: u8, is_key: bool) -> Vec<(u16, u8)> {
        let mut references = vec![];
        if !is_key {
            let back = [4, 1, 2, 1][usize::from(self.since_key % 4)];
            references.push((self.number.wrapping_sub(back), spatial));
        }
        if spatial > 0 && (is_key || !self.is_key_scalable) {
            references.push((self.number, spatial - 1));
        }
        references
    }

    fn packet(&mut self, spatial: u8, is_key: bool, starts: bool) -> Option<Rewrite> {
        let (number, ends) = (self.number, !starts);
        let temporal = PATTERN[usize::from(self.since_key % 4)];
        let marker = ends && spatial == SPATIAL - 1;
        let timestamp = u32::from(number.wrapping_sub(65_500)) * 3000;
        if self.codec == Codec::Av1 {
            let frame = number
                .wrapping_mul(u16::from(SPATIAL))
                .wrapping_add(u16::from(spatial));
            let element = scalable_frame(
                (frame, spatial, temporal),
                is_key,
                self.is_key_scalable,
                (starts, ends),
            );
            return self
                .feeder
                .feed(0, timestamp, marker, &[0; 9], Some(&element));
        }
        let first = 0xa0 | u8::from(!is_key) << 6 | u8::from(starts) << 3 | u8::from(ends) << 2;
        let is_inter_layer = spatial > 0 && (is_key || !self.is_key_scalable);
        let layers = temporal << 5 | 0x10 | spatial << 1 | u8::from(is_inter_layer);
        let picture = (number | 0x8000).to_be_bytes();
        let payload = [first, picture[0], picture[1], layers, self.tl0, 0x55];
        self.feeder.feed(0, timestamp, marker, &payload, None)
    }

    /// Sends a picture; everything that comes through must be decodable, and its end marked.
    fn picture(&mut self, is_key: bool) -> Picture {
        if is_key {
            self.since_key = 0;
        }
        let temporal = PATTERN[usize::from(self.since_key % 4)];
        self.tl0 = self.tl0.wrapping_add(u8::from(temporal == 0));
        let mut markers = vec![];
        let mut highest = None;
        for spatial in 0..SPATIAL {
            let came = [true, false].map(|starts| self.packet(spatial, is_key, starts));
            assert_eq!(came[0].is_some(), came[1].is_some(), "half a frame");
            if came[0].is_none() {
                continue;
            }
            for reference in self.references(spatial, is_key) {
                assert!(
                    self.received.contains(&reference),
                    "layer {spatial} of picture {} without {reference:?}",
                    self.number
                );
            }
            self.received.insert((self.number, spatial));
            markers.extend(came.into_iter().flatten().map(|rewrite| rewrite.marker));
            highest = Some(spatial);
        }
        if let Some((last, others)) = markers.split_last() {
            assert!(*last, "picture {} does not end", self.number);
            assert!(
                !others.contains(&true),
                "picture {} ends twice",
                self.number
            );
        }
        self.number = self.number.wrapping_add(1);
        self.since_key += 1;
        Picture {
            temporal,
            spatial: highest,
        }
    }
}

fn streams() -> impl Strategy<Value = (Codec, bool)> {
    (
        prop_oneof![Just(Codec::Vp9), Just(Codec::Av1)],
        any::<bool>(),
    )
}

proptest! {
    #[test]
    fn only_what_can_be_decoded_is_sent_and_every_picture_ends(
        (codec, is_key_scalable) in streams(),
        wishes in proptest::collection::vec((0_u8..3, 0_u8..3, 1_usize..20, 0_usize..10), 1..30),
    ) {
        let mut sender = Sender::new(codec, is_key_scalable);
        sender.picture(true);
        for (spatial, temporal, pictures, delay) in wishes {
            sender.feeder.projection.set_target(Some(layer(0, spatial, temporal)));
            let mut awaited = 0;
            for _ in 0..pictures {
                let needs_key_frame = sender.feeder.projection.needs_key_frame();
                awaited = if needs_key_frame { awaited + 1 } else { 0 };
                let picture = sender.picture(awaited > delay);
                // The base of the stream never stops, and all that is wanted comes in the end.
                prop_assert!(picture.temporal > 0 || picture.spatial.is_some());
            }
            for _ in 0..8 {
                sender.picture(sender.feeder.projection.needs_key_frame());
            }
            for _ in 0..4 {
                let picture = sender.picture(false);
                let wanted = (picture.temporal <= temporal).then_some(spatial);
                prop_assert_eq!(picture.spatial, wanted);
            }
            prop_assert!(!sender.feeder.projection.needs_key_frame());
        }
        sender.feeder.assert_sequence_runs_on();
    }
}
