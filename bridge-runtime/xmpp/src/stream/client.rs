//! The stream of a client: header, STARTTLS, SASL, bind, stream management (RFC 6120, XEP-0198).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use jitctl_wire::xml::{Limits, StreamEvent, StreamParser};
use jitctl_wire::{Element, Iq, IqKind, Jid, namespace, ping};

use super::errors::{broken_exchange, no_mechanism, sasl_failure, stream_error};
use super::management::{Resumption, element as management};
use super::websocket::{self, Incoming, WebSocket};
use super::{Machine, Output};
use crate::credentials::Credentials;
use crate::failure::{Failure, Stage};
use crate::random_hex;
use crate::sasl::{Exchange, Mechanism};

const BIND_ID: &str = "bind";
const KEEPALIVE_ID: &str = "keepalive";

/// What a client stream needs to know.
#[derive(Debug, Clone)]
pub struct StreamSettings {
    /// XMPP host of the account.
    pub domain: String,
    /// Who logs in.
    pub credentials: Credentials,
    /// Resource to ask for; without one the server picks it.
    pub resource: Option<String>,
    /// Enable acknowledgements and resumption where the server has them.
    pub stream_management: bool,
    /// Acknowledge only what [`Machine::confirm`] was told of.
    pub acknowledge_confirmed_only: bool,
    /// After so long a silence the server is asked for a sign of life; after as long again the
    /// stream counts as lost.
    pub keepalive: Duration,
    /// Path of the WebSocket to speak through, such as `/xmpp-websocket` (RFC 7395); plain TCP
    /// with STARTTLS without one.
    pub websocket: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Waiting for the features of this part of the login.
    Features(Stage),
    Proceed,
    Handshake,
    /// Waiting for the answer to the HTTP request of a WebSocket.
    Upgrade,
    Sasl,
    Resume,
    Bind,
    EnableManagement,
    Online,
    Over,
}

/// A client's stream.
pub struct ClientStream {
    settings: StreamSettings,
    parser: StreamParser,
    websocket: Option<WebSocket>,
    outputs: VecDeque<Output>,
    phase: Phase,
    exchange: Option<Exchange>,
    challenged: bool,
    jid: Option<Jid>,
    features: Option<Element>,
    resumption: Option<Resumption>,
    /// Stream management is on in this stream.
    managed: bool,
    last_received: Option<Instant>,
    asked: bool,
}

impl std::fmt::Debug for ClientStream {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ClientStream")
            .field("settings", &self.settings)
            .field("phase", &self.phase)
            .finish_non_exhaustive()
    }
}

impl ClientStream {
    /// A stream that goes on with an earlier session when it can.
    pub fn new(settings: StreamSettings, resumption: Option<Resumption>) -> Self {
        Self {
            settings,
            parser: StreamParser::default(),
            websocket: None,
            outputs: VecDeque::new(),
            phase: Phase::Features(Stage::Open),
            exchange: None,
            challenged: false,
            jid: None,
            features: None,
            resumption,
            managed: false,
            last_received: None,
            asked: false,
        }
    }

    /// TLS is up: asks for the WebSocket.
    fn upgrade(&mut self, path: &str) {
        let mut nonce = [0; 16];
        if let Err(error) = getrandom::fill(&mut nonce) {
            return self.broken(format!("no randomness: {error}"));
        }
        let socket = WebSocket::new(path, nonce, Limits::default().maximum_stanza_bytes);
        let request = socket.request(&self.settings.domain);
        self.websocket = Some(socket);
        self.phase = Phase::Upgrade;
        self.stage(Stage::Open);
        self.outputs.push_back(Output::Write(request));
    }

    fn handle_messages(&mut self, bytes: &[u8]) {
        if let Some(socket) = self.websocket.as_mut() {
            socket.push(bytes);
        }
        while self.phase != Phase::Over {
            let Some(socket) = self.websocket.as_mut() else {
                return;
            };
            match socket.next() {
                Ok(Some(Incoming::Opened)) => {
                    self.stage(Stage::Authenticate);
                    self.open(Stage::Authenticate);
                }
                Ok(Some(Incoming::Text(text))) => match Element::parse(&text) {
                    Ok(element) if element.is("open", namespace::FRAMING) => {}
                    Ok(element) if element.is("close", namespace::FRAMING) => self.handle_end(),
                    Ok(element) => self.handle_element(element),
                    Err(error) => self.broken(error.to_string()),
                },
                Ok(Some(Incoming::Ping(payload))) => {
                    let pong = websocket::pong(&payload);
                    self.outputs.push_back(Output::Write(pong));
                }
                Ok(Some(Incoming::Closed)) => self.handle_end(),
                Ok(None) => return,
                Err(detail) => self.broken(detail),
            }
        }
    }

    fn open(&mut self, stage: Stage) {
        if self.websocket.is_some() {
            self.phase = Phase::Features(stage);
            let open = Element::new("open", namespace::FRAMING)
                .with("to", self.settings.domain.clone())
                .with("version", "1.0")
                .with("xml:lang", "en");
            return self.write(&open);
        }
        // Before login a server has no reason to send much.
        let limits = match stage {
            Stage::Bind => Limits::default(),
            _ => Limits {
                maximum_stanza_bytes: 64 * 1024,
                ..Limits::default()
            },
        };
        self.parser = StreamParser::new(limits);
        self.phase = Phase::Features(stage);
        let to = jitctl_wire::xml::escape_text(&self.settings.domain).replace('\'', "&apos;");
        let header = format!(
            "<?xml version='1.0'?><stream:stream xmlns='{}' xmlns:stream='{}' to='{to}' \
             version='1.0' xml:lang='en'>",
            namespace::CLIENT,
            namespace::STREAM
        );
        self.outputs.push_back(Output::Write(header.into_bytes()));
    }

    fn write(&mut self, element: &Element) {
        let bytes = if self.websocket.is_some() {
            // Each message is a document of its own (RFC 7395 3.3.3).
            websocket::text(&element.to_xml())
        } else {
            element.to_xml_within(namespace::CLIENT).into_bytes()
        };
        self.outputs.push_back(Output::Write(bytes));
    }

    fn stage(&mut self, stage: Stage) {
        self.outputs.push_back(Output::Stage(stage));
    }

    fn fail(&mut self, failure: Failure) {
        if self.phase == Phase::Over {
            return;
        }
        if !failure.allows_resumption() {
            self.resumption = None;
        }
        self.phase = Phase::Over;
        self.outputs.push_back(Output::Failed(failure));
    }

    fn broken(&mut self, detail: impl Into<String>) {
        self.fail(Failure::NotXmpp {
            detail: detail.into(),
        });
    }

    fn handle_element(&mut self, element: Element) {
        if element.is("error", namespace::STREAM) {
            let failure = stream_error(&element, &self.settings.domain);
            return self.fail(failure);
        }
        match (self.phase, element.namespace()) {
            (Phase::Features(stage), namespace::STREAM) if element.name() == "features" => {
                self.handle_features(stage, element);
            }
            (Phase::Proceed, namespace::TLS) => self.handle_proceed(&element),
            (Phase::Sasl, namespace::SASL) => self.handle_sasl(&element),
            (
                Phase::Resume | Phase::EnableManagement | Phase::Online,
                namespace::STREAM_MANAGEMENT,
            ) => {
                self.handle_management(&element);
            }
            (Phase::Bind, namespace::CLIENT) => self.handle_bound(&element),
            (Phase::Online, namespace::CLIENT) => self.handle_stanza(element),
            // A server may push stanzas between binding and the answer to <enable/>.
            (Phase::EnableManagement, namespace::CLIENT) => {
                self.outputs.push_back(Output::Stanza(element));
            }
            (phase, _) => self.broken(format!("<{}> during {phase:?}", element.name())),
        }
    }

    fn handle_features(&mut self, stage: Stage, features: Element) {
        match stage {
            Stage::Open => {
                if features.child("starttls", namespace::TLS).is_none() {
                    let domain = self.settings.domain.clone();
                    return self.fail(Failure::TlsNotOffered { domain });
                }
                self.phase = Phase::Proceed;
                self.write(&Element::new("starttls", namespace::TLS));
            }
            Stage::Authenticate => self.begin_sasl(&features),
            _ => self.begin_session(features),
        }
    }

    fn handle_proceed(&mut self, element: &Element) {
        if element.name() != "proceed" {
            let domain = self.settings.domain.clone();
            return self.fail(Failure::TlsNotOffered { domain });
        }
        self.phase = Phase::Handshake;
        self.stage(Stage::Tls);
        self.outputs.push_back(Output::StartTls);
    }

    fn begin_sasl(&mut self, features: &Element) {
        let offered: Vec<String> = features
            .child("mechanisms", namespace::SASL)
            .into_iter()
            .flat_map(|list| list.children_named("mechanism", namespace::SASL))
            .map(|mechanism| mechanism.text().trim().to_owned())
            .collect();
        self.outputs.push_back(Output::Mechanisms(offered.clone()));
        let Some(mechanism) = Mechanism::choose(&offered, &self.settings.credentials) else {
            let failure = no_mechanism(&offered, &self.settings.domain, &self.settings.credentials);
            return self.fail(failure);
        };
        let nonce = match random_hex(36) {
            Ok(nonce) => nonce,
            Err(error) => return self.broken(format!("no randomness: {error}")),
        };
        let exchange = Exchange::new(mechanism, self.settings.credentials.clone(), nonce);
        let auth = Element::new("auth", namespace::SASL)
            .with("mechanism", mechanism.name())
            .with_text(exchange.initial_response());
        self.exchange = Some(exchange);
        self.challenged = false;
        self.phase = Phase::Sasl;
        self.write(&auth);
    }

    fn handle_sasl(&mut self, element: &Element) {
        let Some(exchange) = self.exchange.as_mut() else {
            return;
        };
        match element.name() {
            "challenge" => {
                self.challenged = true;
                match exchange.respond(&element.text()) {
                    Ok(response) => {
                        let response =
                            Element::new("response", namespace::SASL).with_text(response);
                        self.write(&response);
                    }
                    Err(error) => self.fail(broken_exchange(error)),
                }
            }
            "success" => match exchange.finish(&element.text()) {
                Ok(()) => {
                    self.exchange = None;
                    self.stage(Stage::Bind);
                    self.open(Stage::Bind);
                }
                Err(error) => self.fail(broken_exchange(error)),
            },
            "failure" => {
                let failure = sasl_failure(
                    element,
                    &self.settings.domain,
                    &self.settings.credentials,
                    exchange.mechanism(),
                    self.challenged,
                );
                self.fail(failure);
            }
            other => self.broken(format!("<{other}> during authentication")),
        }
    }

    fn begin_session(&mut self, features: Element) {
        let managed = features.child("sm", namespace::STREAM_MANAGEMENT).is_some();
        self.features = Some(features);
        match &self.resumption {
            Some(resumption) if managed => {
                let request = resumption.resume_request();
                self.phase = Phase::Resume;
                self.write(&request);
            }
            _ => self.begin_bind(),
        }
    }

    fn begin_bind(&mut self) {
        self.resumption = None;
        let mut bind = Element::new("bind", namespace::BIND);
        if let Some(resource) = &self.settings.resource {
            bind.push(Element::new("resource", namespace::BIND).with_text(resource.clone()));
        }
        let mut iq = Iq::set(None, bind);
        BIND_ID.clone_into(&mut iq.id);
        self.phase = Phase::Bind;
        self.write(&iq.to_element());
    }

    fn handle_bound(&mut self, element: &Element) {
        let Ok(iq) = Iq::parse(element) else { return };
        if iq.id != BIND_ID {
            return;
        }
        let bound = iq
            .payload
            .as_ref()
            .and_then(|bind| bind.child("jid", namespace::BIND));
        let jid = bound.and_then(|jid| jid.text().trim().parse::<Jid>().ok());
        let (IqKind::Result, Some(jid)) = (iq.kind, jid) else {
            let detail = iq
                .error
                .map_or_else(|| String::from("no address"), |e| e.to_string());
            return self.fail(Failure::Bind { detail });
        };
        self.jid = Some(jid.clone());
        let offered = self
            .features
            .as_ref()
            .is_some_and(|features| features.child("sm", namespace::STREAM_MANAGEMENT).is_some());
        if self.settings.stream_management && offered {
            self.phase = Phase::EnableManagement;
            self.write(&management("enable").with("resume", "true"));
        } else {
            self.go_online(jid, false);
        }
    }

    fn handle_management(&mut self, element: &Element) {
        let handled = element.attribute("h").and_then(|h| h.parse::<u32>().ok());
        match (self.phase, element.name()) {
            (Phase::EnableManagement, "enabled") => {
                let Some(jid) = self.jid.clone() else { return };
                let resumable = matches!(element.attribute("resume"), Some("true" | "1"));
                let id = element
                    .attribute("id")
                    .filter(|_| resumable)
                    .unwrap_or_default();
                self.resumption = Some(Resumption::new(id.to_owned(), jid.clone()));
                self.managed = true;
                self.go_online(jid, false);
            }
            (Phase::EnableManagement, "failed") => {
                let Some(jid) = self.jid.clone() else { return };
                self.go_online(jid, false);
            }
            (Phase::Resume, "resumed") => self.handle_resumed(handled),
            (Phase::Resume, "failed") => self.begin_bind(),
            (Phase::Online, "r") => {
                if let Some(resumption) = &self.resumption {
                    let answer = resumption.answer();
                    self.write(&answer);
                }
            }
            (Phase::Online, "a") => {
                let Some(resumption) = self.resumption.as_mut() else {
                    return;
                };
                if !handled.is_some_and(|handled| resumption.acknowledge(handled)) {
                    self.broken("the server acknowledges stanzas that were not sent");
                }
            }
            (_, other) => self.broken(format!("<{other}> of stream management")),
        }
    }

    fn handle_resumed(&mut self, handled: Option<u32>) {
        let Some(resumption) = self.resumption.as_mut() else {
            return;
        };
        if !handled.is_some_and(|handled| resumption.resume(handled)) {
            return self.broken("the server acknowledges stanzas that were not sent");
        }
        let jid = resumption.jid().clone();
        let again: Vec<Element> = resumption.unacknowledged().cloned().collect();
        self.managed = true;
        self.go_online(jid, true);
        for stanza in &again {
            self.write(stanza);
        }
        if !again.is_empty() {
            self.write(&management("r"));
        }
    }

    fn go_online(&mut self, jid: Jid, resumed: bool) {
        if let Some(resumption) = self.resumption.as_mut()
            && self.settings.acknowledge_confirmed_only
        {
            resumption.acknowledge_confirmed_only();
        }
        self.phase = Phase::Online;
        self.features = None;
        self.jid = Some(jid.clone());
        self.stage(Stage::Online);
        self.outputs.push_back(Output::Online { jid, resumed });
    }

    fn handle_stanza(&mut self, element: Element) {
        if let Some(resumption) = self.resumption.as_mut() {
            resumption.count_received();
        }
        let is_keepalive = element.name() == "iq"
            && element.attribute("id") == Some(KEEPALIVE_ID)
            && matches!(element.attribute("type"), Some("result" | "error"));
        if !is_keepalive {
            self.outputs.push_back(Output::Stanza(element));
        }
    }

    fn current_stage(&self) -> Stage {
        match self.phase {
            Phase::Features(stage) => stage,
            Phase::Proceed | Phase::Upgrade => Stage::Open,
            Phase::Handshake => Stage::Tls,
            Phase::Sasl => Stage::Authenticate,
            Phase::Resume | Phase::Bind | Phase::EnableManagement => Stage::Bind,
            Phase::Online | Phase::Over => Stage::Online,
        }
    }
}

impl Machine for ClientStream {
    fn start(&mut self, now: Instant) {
        self.last_received = Some(now);
        if self.settings.websocket.is_some() {
            self.phase = Phase::Handshake;
            self.stage(Stage::Tls);
            return self.outputs.push_back(Output::StartTls);
        }
        self.stage(Stage::Open);
        self.open(Stage::Open);
    }

    fn tls_established(&mut self, now: Instant) {
        self.last_received = Some(now);
        if self.phase != Phase::Handshake {
            return;
        }
        if let Some(path) = self.settings.websocket.clone() {
            self.upgrade(&path);
        } else {
            self.stage(Stage::Authenticate);
            self.open(Stage::Authenticate);
        }
    }

    fn handle_bytes(&mut self, now: Instant, bytes: &[u8]) {
        self.last_received = Some(now);
        self.asked = false;
        if self.websocket.is_some() {
            return self.handle_messages(bytes);
        }
        self.parser.push(bytes);
        // TLS and authentication replace the parser: what follows belongs to the new stream.
        while !matches!(self.phase, Phase::Over | Phase::Handshake) {
            match self.parser.next_event() {
                Ok(Some(StreamEvent::Opened(_))) => {}
                Ok(Some(StreamEvent::Stanza(element))) => self.handle_element(element),
                Ok(Some(StreamEvent::Closed)) => self.handle_end(),
                Ok(None) => return,
                Err(error) => return self.broken(error.to_string()),
            }
        }
    }

    fn handle_end(&mut self) {
        let stage = self.current_stage();
        self.fail(Failure::Closed { stage });
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.phase != Phase::Online || self.next_timeout().is_none_or(|due| now < due) {
            return;
        }
        if self.asked {
            return self.fail(Failure::Silent);
        }
        self.asked = true;
        if self.managed {
            self.write(&management("r"));
        } else {
            let domain = self.settings.domain.parse().ok();
            let mut iq = Iq::get(domain, ping::ping());
            KEEPALIVE_ID.clone_into(&mut iq.id);
            self.write(&iq.to_element());
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        if self.phase != Phase::Online {
            return None;
        }
        let silences = if self.asked { 2 } else { 1 };
        self.last_received
            .map(|last| last + self.settings.keepalive * silences)
    }

    fn send(&mut self, stanza: Element) {
        if self.phase != Phase::Online {
            return;
        }
        self.write(&stanza);
        let Some(resumption) = self.resumption.as_mut().filter(|_| self.managed) else {
            return;
        };
        if resumption.is_full() {
            return self.fail(Failure::Silent);
        }
        if resumption.sent(stanza) {
            self.write(&management("r"));
        }
    }

    fn close(&mut self) {
        if self.phase == Phase::Over {
            return;
        }
        if self.websocket.is_some() {
            self.write(&Element::new("close", namespace::FRAMING));
            self.outputs.push_back(Output::Write(websocket::close()));
        } else {
            self.outputs
                .push_back(Output::Write(b"</stream:stream>".to_vec()));
        }
        self.fail(Failure::Finished);
    }

    fn next_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn session(&self) -> Option<&Resumption> {
        self.resumption.as_ref().filter(|one| one.can_resume())
    }

    fn confirm(&mut self, id: &str, received: u32) {
        if let Some(resumption) = self.resumption.as_mut() {
            resumption.confirm(id, received);
        }
    }

    fn into_resumption(self: Box<Self>) -> Option<Resumption> {
        // An empty id stands for acknowledgements without resumption.
        self.resumption.filter(Resumption::can_resume)
    }
}
