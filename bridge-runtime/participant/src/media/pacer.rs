//! Which packets leave when, without I/O: Opus every 20 ms, VP8 frames 25 times a second.
//!
//! The caller turns it every [`TICK`]; it returns the packets of that tick. Which layers of the
//! camera are sent follows what the bridge asks for, as browsers do.

use std::time::Duration;

use bytes::Bytes;

use super::vp8::Vp8;
use crate::profile::{Profile, Video};
use crate::signalling::LocalSources;

/// One Opus packet.
pub(crate) const TICK: Duration = Duration::from_millis(20);
/// A video frame every so many ticks.
const TICKS_PER_FRAME: u64 = 2;
/// A key frame at least every so many frames; browsers send hardly any unasked.
const FRAMES_PER_KEY_FRAME: u64 = 25 * 60;
/// A key frame is so many times as big as another.
const KEY_FRAME_FACTOR: usize = 4;
/// Heights of the layers, lowest first, and their share of the bitrate in percent.
const LAYERS: [(u16, u16, usize); 3] = [(320, 180, 10), (640, 360, 25), (1280, 720, 65)];
/// Bytes of a packet of speech at 32 kbit/s.
const OPUS_PAYLOAD: usize = 80;
/// Loudness of somebody who speaks, with the voice flag, and of a quiet room, in -dBov (RFC 6464).
/// Bridges do not forward 127, which is digital silence.
const SPEECH: u8 = 0x94;
const QUIET: u8 = 100;

/// A packet to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Planned {
    /// Its stream.
    pub(crate) ssrc: u32,
    /// Index of the stream's section: 0 is the microphone, then the layers.
    pub(crate) section: usize,
    /// RTP time.
    pub(crate) timestamp: u32,
    /// Sequence number.
    pub(crate) sequence: u16,
    /// Last packet of a frame; first packet of speech.
    pub(crate) marker: bool,
    /// Audio level, for audio.
    pub(crate) level: Option<u8>,
    /// Payload.
    pub(crate) payload: Bytes,
}

#[derive(Debug)]
struct LayerState {
    ssrc: u32,
    height: u16,
    frame_bytes: usize,
    stream: Vp8,
    sequence: u16,
    frames: u64,
    active: bool,
    key_frame_wanted: bool,
}

/// Plans the packets of one participant.
#[derive(Debug)]
pub(crate) struct Pacer {
    audio: Option<u32>,
    level: u8,
    audio_sequence: u16,
    layers: Vec<LayerState>,
    ticks: u64,
}

impl Pacer {
    /// What `local` is to send under `profile`.
    pub(crate) fn new(profile: &Profile, local: &LocalSources) -> Self {
        let video = profile.video.unwrap_or(Video {
            layers: 0,
            kilobits: 0,
        });
        // A single layer is the middle one and gets everything.
        let shapes: Vec<(u16, u16, usize)> = match local.layers.as_slice() {
            [_] => vec![(640, 360, 100)],
            _ => LAYERS.to_vec(),
        };
        let layers = local
            .layers
            .iter()
            .zip(shapes)
            .map(|(layer, (width, height, share))| LayerState {
                ssrc: layer.ssrc,
                height,
                frame_bytes: frame_bytes(video.kilobits, share),
                stream: Vp8::new(width, height),
                sequence: 1,
                frames: 0,
                active: true,
                key_frame_wanted: true,
            })
            .collect();
        Self {
            audio: local.audio,
            level: if profile.speaking { SPEECH } else { QUIET },
            audio_sequence: 0,
            layers,
            ticks: 0,
        }
    }

    /// The bridge wants no picture higher than this: 0 is none, -1 no limit.
    pub(crate) fn limit_height(&mut self, height: i32) {
        let lowest = self.layers.iter().map(|layer| layer.height).min();
        for layer in &mut self.layers {
            let wanted = match height {
                0 => false,
                limit if limit < 0 => true,
                limit => i32::from(layer.height) <= limit || Some(layer.height) == lowest,
            };
            layer.key_frame_wanted |= wanted && !layer.active;
            layer.active = wanted;
        }
    }

    /// Somebody cannot decode this stream.
    pub(crate) fn ask_key_frame(&mut self, ssrc: u32) {
        for layer in self.layers.iter_mut().filter(|layer| layer.ssrc == ssrc) {
            layer.key_frame_wanted = true;
        }
    }

    /// The packets of the next tick.
    pub(crate) fn tick(&mut self) -> Vec<Planned> {
        let tick = self.ticks;
        self.ticks += 1;
        let mut packets = Vec::new();
        if let Some(ssrc) = self.audio {
            self.audio_sequence = self.audio_sequence.wrapping_add(1);
            packets.push(Planned {
                ssrc,
                section: 0,
                timestamp: wrapping(tick * 960),
                sequence: self.audio_sequence,
                marker: tick == 0,
                level: Some(self.level),
                payload: Bytes::from_static(&[0xfc; OPUS_PAYLOAD]),
            });
        }
        if tick.is_multiple_of(TICKS_PER_FRAME) {
            for (index, layer) in self.layers.iter_mut().enumerate() {
                layer.frame(index + 1, wrapping(tick * 1800), &mut packets);
            }
        }
        packets
    }
}

impl LayerState {
    fn frame(&mut self, section: usize, timestamp: u32, packets: &mut Vec<Planned>) {
        if !self.active {
            return;
        }
        let key_frame = self.key_frame_wanted || self.frames.is_multiple_of(FRAMES_PER_KEY_FRAME);
        self.key_frame_wanted = false;
        self.frames += 1;
        let factor = if key_frame { KEY_FRAME_FACTOR } else { 1 };
        let payloads = self.stream.frame(self.frame_bytes * factor, key_frame);
        let last = payloads.len().saturating_sub(1);
        for (index, payload) in payloads.into_iter().enumerate() {
            packets.push(Planned {
                ssrc: self.ssrc,
                section,
                timestamp,
                sequence: self.sequence,
                marker: index == last,
                level: None,
                payload,
            });
            self.sequence = self.sequence.wrapping_add(1);
        }
    }
}

fn frame_bytes(kilobits: u32, share: usize) -> usize {
    let kilobits = usize::try_from(kilobits).unwrap_or(usize::MAX);
    kilobits.saturating_mul(1000) / 8 / 25 * share / 100
}

#[expect(clippy::cast_possible_truncation, reason = "RTP times wrap around")]
fn wrapping(time: u64) -> u32 {
    time as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pacer(layers: u8) -> (Pacer, LocalSources) {
        let profile = Profile {
            video: Some(Video {
                layers,
                kilobits: 1000,
            }),
            ..Profile::default()
        };
        let local = LocalSources::new("a", true, usize::from(layers)).unwrap();
        (Pacer::new(&profile, &local), local)
    }

    #[test]
    fn a_second_holds_50_packets_of_audio_and_the_wanted_video() {
        let (mut pacer, local) = pacer(3);
        // The key frames at the start are over.
        pacer.tick();
        pacer.tick();
        let packets: Vec<Planned> = (0..50).flat_map(|_| pacer.tick()).collect();
        let audio = packets.iter().filter(|p| Some(p.ssrc) == local.audio);
        assert_eq!(audio.count(), 50);
        let bits: usize = packets
            .iter()
            .filter(|packet| packet.section > 0)
            .map(|packet| packet.payload.len() * 8)
            .sum();
        assert!((900_000..1_150_000).contains(&bits), "{bits}");
    }

    #[test]
    fn the_bridge_decides_which_layers_are_sent_and_a_layer_begins_with_a_key_frame() {
        let (mut pacer, local) = pacer(3);
        pacer.tick();
        pacer.limit_height(180);
        pacer.tick();
        let sent = |packets: Vec<Planned>| -> Vec<u32> {
            let mut ssrcs: Vec<u32> = packets
                .iter()
                .filter(|packet| packet.section > 0)
                .map(|packet| packet.ssrc)
                .collect();
            ssrcs.dedup();
            ssrcs
        };
        assert_eq!(sent(pacer.tick()), [local.layers[0].ssrc]);
        pacer.limit_height(0);
        pacer.tick();
        assert!(sent(pacer.tick()).is_empty());
        pacer.limit_height(-1);
        pacer.tick();
        let packets = pacer.tick();
        let starts = packets.iter().filter(|p| vp8_key(p)).count();
        assert_eq!(starts, 3);
        pacer.tick();
        assert!(!pacer.tick().iter().any(vp8_key));
        pacer.ask_key_frame(local.layers[1].ssrc);
        pacer.tick();
        assert_eq!(pacer.tick().iter().filter(|p| vp8_key(p)).count(), 1);
    }

    fn vp8_key(packet: &Planned) -> bool {
        packet.section > 0 && super::super::vp8::starts_key_frame(&packet.payload)
    }
}
