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
