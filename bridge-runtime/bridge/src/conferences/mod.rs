//! Conferences over the media workers: what a focus asks for becomes packets.
//!
//! A meeting lives on one worker, chosen by the hash of its id; its requests run there one after
//! another, in between packets, and are answered through a channel. Nothing here waits for a
//! worker while holding anything: a worker that hangs shows as a failed self-test.

mod channel;
mod check;
mod health;
mod meeting;
mod registry;
mod seat;
mod start;
mod tally;
mod translate;
mod urls;

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use jitctl_media::transport::dtls::Identity;
use jitctl_wire::Condition;
use jitctl_wire::brewery::BridgeStats;
use jitctl_wire::colibri2::{ColibriError, ConferenceModify};
use serde_json::Value;

use crate::conference::{ConferenceFuture, ConferenceService, DescriptionFuture};
use crate::config::{BridgeConfig, LoadConfig};
use crate::media::WorkerGone;
use crate::refusal::RefusalCounters;
pub use channel::{Attached, Closing, NotAdmitted, Outgoing};
use health::{Prober, Target};
use seat::{Seat, lock};
pub use start::MediaError;
use tally::{RateMeter, Rates, Tally};
use urls::ChannelUrls;

/// How often tallies are taken and empty meetings looked for.
const ROUND: Duration = Duration::from_secs(1);
/// How often the internal loop is tried.
const PROBE_INTERVAL: Duration = Duration::from_secs(5);
/// How long a certificate is used for new endpoints.
const IDENTITY_LIFE: Duration = Duration::from_secs(24 * 3600);
/// A worker that did not turn for this long hangs.
const HANGS: Duration = Duration::from_secs(10);

/// What changes over time outside the workers.
struct Watch {
    meter: RateMeter,
    rates: Rates,
    identity_made: Instant,
    probed: Option<Instant>,
}

/// Conferences with media.
pub struct MediaConferences {
    seats: Vec<Seat>,
    targets: Vec<Target>,
    addresses: Vec<SocketAddr>,
    load: LoadConfig,
    urls: Option<ChannelUrls>,
    watch: Mutex<Watch>,
    prober: Arc<Mutex<Prober>>,
    refusals: RefusalCounters,
    /// What is wrong, as of the last internal loop.
    failure: Mutex<Option<String>>,
}

impl std::fmt::Debug for MediaConferences {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("MediaConferences")
            .field("workers", &self.seats.len())
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

impl MediaConferences {
    /// Binds the media port on every admitted address, starts the workers and tries each once.
    /// The workers end with the last reference. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`MediaError`], each with what to do.
    pub async fn start(config: &BridgeConfig) -> Result<Arc<Self>, MediaError> {
        let urls = config
            .websocket
            .as_ref()
            .map(|websocket| ChannelUrls::new(websocket, &config.identity.nickname));
        let (media, own_urls) = (config.media.clone(), urls.clone());
        let settings = config.conference.settings();
        let started = tokio::task::spawn_blocking(move || {
            start::workers(&media, &settings, own_urls.as_ref())
        });
        let (seats, addresses) = started
            .await
            .map_err(|error| MediaError::Silent(error.to_string()))??;
        let mut targets = Vec::new();
        for seat in &seats {
            let made = seat.run(|_, engine, now| Target::create(engine, now));
            let target = made.await?;
            targets.push(target.map_err(|error| MediaError::Silent(error.to_string()))?);
        }
        let prober = Prober::new(&addresses).map_err(MediaError::Addresses)?;
        let conferences = Arc::new(Self {
            seats,
            targets,
            addresses,
            load: config.load,
            urls,
            watch: Mutex::new(Watch {
                meter: RateMeter::default(),
                rates: Rates::default(),
                identity_made: Instant::now(),
                probed: None,
            }),
            prober: Arc::new(Mutex::new(prober)),
            refusals: RefusalCounters::default(),
            failure: Mutex::default(),
        });
        conferences.round().await;
        if let Some(reason) = lock(&conferences.failure).clone() {
            return Err(MediaError::Silent(reason));
        }
        tokio::spawn(keep_house(Arc::downgrade(&conferences)));
        Ok(conferences)
    }

    /// What bridge channels over WebSocket refused.
    pub(crate) fn refusals(&self) -> &RefusalCounters {
        &self.refusals
    }

    /// The bound addresses.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    fn seat(&self, meeting: &str) -> Option<&Seat> {
        let mut hasher = DefaultHasher::new();
        meeting.hash(&mut hasher);
        let workers = self.seats.len().max(1) as u64;
        self.seats
            .get(usize::try_from(hasher.finish() % workers).unwrap_or(0))
    }

    /// Tallies, sweeping, the internal loop and a fresh certificate, each when it is due.
    async fn round(&self) {
        for seat in &self.seats {
            let tally = seat.tally.clone();
            let taken = seat.run(move |registry, engine, now| {
                registry.sweep(engine, now);
                *lock(&tally) = Tally::take(registry, engine, now);
            });
            // A worker that is gone shows as one that hangs.
            let _ = taken.await;
        }
        let now = Instant::now();
        let traffic = tally::traffic(self.seats.iter().map(|seat| seat.handle.statistics()));
        let (probe, renew) = {
            let mut watch = lock(&self.watch);
            watch.rates = watch.meter.measure(now, traffic);
            let due = |since: Option<Instant>, interval: Duration| {
                since.is_none_or(|since| now.saturating_duration_since(since) >= interval)
            };
            let probe = due(watch.probed, PROBE_INTERVAL);
            let renew = due(Some(watch.identity_made), IDENTITY_LIFE);
            if probe {
                watch.probed = Some(now);
            }
            if renew {
                watch.identity_made = now;
            }
            (probe, renew)
        };
        if probe {
            let (prober, targets) = (self.prober.clone(), self.targets.clone());
            let outcome = tokio::task::spawn_blocking(move || lock(&prober).probe(&targets)).await;
            *lock(&self.failure) = outcome.unwrap_or_else(|error| Err(error.to_string())).err();
        }
        if renew {
            self.renew_identity();
        }
    }

    fn renew_identity(&self) {
        match Identity::generate() {
            Ok(identity) => {
                let identity = Arc::new(identity);
                for seat in &self.seats {
                    let identity = identity.clone();
                    let _ = seat
                        .handle
                        .run(move |engine, _| engine.set_identity(identity));
                }
                tracing::info!("new certificate for endpoints to come");
            }
            Err(error) => tracing::error!(%error, "the certificate stays"),
        }
    }
}

async fn keep_house(conferences: Weak<MediaConferences>) {
    let mut ticks = tokio::time::interval(ROUND);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(conferences) = conferences.upgrade() else {
            return;
        };
        conferences.round().await;
    }
}

impl ConferenceService for MediaConferences {
    fn modify(&self, request: ConferenceModify) -> ConferenceFuture<'_> {
        let gone = || {
            Err(ColibriError::new(
                Condition::InternalServerError,
                WorkerGone.to_string(),
            ))
        };
        let Some(seat) = self.seat(&request.meeting_id) else {
            return Box::pin(async move { gone() });
        };
        Box::pin(async move {
            let served =
                seat.run(move |registry, engine, now| registry.serve(engine, now, &request));
            served.await.unwrap_or_else(|_| gone())
        })
    }

    fn fill_statistics(&self, statistics: &mut BridgeStats) {
        let tallies: Vec<Tally> = self
            .seats
            .iter()
            .map(|seat| lock(&seat.tally).clone())
            .collect();
        let traffic = tally::traffic(self.seats.iter().map(|seat| seat.handle.statistics()));
        let rates = lock(&self.watch).rates;
        tally::fill(statistics, tallies.iter(), traffic, rates);
        let live = self.seats.iter().map(|seat| seat.live.counts());
        let (conferences, endpoints) = live.fold((0, 0), |sum, (conferences, endpoints)| {
            (sum.0 + conferences, sum.1 + endpoints)
        });
        statistics.conferences = conferences;
        statistics.endpoints = endpoints;
        statistics.local_endpoints = endpoints;
        statistics.participants = endpoints;
        statistics.stress_level = rates.packets() / self.load.packets_per_second;
    }

    fn dropped(&self) -> Vec<(&'static str, u64)> {
        let workers = self.seats.iter().map(|seat| seat.handle.statistics());
        let tallies = self.seats.iter().map(|seat| lock(&seat.tally).clone());
        tally::dropped(workers, tallies, &self.refusals)
    }

    fn describe(&self, conference: Option<String>) -> DescriptionFuture<'_> {
        Box::pin(async move {
            let mut found = serde_json::Map::new();
            for seat in &self.seats {
                let wanted = conference.clone();
                let part = seat.run(move |registry, engine, now| {
                    seat::describe(registry, engine, now, wanted.as_deref())
                });
                found.extend(part.await.unwrap_or_default());
            }
            Value::Object(found)
        })
    }

    fn check_health(&self) -> Result<(), String> {
        let now = Instant::now();
        for (number, seat) in self.seats.iter().enumerate() {
            let turned = seat.handle.statistics().at;
            if turned.is_none_or(|at| now.saturating_duration_since(at) > HANGS) {
                return Err(format!("media worker {number} hangs: restart the bridge"));
            }
        }
        match &*lock(&self.failure) {
            Some(reason) => Err(reason.clone()),
            None => Ok(()),
        }
    }
}
