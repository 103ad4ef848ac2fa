//! As much SDP (RFC 8866, RFC 8829) as servers need to be answered.

use std::fmt::Write as _;

use jitctl_media::transport::RemoteDescription;
use jitctl_media::transport::dtls::{DtlsRole, Fingerprint};
use jitctl_media::transport::ice::{CandidateKind, Credentials, RemoteCandidate};

use crate::Failure;
use crate::encoder::{Encoder, MID, RID, VP8};
use crate::peer::Peer;

/// The value of the first line that begins with `prefix`.
fn value<'sdp>(sdp: &'sdp str, prefix: &str) -> Option<&'sdp str> {
    sdp.lines().find_map(|line| line.strip_prefix(prefix))
}

/// What a server's description says of its transport; everything is bundled.
pub(crate) fn remote(sdp: &str) -> Result<RemoteDescription, Failure> {
    let credentials = Credentials {
        fragment: value(sdp, "a=ice-ufrag:").ok_or("no ice-ufrag")?.to_owned(),
        password: value(sdp, "a=ice-pwd:").ok_or("no ice-pwd")?.to_owned(),
    };
    let (function, digest) = value(sdp, "a=fingerprint:")
        .and_then(|line| line.split_once(' '))
        .ok_or("no fingerprint")?;
    let candidates = sdp
        .lines()
        .filter_map(|line| line.strip_prefix("a=candidate:"))
        .filter_map(candidate)
        .collect();
    Ok(RemoteDescription {
        credentials: Some(credentials),
        candidates,
        fingerprints: vec![Fingerprint::parse(function, digest.trim())?],
        // We say `active` throughout.
        dtls_role: Some(DtlsRole::Client),
        ice_generation: None,
    })
}

/// `foundation component transport priority address port typ kind …` (RFC 8839 section 5.1).
fn candidate(line: &str) -> Option<RemoteCandidate> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let is_udp = words.get(2)?.eq_ignore_ascii_case("udp") && words.get(1) == Some(&"1");
    let ip: std::net::IpAddr = words.get(4)?.parse().ok()?;
    is_udp.then_some(RemoteCandidate {
        address: (ip, words.get(5)?.parse().ok()?).into(),
        kind: CandidateKind::Host,
        priority: words.get(3)?.parse().ok()?,
    })
}

/// Transport lines of one of our media sections.
fn transport(text: &mut String, peer: &Peer) {
    let own = peer.participant.description(true);
    if let (Some(credentials), Some(fingerprint)) = (own.credentials, own.fingerprints.first()) {
        let _ = write!(
            text,
            "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\na=fingerprint:{} {}\r\na=setup:active\r\n",
            credentials.fragment,
            credentials.password,
            fingerprint.function().name(),
            fingerprint.value()
        );
    }
    for candidate in own.candidates {
        let (ip, port) = (candidate.address.ip(), candidate.address.port());
        let _ = write!(
            text,
            "a=candidate:1 1 udp {} {ip} {port} typ host\r\n",
            candidate.priority
        );
    }
    text.push_str("a=end-of-candidates\r\n");
}

fn head(mids: &[&str]) -> String {
    format!(
        "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {}\r\n\
         a=msid-semantic: WMS *\r\n",
        mids.join(" ")
    )
}

/// An offer of one picture in all its sizes. `track` is what LiveKit knows it by.
pub(crate) fn offer(peer: &Peer, encoder: &Encoder, track: &str) -> String {
    let mut text = head(&["0"]);
    let _ = write!(
        text,
        "m=video 9 UDP/TLS/RTP/SAVPF {VP8}\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendonly\r\n\
         a=rtcp-mux\r\na=rtpmap:{VP8} VP8/90000\r\na=rtcp-fb:{VP8} ccm fir\r\n\
         a=rtcp-fb:{VP8} nack\r\na=rtcp-fb:{VP8} nack pli\r\na=msid:bench {track}\r\n"
    );
    let rids: Vec<&str> = encoder.rids().collect();
    if rids.is_empty() {
        for ssrc in encoder.ssrcs() {
            let _ = write!(
                text,
                "a=ssrc:{ssrc} cname:bench\r\na=ssrc:{ssrc} msid:bench {track}\r\n"
            );
        }
    } else {
        let _ = write!(
            text,
            "a=extmap:{MID} urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
             a=extmap:{RID} urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n"
        );
        for rid in &rids {
            let _ = write!(text, "a=rid:{rid} send\r\n");
        }
        let _ = write!(text, "a=simulcast:send {}\r\n", rids.join(";"));
    }
    transport(&mut text, peer);
    text
}

/// An answer that takes all that is offered.
pub(crate) fn answer(peer: &Peer, offer: &str) -> String {
    let mut sections: Vec<Vec<&str>> = Vec::new();
    for line in offer.lines() {
        if line.starts_with("m=") {
            sections.push(Vec::new());
        }
        if let Some(section) = sections.last_mut() {
            section.push(line);
        }
    }
    let mut text = head(&mids(offer));
    for section in &sections {
        for line in section {
            let is_kept = [
                "m=",
                "a=mid:",
                "a=rtpmap:",
                "a=fmtp:",
                "a=rtcp-fb:",
                "a=sctp-port:",
            ]
            .iter()
            .any(|kept| line.starts_with(kept));
            // What is left to estimate bandwidth by is not negotiated.
            if is_kept && !line.ends_with("transport-cc") && !line.ends_with("goog-remb") {
                text.push_str(line);
                text.push_str("\r\n");
            }
            if line.starts_with("m=") {
                text.push_str("c=IN IP4 0.0.0.0\r\n");
            }
            if *line == "a=sendonly" || *line == "a=sendrecv" {
                text.push_str("a=recvonly\r\na=rtcp-mux\r\n");
            } else if *line == "a=inactive" {
                text.push_str("a=inactive\r\na=rtcp-mux\r\n");
            }
        }
        transport(&mut text, peer);
    }
    text
}

/// The sections of a description by their identifiers.
pub(crate) fn mids(sdp: &str) -> Vec<&str> {
    sdp.lines()
        .filter_map(|line| line.strip_prefix("a=mid:"))
        .collect()
}
