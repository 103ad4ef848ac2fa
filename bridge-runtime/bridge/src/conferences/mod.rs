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
mod tally;
mod translate;
mod urls;

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use jitctl_media::conference::{Conference, ConferenceConfig};
use jitctl_media::engine::{EndpointKey, Engine};
use jitctl_media::transport::TransportConfig;
use jitctl_media::transport::dtls::{Identity, IdentityError};
use jitctl_media::transport::ice::{AddressPlan, IceConfig};
use jitctl_wire::Condition;
use jitctl_wire::brewery::BridgeStats;
use jitctl_wire::colibri2::{ColibriError, ConferenceModify};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::conference::{ConferenceFuture, ConferenceService, DescriptionFuture};
use crate::config::{BridgeConfig, LoadConfig, MediaConfig};
use crate::media::addresses::local_addresses;
use crate::media::{
    MediaSocket, SocketError, WorkerConfig, WorkerError, WorkerGone, WorkerHandle, WorkerSeat,
    start,
};
pub use channel::{Attached, Closing, NotAdmitted, Outgoing};
use health::{Prober, Target};
use registry::Registry;
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
/// Local addresses one worker can have.
const MOST_ADDRESSES: usize = 16;

/// Media cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// The system does not tell its addresses.
    #[error("cannot list this host's addresses: {0}; does the unit allow AF_NETLINK?")]
    Addresses(io::Error),
    /// The filters leave nothing.
    #[error(
        "no address for media: this host has none that `[media]` admits; see `allowed_interfaces`, \
         `allowed_addresses`, `ipv6` and `loopback`"
    )]
    NoAddress,
    /// The port cannot be had.
    #[error("{0} (`media.port`)")]
    Socket(#[from] SocketError),
    /// A thread cannot be had.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// No certificate.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Workers do not answer.
    #[error("media does not work: {0}")]
    Silent(String),
}

impl From<WorkerGone> for MediaError {
    fn from(gone: WorkerGone) -> Self {
        Self::Silent(gone.to_string())
    }
}

/// One worker as the rest of the bridge sees it.
struct Seat {
    handle: WorkerHandle<Conference>,
    registry: Arc<Mutex<Registry>>,
    tally: Arc<Mutex<Tally>>,
}

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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `command` on a worker and waits for what it returns.
async fn on_worker<Output: Send + 'static>(
    handle: &WorkerHandle<Conference>,
    command: impl FnOnce(&mut Engine<Conference>, Instant) -> Output + Send + 'static,
) -> Result<Output, WorkerGone> {
    let (sender, receiver) = oneshot::channel();
    handle.run(move |engine, now| {
        let _ = sender.send(command(engine, now));
    })?;
    receiver.await.map_err(|_| WorkerGone)
}

impl MediaConferences {
    /// Binds the media port on every admitted address, starts the workers and tries each once.
    /// The workers end with the last reference. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`MediaError`], each with what to do.
    pub async fn start(config: &BridgeConfig) -> Result<Arc<Self>, MediaError> {
        let media = &config.media;
        let urls = config
            .websocket
            .as_ref()
            .map(|websocket| ChannelUrls::new(websocket, &config.identity.nickname));
        let mut wanted =
            local_addresses(&media.filter(), media.port).map_err(MediaError::Addresses)?;
        if wanted.len() > MOST_ADDRESSES {
            tracing::warn!(
                count = wanted.len(),
                "only the first {MOST_ADDRESSES} addresses carry media; choose with `media.allowed_addresses`"
            );
            wanted.truncate(MOST_ADDRESSES);
        }
        if wanted.is_empty() {
            return Err(MediaError::NoAddress);
        }
        let workers = media.workers();
        let mut sockets: Vec<Vec<MediaSocket>> = (0..workers).map(|_| Vec::new()).collect();
        let mut addresses = Vec::new();
        for address in wanted {
            let group = MediaSocket::bind_group(address, workers)?;
            addresses.extend(group.first().map(MediaSocket::local));
            for (own, socket) in sockets.iter_mut().zip(group) {
                own.push(socket);
            }
        }
        let transport = TransportConfig {
            plan: Arc::new(AddressPlan {
                sockets: addresses.clone(),
                mappings: media.mappings(),
                advertise_private: media.advertise_private,
            }),
            identity: Arc::new(Identity::generate()?),
            ice: IceConfig::default(),
            fragment_prefix: media.fragment_prefix.clone(),
        };
        let seats = seat_workers(sockets, &transport, media, urls.as_ref())?;
        let mut targets = Vec::new();
        for seat in &seats {
            let target = on_worker(&seat.handle, Target::create).await?;
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
            failure: Mutex::default(),
        });
        conferences.round().await;
        if let Some(reason) = lock(&conferences.failure).clone() {
            return Err(MediaError::Silent(reason));
        }
        tokio::spawn(keep_house(Arc::downgrade(&conferences)));
        Ok(conferences)
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
            let (registry, tally) = (seat.registry.clone(), seat.tally.clone());
            let _ = on_worker(&seat.handle, move |engine, now| {
                let mut registry = lock(&registry);
                registry.sweep(engine, now);
                *lock(&tally) = Tally::take(&registry, engine, now);
            })
            .await;
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

    /// The name of this bridge in the paths of bridge channels, if it has any.
    pub fn channel_server(&self) -> Option<&str> {
        self.urls.as_ref().map(ChannelUrls::server)
    }

    /// A client dials the bridge channel of its endpoint.
    ///
    /// # Errors
    /// [`NotAdmitted`], whatever of it is wrong.
    pub async fn attach(
        &self,
        conference: &str,
        endpoint: &str,
        password: &str,
    ) -> Result<Attached, NotAdmitted> {
        for (worker, seat) in self.seats.iter().enumerate() {
            let registry = seat.registry.clone();
            let wanted = [conference, endpoint, password].map(str::to_owned);
            let found = on_worker(&seat.handle, move |engine, now| {
                let [conference, endpoint, password] = &wanted;
                lock(&registry).attach(engine, now, conference, endpoint, password)
            })
            .await;
            if let Ok(Some((key, serial, outgoing))) = found {
                return Ok(Attached {
                    key,
                    serial,
                    worker,
                    outgoing,
                });
            }
        }
        Err(NotAdmitted)
    }

    /// A message of a client; returns when it is served, so that a fast client waits.
    pub async fn receive(&self, attached: &Attached, text: String) {
        self.at_channel(attached, move |registry, engine, now, id| {
            registry.receive(engine, now, id, &text);
        })
        .await;
    }

    /// A client hung up.
    pub async fn detach(&self, attached: &Attached) {
        self.at_channel(attached, |registry, engine, now, id| {
            registry.detach(engine, now, id);
        })
        .await;
    }

    async fn at_channel(
        &self,
        attached: &Attached,
        command: impl FnOnce(&mut Registry, &mut Engine<Conference>, Instant, (EndpointKey, u64))
        + Send
        + 'static,
    ) {
        let Some(seat) = self.seats.get(attached.worker) else {
            return;
        };
        let (registry, id) = (seat.registry.clone(), (attached.key, attached.serial));
        // A worker that is gone has no channels.
        let _ = on_worker(&seat.handle, move |engine, now| {
            command(&mut lock(&registry), engine, now, id);
        })
        .await;
    }
}

fn seat_workers(
    sockets: Vec<Vec<MediaSocket>>,
    transport: &TransportConfig,
    media: &MediaConfig,
    urls: Option<&ChannelUrls>,
) -> Result<Vec<Seat>, MediaError> {
    let mut registries = Vec::new();
    let mut seats = Vec::new();
    for sockets in sockets {
        let registry = Arc::new(Mutex::new(Registry::new(
            ConferenceConfig::default(),
            urls.cloned(),
        )));
        registries.push(registry.clone());
        seats.push(WorkerSeat {
            sockets,
            on_event: Box::new(move |engine, event| {
                lock(&registry).observe(engine, Instant::now(), event);
            }),
        });
    }
    let config = WorkerConfig {
        without_segmentation: !media.segmentation,
        coalesce: Duration::from_micros(media.coalesce_microseconds),
    };
    let started = start(seats, transport, config)?;
    Ok(started
        .into_iter()
        .zip(registries)
        .map(|((handle, _thread), registry)| Seat {
            handle,
            registry,
            tally: Arc::default(),
        })
        .collect())
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

fn describe(
    registry: &Registry,
    engine: &mut Engine<Conference>,
    now: Instant,
    wanted: Option<&str>,
) -> serde_json::Map<String, Value> {
    let mut found = serde_json::Map::new();
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
        let registry = seat.registry.clone();
        Box::pin(async move {
            on_worker(&seat.handle, move |engine, now| {
                lock(&registry).serve(engine, now, &request)
            })
            .await
            .unwrap_or_else(|_| gone())
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
        statistics.stress_level = rates.packets() / self.load.packets_per_second;
    }

    fn describe(&self, conference: Option<String>) -> DescriptionFuture<'_> {
        Box::pin(async move {
            let mut found = serde_json::Map::new();
            for seat in &self.seats {
                let registry = seat.registry.clone();
                let wanted = conference.clone();
                let part = on_worker(&seat.handle, move |engine, now| {
                    describe(&lock(&registry), engine, now, wanted.as_deref())
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
