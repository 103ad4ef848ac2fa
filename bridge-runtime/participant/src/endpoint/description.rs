//! SDP between the focus' offer and the `webrtc` crate, which speaks nothing else.
//!
//! Our own sources get a media section each: one for the microphone and one for every layer of
//! the camera, so that SSRCs are ours to choose and no RIDs are needed. Sources of others get
//! none: what comes is told apart by SSRC, so that nobody's coming or going needs a new
//! negotiation.

use std::fmt::Write as _;

use jitctl_wire::ice::{Candidate, IceUdpTransport, Setup};
use jitctl_wire::rtp::MediaKind;

use crate::signalling::{LocalSources, LocalTransport, MediaFormat, Offer};

/// Number of video sections at least: one also receives.
const MINIMUM_VIDEO_SECTIONS: usize = 1;

/// The offer as SDP.
pub(super) fn offer(offer: &Offer, transport: &IceUdpTransport, local: &LocalSources) -> String {
    let video = local.layers.len().max(MINIMUM_VIDEO_SECTIONS);
    let sections = 1 + video + usize::from(offer.sctp_port.is_some());
    let mids: Vec<String> = (0..sections).map(|mid| mid.to_string()).collect();
    let mut sdp = format!(
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {}\r\n\
         a=extmap-allow-mixed\r\n",
        mids.join(" ")
    );
    for mid in 0..=video {
        let (kind, format) = if mid == 0 {
            (MediaKind::Audio, &offer.audio)
        } else {
            (MediaKind::Video, &offer.video)
        };
        media_section(&mut sdp, mid, kind, format, transport);
    }
    if let Some(port) = offer.sctp_port {
        line(&mut sdp, "m=application 9 UDP/DTLS/SCTP webrtc-datachannel");
        common(&mut sdp, sections - 1, transport);
        line(&mut sdp, &format!("a=sctp-port:{port}"));
        line(&mut sdp, "a=max-message-size:262144");
    }
    sdp
}

fn media_section(
    sdp: &mut String,
    mid: usize,
    kind: MediaKind,
    format: &MediaFormat,
    transport: &IceUdpTransport,
) {
    let payloads: Vec<_> = std::iter::once(&format.codec)
        .chain(&format.retransmission)
        .collect();
    let numbers: Vec<String> = payloads.iter().map(|p| p.id.to_string()).collect();
    line(
        sdp,
        &format!(
            "m={} 9 UDP/TLS/RTP/SAVPF {}",
            kind.name(),
            numbers.join(" ")
        ),
    );
    common(sdp, mid, transport);
    line(sdp, "a=rtcp-mux");
    line(sdp, "a=sendrecv");
    for payload in payloads {
        let channels = match payload.channels {
            Some(channels) if kind == MediaKind::Audio => format!("/{channels}"),
            _ => String::new(),
        };
        line(
            sdp,
            &format!(
                "a=rtpmap:{} {}/{}{channels}",
                payload.id,
                payload.name,
                payload.clock_rate.unwrap_or(90_000)
            ),
        );
        let parameters: Vec<String> = payload
            .parameters
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if !parameters.is_empty() {
            line(
                sdp,
                &format!("a=fmtp:{} {}", payload.id, parameters.join(";")),
            );
        }
        for feedback in &payload.feedback {
            let subtype = feedback.subtype.as_deref().unwrap_or_default();
            let text = format!("a=rtcp-fb:{} {} {subtype}", payload.id, feedback.kind);
            line(sdp, text.trim_end());
        }
    }
    for extension in &format.extensions {
        line(sdp, &format!("a=extmap:{} {}", extension.id, extension.uri));
    }
}

fn common(sdp: &mut String, mid: usize, transport: &IceUdpTransport) {
    line(sdp, "c=IN IP4 0.0.0.0");
    line(sdp, &format!("a=mid:{mid}"));
    for (name, value) in [("ice-ufrag", &transport.ufrag), ("ice-pwd", &transport.pwd)] {
        if let Some(value) = value {
            line(sdp, &format!("a={name}:{value}"));
        }
    }
    if let Some(fingerprint) = transport.fingerprints.first() {
        line(
            sdp,
            &format!("a=fingerprint:{} {}", fingerprint.hash, fingerprint.value),
        );
        let setup = fingerprint.setup.unwrap_or(Setup::Actpass);
        line(sdp, &format!("a=setup:{}", setup.name()));
    }
    if mid == 0 {
        for text in transport.candidates.iter().filter_map(candidate) {
            line(sdp, &format!("a=candidate:{text}"));
        }
    }
}

/// A candidate as SDP writes it; none for what we cannot use (TCP, names).
pub(super) fn candidate(candidate: &Candidate) -> Option<String> {
    candidate.ip.parse::<std::net::IpAddr>().ok()?;
    if !candidate.protocol.eq_ignore_ascii_case("udp") {
        return None;
    }
    let mut text = format!(
        "{} {} udp {} {} {} typ {}",
        candidate.foundation,
        candidate.component,
        candidate.priority,
        candidate.ip,
        candidate.port,
        candidate.kind
    );
    if let (Some(address), Some(port)) = (&candidate.related_address, candidate.related_port) {
        // Writing into a text cannot fail.
        let _ = write!(text, " raddr {address} rport {port}");
    }
    Some(text)
}

fn line(sdp: &mut String, text: &str) {
    sdp.push_str(text);
    sdp.push_str("\r\n");
}

/// What our answer says of our transport.
pub(super) fn local_transport(sdp: &str) -> Option<LocalTransport> {
    let value = |name: &str| {
        sdp.lines()
            .find_map(|line| {
                line.strip_prefix("a=")?
                    .strip_prefix(name)?
                    .strip_prefix(':')
            })
            .map(str::trim)
    };
    let (hash, fingerprint) = value("fingerprint")?.split_once(' ')?;
    Some(LocalTransport {
        ufrag: value("ice-ufrag")?.to_owned(),
        pwd: value("ice-pwd")?.to_owned(),
        hash: hash.to_owned(),
        fingerprint: fingerprint.to_owned(),
    })
}
