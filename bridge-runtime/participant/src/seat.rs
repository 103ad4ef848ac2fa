//! A participant in its room: the loop that turns session, endpoint and media.

use std::collections::BTreeMap;
use std::time::Duration;

use jitctl_wire::disco::DiscoInfo;
use jitctl_wire::ice::IceUdpTransport;
use jitctl_wire::jingle::Jingle;
use jitctl_wire::{Condition, Element, Iq, Presence, PresenceKind, StanzaError, namespace};
use jitctl_xmpp::ClientEvent;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::endpoint::{Endpoint, EndpointEvent, SharedReceived};
use crate::media::{Pacer, TICK};
use crate::profile::Profile;
use crate::progress::{Leg, Progress, Trouble};
use crate::report::{Report, SourceReport};
use crate::room::Room;
use crate::signalling::{LocalSources, Offer, RemoteSource, Session, Step, presence};

/// Time for the focus to take our answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(15);
/// How often a client tells the bridge of its connection.
const STATISTICS_INTERVAL: Duration = Duration::from_secs(10);
/// How often it is looked whether media came.
const WATCH_INTERVAL: Duration = Duration::from_millis(100);
/// Endpoint messages that are kept.
const KEPT_MESSAGES: usize = 16;

/// What the handle asks for.
#[derive(Debug)]
pub(crate) enum Command {
    /// What was seen so far.
    Report(oneshot::Sender<Report>),
    /// An endpoint message.
    Message {
        /// Endpoint; everybody when empty.
        to: String,
        /// What it says.
        text: String,
    },
}

/// The session that is up.
struct Call {
    endpoint: Endpoint,
    pacer: Pacer,
    connected: bool,
}

/// A participant in its room.
pub(crate) struct Seat {
    room: Room,
    endpoint_name: String,
    profile: Profile,
    started: Instant,
    progress: watch::Sender<Progress>,
    session: Session,
    received: SharedReceived,
    call: Option<Call>,
    endpoint_events: mpsc::UnboundedReceiver<EndpointEvent>,
    report: Report,
    /// Every source that was ever told of, for the report: who leaves takes the rest along.
    known: BTreeMap<u32, RemoteSource>,
}

impl Seat {
    pub(crate) fn new(
        room: Room,
        profile: Profile,
        started: Instant,
        progress: watch::Sender<Progress>,
    ) -> Self {
        let endpoint_name = room.occupant.resource().unwrap_or_default().to_owned();
        let session = Session::new(room.focus.clone(), room.us.clone());
        Self {
            report: Report {
                endpoint: endpoint_name.clone(),
                sends_video: profile.video.is_some(),
                ..Report::default()
            },
            room,
            endpoint_name,
            profile,
            started,
            progress,
            session,
            received: SharedReceived::default(),
            call: None,
            endpoint_events: mpsc::unbounded_channel().1,
            known: BTreeMap::new(),
        }
    }

    /// Runs until the handle is gone, then leaves.
    pub(crate) async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) -> Report {
        let mut media = interval(TICK);
        // Ticks missed on a busy machine, or before the connection is up, are not made up for.
        media.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut statistics = interval(STATISTICS_INTERVAL);
        statistics.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut watching = interval(WATCH_INTERVAL);
        watching.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let sends = self.call.as_ref().is_some_and(|call| call.connected);
            tokio::select! {
                command = commands.recv() => match command {
                    Some(Command::Report(answer)) => {
                        // Whoever asked may have given up.
                        let _ = answer.send(self.snapshot());
                    }
                    Some(Command::Message { to, text }) => {
                        let payload = json!({ "type": "jitctl", "text": text });
                        self.say(&json!({
                            "colibriClass": "EndpointMessage", "to": to, "msgPayload": payload,
                        }))
                        .await;
                    }
                    None => break,
                },
                event = self.room.events.recv() => match event {
                    Some(event) => self.handle_xmpp(event).await,
                    None => break,
                },
                Some(event) = self.endpoint_events.recv() => self.handle_endpoint(event).await,
                _ = media.tick(), if sends => self.send_media().await,
                _ = statistics.tick(), if sends => self.say(&statistics_message()).await,
                _ = watching.tick() => self.watch_media(),
            }
        }
        self.leave().await
    }

    async fn leave(mut self) -> Report {
        let report = self.snapshot();
        self.hang_up().await;
        self.room
            .client
            .send(presence::leave(self.room.occupant.clone()));
        self.room.client.close().await;
        report
    }

    async fn hang_up(&mut self) {
        if let Some(call) = self.call.take() {
            call.endpoint.close().await;
        }
    }

    fn trouble(&self, leg: Leg, reason: impl Into<String>) {
        let trouble = Trouble::new(leg, reason);
        tracing::debug!(endpoint = self.endpoint_name, %trouble, "trouble");
        self.progress
            .send_modify(|progress| progress.trouble = Some(trouble));
    }

    /// Notes a leg once; what comes about again after a move keeps its first time.
    fn reach(&self, change: impl FnOnce(&mut Progress, Duration)) {
        let elapsed = self.started.elapsed();
        self.progress
            .send_modify(|progress| change(progress, elapsed));
    }

    async fn handle_xmpp(&mut self, event: ClientEvent) {
        match event {
            ClientEvent::Request(iq) => self.answer(iq).await,
            ClientEvent::Stanza(stanza) if stanza.name() == "presence" => {
                if let Ok(presence) = Presence::parse(&stanza) {
                    self.handle_presence(&presence);
                }
            }
            ClientEvent::Offline {
                failure,
                resumable: false,
                ..
            } => self.trouble(Leg::Signalling, format!("connection lost: {failure}")),
            _ => {}
        }
    }

    fn handle_presence(&mut self, presence: &Presence) {
        let Some(from) = &presence.from else { return };
        if presence
            .child("bridgeNotAvailable", namespace::FOCUS)
            .is_some()
        {
            self.trouble(Leg::Signalling, "the focus has no bridge for this room");
        }
        if presence.kind != PresenceKind::Unavailable {
            return;
        }
        if *from == self.room.focus {
            self.trouble(Leg::Signalling, "the focus left the room");
        } else if *from == self.room.occupant {
            self.trouble(Leg::Signalling, "thrown out of the room");
        } else if let Some(owner) = from.resource() {
            self.session.forget_owner(owner);
        }
    }

    async fn answer(&mut self, iq: Iq) {
        let payload = iq.payload.clone();
        let Some(payload) = payload else { return };
        if Jingle::matches(&payload) {
            self.answer_jingle(&iq, &payload).await;
            return;
        }
        let answer = if payload.is("query", namespace::DISCO_INFO) {
            let node = DiscoInfo::parse(&payload).ok().and_then(|query| query.node);
            let capabilities = presence::capabilities(node.as_deref());
            iq.result(Some(capabilities.to_element()))
        } else if payload.is("ping", namespace::PING) || payload.name() == "mute" {
            iq.result(None)
        } else {
            iq.refusal(StanzaError::new(Condition::FeatureNotImplemented))
        };
        self.room.client.send(answer.to_element());
    }

    async fn answer_jingle(&mut self, iq: &Iq, payload: &Element) {
        let step = match (&iq.from, Jingle::parse(payload)) {
            (Some(from), Ok(jingle)) => self.session.handle(from, &jingle),
            (_, Err(error)) => {
                Err(StanzaError::new(Condition::BadRequest).with_text(error.to_string()))
            }
            (None, _) => Err(StanzaError::new(Condition::BadRequest)),
        };
        let answer = match &step {
            Ok(_) => iq.result(None),
            Err(error) => iq.refusal(error.clone()),
        };
        // Acknowledged at once: what follows takes longer than a request may.
        self.room.client.send(answer.to_element());
        match step {
            Ok(Step::Connect(offer)) => self.accept(*offer).await,
            Ok(Step::Sources) => self.note_repairs(),
            Ok(Step::Transport(transport)) => self.take_transport(&transport).await,
            Ok(Step::End(reason)) => {
                self.hang_up().await;
                if reason.text.as_deref() != Some("moving") {
                    tracing::debug!(?reason, "session ended");
                }
            }
            Err(error) if iq.from.as_ref() == Some(&self.room.focus) => {
                self.trouble(Leg::Signalling, format!("offer refused by us: {error}"));
            }
            Ok(Step::Nothing) | Err(_) => {}
        }
    }

    async fn accept(&mut self, offer: Offer) {
        self.hang_up().await;
        self.report.bridge = offer
            .transport
            .candidates
            .iter()
            .map(|candidate| candidate.ip.clone())
            .collect();
        self.report.region = offer.bridge_session.as_ref().and_then(|s| s.region.clone());
        let layers = self
            .profile
            .video
            .map_or(0, |video| usize::from(video.layers));
        let local = match LocalSources::new(&self.endpoint_name, self.profile.audio, layers) {
            Ok(local) => local,
            Err(error) => return self.trouble(Leg::Signalling, error.to_string()),
        };
        let (events, receiver) = mpsc::unbounded_channel();
        self.endpoint_events = receiver;
        self.note_repairs();
        let connecting =
            Endpoint::connect(offer.clone(), local.clone(), self.received.clone(), events);
        let (endpoint, transport) = match connecting.await {
            Ok(connected) => connected,
            Err(error) => return self.trouble(Leg::Ice, error.to_string()),
        };
        self.call = Some(Call {
            pacer: Pacer::new(&self.profile, &local),
            endpoint,
            connected: false,
        });
        let accept = self.session.accept(&offer, &local, &transport);
        self.request(&accept, "session-accept");
        self.room.client.send(presence::sending(
            self.room.occupant.clone(),
            &self.profile.name,
            &local,
        ));
        self.reach(|progress, elapsed| {
            if progress.signalling.is_some() {
                progress.moves += 1;
            }
            progress.signalling.get_or_insert(elapsed);
            progress.trouble = None;
        });
    }

    /// Sends a request to the focus; a refusal is trouble.
    fn request(&self, jingle: &Jingle, what: &'static str) {
        let iq = Iq::set(Some(self.room.focus.clone()), jingle.to_element());
        let answer = self.room.client.request(iq, ANSWER_LIMIT);
        let progress = self.progress.clone();
        tokio::spawn(async move {
            if let Err(error) = answer.await {
                let trouble = Trouble::new(Leg::Signalling, format!("{what}: {error}"));
                progress.send_modify(|progress| progress.trouble = Some(trouble));
            }
        });
    }

    async fn take_transport(&mut self, transport: &IceUdpTransport) {
        let Some(call) = &self.call else { return };
        let result = if transport.ice_generation.is_some() && transport.ufrag.is_some() {
            call.endpoint.restart_ice(transport).await.map(Some)
        } else {
            call.endpoint.add_candidates(transport).await.map(|()| None)
        };
        match result {
            Ok(Some(local)) => {
                if let Some(answer) = self.session.restarted(&local, transport.ice_generation) {
                    self.request(&answer, "transport-info");
                }
            }
            Ok(None) => {}
            Err(error) => self.trouble(Leg::Ice, error.to_string()),
        }
    }

    async fn handle_endpoint(&mut self, event: EndpointEvent) {
        match event {
            EndpointEvent::IceConnected => self.reach(|progress, elapsed| {
                progress.ice.get_or_insert(elapsed);
            }),
            EndpointEvent::Connected => {
                if let Some(call) = &mut self.call {
                    call.connected = true;
                }
                self.reach(|progress, elapsed| {
                    progress.ice.get_or_insert(elapsed);
                    progress.dtls.get_or_insert(elapsed);
                });
            }
            EndpointEvent::IceFailed => {
                self.trouble(Leg::Ice, "no path to any of the bridge's addresses");
                if let Some(terminate) = self.session.ice_failed() {
                    self.hang_up().await;
                    self.request(&terminate, "session-terminate");
                }
            }
            EndpointEvent::Failed => {
                let ice = self.progress.borrow().ice.is_some();
                let leg = if ice { Leg::Dtls } else { Leg::Ice };
                self.trouble(leg, "the connection to the bridge failed");
            }
            EndpointEvent::ChannelOpen => self.greet().await,
            EndpointEvent::Message(text) => self.handle_message(&text),
        }
    }

    async fn greet(&mut self) {
        // Answered by `ServerHello`: the round trip shows that the channel carries both ways.
        self.say(&json!({ "colibriClass": "ClientHello" })).await;
        self.say(&json!({
            "colibriClass": "ReceiverVideoConstraints",
            "lastN": -1,
            "defaultConstraints": { "maxHeight": self.profile.receive_height },
            "constraints": {}, "selectedSources": [], "onStageSources": [],
        }))
        .await;
        if self.profile.video.is_some() {
            self.say(&json!({
                "colibriClass": "SourceVideoTypeMessage",
                "sourceName": format!("{}-v0", self.endpoint_name),
                "videoType": "camera",
            }))
            .await;
        }
    }

    async fn say(&self, message: &Value) {
        if let Some(call) = &self.call
            && let Err(error) = call.endpoint.send_message(&message.to_string()).await
        {
            tracing::debug!(%error, "a message was not sent");
        }
    }

    fn handle_message(&mut self, text: &str) {
        let Ok(message) = serde_json::from_str::<Value>(text) else {
            return;
        };
        let class = message["colibriClass"].as_str().unwrap_or("unknown");
        *self.report.messages.entry(class.to_owned()).or_default() += 1;
        match class {
            "ServerHello" => self.reach(|progress, elapsed| {
                progress.data_channel.get_or_insert(elapsed);
            }),
            "EndpointMessage" if self.report.endpoint_messages.len() < KEPT_MESSAGES => {
                let payload = &message["msgPayload"]["text"];
                if let Some(text) = payload.as_str() {
                    self.report.endpoint_messages.push(text.to_owned());
                }
            }
            "SenderSourceConstraints" => {
                let ours = format!("{}-v0", self.endpoint_name);
                let height = message["maxHeight"].as_i64();
                if message["sourceName"].as_str() == Some(&ours)
                    && let Some(height) = height.and_then(|height| i32::try_from(height).ok())
                    && let Some(call) = &mut self.call
                {
                    call.pacer.limit_height(height);
                }
            }
            _ => {}
        }
    }

    async fn send_media(&mut self) {
        let Some(call) = &mut self.call else { return };
        let asked = std::mem::take(&mut self.received.lock().key_frames_asked);
        for ssrc in asked {
            call.pacer.ask_key_frame(ssrc);
        }
        for packet in call.pacer.tick() {
            self.report.sent_packets += 1;
            self.report.sent_bytes += packet.payload.len() as u64;
            if let Err(error) = call.endpoint.send(packet).await {
                tracing::debug!(%error, "a packet was not sent");
                return;
            }
        }
    }

    /// Tells the receiving side which streams repair which.
    fn note_repairs(&mut self) {
        self.known.extend(self.session.remote().all());
        self.received.lock().repairs = self.session.remote().repairs().clone();
    }

    fn watch_media(&self) {
        let (srtp, forwarding) = {
            let progress = self.progress.borrow();
            (progress.srtp.is_some(), progress.forwarding.is_some())
        };
        if srtp && forwarding {
            return;
        }
        let (authentic, media) = {
            let received = self.received.lock();
            let remote = self.session.remote();
            let media = received
                .streams
                .keys()
                .any(|ssrc| remote.get(*ssrc).is_some());
            (received.authentic, media)
        };
        if authentic || media {
            self.reach(|progress, elapsed| {
                progress.srtp.get_or_insert(elapsed);
                if media {
                    progress.forwarding.get_or_insert(elapsed);
                }
            });
        }
    }

    fn snapshot(&self) -> Report {
        let received = self.received.lock();
        let mut sources: Vec<SourceReport> = received
            .streams
            .iter()
            .map(|(ssrc, counter)| {
                let source = self.known.get(ssrc);
                let seconds = counter.duration().as_secs_f64();
                #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
                let bits = (counter.bytes * 8) as f64;
                SourceReport {
                    name: source.map(|s| s.name.clone()).unwrap_or_default(),
                    owner: source.map(|s| s.owner.clone()).unwrap_or_default(),
                    kind: counter.kind.name(),
                    ssrc: *ssrc,
                    packets: counter.packets,
                    lost: counter.lost(),
                    // What came in one burst has no rate.
                    kilobits: if seconds > 0.5 {
                        bits / 1000.0 / seconds
                    } else {
                        0.0
                    },
                    key_frames: counter.key_frames,
                }
            })
            .collect();
        sources.sort_by(|a, b| (&a.name, a.ssrc).cmp(&(&b.name, b.ssrc)));
        Report {
            sources,
            retransmissions: received.retransmissions,
            messages: BTreeMap::clone(&self.report.messages),
            ..self.report.clone()
        }
    }
}

fn statistics_message() -> Value {
    let none = json!({ "download": 0, "upload": 0 });
    json!({
        "colibriClass": "EndpointStats",
        "bitrate": { "download": 0, "upload": 0, "audio": none, "video": none },
        "packetLoss": { "download": 0, "total": 0, "upload": 0 },
        "connectionQuality": 100,
        "jvbRTT": 1,
        "maxEnabledResolution": 720,
        "serverRegion": null,
    })
}
