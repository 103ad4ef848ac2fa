//! The client's side of the Jingle session with the focus, without I/O (XEP-0166).
//!
//! Requests in; what the endpoint has to do, or the refusal to answer with, out. At most one
//! session at a time: a new offer takes the place of the old one, as when the focus moves somebody
//! to another bridge. Sessions of others (direct calls) are refused.

use jitctl_wire::ice::{Fingerprint, IceUdpTransport, Setup};
use jitctl_wire::jingle::{
    Action, Application, BridgeSession, Content, Creator, Description, Jingle, Reason,
};
use jitctl_wire::rtp::{MediaDescription, MediaKind};
use jitctl_wire::{Condition, Jid, StanzaError};

use super::offer::{MediaFormat, Offer};
use super::sources::{LocalSources, RemoteSources};

/// What the endpoint has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Connect anew, then accept.
    Connect(Box<Offer>),
    /// Others' sources changed.
    Sources,
    /// New candidates, or with a generation new credentials to restart ICE with.
    Transport(IceUdpTransport),
    /// The session is over.
    End(Reason),
    /// Nothing.
    Nothing,
}

/// Credentials and certificate of our endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalTransport {
    /// User name fragment.
    pub ufrag: String,
    /// Password.
    pub pwd: String,
    /// Hash function of the fingerprint.
    pub hash: String,
    /// Colon-separated hexadecimal bytes.
    pub fingerprint: String,
}

impl LocalTransport {
    fn to_wire(&self, generation: Option<u32>) -> IceUdpTransport {
        IceUdpTransport {
            ufrag: Some(self.ufrag.clone()),
            pwd: Some(self.pwd.clone()),
            ice_generation: generation,
            fingerprints: vec![Fingerprint {
                hash: self.hash.clone(),
                value: self.fingerprint.clone(),
                setup: Some(Setup::Active),
                cryptex: false,
            }],
            ..IceUdpTransport::default()
        }
    }
}

/// The session.
#[derive(Debug)]
pub struct Session {
    focus: Jid,
    us: Jid,
    sid: Option<String>,
    allocation: Option<BridgeSession>,
    remote: RemoteSources,
}

impl Session {
    /// A session that may come: `focus` is the occupant that offers, `us` our full real address.
    pub fn new(focus: Jid, us: Jid) -> Self {
        Self {
            focus,
            us,
            sid: None,
            allocation: None,
            remote: RemoteSources::default(),
        }
    }

    /// What is known of others' sources.
    pub fn remote(&self) -> &RemoteSources {
        &self.remote
    }

    /// Whether a session is up.
    pub fn is_open(&self) -> bool {
        self.sid.is_some()
    }

    /// Forgets the sources of somebody who left.
    pub fn forget_owner(&mut self, owner: &str) {
        self.remote.forget_owner(owner);
    }

    /// Takes a request of the focus.
    ///
    /// # Errors
    /// What to answer instead of a result.
    pub fn handle(&mut self, from: &Jid, jingle: &Jingle) -> Result<Step, StanzaError> {
        if *from != self.focus {
            return Err(StanzaError::new(Condition::ServiceUnavailable)
                .with_text("direct calls are not supported"));
        }
        if jingle.action == Action::SessionInitiate {
            let offer = Offer::of(jingle).map_err(|error| {
                StanzaError::new(Condition::BadRequest).with_text(error.to_string())
            })?;
            self.sid = Some(offer.sid.clone());
            self.allocation.clone_from(&offer.bridge_session);
            self.remote = RemoteSources::default();
            self.remote.add(jingle);
            return Ok(Step::Connect(Box::new(offer)));
        }
        if self.sid.as_deref() != Some(jingle.sid.as_str()) {
            return Err(StanzaError::new(Condition::ItemNotFound));
        }
        match jingle.action {
            Action::SourceAdd => {
                self.remote.add(jingle);
                Ok(Step::Sources)
            }
            Action::SourceRemove => {
                self.remote.remove(jingle);
                Ok(Step::Sources)
            }
            Action::TransportInfo => {
                let transport = jingle
                    .contents
                    .iter()
                    .find_map(|content| content.transport.clone());
                Ok(transport.map_or(Step::Nothing, Step::Transport))
            }
            Action::SessionTerminate => {
                self.sid = None;
                self.allocation = None;
                self.remote = RemoteSources::default();
                let unknown = || Reason::new("general-error", "no reason given");
                Ok(Step::End(jingle.reason.clone().unwrap_or_else(unknown)))
            }
            Action::SessionInfo => Ok(Step::Nothing),
            _ => Err(StanzaError::new(Condition::FeatureNotImplemented)),
        }
    }

    /// The answer to an offer, as the browser client makes it.
    pub fn accept(
        &self,
        offer: &Offer,
        local: &LocalSources,
        transport: &LocalTransport,
    ) -> Jingle {
        let mut jingle = Jingle::new(Action::SessionAccept, offer.sid.clone());
        jingle.initiator = Some(self.focus.to_string());
        jingle.responder = Some(self.us.to_string());
        let mut names = vec![String::from("audio"), String::from("video")];
        let mut audio = content("audio", MediaKind::Audio, &offer.audio);
        if let Some(description) = &mut audio.description {
            description.sources = local.audio_sources();
        }
        let mut video = content("video", MediaKind::Video, &offer.video);
        if let Some(description) = &mut video.description {
            description.sources = local.video_sources();
            description.groups = local.video_groups();
        }
        for mut content in [audio, video] {
            content.transport = Some(transport.to_wire(None));
            jingle.contents.push(content);
        }
        if offer.sctp_port.is_some() {
            let mut data = Content::new("data", Creator::Responder);
            data.description = Some(Description::new(Application::Data));
            data.transport = Some(transport.to_wire(None));
            jingle.contents.push(data);
            names.push(String::from("data"));
        }
        jingle.bundle = Some(names);
        jingle
    }

    /// The answer to new credentials: ours, of the same generation.
    pub fn restarted(&self, transport: &LocalTransport, generation: Option<u32>) -> Option<Jingle> {
        let mut jingle = Jingle::new(Action::TransportInfo, self.sid.clone()?);
        jingle.initiator = Some(self.focus.to_string());
        let mut content = Content::new("audio", Creator::Responder);
        content.transport = Some(transport.to_wire(generation));
        jingle.contents.push(content);
        Some(jingle)
    }

    /// Tells the focus that ICE failed and asks for a new session.
    pub fn ice_failed(&mut self) -> Option<Jingle> {
        let mut jingle = Jingle::new(Action::SessionTerminate, self.sid.take()?);
        jingle.reason = Some(Reason::new("connectivity-error", "ICE FAILED"));
        jingle.bridge_session = self.allocation.take().map(|session| BridgeSession {
            restart: true,
            region: None,
            ..session
        });
        Some(jingle)
    }
}

fn content(name: &str, kind: MediaKind, format: &MediaFormat) -> Content {
    let mut content = Content::new(name, Creator::Responder);
    let mut media = MediaDescription::new(kind);
    media.payload_types.push(format.codec.clone());
    media.payload_types.extend(format.retransmission.clone());
    media.header_extensions.clone_from(&format.extensions);
    media.extmap_allow_mixed = true;
    let mut description = Description::new(Application::Rtp(media));
    description.rtcp_mux = true;
    content.description = Some(description);
    content
}
