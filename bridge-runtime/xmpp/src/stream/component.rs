//! The stream of an external component (XEP-0114): header, handshake, stanzas of any address.
//!
//! There is no TLS in this protocol, so it is for loopback only. Stanzas are handed over and
//! taken in the client namespace and moved to the component's here.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use jitctl_wire::xml::{Limits, StreamEvent, StreamParser};
use jitctl_wire::{Element, Iq, Jid, namespace, ping};
use secrecy::{ExposeSecret as _, SecretString};
use sha1::{Digest as _, Sha1};

use super::errors::stream_error;
use super::management::Resumption;
use super::{Machine, Output};
use crate::failure::{Failure, Stage};
use crate::hexadecimal;

const KEEPALIVE_ID: &str = "keepalive";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Header,
    Handshake,
    Online,
    Over,
}

/// An external component's stream.
#[derive(Debug)]
pub struct ComponentStream {
    name: Jid,
    secret: SecretString,
    keepalive: Duration,
    parser: StreamParser,
    outputs: VecDeque<Output>,
    phase: Phase,
    last_received: Option<Instant>,
    asked: bool,
}

impl ComponentStream {
    /// A component of this name.
    pub fn new(name: Jid, secret: SecretString, keepalive: Duration) -> Self {
        Self {
            name,
            secret,
            keepalive,
            parser: StreamParser::new(Limits::default()),
            outputs: VecDeque::new(),
            phase: Phase::Header,
            last_received: None,
            asked: false,
        }
    }

    fn fail(&mut self, failure: Failure) {
        if self.phase != Phase::Over {
            self.phase = Phase::Over;
            self.outputs.push_back(Output::Failed(failure));
        }
    }

    fn write(&mut self, stanza: Element) {
        let mut moved = stanza.moved(namespace::CLIENT, namespace::COMPONENT);
        if moved.attribute("from").is_none() {
            moved.set("from", self.name.to_string());
        }
        let bytes = moved.to_xml_within(namespace::COMPONENT).into_bytes();
        self.outputs.push_back(Output::Write(bytes));
    }

    fn handle_opened(&mut self, id: Option<String>) {
        let Some(id) = id else {
            return self.fail(Failure::NotXmpp {
                detail: String::from("the stream has no id"),
            });
        };
        let mut hash = Sha1::new();
        hash.update(id.as_bytes());
        hash.update(self.secret.expose_secret().as_bytes());
        let digest = hexadecimal(&hash.finalize());
        self.phase = Phase::Handshake;
        self.outputs.push_back(Output::Stage(Stage::Authenticate));
        let handshake = Element::new("handshake", namespace::COMPONENT).with_text(digest);
        let bytes = handshake.to_xml_within(namespace::COMPONENT).into_bytes();
        self.outputs.push_back(Output::Write(bytes));
    }

    fn handle_element(&mut self, element: Element) {
        if element.is("error", namespace::STREAM) {
            let failure = match (stream_error(&element, self.name.as_str()), self.phase) {
                (Failure::Stream { condition, .. }, Phase::Handshake)
                    if condition == "not-authorized" =>
                {
                    Failure::WrongSecret {
                        name: self.name.to_string(),
                    }
                }
                (failure, _) => failure,
            };
            return self.fail(failure);
        }
        match self.phase {
            Phase::Handshake if element.is("handshake", namespace::COMPONENT) => {
                self.phase = Phase::Online;
                self.outputs.push_back(Output::Stage(Stage::Online));
                self.outputs.push_back(Output::Online {
                    jid: self.name.clone(),
                    resumed: false,
                });
            }
            Phase::Online => {
                let is_keepalive = element.attribute("id") == Some(KEEPALIVE_ID)
                    && matches!(element.attribute("type"), Some("result" | "error"));
                if !is_keepalive {
                    let stanza = element.moved(namespace::COMPONENT, namespace::CLIENT);
                    self.outputs.push_back(Output::Stanza(stanza));
                }
            }
            _ => {
                let detail = format!("<{}> before the handshake", element.name());
                self.fail(Failure::NotXmpp { detail });
            }
        }
    }
}

impl Machine for ComponentStream {
    fn start(&mut self, now: Instant) {
        self.last_received = Some(now);
        self.outputs.push_back(Output::Stage(Stage::Open));
        let header = format!(
            "<?xml version='1.0'?><stream:stream xmlns='{}' xmlns:stream='{}' to='{}'>",
            namespace::COMPONENT,
            namespace::STREAM,
            self.name
        );
        self.outputs.push_back(Output::Write(header.into_bytes()));
    }

    fn tls_established(&mut self, _now: Instant) {}

    fn handle_bytes(&mut self, now: Instant, bytes: &[u8]) {
        self.last_received = Some(now);
        self.asked = false;
        self.parser.push(bytes);
        while self.phase != Phase::Over {
            match self.parser.next_event() {
                Ok(Some(StreamEvent::Opened(header))) => self.handle_opened(header.id),
                Ok(Some(StreamEvent::Stanza(element))) => self.handle_element(element),
                Ok(Some(StreamEvent::Closed)) => self.handle_end(),
                Ok(None) => return,
                Err(error) => {
                    return self.fail(Failure::NotXmpp {
                        detail: error.to_string(),
                    });
                }
            }
        }
    }

    fn handle_end(&mut self) {
        let stage = match self.phase {
            Phase::Header => Stage::Open,
            Phase::Handshake => Stage::Authenticate,
            Phase::Online | Phase::Over => Stage::Online,
        };
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
        // The parent host answers for the server; ours would come back to us.
        let parent = self
            .name
            .domain()
            .split_once('.')
            .map(|(_, parent)| parent.to_owned());
        let to = parent.and_then(|parent| parent.parse().ok());
        let mut iq = Iq::get(to, ping::ping());
        KEEPALIVE_ID.clone_into(&mut iq.id);
        self.write(iq.to_element());
    }

    fn next_timeout(&self) -> Option<Instant> {
        if self.phase != Phase::Online {
            return None;
        }
        let silences = if self.asked { 2 } else { 1 };
        self.last_received
            .map(|last| last + self.keepalive * silences)
    }

    fn send(&mut self, stanza: Element) {
        if self.phase == Phase::Online {
            self.write(stanza);
        }
    }

    fn close(&mut self) {
        if self.phase != Phase::Over {
            self.outputs
                .push_back(Output::Write(b"</stream:stream>".to_vec()));
            self.fail(Failure::Finished);
        }
    }

    fn next_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn into_resumption(self: Box<Self>) -> Option<Resumption> {
        None
    }
}
