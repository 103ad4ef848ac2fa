//! A person's client as the focus sees it: signalling without media.

use std::collections::VecDeque;
use std::time::Duration;

use jitctl_wire::conference_request::{ConferenceReply, ConferenceRequest};
use jitctl_wire::disco::DiscoInfo;
use jitctl_wire::jingle::{Action, Jingle};
use jitctl_wire::namespace::{CLIENT, DISCO_INFO, JITSI_MEET};
use jitctl_wire::{Element, Iq, Jid, Presence, muc};
use jitctl_xmpp::{
    Client, ClientConfig, ClientEvent, Credentials, IqError, ServerAddress, Target, Trust,
};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::{CLIENT_DOMAIN, COMPONENT, Prosody};

/// How long anything may take.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// What a current browser announces, data channels left out.
pub const FEATURES: &[&str] = &[
    "urn:xmpp:jingle:apps:rtp:audio",
    "urn:xmpp:jingle:apps:rtp:video",
    "urn:ietf:rfc:4588",
    "http://jitsi.org/tcc",
    "http://jitsi.org/remb",
    "http://jitsi.org/source-name",
    "http://jitsi.org/json-encoded-sources",
    "http://jitsi.org/receive-multiple-video-streams",
];

/// Settings of a login at a test server.
pub fn login(prosody: &Prosody, domain: &str, credentials: Credentials) -> ClientConfig {
    let target = Target {
        address: ServerAddress::new("127.0.0.1", prosody.client_port),
        domain: domain.to_owned(),
        trust: Some(Trust::from_pem_file(&prosody.authority_file()).expect("an authority")),
    };
    ClientConfig::new(target, credentials)
}

/// Waits for a login, and gives the address.
pub async fn online(events: &mut UnboundedReceiver<ClientEvent>) -> Jid {
    loop {
        match events.recv().await.expect("a connection") {
            ClientEvent::Online { jid, .. } => return jid,
            ClientEvent::Offline { failure, .. } => panic!("{failure}"),
            _ => {}
        }
    }
}

/// Somebody with a browser.
#[derive(Debug)]
pub struct Person {
    client: Client,
    events: UnboundedReceiver<ClientEvent>,
    /// Real address.
    pub jid: Jid,
    /// Place in the room.
    pub occupant: Option<Jid>,
    /// Everything that came and that nobody waited for yet.
    seen: VecDeque<Element>,
    /// What came before something that was waited for.
    passed: Vec<Element>,
}

impl Person {
    /// Connects as a guest.
    pub async fn guest(prosody: &Prosody) -> Self {
        Self::connect(login(prosody, CLIENT_DOMAIN, Credentials::Anonymous)).await
    }

    /// Connects with these settings.
    pub async fn connect(config: ClientConfig) -> Self {
        let (client, mut events) = Client::connect(config);
        let jid = online(&mut events).await;
        Self {
            client,
            events,
            jid,
            occupant: None,
            seen: VecDeque::new(),
            passed: Vec::new(),
        }
    }

    /// Asks the component for a room until it is ready.
    pub async fn ask_for(&mut self, room: &str) -> ConferenceReply {
        loop {
            let reply = self.ask_once(COMPONENT, room).await.expect("an answer");
            if reply.ready {
                return reply;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Asks the focus at this address for a room.
    ///
    /// # Errors
    /// The focus refuses.
    pub async fn ask_once(&mut self, focus: &str, room: &str) -> Result<ConferenceReply, IqError> {
        let request = ConferenceRequest {
            room: room.parse().expect("a room"),
            machine_uid: Some(format!("machine of {}", self.jid.bare())),
            session_id: None,
            properties: std::collections::BTreeMap::new(),
        };
        let answer = self.request(focus, request.to_element()).await?;
        Ok(ConferenceReply::parse(&answer.expect("a payload")).expect("a conference"))
    }

    /// Sends an IQ of kind `set` and waits for its answer.
    ///
    /// # Errors
    /// It is refused.
    pub async fn request(
        &mut self,
        to: &str,
        payload: Element,
    ) -> Result<Option<Element>, IqError> {
        self.send_iq(Iq::set(to.parse().ok(), payload)).await
    }

    /// Sends an IQ and waits for its answer, serving what comes meanwhile.
    ///
    /// # Errors
    /// It is refused.
    pub async fn send_iq(&mut self, iq: Iq) -> Result<Option<Element>, IqError> {
        let answer = self.client.request(iq, TIMEOUT);
        tokio::pin!(answer);
        loop {
            tokio::select! {
                answer = &mut answer => return answer,
                event = self.events.recv() => self.take(event.expect("a connection")),
            }
        }
    }

    /// Waits until the server has dealt with all that was sent: a server takes the stanzas of one
    /// connection in their order, those of two in any. What comes meanwhile is kept.
    pub async fn settle(&mut self) {
        let ping = Element::new("ping", "urn:xmpp:ping");
        // A refusal is an answer, too.
        let _ = self.send_iq(Iq::get(None, ping)).await;
    }

    /// Sends a stanza.
    pub fn send(&self, stanza: Element) {
        self.client.send(stanza);
    }

    /// Tells a component something in a message.
    pub fn tell(&self, to: &str, payload: Element) {
        let message = Element::new("message", CLIENT)
            .with("to", to)
            .with_child(payload);
        self.client.send(message);
    }

    /// Enters a room, and waits until the own presence comes back.
    pub async fn join(&mut self, room: &str, nick: &str) {
        self.knock(room, nick, &[]);
        let own = self.occupant.clone().expect("just set");
        self.wait_for("the own presence", |stanza| {
            let presence = Presence::parse(stanza).ok()?;
            (presence.from.as_ref() == Some(&own)).then(|| {
                assert!(presence.error.is_none(), "{}", stanza.to_xml());
            })
        })
        .await;
    }

    /// Sends the presence that enters a room, without waiting.
    pub fn knock(&mut self, room: &str, nick: &str, payload: &[Element]) {
        let room: Jid = room.parse().expect("a room");
        let occupant = room.with_resource(nick).expect("a nickname");
        let info = Element::new("SourceInfo", CLIENT).with_text("{}");
        let presence = Presence::available(Some(occupant.clone()))
            .with_payload(muc::join_request(None))
            .with_payload(capabilities().capabilities("https://jitsi.org/jitsi-meet"))
            .with_payload(info);
        let mut presence = presence.to_element();
        for element in payload {
            presence.push(element.clone());
        }
        self.client.send(presence);
        self.occupant = Some(occupant);
    }

    /// Sends another presence to the room.
    pub fn show(&self, payload: &[Element]) {
        let mut presence = Presence::available(self.occupant.clone()).to_element();
        for element in payload {
            presence.push(element.clone());
        }
        self.client.send(presence);
    }

    /// Leaves the room.
    pub fn leave(&mut self) {
        let presence = Presence::unavailable(self.occupant.take());
        self.client.send(presence.to_element());
    }

    /// The focus's place in the room.
    pub fn focus(&self) -> Jid {
        let room = self.occupant.as_ref().expect("in a room").to_bare();
        room.with_resource("focus").expect("a nickname")
    }

    /// Waits until something that came fits; nobody can wait for things before it any more.
    pub async fn wait_for<T>(
        &mut self,
        what: &str,
        mut pick: impl FnMut(&Element) -> Option<T>,
    ) -> T {
        let deadline = tokio::time::Instant::now() + TIMEOUT;
        loop {
            while let Some(stanza) = self.seen.pop_front() {
                if let Some(found) = pick(&stanza) {
                    return found;
                }
                self.passed.push(stanza);
            }
            let event = tokio::time::timeout_at(deadline, self.events.recv()).await;
            let Ok(event) = event else {
                let passed: Vec<String> = self.passed.iter().map(Element::to_xml).collect();
                panic!("{what} did not come; what came: {passed:#?}");
            };
            self.take(event.expect("a connection"));
        }
    }

    /// Waits for Jingle of this action.
    pub async fn jingle(&mut self, action: Action) -> Jingle {
        self.wait_for(action.name(), |stanza| {
            let jingle = Jingle::parse(stanza.children().next()?).ok()?;
            (jingle.action == action).then_some(jingle)
        })
        .await
    }

    /// Waits for a JSON message of a component with this text inside.
    pub async fn json_message(&mut self, inside: &str) -> String {
        self.wait_for(inside, |stanza| {
            let text = stanza.child("json-message", JITSI_MEET)?.text();
            text.contains(inside).then_some(text)
        })
        .await
    }

    /// Everything that came until now and was not waited for.
    pub async fn all_seen(&mut self) -> Vec<Element> {
        while let Ok(event) = self.events.try_recv() {
            self.take(event);
        }
        tokio::task::yield_now().await;
        let mut all = std::mem::take(&mut self.passed);
        all.extend(self.seen.drain(..));
        all
    }

    /// Accepts an offer with one microphone of this SSRC.
    pub async fn accept(&mut self, offer: &Jingle, ssrc: u32) {
        let nick = self.nick();
        let source = format!(
            "<source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='{ssrc}' name='{nick}-a0'>\
             <parameter name='msid' value='{nick}-audio-0-1 {ssrc}'/></source>"
        );
        self.send_jingle("session-accept", &offer.sid, "audio", &source)
            .await
            .expect("the focus takes the answer");
    }

    /// Announces a screen of this SSRC.
    ///
    /// # Errors
    /// The focus refuses.
    pub async fn add_screen(&mut self, sid: &str, ssrc: u32) -> Result<(), IqError> {
        let nick = self.nick();
        let source = format!(
            "<source xmlns='urn:xmpp:jingle:apps:rtp:ssma:0' ssrc='{ssrc}' name='{nick}-v1' \
             videoType='desktop'><parameter name='msid' value='{nick}-video-1-1 {ssrc}'/></source>"
        );
        self.send_jingle("source-add", sid, "video", &source)
            .await
            .map(|_| ())
    }

    async fn send_jingle(
        &mut self,
        action: &str,
        sid: &str,
        media: &str,
        sources: &str,
    ) -> Result<Option<Element>, IqError> {
        let text = format!(
            "<jingle xmlns='urn:xmpp:jingle:1' action='{action}' sid='{sid}'>\
             <content name='{media}' creator='responder'>\
             <description xmlns='urn:xmpp:jingle:apps:rtp:1' media='{media}'>{sources}</description>\
             <transport xmlns='urn:xmpp:jingle:transports:ice-udp:1' ufrag='cu' pwd='cp'>\
             <fingerprint xmlns='urn:xmpp:jingle:apps:dtls:0' hash='sha-256' setup='active'>BB\
             </fingerprint></transport></content></jingle>"
        );
        let focus = self.focus().to_string();
        let payload = Element::parse(&text).expect("XML");
        self.request(&focus, payload).await
    }

    fn nick(&self) -> String {
        let occupant = self.occupant.as_ref().expect("in a room");
        occupant.resource().unwrap_or_default().to_owned()
    }

    fn take(&mut self, event: ClientEvent) {
        match event {
            ClientEvent::Request(iq) => {
                let answer = match iq.payload.as_ref() {
                    Some(query) if query.is("query", DISCO_INFO) => {
                        iq.result(Some(capabilities().to_element()))
                    }
                    _ => iq.result(None),
                };
                self.client.send(answer.to_element());
                self.seen.push_back(iq.to_element());
            }
            ClientEvent::Stanza(stanza) => self.seen.push_back(stanza),
            ClientEvent::Offline { failure, .. } => panic!("{failure}"),
            ClientEvent::Online { .. } | ClientEvent::Checkpoint(_) => {}
        }
    }

    /// Ends the connection.
    pub async fn close(self) {
        self.client.close().await;
    }
}

/// What the client of a person can do.
fn capabilities() -> DiscoInfo {
    DiscoInfo::new("client", "web", "test", FEATURES)
}
