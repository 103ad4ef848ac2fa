//! Many participants in many rooms, and what they saw.
//!
//! One process fakes them all; each is a task. The first `video` people of a room send video, all
//! send audio, one speaks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::participant::Participant;
use crate::profile::{Profile, Video};
use crate::progress::{Leg, Progress};
use crate::report::Report;
use crate::site::Site;

/// How often the caller is shown where things stand.
const SHOW_INTERVAL: Duration = Duration::from_millis(500);
/// Time for everybody to come in before the test proper ends without them.
const JOIN_LIMIT: Duration = Duration::from_secs(30);

/// What to do.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// Rooms.
    pub rooms: u32,
    /// People in each room.
    pub people: u32,
    /// How many of them send video.
    pub video: u32,
    /// The video of those who send it.
    pub camera: Video,
    /// How long media flows once everybody is in.
    pub duration: Duration,
    /// Between one join and the next.
    pub spacing: Duration,
    /// Names of rooms begin with it.
    pub prefix: String,
}

/// Where things stand.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct LoadState {
    /// Seconds since the start.
    pub seconds: f64,
    /// Participants altogether.
    pub people: usize,
    /// Who joined the room.
    pub joined: usize,
    /// Who is connected to a bridge.
    pub connected: usize,
    /// Whom somebody else's media reached.
    pub with_media: usize,
    /// Who failed.
    pub failed: usize,
}

/// Times in milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Spread {
    /// Half were faster.
    pub p50: u64,
    /// 19 of 20 were faster.
    pub p95: u64,
    /// The slowest.
    pub max: u64,
}

/// What a bridge had to carry.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct BridgeLoad {
    /// Addresses it offered, joined; stands for the bridge.
    pub addresses: String,
    /// Rooms.
    pub rooms: usize,
    /// Participants.
    pub people: usize,
    /// Mean rate of what they received together, in kbit/s.
    pub kilobits: f64,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct LoadReport {
    /// Rooms asked for.
    pub rooms: u32,
    /// Participants altogether.
    pub people: usize,
    /// Participants for whom every leg came about.
    pub good: usize,
    /// Participants that got every source of the others.
    pub complete: usize,
    /// From the start of a participant until keys were agreed on with a bridge.
    pub join: Spread,
    /// From the start of a participant until the first packet of somebody else.
    pub first_media: Spread,
    /// From the first start until the last was connected, in milliseconds.
    pub all_joined: Option<u64>,
    /// Packets sent.
    pub sent: u64,
    /// Packets received.
    pub received: u64,
    /// Packets that should have come.
    pub lost: u64,
    /// Mean rate of all receivers together, in kbit/s.
    pub kilobits: f64,
    /// Sessions that were taken up anew.
    pub moves: u32,
    /// Bridges by what they carried.
    pub bridges: Vec<BridgeLoad>,
    /// Why participants failed, and how many for that reason.
    pub failures: BTreeMap<String, usize>,
}

struct Joined {
    room: u32,
    started: Instant,
    participant: Participant,
}

/// What one participant saw so far.
struct Seen {
    room: u32,
    started: Instant,
    progress: Progress,
    report: Report,
}

/// Runs a load test; `show` is called with where things stand and with what came of it until now.
/// Dropping the future ends it.
pub async fn load(
    site: Arc<Site>,
    options: &LoadOptions,
    mut show: impl FnMut(&LoadState, &LoadReport),
) -> LoadReport {
    let started = Instant::now();
    let mut joined: Vec<Joined> = Vec::new();
    let mut ticks = interval(SHOW_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let total = usize::try_from(u64::from(options.rooms) * u64::from(options.people));
    let total = total.unwrap_or(usize::MAX);
    let mut next_join = Box::pin(sleep(Duration::ZERO));
    let mut ready_at = None;
    loop {
        tokio::select! {
            () = &mut next_join, if joined.len() < total => {
                let place = joined.len();
                // One of each room after the other, so that rooms fill side by side.
                let (room, person) = (place % rooms(options), place / rooms(options));
                joined.push(Joined {
                    room: u32::try_from(room).unwrap_or(u32::MAX),
                    started: Instant::now(),
                    participant: Participant::join(
                        site.clone(),
                        &format!("{}{room}", options.prefix),
                        profile(options, person),
                    ),
                });
                next_join.as_mut().reset(Instant::now() + options.spacing);
            }
            _ = ticks.tick() => {
                let state = state(&joined, started, total);
                show(&state, &summary(&look(&joined).await, options, started));
                let settled = state.with_media + state.failed >= total
                    || (options.people < 2 && state.joined + state.failed >= total);
                let late = joined.len() == total
                    && joined.last().is_some_and(|last| last.started.elapsed() > JOIN_LIMIT);
                if settled || late {
                    let ready = *ready_at.get_or_insert_with(Instant::now);
                    if ready.elapsed() >= options.duration {
                        break;
                    }
                }
            }
        }
    }
    finish(joined, options, started).await
}

fn rooms(options: &LoadOptions) -> usize {
    usize::try_from(options.rooms.max(1)).unwrap_or(usize::MAX)
}

fn profile(options: &LoadOptions, person: usize) -> Profile {
    let sends_video = u32::try_from(person).is_ok_and(|person| person < options.video);
    Profile {
        name: format!("load {}", person + 1),
        audio: true,
        speaking: person == 0,
        video: sends_video.then_some(options.camera),
        receive_height: 720,
    }
}

fn state(joined: &[Joined], started: Instant, total: usize) -> LoadState {
    let mut state = LoadState {
        seconds: started.elapsed().as_secs_f64(),
        people: total,
        ..LoadState::default()
    };
    for one in joined {
        let progress = one.participant.progress();
        state.joined += usize::from(progress.joined.is_some());
        state.connected += usize::from(progress.dtls.is_some());
        state.with_media += usize::from(progress.forwarding.is_some());
        state.failed += usize::from(progress.trouble.is_some() && progress.forwarding.is_none());
    }
    state
}

/// What everybody saw so far.
async fn look(joined: &[Joined]) -> Vec<Seen> {
    let looks = joined.iter().map(|one| async {
        Seen {
            room: one.room,
            started: one.started,
            progress: one.participant.progress(),
            report: one.participant.report().await,
        }
    });
    join_all(looks).await
}

async fn finish(joined: Vec<Joined>, options: &LoadOptions, started: Instant) -> LoadReport {
    let leaving = joined.into_iter().map(|one| async move {
        Seen {
            room: one.room,
            started: one.started,
            progress: one.participant.progress(),
            report: one.participant.leave().await,
        }
    });
    summary(&join_all(leaving).await, options, started)
}

fn summary(seen: &[Seen], options: &LoadOptions, started: Instant) -> LoadReport {
    let mut report = LoadReport {
        rooms: options.rooms,
        people: seen.len(),
        ..LoadReport::default()
    };
    let mut joins = Vec::new();
    let mut media = Vec::new();
    let mut bridges: BTreeMap<String, (BTreeSet<u32>, BridgeLoad)> = BTreeMap::new();
    for one in seen {
        joins.extend(one.progress.dtls);
        media.extend(one.progress.forwarding);
        if let Some(connected) = one.progress.dtls {
            let after = (one.started - started) + connected;
            report.all_joined = report.all_joined.max(Some(milliseconds(after)));
        }
        add(&mut report, options, &one.progress, &one.report);
        if !one.report.bridge.is_empty() {
            let addresses = one.report.bridge.join(" ");
            let (rooms, load) = bridges.entry(addresses).or_default();
            rooms.insert(one.room);
            load.people += 1;
            load.kilobits += one.report.kilobits();
        }
    }
    if joins.len() < seen.len() {
        report.all_joined = None;
    }
    report.join = spread(joins);
    report.first_media = spread(media);
    report.bridges = bridges
        .into_iter()
        .map(|(addresses, (rooms, load))| BridgeLoad {
            addresses,
            rooms: rooms.len(),
            ..load
        })
        .collect();
    report
}

fn add(report: &mut LoadReport, options: &LoadOptions, progress: &Progress, seen: &Report) {
    // Somebody alone is offered nothing.
    let good = progress.missing().is_none() || (options.people < 2 && progress.joined.is_some());
    report.good += usize::from(good);
    let others = options.people.saturating_sub(1);
    let cameras = options
        .video
        .min(options.people)
        .saturating_sub(u32::from(seen.sends_video));
    let expected = usize::try_from(others + cameras).unwrap_or(usize::MAX);
    let got = seen.sources.iter().filter(|s| !s.name.is_empty()).count();
    report.complete += usize::from(got >= expected);
    report.sent += seen.sent_packets;
    report.received += seen.packets();
    report.lost += seen.lost();
    report.kilobits += seen.kilobits();
    report.moves += progress.moves;
    if !good {
        let reason = match (&progress.trouble, progress.missing()) {
            (Some(trouble), _) => trouble.to_string(),
            (None, Some(leg)) => format!("{leg}: did not come about"),
            (None, None) => Leg::Signalling.to_string(),
        };
        *report.failures.entry(reason).or_default() += 1;
    }
}

fn spread(mut times: Vec<Duration>) -> Spread {
    times.sort_unstable();
    let at = |percent: usize| {
        let place = (times.len() * percent).div_ceil(100).saturating_sub(1);
        times.get(place).copied().map_or(0, milliseconds)
    };
    Spread {
        p50: at(50),
        p95: at(95),
        max: at(100),
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_those_that_came_in() {
        let times = |last: u64| (1..=last).map(Duration::from_millis).collect();
        assert_eq!(
            spread(times(100)),
            Spread {
                p50: 50,
                p95: 95,
                max: 100
            }
        );
        assert_eq!(spread(times(1)).p95, 1);
        assert_eq!(spread(Vec::new()), Spread::default());
    }
}
