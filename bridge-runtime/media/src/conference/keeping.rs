//! What is kept for repairs, and how long: packets of encodings that somebody gets, as long as the
//! receiver with the longest round trip may ask for them. What nobody gets takes no memory.

use std::time::{Duration, Instant};

use super::Conference;
use super::endpoint::{Endpoint, VideoStream};
use super::source::Source;
use crate::cache::wanted_age;

impl Endpoint {
    /// Age that packets sent to it should reach before they make room.
    fn wanted_age(&self, pause: Duration) -> Duration {
        // Feedback comes more often than reports.
        let of_feedback = self.send.bandwidth.round_trip();
        wanted_age(of_feedback.unwrap_or(self.round_trip), pause)
    }
}

impl VideoStream {
    /// The highest encoding that may be sent on it; lower ones stand in until its key frame comes.
    fn highest_encoding(&self) -> Option<u8> {
        let target = self.projection.target().map(|target| target.encoding);
        target.max(self.projection.current_encoding())
    }
}

impl Source {
    /// Keeps packets for a stream from now on, where none were kept.
    pub(super) fn begin_to_keep(&mut self, now: Instant, receiver: &Endpoint, stream: usize) {
        let highest = receiver.video[stream].highest_encoding();
        let count = highest.map_or(0, |highest| usize::from(highest) + 1);
        for encoding in self.encodings.iter_mut().take(count) {
            if !encoding.store.is_wanted() {
                let age = receiver.wanted_age(Duration::ZERO);
                encoding.store.set_wanted_age(now, age);
            }
        }
    }
}

impl Conference {
    /// Fits stores and logs to who gets what over which round trip.
    pub(super) fn fit_stores(&mut self, now: Instant) {
        for source in self.sources.iter_mut().flatten() {
            if !source.is_video() {
                continue;
            }
            let encodings = source.encodings.iter_mut();
            let pauses = encodings.map(|encoding| encoding.store.fading_pause());
            let pause = pauses.max().unwrap_or_default();
            for subscriber in &source.subscribers {
                let receiver = self.endpoints.get_mut(subscriber.endpoint.as_usize());
                if let Some(receiver) = receiver.and_then(Option::as_deref_mut) {
                    let age = receiver.wanted_age(pause);
                    receiver.video[subscriber.stream].sent.set_wanted_age(age);
                }
            }
            for (number, encoding) in source.encodings.iter_mut().enumerate() {
                let ages = source.subscribers.iter().filter_map(|subscriber| {
                    let receiver = self.endpoints.get(subscriber.endpoint.as_usize())?;
                    let receiver = receiver.as_deref()?;
                    let highest = receiver.video[subscriber.stream].highest_encoding()?;
                    (usize::from(highest) >= number).then(|| receiver.wanted_age(pause))
                });
                let age = ages.max().unwrap_or_default();
                encoding.store.set_wanted_age(now, age);
            }
        }
    }
}
