//! LiveKit: its protocol over WebSocket (livekit_rtc.proto of v1.8), as much as joining needs.
//!
//! A session has two peer connections: ours to send, offered by us, and the server's to receive,
//! which the server offers again for each track that comes.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use jitctl_media::transport::DataChannelMode;
use jitctl_media::transport::ice::Role;
use serde_json::json;
use sha2::Sha256;
use tokio_tungstenite::tungstenite::Message;

use crate::encoder::{Encoder, Labels};
use crate::options::Options;
use crate::peer::Peer;
use crate::socket::Socket;
use crate::{Failure, Signalling, sdp};

/// A server drops who is silent for 15 s.
const PING: Duration = Duration::from_secs(4);

/// Numbers of fields in `SignalRequest` and `SignalResponse`.
mod field {
    pub(super) const OFFER: u64 = 1;
    pub(super) const ANSWER: u64 = 2;
    pub(super) const ADD_TRACK: u64 = 4;
    pub(super) const SUBSCRIPTION: u64 = 6;
    pub(super) const TRACK_SETTING: u64 = 7;
    pub(super) const PING_REQUEST: u64 = 16;
    pub(super) const JOINED: u64 = 1;
    pub(super) const SERVER_ANSWER: u64 = 2;
    pub(super) const SERVER_OFFER: u64 = 3;
    pub(super) const TRACK_PUBLISHED: u64 = 6;
}

struct Session {
    place: (usize, usize),
    socket: Socket,
    /// Whether the receiving side is up: later offers need an answer only.
    has_receiver: bool,
    joined: Instant,
}

pub(crate) struct LiveKit {
    options: Options,
    key: String,
    secret: String,
    /// What the server calls the pictures of members.
    tracks: HashMap<(usize, usize), String>,
    sessions: HashMap<(usize, usize), Session>,
    pinged: Instant,
}

impl LiveKit {
    pub(crate) fn new(options: &Options) -> Result<Self, Failure> {
        let (key, secret) = options.secret.split_once(':').ok_or("key:secret")?;
        Ok(Self {
            options: options.clone(),
            key: key.to_owned(),
            secret: secret.to_owned(),
            tracks: HashMap::new(),
            sessions: HashMap::new(),
            pinged: Instant::now(),
        })
    }

    /// A JSON Web Token (RFC 7519) that admits a member to a room.
    fn token(&self, room: usize, member: usize) -> Result<String, Failure> {
        let head = json!({"alg": "HS256", "typ": "JWT"});
        let claims = json!({"iss": self.key, "sub": format!("member{member}"), "nbf": 0,
            "exp": 4_000_000_000u64, "video": {"room": format!("room{room}"), "roomJoin": true,
                "canPublish": true, "canSubscribe": true}});
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let signed = format!(
            "{}.{}",
            encode(head.to_string().as_bytes()),
            encode(claims.to_string().as_bytes())
        );
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes())?;
        mac.update(signed.as_bytes());
        Ok(format!("{signed}.{}", encode(&mac.finalize().into_bytes())))
    }

    /// Begins a session; who gets fewer pictures than there are asks for them one by one.
    fn open(&self, place: (usize, usize)) -> Result<Session, Failure> {
        let joined = Instant::now();
        let token = self.token(place.0, place.1)?;
        let path = format!(
            "/rtc?access_token={token}&auto_subscribe={}&protocol=9&sdk=go&version=2.0.0",
            u8::from(!self.options.workload.is_limited())
        );
        let mut socket = Socket::dial(&self.options.address, &path, "")?;
        socket.wait_for(|message| response(message, field::JOINED))?;
        Ok(Session {
            place,
            socket,
            has_receiver: false,
            joined,
        })
    }
}

impl Signalling for LiveKit {
    fn join(&mut self, room: usize, member: usize, sends: bool) -> Result<Vec<Peer>, Failure> {
        let place = (room, member);
        let mut session = self.open(place)?;
        let mut peers = Vec::new();
        if sends {
            let mut peer = Peer::new(
                &self.options,
                place,
                session.joined,
                Role::Controlling,
                DataChannelMode::Disabled,
            )?;
            let track = format!("track-{room}-{member}");
            let encoder = Encoder::new(&self.options, place, Labels::Rid);
            let mut add = Vec::new();
            text(&mut add, 1, &track);
            text(&mut add, 2, "camera");
            number(&mut add, 3, 1);
            number(&mut add, 4, 1280);
            number(&mut add, 5, 720);
            number(&mut add, 8, 1);
            for (quality, (width, height)) in [(320, 180), (640, 360), (1280, 720)]
                .into_iter()
                .take(encoder.rids().count())
                .enumerate()
            {
                let mut layer = Vec::new();
                number(&mut layer, 1, quality as u64);
                number(&mut layer, 2, width);
                number(&mut layer, 3, height);
                bytes(&mut add, 9, &layer);
            }
            session.socket.send(message(field::ADD_TRACK, &add))?;
            let published = session
                .socket
                .wait_for(|message| response(message, field::TRACK_PUBLISHED))?;
            let information = content(&published, 2).ok_or("no track")?;
            let identifier = content(&information, 1).ok_or("no identifier of the track")?;
            self.tracks.insert(place, String::from_utf8(identifier)?);
            let offer = description("offer", &sdp::offer(&peer, &encoder, &track));
            session.socket.send(message(field::OFFER, &offer))?;
            let answer = session
                .socket
                .wait_for(|message| response(message, field::SERVER_ANSWER))?;
            let answer = sdp_of(&answer).ok_or("no answer")?;
            peer.remote = Some(sdp::remote(&answer)?);
            peer.encoder = Some(encoder);
            peers.push(peer);
        }
        self.sessions.insert(place, session);
        Ok(peers)
    }

    fn watch(
        &mut self,
        room: usize,
        member: usize,
        others: &[usize],
    ) -> Result<Vec<Peer>, Failure> {
        // Without a limit all is subscribed since the session began. In both cases the server
        // offers when there is something.
        if self.options.workload.is_limited() {
            let mut tracks = Vec::new();
            for other in others {
                let track = self.tracks.get(&(room, *other)).ok_or("no such track")?;
                text(&mut tracks, 1, track);
            }
            let mut subscription = tracks.clone();
            number(&mut subscription, 2, 1);
            // Quality 0 is the lowest.
            let mut smallest = tracks;
            number(&mut smallest, 4, 0);
            let session = self.sessions.get_mut(&(room, member)).ok_or("no session")?;
            session
                .socket
                .send(message(field::SUBSCRIPTION, &subscription))?;
            session
                .socket
                .send(message(field::TRACK_SETTING, &smallest))?;
        }
        Ok(Vec::new())
    }

    fn poll(&mut self, peers: &mut Vec<Peer>) -> Result<(), Failure> {
        let is_due = self.pinged.elapsed() > PING;
        if is_due {
            self.pinged = Instant::now();
        }
        for session in self.sessions.values_mut() {
            if is_due {
                let mut ping = Vec::new();
                number(&mut ping, 1, 1);
                session.socket.send(message(field::PING_REQUEST, &ping))?;
            }
            while let Some(received) = session.socket.receive()? {
                let Some(offer) = response(&received, field::SERVER_OFFER) else {
                    continue;
                };
                let offer = sdp_of(&offer).ok_or("no offer")?;
                session.accept(&self.options, &offer, peers)?;
            }
        }
        Ok(())
    }
}

impl Session {
    /// Answers an offer; the first one makes the receiving side.
    fn accept(
        &mut self,
        options: &Options,
        offer: &str,
        peers: &mut Vec<Peer>,
    ) -> Result<(), Failure> {
        if !self.has_receiver {
            self.has_receiver = true;
            // Only with the server's data channels open is a member there for the others.
            let mut peer = Peer::new(
                options,
                self.place,
                self.joined,
                Role::Controlled,
                DataChannelMode::Passive,
            )?;
            peer.remote = Some(sdp::remote(offer)?);
            peer.connect()?;
            peers.push(peer);
        }
        let place = self.place;
        let own = peers
            .iter()
            .find(|peer| peer.place == place && peer.encoder.is_none())
            .ok_or("no receiving side")?;
        let answer = description("answer", &sdp::answer(own, offer));
        self.socket.send(message(field::ANSWER, &answer))
    }
}

fn variable(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn number(out: &mut Vec<u8>, field: u64, value: u64) {
    variable(out, field << 3);
    variable(out, value);
}

fn bytes(out: &mut Vec<u8>, field: u64, value: &[u8]) {
    variable(out, field << 3 | 2);
    variable(out, value.len() as u64);
    out.extend(value);
}

fn text(out: &mut Vec<u8>, field: u64, value: &str) {
    bytes(out, field, value.as_bytes());
}

fn description(kind: &str, sdp: &str) -> Vec<u8> {
    let mut out = Vec::new();
    text(&mut out, 1, kind);
    text(&mut out, 2, sdp);
    out
}

/// A `SignalRequest`.
fn message(field: u64, content: &[u8]) -> Message {
    let mut out = Vec::new();
    bytes(&mut out, field, content);
    Message::binary(out)
}

/// The content of a `SignalResponse`, if it is the wanted one.
fn response(message: &Message, wanted: u64) -> Option<Vec<u8>> {
    let Message::Binary(binary) = message else {
        return None;
    };
    content(binary, wanted)
}

fn sdp_of(description: &[u8]) -> Option<String> {
    String::from_utf8(content(description, 2)?).ok()
}

/// The first length-delimited field of that number.
fn content(mut message: &[u8], wanted: u64) -> Option<Vec<u8>> {
    while !message.is_empty() {
        let (tag, rest) = take(message)?;
        let (value, rest) = take(rest)?;
        if tag & 7 != 2 {
            message = rest;
            continue;
        }
        let (content, rest) = rest.split_at_checked(usize::try_from(value).ok()?)?;
        if tag >> 3 == wanted {
            return Some(content.to_vec());
        }
        message = rest;
    }
    None
}

fn take(message: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (index, byte) in message.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, &message[index + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_among_others() {
        let mut inner = Vec::new();
        number(&mut inner, 3, 300);
        text(&mut inner, 1, &"x".repeat(200));
        let mut outer = Vec::new();
        bytes(&mut outer, 6, &inner);
        let found = content(&outer, 6).and_then(|inner| content(&inner, 1));
        assert_eq!(found, Some(vec![b'x'; 200]));
        assert_eq!(content(&outer, 5), None);
    }

    #[test]
    fn a_message_that_ends_early_has_no_field() {
        let mut whole = Vec::new();
        text(&mut whole, 2, "v=0");
        for length in 0..whole.len() {
            assert_eq!(content(&whole[..length], 2), None);
        }
        assert_eq!(sdp_of(&whole).as_deref(), Some("v=0"));
    }
}
