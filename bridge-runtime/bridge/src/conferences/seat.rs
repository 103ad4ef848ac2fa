//! One worker with its meetings, as the rest of the bridge sees it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use jitctl_media::conference::Conference;
use jitctl_media::engine::Engine;
use serde_json::{Map, Value, json};
use tokio::sync::oneshot;

use super::registry::{Live, Registry};
use super::tally::Tally;
use crate::media::{WorkerGone, WorkerHandle};

/// One worker as the rest of the bridge sees it.
pub(super) struct Seat {
    /// The way to its thread.
    pub(super) handle: WorkerHandle<Conference>,
    /// Its meetings; locked on its thread only.
    pub(super) registry: Arc<Mutex<Registry>>,
    /// Numbers as of at most a second ago.
    pub(super) tally: Arc<Mutex<Tally>>,
    /// What there is now.
    pub(super) live: Arc<Live>,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Seat {
    /// Runs `command` between packets and waits for what it returns.
    pub(super) async fn run<Output: Send + 'static>(
        &self,
        command: impl FnOnce(&mut Registry, &mut Engine<Conference>, Instant) -> Output + Send + 'static,
    ) -> Result<Output, WorkerGone> {
        let registry = self.registry.clone();
        let (sender, receiver) = oneshot::channel();
        self.handle.run(move |engine, now| {
            let _ = sender.send(command(&mut lock(&registry), engine, now));
        })?;
        receiver.await.map_err(|_| WorkerGone)
    }
}

/// The meetings in brief, or `wanted` with everything in it, by our id.
pub(super) fn describe(
    registry: &Registry,
    engine: &mut Engine<Conference>,
    now: Instant,
    wanted: Option<&str>,
) -> Map<String, Value> {
    let mut found = Map::new();
    for (meeting_id, meeting) in registry.meetings() {
        if wanted.is_some_and(|wanted| wanted != meeting.id && wanted != meeting_id) {
            continue;
        }
        let endpoints: Vec<Value> = meeting
            .members
            .iter()
            .map(|(id, member)| {
                json!({
                    "id": id,
                    "stats_id": member.stats_id,
                    "visitor": member.is_visitor,
                    "connected": member.is_connected,
                })
            })
            .collect();
        let mut value = json!({
            "meeting_id": meeting_id,
            "room": meeting.name,
            "seconds": now.saturating_duration_since(meeting.created).as_secs(),
            "endpoints": endpoints,
        });
        if wanted.is_some() {
            let media = engine.command(now, meeting.conference, |room, _| room.snapshot(now));
            value["media"] = media.unwrap_or(Value::Null);
        }
        found.insert(meeting.id.clone(), value);
    }
    found
}
