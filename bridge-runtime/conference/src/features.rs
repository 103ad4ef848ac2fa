//! What a client announces and the focus acts on.

use jitctl_wire::disco::DiscoInfo;
use serde::{Deserialize, Serialize};

macro_rules! features {
    ($($(#[$attribute:meta])* $field:ident = $var:literal;)*) => {
        /// Features of a client (XEP-0030 `var`s).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub struct Features {
            $($(#[$attribute])* pub $field: bool,)*
        }

        impl Features {
            /// Reads them out of a disco#info answer.
            pub fn of(info: &DiscoInfo) -> Self {
                Self { $($field: info.has($var),)* }
            }

            const NONE: Self = Self { $($field: false,)* };
        }
    };
}

features! {
    /// Takes audio.
    audio = "urn:xmpp:jingle:apps:rtp:audio";
    /// Takes video.
    video = "urn:xmpp:jingle:apps:rtp:video";
    /// Opens SCTP data channels.
    sctp = "urn:xmpp:jingle:transports:dtls-sctp:1";
    /// Retransmission (RFC 4588).
    rtx = "urn:ietf:rfc:4588";
    /// Receiver-side estimation.
    remb = "http://jitsi.org/remb";
    /// Transport-wide congestion control.
    transport_cc = "http://jitsi.org/tcc";
    /// Redundant audio (RFC 2198).
    opus_red = "http://jitsi.org/opus-red";
    /// Sources as compact JSON.
    json_sources = "http://jitsi.org/json-encoded-sources";
    /// Rewritten SSRCs with maps on the bridge channel.
    ssrc_rewriting = "http://jitsi.org/ssrc-rewriting-1";
    /// Takes the camera and the screen of one person side by side.
    #[serde(default = "of_a_current_client")]
    multiple_videos = "http://jitsi.org/receive-multiple-video-streams";
    /// Fixed mids for rewritten sources.
    rtp_mid_demux = "http://jitsi.org/rtp-mid-demux";
    /// Takes the start-muted hint from room metadata.
    start_muted_metadata = "http://jitsi.org/start-muted-room-metadata";
    /// A phone gateway that can be muted.
    audio_mute = "http://jitsi.org/protocol/audio-mute";
}

/// What an earlier focus did not write down for its successor, and nearly every client has.
const fn of_a_current_client() -> bool {
    true
}

impl Features {
    /// What is assumed of a client that does not answer.
    pub const ASSUMED: Self = Self {
        audio: true,
        video: true,
        sctp: true,
        ..Self::NONE
    };
}
