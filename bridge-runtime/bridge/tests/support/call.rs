//! A bridge with media on loopback, and participants that join it as a focus lets them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use jitctl_bridge::{BridgeConfig, ConferenceResult, ConferenceService, MediaConferences};
use jitctl_loopback::Participant;
use jitctl_media::rtp::HeaderFields;
use jitctl_media::transport::LocalDescription;
use jitctl_media::transport::RemoteDescription;
use jitctl_media::transport::dtls::{Fingerprint, Identity};
use jitctl_media::transport::ice::{CandidateKind, Credentials, LocalCandidate};

use jitctl_wire::colibri2::{ConferenceModify, Endpoint, MediaSource, Sctp, Transport, capability};
use jitctl_wire::ice::{self, IceUdpTransport, Setup};
use jitctl_wire::rtp::{HeaderExtension, MediaDescription, MediaKind, PayloadType};
use jitctl_wire::source::Source;

use super::turn_until;

/// Configuration of a bridge on loopback; port 0 takes free ones.
pub(crate) fn config(workers: usize) -> BridgeConfig {
    let text = format!(
        r#"
[identity]
nickname = "b1"
[[xmpp]]
address = "127.0.0.1:1"
domain = "auth.meet.test"
username = "jvb"
password_credential = "x"
brewery = "jvbbrewery@internal.auth.meet.test"
ca_file = "x"
[http]
private = "127.0.0.1:0"
[media]
port = 0
loopback = true
allowed_addresses = ["127.0.0.1"]
workers = {workers}
"#
    );
    jitctl_daemon::config::read(&text, Path::new("bridge.toml")).expect("a configuration")
}

/// Media on loopback.
pub(crate) async fn conferences(workers: usize) -> Arc<MediaConferences> {
    let config = config(workers);
    MediaConferences::start(&config)
        .await
        .expect("media on loopback")
}

/// Opus and VP8 with the extensions a focus offers.
pub(crate) fn offered_media() -> Vec<MediaDescription> {
    let payload_type = |id, name: &str, clock_rate| PayloadType {
        id,
        name: name.to_owned(),
        clock_rate: Some(clock_rate),
        ..PayloadType::default()
    };
    let extension = |id, uri: &str| HeaderExtension {
        id,
        uri: uri.to_owned(),
    };
    let mut audio = MediaDescription::new(MediaKind::Audio);
    audio.payload_types = vec![payload_type(111, "opus", 48_000)];
    audio.header_extensions = vec![extension(1, "urn:ietf:params:rtp-hdrext:ssrc-audio-level")];
    let mut video = MediaDescription::new(MediaKind::Video);
    video.payload_types = vec![payload_type(100, "VP8", 90_000)];
    vec![audio, video]
}

/// The request that creates an endpoint.
pub(crate) fn creation(meeting: &str, id: &str, is_first: bool) -> ConferenceModify {
    let mut request = ConferenceModify::new(meeting);
    request.create = is_first;
    request.endpoints.push(Endpoint {
        create: true,
        capabilities: vec![capability::SOURCE_NAMES.to_owned()],
        media: offered_media(),
        transport: Some(Transport {
            ice_controlling: true,
            sctp: Some(Sctp::default()),
            ..Transport::default()
        }),
        sources: Some(Vec::new()),
        ..Endpoint::new(id)
    });
    request
}

/// The request that follows a client's answer.
pub(crate) fn acceptance(
    meeting: &str,
    id: &str,
    client: &RemoteDescription,
    sources: Vec<MediaSource>,
) -> ConferenceModify {
    let mut request = ConferenceModify::new(meeting);
    request.endpoints.push(Endpoint {
        transport: Some(Transport {
            ice_udp: Some(client_transport(client)),
            ..Transport::default()
        }),
        sources: Some(sources),
        ..Endpoint::new(id)
    });
    request
}

/// A source with one SSRC.
pub(crate) fn source(kind: MediaKind, id: &str, ssrc: u32) -> MediaSource {
    MediaSource {
        kind,
        id: id.to_owned(),
        synthetic: false,
        sources: vec![Source::new(ssrc, id)],
        groups: Vec::new(),
    }
}

pub(crate) fn client_transport(client: &RemoteDescription) -> IceUdpTransport {
    let credentials = client.credentials.as_ref().expect("credentials");
    IceUdpTransport {
        ufrag: Some(credentials.fragment.clone()),
        pwd: Some(credentials.password.clone()),
        ice_generation: client.ice_generation,
        rtcp_mux: true,
        fingerprints: client
            .fingerprints
            .iter()
            .map(|fingerprint| ice::Fingerprint {
                hash: fingerprint.function().name().to_owned(),
                value: fingerprint.value(),
                setup: Some(Setup::Active),
                cryptex: false,
            })
            .collect(),
        ..IceUdpTransport::default()
    }
}

/// What a bridge's answer tells a client.
pub(crate) fn bridge_description(transport: &IceUdpTransport) -> LocalDescription {
    let stated = &transport.fingerprints[0];
    LocalDescription {
        credentials: Credentials {
            fragment: transport.ufrag.clone().expect("ufrag"),
            password: transport.pwd.clone().expect("pwd"),
        },
        candidates: transport
            .candidates
            .iter()
            .map(|candidate| {
                let ip = candidate.ip.parse().expect("an address");
                let address = std::net::SocketAddr::new(ip, candidate.port);
                LocalCandidate {
                    address,
                    base: address,
                    kind: CandidateKind::Host,
                    priority: candidate.priority,
                    foundation: candidate.foundation.clone(),
                    related: None,
                }
            })
            .collect(),
        fingerprint: Fingerprint::parse(&stated.hash, &stated.value).expect("a fingerprint"),
        dtls_role: None,
        ice_generation: transport.ice_generation,
    }
}

/// A new participant's socket.
pub(crate) fn participant(identity: &Arc<Identity>) -> Participant {
    let address = "127.0.0.1:0".parse().expect("an address");
    Participant::bind(address, Arc::clone(identity), true).expect("bound")
}

/// Creates an endpoint, answers for its client and lets the client join.
pub(crate) async fn join(
    service: &impl ConferenceService,
    meeting: &str,
    id: &str,
    is_first: bool,
    identity: &Arc<Identity>,
    sources: Vec<MediaSource>,
) -> Participant {
    let mut participant = participant(identity);
    let answer = served(service.modify(creation(meeting, id, is_first)).await);
    let transport = answer.endpoints[0].transport.as_ref().expect("a transport");
    let offered = transport.ice_udp.as_ref().expect("an ICE transport");
    let accepted = acceptance(meeting, id, &participant.description(false), sources);
    served(service.modify(accepted).await);
    participant
        .join(Instant::now(), &bridge_description(offered))
        .expect("joins");
    participant
}

pub(crate) fn served(result: ConferenceResult) -> jitctl_wire::colibri2::ConferenceModified {
    result.expect("served")
}

/// SSRC of a participant's audio.
pub(crate) fn ssrc(number: usize) -> u32 {
    1000 + u32::try_from(number).expect("few")
}

/// Sends audio of everybody until each got `packets` of each other one it should hear.
pub(crate) fn talk(
    participants: &mut [Participant],
    number: &mut u16,
    heard_by: impl Fn(usize, u8) -> bool,
) {
    let count = participants.len();
    let mut heard: BTreeMap<(usize, u8), u32> = BTreeMap::new();
    let counts = std::cell::RefCell::new(&mut heard);
    turn_until(
        participants,
        "audio of everybody at everybody",
        |index, payload| {
            let sender = *payload.last().expect("a payload");
            assert_ne!(index, usize::from(sender), "an echo");
            assert!(heard_by(index, sender), "{index} hears {sender}");
            *counts.borrow_mut().entry((index, sender)).or_default() += 1;
        },
        |participants| {
            *number += 1;
            for (sender, participant) in participants.iter_mut().enumerate() {
                let fields = HeaderFields {
                    payload_type: 111,
                    marker: false,
                    sequence_number: *number,
                    timestamp: u32::from(*number) * 960,
                    ssrc: ssrc(sender),
                };
                let payload = [u8::try_from(sender).expect("few"); 80];
                participant
                    .send_rtp(&fields, &[(1, &[20])], &payload)
                    .expect("sent");
            }
            let counts = counts.borrow();
            (0..count).all(|receiver| {
                (0..count).all(|sender| {
                    let key = (receiver, u8::try_from(sender).expect("few"));
                    receiver == sender
                        || !heard_by(receiver, key.1)
                        || counts.get(&key).is_some_and(|packets| *packets >= 20)
                })
            })
        },
    );
}
