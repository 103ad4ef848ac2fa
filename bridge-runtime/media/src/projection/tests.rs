use super::*;
use crate::rtp::{HeaderFields, write_header};

/// One packet per frame; simulcast with temporal layers 0, 2, 1, 2 over and over.
struct Stream {
    encoding: u8,
    sequence: u64,
    timestamp: u32,
    picture: u16,
    tl0: u8,
    milliseconds: u64,
}

impl Stream {
    fn new(encoding: u8) -> Self {
        let seed = u32::from(encoding);
        Self {
            encoding,
            sequence: 65_500 + 1_000 * u64::from(encoding),
            timestamp: 0xffff_0000_u32.wrapping_add(seed * 77_777),
            picture: 0x7ff0 + 100 * u16::from(encoding),
            tl0: 250_u8.wrapping_add(encoding * 3),
            milliseconds: 1_000,
        }
    }

    /// Sends the next frame to a projection; returns what the receiver gets.
    fn frame(
        &mut self,
        key: bool,
        temporal: u8,
        projections: &mut [&mut Projection],
    ) -> Vec<Option<Rewrite>> {
        let packet = self.packet(key, temporal);
        projections
            .iter_mut()
            .map(|projection| packet.project(projection))
            .collect()
    }

    fn packet(&mut self, key: bool, temporal: u8) -> Packet {
        self.sequence += 1;
        self.timestamp = self.timestamp.wrapping_add(3000);
        self.picture = (self.picture + 1) & 0x7fff;
        self.milliseconds += 33;
        if temporal == 0 {
            self.tl0 = self.tl0.wrapping_add(1);
        }
        let payload = [
            0x90,
            0xe0,
            0x80 | (self.picture >> 8) as u8,
            self.picture as u8,
            self.tl0,
            temporal << 6 | 0x20,
            u8::from(!key),
        ];
        let mut bytes = [0; 12];
        let fields = HeaderFields {
            payload_type: 100,
            marker: true,
            sequence_number: self.sequence as u16,
            timestamp: self.timestamp,
            ssrc: 1,
        };
        write_header(&mut bytes, &fields, &[]).unwrap();
        Packet {
            header: Header::parse(&bytes).unwrap(),
            sequence: self.sequence,
            encoding: self.encoding,
            facts: VideoFacts::parse(crate::codec::Codec::Vp8, &payload, None, &mut None),
            milliseconds: self.milliseconds,
        }
    }
}

#[derive(Clone)]
struct Packet {
    header: Header,
    sequence: u64,
    encoding: u8,
    facts: VideoFacts,
    milliseconds: u64,
}

impl Packet {
    fn project(&self, projection: &mut Projection) -> Option<Rewrite> {
        projection.project(&PacketView {
            header: &self.header,
            sequence: self.sequence,
            encoding: self.encoding,
            facts: &self.facts,
            structure: None,
            arrival_milliseconds: self.milliseconds,
        })
    }
}

#[expect(clippy::unnecessary_wraps, reason = "targets are optional")]
fn layer(encoding: u8, temporal: u8) -> Option<LayerIndex> {
    Some(LayerIndex {
        encoding,
        spatial: 0,
        temporal,
    })
}

const PATTERN: [u8; 4] = [0, 2, 1, 2];

/// Asserts that the receiver's stream has no gap a decoder would wait for.
fn assert_continuous(sent: &[Rewrite]) {
    for pair in sent.windows(2) {
        assert_eq!(
            pair[1].sequence.wrapping_sub(pair[0].sequence),
            1,
            "{pair:?}"
        );
        assert_eq!(
            pair[1].picture.wrapping_sub(pair[0].picture) & 0x7fff,
            1,
            "{pair:?}"
        );
        assert!(pair[1].tl0.wrapping_sub(pair[0].tl0) <= 1, "{pair:?}");
        let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
        assert!((3000..100_000).contains(&step), "{pair:?}");
    }
}

#[test]
fn nothing_is_sent_before_a_key_frame() {
    let mut stream = Stream::new(0);
    let mut projection = Projection::new();
    projection.set_target(layer(0, 2));
    assert!(projection.needs_key_frame());
    assert_eq!(stream.frame(false, 0, &mut [&mut projection]), [None]);
    assert!(stream.frame(true, 0, &mut [&mut projection])[0].is_some());
    assert!(!projection.needs_key_frame());
}

#[test]
fn leaving_out_temporal_layers_leaves_no_gap() {
    let mut stream = Stream::new(0);
    let mut projection = Projection::new();
    projection.set_target(layer(0, 1));
    let mut sent = vec![];
    for frame in 0..80 {
        let temporal = PATTERN[frame % 4];
        sent.extend(stream.frame(frame == 0, temporal, &mut [&mut projection])[0]);
    }
    assert_eq!(sent.len(), 40);
    assert_continuous(&sent);
}

#[test]
fn encodings_switch_at_key_frames_and_the_stream_runs_on() {
    let mut streams = [Stream::new(0), Stream::new(1), Stream::new(2)];
    let mut projection = Projection::new();
    projection.set_target(layer(2, 2));
    let mut sent = vec![];
    let mut sources = vec![];
    for frame in 0..120 {
        match frame {
            40 => projection.set_target(layer(0, 2)),
            80 => projection.set_target(layer(1, 2)),
            _ => {}
        }
        let key = frame % 20 == 0 && frame != 40;
        for stream in &mut streams {
            let rewrite = stream.frame(key, PATTERN[frame % 4], &mut [&mut projection])[0];
            if let Some(rewrite) = rewrite {
                sent.push(rewrite);
                sources.push((frame, stream.encoding));
            }
        }
    }
    assert_continuous(&sent);
    assert!(sources.contains(&(39, 2)));
    // The downswitch waits for the key frame and sends only base layer frames meanwhile.
    assert!(
        sources
            .iter()
            .all(|(frame, encoding)| !(40..60).contains(frame) || *encoding == 2)
    );
    assert_eq!(
        sources
            .iter()
            .filter(|(frame, _)| (40..60).contains(frame))
            .count(),
        5
    );
    assert!(sources.contains(&(61, 0)));
    assert_eq!(sources.last(), Some(&(119, 1)));
}

#[test]
fn a_suspended_source_resumes_at_a_key_frame_without_a_gap() {
    let mut stream = Stream::new(0);
    let mut projection = Projection::new();
    projection.set_target(layer(0, 2));
    let mut sent = vec![];
    for frame in 0..60 {
        match frame {
            20 => projection.set_target(None),
            30 => projection.set_target(layer(0, 2)),
            _ => {}
        }
        let rewrite = stream.frame(
            frame == 0 || frame == 40,
            PATTERN[frame % 4],
            &mut [&mut projection],
        );
        assert_eq!(
            rewrite[0].is_some(),
            !(20..40).contains(&frame),
            "frame {frame}"
        );
        sent.extend(rewrite[0]);
    }
    for pair in sent.windows(2) {
        assert_eq!(pair[1].sequence.wrapping_sub(pair[0].sequence), 1);
        assert_eq!(pair[1].picture.wrapping_sub(pair[0].picture) & 0x7fff, 1);
    }
}

#[test]
fn a_late_packet_takes_the_place_reserved_for_it() {
    let mut stream = Stream::new(0);
    let mut projection = Projection::new();
    projection.set_target(layer(0, 1));
    let packets: Vec<Packet> = (0..12)
        .map(|frame| stream.packet(frame == 0, PATTERN[frame % 4]))
        .collect();
    let mut sent = vec![];
    // Frame 4 (base layer) comes after frame 6; frame 5 (upper layer) is left out.
    for index in [0, 1, 2, 3, 5, 6, 4, 7, 8, 9, 10, 11] {
        sent.extend(packets[index].project(&mut projection));
    }
    sent.sort_by_key(|rewrite| rewrite.sequence.wrapping_sub(65_500));
    assert_eq!(sent.len(), 6);
    assert_continuous(&sent);
}

#[test]
fn a_restarted_encoder_continues_the_stream() {
    let mut stream = Stream::new(0);
    let mut projection = Projection::new();
    projection.set_target(layer(0, 2));
    let mut sent = vec![];
    for frame in 0..40 {
        if frame == 20 {
            stream.timestamp = stream.timestamp.wrapping_sub(1 << 30);
            stream.sequence += 5_000;
            stream.picture = 17;
            stream.tl0 = 3;
        }
        let key = frame % 20 == 0;
        sent.extend(stream.frame(key, PATTERN[frame % 4], &mut [&mut projection])[0]);
    }
    assert_eq!(sent.len(), 40);
    assert_continuous(&sent);
}

#[test]
fn receivers_of_one_source_do_not_disturb_each_other() {
    let mut stream = Stream::new(0);
    let (mut full, mut base) = (Projection::new(), Projection::new());
    full.set_target(layer(0, 2));
    base.set_target(layer(0, 0));
    let (mut full_sent, mut base_sent) = (vec![], vec![]);
    for frame in 0..40 {
        let sent = stream.frame(frame == 0, PATTERN[frame % 4], &mut [&mut full, &mut base]);
        full_sent.extend(sent[0]);
        base_sent.extend(sent[1]);
    }
    assert_eq!((full_sent.len(), base_sent.len()), (40, 10));
    assert_continuous(&full_sent);
    assert_continuous(&base_sent);
}
