//! Janus: its videoroom over WebSocket (<https://janus.conf.meetecho.com/docs/videoroom>).

use std::time::{Duration, Instant};

use jitctl_media::transport::DataChannelMode;
use jitctl_media::transport::ice::Role;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::encoder::{Encoder, Labels};
use crate::options::Options;
use crate::peer::Peer;
use crate::socket::Socket;
use crate::{Failure, Signalling, sdp};

/// Sessions end after a minute without a sign of life.
const KEEPALIVE: Duration = Duration::from_secs(20);

/// One session with one handle.
struct Handle {
    socket: Socket,
    session: u64,
    number: u64,
    transactions: u64,
}

pub(crate) struct Janus {
    options: Options,
    rooms: Vec<usize>,
    handles: Vec<Handle>,
    alive: Instant,
}

impl Handle {
    fn open(address: &str) -> Result<Self, Failure> {
        let mut handle = Self {
            socket: Socket::dial(address, "/", "janus-protocol")?,
            session: 0,
            number: 0,
            transactions: 0,
        };
        let session = handle.ask(json!({"janus": "create"}))?;
        handle.session = session["data"]["id"].as_u64().ok_or("no session")?;
        let attached =
            handle.ask(json!({"janus": "attach", "plugin": "janus.plugin.videoroom"}))?;
        handle.number = attached["data"]["id"].as_u64().ok_or("no handle")?;
        Ok(handle)
    }

    fn send(&mut self, mut message: Value) -> Result<String, Failure> {
        self.transactions += 1;
        let transaction = self.transactions.to_string();
        message["transaction"] = transaction.as_str().into();
        if self.session > 0 {
            message["session_id"] = self.session.into();
        }
        if self.number > 0 {
            message["handle_id"] = self.number.into();
        }
        self.socket.send(Message::text(message.to_string()))?;
        Ok(transaction)
    }

    /// Sends and waits for what comes after the acknowledgement.
    fn ask(&mut self, message: Value) -> Result<Value, Failure> {
        let transaction = self.send(message)?;
        let answer = self.socket.wait_for(|message| {
            let answer: Value = serde_json::from_str(message.to_text().ok()?).ok()?;
            let is_ours = answer["transaction"] == transaction.as_str();
            (is_ours && answer["janus"] != "ack").then_some(answer)
        })?;
        let refused =
            answer["janus"] == "error" || !answer["plugindata"]["data"]["error"].is_null();
        if refused {
            return Err(format!("Janus: {answer}").into());
        }
        Ok(answer)
    }

    fn message(&mut self, body: &Value, jsep: Option<Value>) -> Result<Value, Failure> {
        let mut message = json!({"janus": "message", "body": body});
        if let Some(jsep) = jsep {
            message["jsep"] = jsep;
        }
        self.ask(message)
    }
}

fn feed(member: usize) -> u64 {
    1000 + member as u64
}

fn room_number(room: usize) -> u64 {
    7000 + room as u64
}

impl Janus {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            options: options.clone(),
            rooms: Vec::new(),
            handles: Vec::new(),
            alive: Instant::now(),
        }
    }
}

impl Signalling for Janus {
    fn join(&mut self, room: usize, member: usize, sends: bool) -> Result<Vec<Peer>, Failure> {
        if !sends {
            return Ok(Vec::new());
        }
        let joined = Instant::now();
        let mut handle = Handle::open(&self.options.address)?;
        if !self.rooms.contains(&room) {
            self.rooms.push(room);
            handle.message(
                &json!({"request": "create", "room": room_number(room), "publishers": 300,
                    "bitrate": 20_000_000, "videocodec": "vp8", "permanent": false,
                    "fir_freq": 0, "notify_joining": false}),
                None,
            )?;
        }
        handle.message(
            &json!({"request": "join", "ptype": "publisher", "room": room_number(room),
                "id": feed(member)}),
            None,
        )?;
        let place = (room, member);
        let mut peer = Peer::new(
            &self.options,
            place,
            joined,
            Role::Controlling,
            DataChannelMode::Disabled,
        )?;
        let encoder = Encoder::new(&self.options, place, Labels::Rid);
        let offer = sdp::offer(&peer, &encoder, "track");
        let answer = handle.message(
            &json!({"request": "publish", "audio": false, "video": true}),
            Some(json!({"type": "offer", "sdp": offer})),
        )?;
        let answer = answer["jsep"]["sdp"].as_str().ok_or("no answer")?;
        peer.remote = Some(sdp::remote(answer)?);
        peer.encoder = Some(encoder);
        self.handles.push(handle);
        Ok(vec![peer])
    }

    fn watch(
        &mut self,
        room: usize,
        member: usize,
        others: &[usize],
    ) -> Result<Vec<Peer>, Failure> {
        let joined = Instant::now();
        let mut handle = Handle::open(&self.options.address)?;
        let streams: Vec<Value> = others
            .iter()
            .map(|other| json!({"feed": feed(*other)}))
            .collect();
        let offered = handle.message(
            &json!({"request": "join", "ptype": "subscriber", "room": room_number(room),
                "streams": streams}),
            None,
        )?;
        let offer = offered["jsep"]["sdp"].as_str().ok_or("no offer")?;
        let mut peer = Peer::new(
            &self.options,
            (room, member),
            joined,
            Role::Controlled,
            DataChannelMode::Disabled,
        )?;
        let answer = sdp::answer(&peer, offer);
        peer.remote = Some(sdp::remote(offer)?);
        handle.message(
            &json!({"request": "start"}),
            Some(json!({"type": "answer", "sdp": answer})),
        )?;
        if self.options.workload.simulcast {
            let smallest: Vec<Value> = sdp::mids(offer)
                .into_iter()
                .map(|mid| json!({"mid": mid, "substream": 0}))
                .collect();
            handle.message(&json!({"request": "configure", "streams": smallest}), None)?;
        }
        self.handles.push(handle);
        Ok(vec![peer])
    }

    fn poll(&mut self, _peers: &mut Vec<Peer>) -> Result<(), Failure> {
        let is_due = self.alive.elapsed() > KEEPALIVE;
        if is_due {
            self.alive = Instant::now();
            for handle in &mut self.handles {
                handle.send(json!({"janus": "keepalive"}))?;
                // Events tell of others; nothing in them needs an answer.
                while handle.socket.receive()?.is_some() {}
            }
        }
        Ok(())
    }
}
