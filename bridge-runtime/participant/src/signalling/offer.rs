//! What the focus offers: the parts of a `session-initiate` that an endpoint needs (XEP-0166).
//!
//! The transport is the same in every content, so the first is taken. Only Opus and VP8 are read:
//! nothing else is ever sent from here.

use jitctl_wire::ice::IceUdpTransport;
use jitctl_wire::jingle::{Application, BridgeSession, Jingle};
use jitctl_wire::rtp::{HeaderExtension, MediaDescription, MediaKind, PayloadType};

/// URI of the audio level extension (RFC 6464).
pub(crate) const AUDIO_LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
/// URI of transport-wide sequence numbers.
pub(crate) const TRANSPORT_CC: &str =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

/// What is wrong with an offer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// No content has it.
    #[error("the offer has no {0}")]
    Missing(&'static str),
    /// Clients refuse an offer without it.
    #[error("the offer does not bundle its contents")]
    NotBundled,
}

/// One kind of media in the offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaFormat {
    /// The codec used here: Opus or VP8.
    pub codec: PayloadType,
    /// Retransmissions of that codec (RFC 4588).
    pub retransmission: Option<PayloadType>,
    /// Header extensions offered.
    pub extensions: Vec<HeaderExtension>,
}

impl MediaFormat {
    fn of(media: &MediaDescription) -> Option<Self> {
        let wanted = match media.kind {
            MediaKind::Audio => "opus",
            MediaKind::Video => "VP8",
        };
        let codec = media
            .payload_types
            .iter()
            .find(|payload| payload.name.eq_ignore_ascii_case(wanted))?
            .clone();
        let apt = codec.id.to_string();
        let retransmission = media
            .payload_types
            .iter()
            .find(|payload| {
                payload.name.eq_ignore_ascii_case("rtx")
                    && payload.parameter("apt") == Some(apt.as_str())
            })
            .cloned();
        let extensions = media
            .header_extensions
            .iter()
            .filter(|extension| [AUDIO_LEVEL, TRANSPORT_CC].contains(&extension.uri.as_str()))
            .cloned()
            .collect();
        Some(Self {
            codec,
            retransmission,
            extensions,
        })
    }

    /// The number of an extension on the wire.
    pub fn extension(&self, uri: &str) -> Option<u8> {
        self.extensions
            .iter()
            .find(|extension| extension.uri == uri)
            .map(|extension| extension.id)
    }
}

/// A `session-initiate`, as an endpoint sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Session identifier.
    pub sid: String,
    /// Credentials, fingerprint and candidates of the bridge.
    pub transport: IceUdpTransport,
    /// Opus.
    pub audio: MediaFormat,
    /// VP8.
    pub video: MediaFormat,
    /// SCTP port of the bridge channel, when there is one over SCTP.
    pub sctp_port: Option<u16>,
    /// Which allocation this is.
    pub bridge_session: Option<BridgeSession>,
}

impl Offer {
    /// Reads a `session-initiate`.
    ///
    /// # Errors
    /// Something is missing that a browser needs too.
    pub fn of(jingle: &Jingle) -> Result<Self, OfferError> {
        if jingle.bundle.as_ref().is_none_or(Vec::is_empty) {
            return Err(OfferError::NotBundled);
        }
        let transport = jingle
            .contents
            .iter()
            .find_map(|content| content.transport.clone())
            .ok_or(OfferError::Missing("transport"))?;
        if transport.ufrag.is_none() || transport.pwd.is_none() {
            return Err(OfferError::Missing("ICE credentials"));
        }
        if transport.fingerprints.is_empty() {
            return Err(OfferError::Missing("DTLS fingerprint"));
        }
        let media = |kind: MediaKind| {
            jingle.contents.iter().find_map(|content| {
                let description = content.description.as_ref()?;
                match &description.application {
                    Application::Rtp(media) if media.kind == kind && description.rtcp_mux => {
                        MediaFormat::of(media)
                    }
                    _ => None,
                }
            })
        };
        Ok(Self {
            sid: jingle.sid.clone(),
            transport,
            audio: media(MediaKind::Audio).ok_or(OfferError::Missing("Opus with rtcp-mux"))?,
            video: media(MediaKind::Video).ok_or(OfferError::Missing("VP8 with rtcp-mux"))?,
            sctp_port: jingle
                .contents
                .iter()
                .find_map(|content| content.sctp.as_ref().map(|sctp| sctp.number)),
            bridge_session: jingle.bridge_session.clone(),
        })
    }
}
