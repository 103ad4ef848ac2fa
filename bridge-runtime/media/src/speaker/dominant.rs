//! Dominant speaker identification after Volfin and Cohen ("Dominant speaker identification for
//! multipoint videoconferencing", 2013), with the constants Jitsi uses.
//!
//! Per speaker, levels are condensed over three time scales; a speaker takes over when all three
//! scores beat the current one's by their thresholds. Memory per speaker is fixed.

use std::time::{Duration, Instant};

use crate::identifiers::EndpointIndex;

/// Levels kept per speaker, one per packet or 20 ms of absence.
const IMMEDIATES: usize = 50;
/// Immediates condensed into one medium value.
const IMMEDIATES_PER_MEDIUM: usize = 5;
const MEDIUMS: usize = IMMEDIATES / IMMEDIATES_PER_MEDIUM;
/// Width of a level band: 127 levels in 13 bands.
const BAND: u8 = 10;
const BANDS: u32 = 13;
const MEDIUM_THRESHOLD: u8 = 7;
const LONG_THRESHOLD: u8 = 4;
/// Smallest score, so that ratios exist.
const SMALLEST_SCORE: f64 = 1e-10;
const IMMEDIATE_RATIO: f64 = 3.0;
const MEDIUM_RATIO: f64 = 2.0;
const LONG_RATIO: f64 = 0.0;

const DECISION_INTERVAL: Duration = Duration::from_millis(300);
const LEVEL_TIMEOUT: Duration = Duration::from_millis(40);
const SPEAKER_TIMEOUT: Duration = Duration::from_secs(3600);
/// Levels after which the tracked minimum may rise: 15 s of 20 ms packets.
const MINIMUM_WINDOW: u32 = 750;

/// Outcome of a decision that changed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpeakerChange {
    /// Who speaks now.
    pub dominant: EndpointIndex,
}

#[derive(Debug)]
struct Speaker {
    endpoint: EndpointIndex,
    levels: [u8; IMMEDIATES],
    /// Position of the newest level.
    head: usize,
    minimum: u8,
    next_minimum: u8,
    next_minimum_count: u32,
    last_level: Instant,
    scores: Scores,
}

#[derive(Clone, Copy, Debug)]
struct Scores {
    immediate: f64,
    medium: f64,
    long: f64,
}

/// Tracks all speakers of a conference.
#[derive(Debug)]
pub struct DominantSpeaker {
    speakers: Vec<Speaker>,
    dominant: Option<EndpointIndex>,
    next_decision: Instant,
    levels_since_decision: bool,
    scoring: ScoreTable,
}

impl DominantSpeaker {
    /// Starts without speakers.
    pub fn new(now: Instant) -> Self {
        Self {
            speakers: Vec::new(),
            dominant: None,
            next_decision: now + DECISION_INTERVAL,
            levels_since_decision: false,
            scoring: ScoreTable::new(),
        }
    }

    /// Who speaks, if anybody ever did.
    pub const fn dominant(&self) -> Option<EndpointIndex> {
        self.dominant
    }

    /// Notes the loudness (0 to 127) of a packet; allocates only for a new speaker. The first
    /// speaker of a conference takes over at once.
    pub fn level(
        &mut self,
        now: Instant,
        endpoint: EndpointIndex,
        loudness: u8,
    ) -> Option<SpeakerChange> {
        self.levels_since_decision = true;
        match self
            .speakers
            .iter_mut()
            .find(|speaker| speaker.endpoint == endpoint)
        {
            Some(speaker) => speaker.push(now, loudness),
            None => self.speakers.push(Speaker::new(now, endpoint, loudness)),
        }
        if self.dominant.is_some() || loudness == 0 {
            return None;
        }
        self.dominant = Some(endpoint);
        Some(SpeakerChange { dominant: endpoint })
    }

    /// Forgets an endpoint that left. The next decision finds a successor.
    pub fn remove(&mut self, endpoint: EndpointIndex) {
        self.speakers.retain(|speaker| speaker.endpoint != endpoint);
        if self.dominant == Some(endpoint) {
            self.dominant = None;
        }
    }

    /// When [`DominantSpeaker::decide`] wants to be called.
    pub fn next_decision(&self) -> Option<Instant> {
        self.levels_since_decision.then_some(self.next_decision)
    }

    /// Decides, when it is time to and levels have arrived since the last decision.
    pub fn decide(&mut self, now: Instant) -> Option<SpeakerChange> {
        if now < self.next_decision || !self.levels_since_decision {
            return None;
        }
        self.next_decision = now + DECISION_INTERVAL;
        self.levels_since_decision = false;
        self.speakers
            .retain(|speaker| now.saturating_duration_since(speaker.last_level) < SPEAKER_TIMEOUT);
        for speaker in &mut self.speakers {
            if now.saturating_duration_since(speaker.last_level) >= LEVEL_TIMEOUT {
                speaker.push_level(0);
            }
            speaker.scores = speaker.evaluate(&self.scoring);
        }
        let successor = self.successor()?;
        if self.dominant == Some(successor) {
            return None;
        }
        self.dominant = Some(successor);
        Some(SpeakerChange {
            dominant: successor,
        })
    }

    fn successor(&self) -> Option<EndpointIndex> {
        let current = self
            .speakers
            .iter()
            .find(|speaker| Some(speaker.endpoint) == self.dominant);
        let Some(current) = current else {
            return self
                .speakers
                .iter()
                .max_by(|a, b| a.scores.medium.total_cmp(&b.scores.medium))
                .map(|speaker| speaker.endpoint);
        };
        let mut best = (MEDIUM_RATIO, None);
        for speaker in &self.speakers {
            let immediate = (speaker.scores.immediate / current.scores.immediate).ln();
            let medium = (speaker.scores.medium / current.scores.medium).ln();
            let long = (speaker.scores.long / current.scores.long).ln();
            if immediate > IMMEDIATE_RATIO && medium > best.0 && long > LONG_RATIO {
                best = (medium, Some(speaker.endpoint));
            }
        }
        best.1
    }
}

impl Speaker {
    fn new(now: Instant, endpoint: EndpointIndex, loudness: u8) -> Self {
        let mut speaker = Self {
            endpoint,
            levels: [0; IMMEDIATES],
            head: 0,
            minimum: 0,
            next_minimum: 0,
            next_minimum_count: 0,
            last_level: now,
            scores: Scores {
                immediate: SMALLEST_SCORE,
                medium: SMALLEST_SCORE,
                long: SMALLEST_SCORE,
            },
        };
        speaker.push(now, loudness);
        speaker
    }

    fn push(&mut self, now: Instant, loudness: u8) {
        self.last_level = now;
        self.push_level(loudness.min(127));
        self.track_minimum(loudness.min(127));
    }

    fn push_level(&mut self, level: u8) {
        self.head = (self.head + IMMEDIATES - 1) % IMMEDIATES;
        self.levels[self.head] = level;
    }

    /// Follows the background noise: falls at once, rises slowly.
    fn track_minimum(&mut self, level: u8) {
        if level == 0 {
            return;
        }
        if self.minimum == 0 || self.minimum > level {
            self.minimum = level;
            self.next_minimum = 0;
            self.next_minimum_count = 0;
            return;
        }
        if self.next_minimum == 0 || self.next_minimum > level {
            self.next_minimum = level;
        }
        self.next_minimum_count += 1;
        if self.next_minimum_count >= MINIMUM_WINDOW {
            let mean = (f64::from(self.minimum) * f64::from(self.next_minimum)).sqrt();
            self.minimum = mean.clamp(0.0, 127.0) as u8;
            self.next_minimum = 0;
            self.next_minimum_count = 0;
        }
    }

    fn evaluate(&self, table: &ScoreTable) -> Scores {
        let floor = self.minimum.saturating_add(BAND);
        let immediate = |position: usize| {
            let level = self.levels[(self.head + position) % IMMEDIATES];
            if level < floor { 0 } else { level / BAND }
        };
        let mut mediums = [0_u8; MEDIUMS];
        for (index, medium) in mediums.iter_mut().enumerate() {
            let first = index * IMMEDIATES_PER_MEDIUM;
            *medium = (first..first + IMMEDIATES_PER_MEDIUM)
                .filter(|position| immediate(*position) > MEDIUM_THRESHOLD)
                .count() as u8;
        }
        let long = mediums
            .iter()
            .filter(|medium| **medium > LONG_THRESHOLD)
            .count();
        Scores {
            immediate: table.immediate[usize::from(immediate(0))],
            medium: table.medium[usize::from(mediums[0])],
            long: table.long[long],
        }
    }
}

/// Scores of all possible counts, computed once.
#[derive(Debug)]
struct ScoreTable {
    immediate: [f64; BANDS as usize + 1],
    medium: [f64; IMMEDIATES_PER_MEDIUM + 1],
    long: [f64; MEDIUMS + 1],
}

impl ScoreTable {
    fn new() -> Self {
        Self {
            immediate: std::array::from_fn(|count| score(count as u32, BANDS, 0.78)),
            medium: std::array::from_fn(|count| {
                score(count as u32, IMMEDIATES_PER_MEDIUM as u32, 24.0)
            }),
            long: std::array::from_fn(|count| score(count as u32, MEDIUMS as u32, 47.0)),
        }
    }
}

fn score(active: u32, total: u32, lambda: f64) -> f64 {
    let half = 0.5_f64.ln();
    let active_number = f64::from(active);
    let score = binomial(total, active).ln()
        + active_number * half
        + f64::from(total.saturating_sub(active)) * half
        - lambda.ln()
        + lambda * active_number;
    score.max(SMALLEST_SCORE)
}

fn binomial(total: u32, chosen: u32) -> f64 {
    (1..=chosen.min(total)).fold(1.0, |product, step| {
        product * f64::from(total + 1 - step) / f64::from(step)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: EndpointIndex = EndpointIndex(0);
    const BOB: EndpointIndex = EndpointIndex(1);

    /// Feeds both speakers a level every 20 ms and returns the changes with their time.
    fn run(
        detector: &mut DominantSpeaker,
        start: Instant,
        milliseconds: u64,
        levels: impl Fn(u64) -> (u8, u8),
    ) -> Vec<(u64, EndpointIndex)> {
        let mut changes = vec![];
        for time in (0..milliseconds).step_by(20) {
            let now = start + Duration::from_millis(time);
            let (alice, bob) = levels(time);
            for (endpoint, level) in [(ALICE, alice), (BOB, bob)] {
                if let Some(change) = detector.level(now, endpoint, level) {
                    changes.push((time, change.dominant));
                }
            }
            if let Some(change) = detector.decide(now) {
                changes.push((time, change.dominant));
            }
        }
        changes
    }

    #[test]
    fn the_first_speaker_takes_over_at_once() {
        let start = Instant::now();
        let mut detector = DominantSpeaker::new(start);
        let change = detector.level(start, BOB, 20);
        assert_eq!(change, Some(SpeakerChange { dominant: BOB }));
    }

    #[test]
    fn whoever_starts_speaking_takes_over_within_two_seconds() {
        let start = Instant::now();
        let mut detector = DominantSpeaker::new(start);
        let changes = run(&mut detector, start, 6_000, |time| {
            if time < 3_000 { (100, 30) } else { (30, 100) }
        });
        assert_eq!(changes[0], (0, ALICE));
        assert_eq!(changes.len(), 2, "{changes:?}");
        assert_eq!(changes[1].1, BOB);
        assert!((3_000..5_000).contains(&changes[1].0), "{changes:?}");
    }

    #[test]
    fn a_cough_does_not_change_the_speaker() {
        let start = Instant::now();
        let mut detector = DominantSpeaker::new(start);
        let changes = run(&mut detector, start, 6_000, |time| {
            (
                100,
                if (3_000..3_080).contains(&time) {
                    110
                } else {
                    30
                },
            )
        });
        assert_eq!(changes, [(0, ALICE)]);
    }

    #[test]
    fn the_successor_of_a_speaker_who_left_is_found() {
        let start = Instant::now();
        let mut detector = DominantSpeaker::new(start);
        run(&mut detector, start, 1_000, |_| (100, 30));
        detector.remove(ALICE);
        assert_eq!(detector.dominant(), None);
        let now = start + Duration::from_secs(2);
        let change = detector.level(now, BOB, 30);
        assert_eq!(change, Some(SpeakerChange { dominant: BOB }));
    }
}
