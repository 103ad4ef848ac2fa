//! Our bridge: colibri2 as JSON over its private HTTP.

use std::time::Instant;

use jitctl_media::transport::dtls::{DtlsRole, Fingerprint};
use jitctl_media::transport::ice::{CandidateKind, Credentials, RemoteCandidate, Role};
use jitctl_media::transport::{DataChannelMode, RemoteDescription};
use serde_json::{Value, json};

use crate::encoder::{Encoder, Labels, TRANSPORT_CC, VP8};
use crate::options::Options;
use crate::peer::Peer;
use crate::socket::request;
use crate::{Failure, Signalling};

/// Payload type of repairs.
const RTX: u8 = 97;
/// The SSRC of a picture's repairs is so much above the picture's.
const RTX_OFFSET: u32 = 5;

pub(crate) struct Bridge {
    options: Options,
    rooms: Vec<usize>,
}

fn meeting(room: usize) -> String {
    format!("bench-{room}")
}

fn endpoint(member: usize) -> String {
    format!("{member:08x}")
}

/// The picture of a member as it is signalled: all sizes, and the repairs of each.
fn source(name: &str, encoder: &Encoder) -> Value {
    let sizes: Vec<u32> = encoder.ssrcs().collect();
    let repairs = sizes.iter().map(|ssrc| ssrc + RTX_OFFSET);
    let mut groups: Vec<Value> = sizes
        .iter()
        .map(|ssrc| json!({"semantics": "FID", "sources": [ssrc, ssrc + RTX_OFFSET]}))
        .collect();
    if sizes.len() > 1 {
        groups.push(json!({"semantics": "SIM", "sources": sizes}));
    }
    let sources: Vec<Value> = sizes
        .iter()
        .copied()
        .chain(repairs)
        .map(|ssrc| json!({"ssrc": ssrc, "name": name}))
        .collect();
    json!({"type": "video", "id": name, "sources": sources, "ssrc-groups": groups})
}

impl Bridge {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            options: options.clone(),
            rooms: Vec::new(),
        }
    }

    fn create(&mut self, room: usize, mut body: Value) -> Result<Value, Failure> {
        if self.rooms.contains(&room) {
            return self.modify(room, &body);
        }
        self.rooms.push(room);
        body["meeting-id"] = meeting(room).into();
        request(
            &self.options.address,
            "POST",
            "/colibri/v2/conferences",
            &body,
        )
    }

    fn modify(&self, room: usize, body: &Value) -> Result<Value, Failure> {
        let path = format!("/colibri/v2/conferences/{}", meeting(room));
        request(&self.options.address, "PATCH", &path, body)
    }
}

impl Signalling for Bridge {
    fn join(&mut self, room: usize, member: usize, sends: bool) -> Result<Vec<Peer>, Failure> {
        let joined = Instant::now();
        let mut peer = Peer::new(
            &self.options,
            (room, member),
            joined,
            Role::Controlled,
            DataChannelMode::Active,
        )?;
        let id = endpoint(member);
        let answer = self.create(
            room,
            json!({"endpoints": [{
                "id": id, "create": true, "capabilities": ["source-names"],
                "medias": [{"type": "video",
                    "payload-types": [
                        {"id": VP8, "name": "VP8", "clockrate": 90_000, "rtcp-fbs": [
                            {"type": "nack"}, {"type": "nack", "subtype": "pli"},
                            {"type": "ccm", "subtype": "fir"}, {"type": "transport-cc"}]},
                        {"id": RTX, "name": "rtx", "clockrate": 90_000,
                            "parameters": {"apt": VP8.to_string()}}],
                    "rtp-hdrexts": [{"id": TRANSPORT_CC, "uri":
                        "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
                    }]}],
                "transport": {"ice-controlling": true, "sctp": {}}, "sources": []}]}),
        )?;
        let encoder = Encoder::new(&self.options, (room, member), Labels::Ssrc);
        let height = encoder.wanted_height();
        let mut sources = Vec::new();
        if sends {
            sources.push(source(&format!("{id}-v0"), &encoder));
            peer.encoder = Some(encoder);
        }
        let own = peer.participant.description(false);
        let (Some(credentials), Some(fingerprint)) = (own.credentials, own.fingerprints.first())
        else {
            return Err("no description of our own".into());
        };
        self.modify(
            room,
            &json!({"endpoints": [{"id": id, "sources": sources,
                "transport": {"transport": {"ufrag": credentials.fragment,
                    "pwd": credentials.password, "rtcp-mux": true, "fingerprints": [{
                        "hash": fingerprint.function().name(), "setup": "active",
                        "fingerprint": fingerprint.value()}]}}}]}),
        )?;
        let last_n = i64::try_from(self.options.workload.watched).unwrap_or(-1);
        peer.wishes = Some(
            json!({"colibriClass": "ReceiverVideoConstraints", "lastN": last_n,
                "defaultConstraints": {"maxHeight": height}})
            .to_string(),
        );
        peer.participant.answer_transport_cc(TRANSPORT_CC);
        peer.remote = Some(remote(&answer["endpoints"][0]["transport"]["transport"])?);
        Ok(vec![peer])
    }

    fn watch(
        &mut self,
        _room: usize,
        _member: usize,
        _others: &[usize],
    ) -> Result<Vec<Peer>, Failure> {
        // The wish goes out as soon as the channel is open.
        Ok(Vec::new())
    }

    fn poll(&mut self, _peers: &mut Vec<Peer>) -> Result<(), Failure> {
        Ok(())
    }
}

fn remote(transport: &Value) -> Result<RemoteDescription, Failure> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let fingerprint = &transport["fingerprints"][0];
    let stated = (
        text(&fingerprint["hash"]),
        text(&fingerprint["fingerprint"]),
    );
    let (Some(function), Some(digest)) = stated else {
        return Err(format!("no fingerprint in {transport}").into());
    };
    let candidates = transport["candidates"].as_array().into_iter().flatten();
    let candidates = candidates.filter_map(|candidate| {
        let ip: std::net::IpAddr = candidate["ip"].as_str()?.parse().ok()?;
        Some(RemoteCandidate {
            address: (ip, u16::try_from(candidate["port"].as_u64()?).ok()?).into(),
            kind: CandidateKind::Host,
            priority: u32::try_from(candidate["priority"].as_u64()?).ok()?,
        })
    });
    Ok(RemoteDescription {
        credentials: Some(Credentials {
            fragment: text(&transport["ufrag"]).ok_or("no ufrag")?,
            password: text(&transport["pwd"]).ok_or("no pwd")?,
        }),
        candidates: candidates.collect(),
        fingerprints: vec![Fingerprint::parse(&function, &digest)?],
        dtls_role: Some(DtlsRole::Client),
        ice_generation: None,
    })
}
