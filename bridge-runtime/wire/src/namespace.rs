//! XML namespaces of the protocols spoken here.
//!
//! [`intern`] turns a parsed namespace into a borrowed constant when it is one of these, so that
//! a tree of known elements holds no copy of them.

use std::borrow::Cow;

macro_rules! namespaces {
    ($($(#[$doc:meta])* $name:ident = $value:literal;)*) => {
        $($(#[$doc])* pub const $name: &str = $value;)*

        /// Borrows the constant equal to `value`, or keeps a copy of it.
        pub(crate) fn intern(value: &str) -> Cow<'static, str> {
            match value {
                $($value => Cow::Borrowed($name),)*
                other => Cow::Owned(other.to_owned()),
            }
        }
    };
}

namespaces! {
    /// No namespace.
    NONE = "";
    /// The reserved `xml` prefix.
    XML = "http://www.w3.org/XML/1998/namespace";
    /// Client stanzas (RFC 6120).
    CLIENT = "jabber:client";
    /// Stanzas of an external component (XEP-0114).
    COMPONENT = "jabber:component:accept";
    /// Stream element, features and errors (RFC 6120).
    STREAM = "http://etherx.jabber.org/streams";
    /// Stream error conditions (RFC 6120 4.9).
    STREAM_ERRORS = "urn:ietf:params:xml:ns:xmpp-streams";
    /// Stanza error conditions (RFC 6120 8.3).
    STANZA_ERRORS = "urn:ietf:params:xml:ns:xmpp-stanzas";
    /// Streams through a WebSocket (RFC 7395).
    FRAMING = "urn:ietf:params:xml:ns:xmpp-framing";
    /// STARTTLS (RFC 6120 5).
    TLS = "urn:ietf:params:xml:ns:xmpp-tls";
    /// SASL (RFC 6120 6).
    SASL = "urn:ietf:params:xml:ns:xmpp-sasl";
    /// Resource binding (RFC 6120 7).
    BIND = "urn:ietf:params:xml:ns:xmpp-bind";
    /// Stream management (XEP-0198).
    STREAM_MANAGEMENT = "urn:xmpp:sm:3";
    /// Ping (XEP-0199).
    PING = "urn:xmpp:ping";
    /// Software version (XEP-0092).
    VERSION = "jabber:iq:version";
    /// Service discovery, information (XEP-0030).
    DISCO_INFO = "http://jabber.org/protocol/disco#info";
    /// Service discovery, items (XEP-0030).
    DISCO_ITEMS = "http://jabber.org/protocol/disco#items";
    /// Entity capabilities (XEP-0115).
    CAPS = "http://jabber.org/protocol/caps";
    /// Data forms (XEP-0004).
    DATA_FORMS = "jabber:x:data";
    /// Multi-user chat, joining (XEP-0045).
    MUC = "http://jabber.org/protocol/muc";
    /// Multi-user chat, occupants (XEP-0045).
    MUC_USER = "http://jabber.org/protocol/muc#user";
    /// Multi-user chat, owners (XEP-0045).
    MUC_OWNER = "http://jabber.org/protocol/muc#owner";
    /// Multi-user chat, admins (XEP-0045).
    MUC_ADMIN = "http://jabber.org/protocol/muc#admin";
    /// Form type of a room's configuration (XEP-0045 10.1.3).
    MUC_ROOM_CONFIG = "http://jabber.org/protocol/muc#roomconfig";
    /// Occupant identifiers (XEP-0421).
    OCCUPANT_ID = "urn:xmpp:occupant-id:0";
    /// Statistics in the presence of a bridge; also the WebSocket address in a transport.
    COLIBRI = "http://jitsi.org/protocol/colibri";
    /// colibri2 requests and answers.
    COLIBRI2 = "jitsi:colibri2";
    /// Health check IQ.
    HEALTH_CHECK = "http://jitsi.org/protocol/healthcheck";
    /// Distributed tracing context, ignored by us.
    OPEN_TELEMETRY = "jitsi:opentelemetry";
    /// Everything else of Jitsi.
    JITSI_MEET = "http://jitsi.org/jitmeet";
    /// The focus: conference requests.
    FOCUS = "http://jitsi.org/protocol/focus";
    /// Jingle (XEP-0166).
    JINGLE = "urn:xmpp:jingle:1";
    /// Jingle RTP sessions (XEP-0167).
    JINGLE_RTP = "urn:xmpp:jingle:apps:rtp:1";
    /// RTCP feedback (XEP-0293).
    RTCP_FEEDBACK = "urn:xmpp:jingle:apps:rtp:rtcp-fb:0";
    /// RTP header extensions (XEP-0294).
    RTP_HEADER_EXTENSION = "urn:xmpp:jingle:apps:rtp:rtp-hdrext:0";
    /// Source-specific media attributes (XEP-0339).
    SOURCES = "urn:xmpp:jingle:apps:rtp:ssma:0";
    /// ICE-UDP transport (XEP-0176).
    ICE_UDP = "urn:xmpp:jingle:transports:ice-udp:1";
    /// DTLS-SRTP fingerprints (XEP-0320).
    DTLS = "urn:xmpp:jingle:apps:dtls:0";
    /// Grouping of contents (XEP-0338).
    GROUPING = "urn:xmpp:jingle:apps:grouping:0";
    /// SCTP over DTLS in a Jingle transport (XEP-0343).
    DTLS_SCTP = "urn:xmpp:jingle:transports:dtls-sctp:1";
    /// Jingle's own error conditions (XEP-0166 10).
    JINGLE_ERRORS = "urn:xmpp:jingle:errors:1";
    /// Tracks to start muted.
    START_MUTED = "http://jitsi.org/jitmeet/start-muted";
    /// Moderators mute microphones.
    MUTE_AUDIO = "http://jitsi.org/jitmeet/audio";
    /// Moderators mute cameras.
    MUTE_VIDEO = "http://jitsi.org/jitmeet/video";
    /// Moderators mute screens.
    MUTE_DESKTOP = "http://jitsi.org/jitmeet/desktop";
}
