//! Signalled values as the media core knows them, and back.

use std::net::{IpAddr, SocketAddr};

use jitctl_media::codec::Codec;
use jitctl_media::conference::{MediaDescription, PayloadType};
use jitctl_media::identifiers::{SourceName, Ssrc};
use jitctl_media::source::{MediaKind, SourceDescription, VideoType};
use jitctl_media::transport::dtls::{DtlsRole, Fingerprint, FingerprintError};
use jitctl_media::transport::ice::{CandidateKind, Credentials, LocalCandidate, RemoteCandidate};
use jitctl_media::transport::{LocalDescription, RemoteDescription};
use jitctl_wire::colibri2::{ColibriError, MediaSource};
use jitctl_wire::ice::{self, IceUdpTransport, Setup};
use jitctl_wire::rtp;
use jitctl_wire::source::Source;

/// Kind of media.
pub(super) fn kind(kind: rtp::MediaKind) -> MediaKind {
    match kind {
        rtp::MediaKind::Audio => MediaKind::Audio,
        rtp::MediaKind::Video => MediaKind::Video,
    }
}

/// Codecs and header extensions.
pub(super) fn media(description: &rtp::MediaDescription) -> MediaDescription {
    let kind = kind(description.kind);
    MediaDescription {
        kind,
        payload_types: description
            .payload_types
            .iter()
            .map(|payload_type| self::payload_type(payload_type, kind))
            .collect(),
        extensions: description
            .header_extensions
            .iter()
            .map(|extension| (extension.id, extension.uri.clone()))
            .collect(),
    }
}

fn payload_type(signalled: &rtp::PayloadType, kind: MediaKind) -> PayloadType {
    let codec = Codec::from_name(&signalled.name, kind == MediaKind::Video);
    let understands = |wanted: &str, subtype: Option<&str>| {
        signalled.feedback.iter().any(|feedback| {
            feedback.kind.eq_ignore_ascii_case(wanted) && feedback.subtype.as_deref() == subtype
        })
    };
    PayloadType {
        associated: signalled.parameter("apt").and_then(|apt| apt.parse().ok()),
        nack: understands("nack", None),
        pli: understands("nack", Some("pli")),
        fir: understands("ccm", Some("fir")),
        transport_cc: understands("transport-cc", None),
        remb: understands("goog-remb", None),
        ..PayloadType::new(signalled.id, codec)
    }
}

/// The sources of one kind in a full statement of an endpoint's sources.
pub(super) fn sources(stated: &[MediaSource], wanted: MediaKind) -> Vec<SourceDescription> {
    stated
        .iter()
        .filter(|source| kind(source.kind) == wanted && !source.sources.is_empty())
        .map(source_description)
        .collect()
}

fn source_description(stated: &MediaSource) -> SourceDescription {
    let group = |semantics: &'static str| {
        stated
            .groups
            .iter()
            .filter(move |group| group.semantics.eq_ignore_ascii_case(semantics))
            .filter(|group| group.ssrcs.len() >= 2)
    };
    let ssrcs: Vec<Ssrc> = stated
        .sources
        .iter()
        .map(|source| Ssrc(source.ssrc))
        .collect();
    let simulcast: Vec<Ssrc> = group("SIM")
        .next()
        .map(|group| group.ssrcs.iter().copied().map(Ssrc).collect())
        .unwrap_or_default();
    let retransmission: Vec<(Ssrc, Ssrc)> = group("FID")
        .filter_map(|group| match group.ssrcs.as_slice() {
            [media, repair, ..] => Some((Ssrc(*media), Ssrc(*repair))),
            _ => None,
        })
        .collect();
    let video_type = stated
        .sources
        .iter()
        .find_map(|source| VideoType::from_name(source.video_type.as_deref()?));
    SourceDescription {
        video_type: video_type.unwrap_or_default(),
        synthetic: stated.synthetic,
        ..SourceDescription::from_groups(
            SourceName::from(stated.id.as_str()),
            kind(stated.kind),
            &ssrcs,
            &simulcast,
            &retransmission,
        )
    }
}

/// The bridge's own feedback sources, as clients get them.
pub(super) fn feedback_sources((audio, video): (Ssrc, Ssrc)) -> Vec<MediaSource> {
    [
        (rtp::MediaKind::Audio, "jvb-a0", audio),
        (rtp::MediaKind::Video, "jvb-v0", video),
    ]
    .map(|(kind, name, ssrc)| MediaSource {
        kind,
        id: name.to_owned(),
        synthetic: false,
        sources: vec![Source::new(ssrc.0, name)],
        groups: Vec::new(),
    })
    .into()
}

/// What a client signalled of its transport.
///
/// # Errors
/// `bad-request` for a fingerprint that is none. Unknown hash functions and candidates that are
/// names, TCP or of another generation are left out.
pub(super) fn remote(transport: &IceUdpTransport) -> Result<RemoteDescription, ColibriError> {
    let credentials = match (&transport.ufrag, &transport.pwd) {
        (Some(fragment), Some(password)) => Some(Credentials {
            fragment: fragment.clone(),
            password: password.clone(),
        }),
        _ => None,
    };
    let mut fingerprints = Vec::new();
    for stated in &transport.fingerprints {
        match Fingerprint::parse(&stated.hash, &stated.value) {
            Ok(fingerprint) => fingerprints.push(fingerprint),
            Err(error @ FingerprintError::Function(_)) => {
                tracing::warn!(%error, "a fingerprint is left out");
            }
            Err(error) => return Err(ColibriError::bad_request(error.to_string())),
        }
    }
    let setup = transport.fingerprints.first().map(|first| first.setup);
    Ok(RemoteDescription {
        credentials,
        candidates: transport
            .candidates
            .iter()
            .filter(|candidate| candidate.generation.unwrap_or(0) == 0)
            .filter_map(remote_candidate)
            .collect(),
        // With `actpass` or nothing we wait: clients open the handshake.
        dtls_role: setup.map(|setup| match setup {
            Some(Setup::Passive) => DtlsRole::Client,
            _ => DtlsRole::Server,
        }),
        fingerprints,
        ice_generation: transport.ice_generation,
    })
}

fn remote_candidate(candidate: &ice::Candidate) -> Option<RemoteCandidate> {
    if !candidate.protocol.eq_ignore_ascii_case("udp") || candidate.component != 1 {
        return None;
    }
    let address: IpAddr = candidate.ip.parse().ok()?;
    let kind = match candidate.kind.as_str() {
        "srflx" => CandidateKind::ServerReflexive,
        "prflx" => CandidateKind::PeerReflexive,
        "relay" => CandidateKind::Relayed,
        _ => CandidateKind::Host,
    };
    Some(RemoteCandidate {
        address: SocketAddr::new(address, candidate.port),
        kind,
        priority: candidate.priority,
    })
}

/// What to signal to a client.
pub(super) fn local(description: &LocalDescription) -> IceUdpTransport {
    let setup = match description.dtls_role {
        None => Setup::Actpass,
        Some(DtlsRole::Server) => Setup::Passive,
        Some(DtlsRole::Client) => Setup::Active,
    };
    let fingerprint = &description.fingerprint;
    let fragment = &description.credentials.fragment;
    IceUdpTransport {
        ufrag: Some(fragment.clone()),
        pwd: Some(description.credentials.password.clone()),
        ice_generation: description.ice_generation,
        rtcp_mux: true,
        fingerprints: vec![ice::Fingerprint {
            hash: fingerprint.function().name().to_owned(),
            value: fingerprint.value(),
            setup: Some(setup),
            cryptex: false,
        }],
        web_sockets: Vec::new(),
        candidates: description
            .candidates
            .iter()
            .enumerate()
            .map(|(number, candidate)| local_candidate(candidate, &format!("{fragment}{number}")))
            .collect(),
    }
}

fn local_candidate(candidate: &LocalCandidate, id: &str) -> ice::Candidate {
    let kind = match candidate.kind {
        CandidateKind::Host => "host",
        CandidateKind::ServerReflexive => "srflx",
        CandidateKind::PeerReflexive => "prflx",
        CandidateKind::Relayed => "relay",
    };
    ice::Candidate {
        component: 1,
        foundation: candidate.foundation.clone(),
        generation: Some(0),
        id: Some(id.to_owned()),
        network: Some(0),
        protocol: "udp".to_owned(),
        kind: kind.to_owned(),
        ip: candidate.address.ip().to_string(),
        port: candidate.address.port(),
        priority: candidate.priority,
        related_address: candidate.related.map(|related| related.ip().to_string()),
        related_port: candidate.related.map(|related| related.port()),
        tcp_type: None,
    }
}

#[cfg(test)]
mod tests {
    use jitctl_wire::{Condition, Element};

    use super::*;

    const DIGEST: &str = "00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:\
                          10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F";

    fn read(children: &str) -> Result<RemoteDescription, ColibriError> {
        let text = format!(
            "<transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ufrag='u' pwd='p'>\
             {children}</transport>"
        );
        let element = Element::parse(&text).unwrap();
        remote(&IceUdpTransport::parse(&element).unwrap())
    }

    fn fingerprint(hash: &str, setup: &str, value: &str) -> String {
        format!(
            "<fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='{hash}' {setup}>{value}</fingerprint>"
        )
    }

    #[test]
    fn the_first_fingerprints_setup_decides_who_opens_the_handshake() {
        for (setup, role) in [
            ("setup='active'", DtlsRole::Server),
            ("setup='passive'", DtlsRole::Client),
            ("setup='actpass'", DtlsRole::Server),
            ("", DtlsRole::Server),
        ] {
            let stated = fingerprint("sha-256", setup, DIGEST)
                + &fingerprint("sha-256", "setup='active'", DIGEST);
            let remote = read(&stated).unwrap();
            assert_eq!(remote.dtls_role, Some(role), "{setup}");
            assert_eq!(remote.fingerprints.len(), 2);
        }
        let none = read("").unwrap();
        assert_eq!((none.dtls_role, none.fingerprints.len()), (None, 0));
    }

    #[test]
    fn unknown_hash_functions_are_left_out_and_broken_fingerprints_refused() {
        let stated = fingerprint("md5", "setup='active'", "00:01")
            + &fingerprint("sha-256", "setup='active'", DIGEST);
        assert_eq!(read(&stated).unwrap().fingerprints.len(), 1);
        let broken = read(&fingerprint("sha-256", "setup='active'", "00:01")).unwrap_err();
        assert_eq!(broken.condition, Condition::BadRequest);
    }

    #[test]
    fn candidates_that_cannot_be_checked_are_left_out() {
        let candidate = |rest: &str| {
            format!("<candidate foundation='1' priority='7' port='4000' type='host' {rest}/>")
        };
        let fine = "component='1' protocol='UDP' ip='198.51.100.1'";
        let stated: String = [
            fine,
            "component='1' protocol='udp' ip='2001:db8::1' generation='0'",
            "component='1' protocol='udp' ip='0f5d6c1e.local'",
            "component='1' protocol='tcp' ip='198.51.100.1' tcptype='active'",
            "component='2' protocol='udp' ip='198.51.100.1'",
            "component='1' protocol='udp' ip='198.51.100.1' generation='1'",
        ]
        .map(candidate)
        .concat();
        let found = read(&stated).unwrap().candidates;
        let addresses: Vec<String> = found.iter().map(|one| one.address.to_string()).collect();
        assert_eq!(addresses, ["198.51.100.1:4000", "[2001:db8::1]:4000"]);
    }
}
