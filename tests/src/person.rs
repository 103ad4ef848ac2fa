//! A person on the lab's internet: XMPP over BOSH (XEP-0124, XEP-0206), spoken through `curl`.
//!
//! Enough of it to log in, ask for a room and enter it; what comes back is looked at as text.

use std::cell::Cell;

use crate::Lab;

/// Somebody who is logged in.
#[derive(Debug)]
pub struct Person<'a> {
    lab: &'a Lab,
    domain: String,
    session: String,
    jid: String,
    request: Cell<u64>,
}

impl<'a> Person<'a> {
    /// An anonymous login.
    ///
    /// # Panics
    /// When the site refuses it.
    #[track_caller]
    pub fn guest(lab: &'a Lab, domain: &str) -> Self {
        Self::log_in(
            lab,
            domain,
            "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='ANONYMOUS'/>",
        )
        .expect("guests may log in")
    }

    /// A login with an account (SASL PLAIN, RFC 4616); nobody when it is refused.
    pub fn account(lab: &'a Lab, domain: &str, name: &str, password: &str) -> Option<Self> {
        let response = base64(format!("\0{name}\0{password}").as_bytes());
        let auth = format!(
            "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{response}</auth>"
        );
        Self::log_in(lab, domain, &auth)
    }

    fn log_in(lab: &'a Lab, domain: &str, auth: &str) -> Option<Self> {
        let mut person = Self {
            lab,
            domain: domain.to_owned(),
            session: String::new(),
            jid: String::new(),
            request: Cell::new(1_000_000),
        };
        let opened = person.post(
            &format!(
                "to='{domain}' xml:lang='en' ver='1.10' wait='5' hold='1' \
                 xmlns:xmpp='urn:xmpp:xbosh' xmpp:version='1.0'"
            ),
            "",
        );
        attribute(&opened, "sid")
            .unwrap_or_else(|| panic!("no session: {opened}"))
            .clone_into(&mut person.session);
        if !person.post("", auth).contains("<success") {
            return None;
        }
        person.post("xmlns:xmpp='urn:xmpp:xbosh' xmpp:restart='true'", "");
        let bound = person.answered(
            "<iq xmlns='jabber:client' type='set' id='bind'>\
             <bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>",
            "<jid>",
        );
        let jid = bound.split_once("<jid>")?.1.split_once("</jid>")?.0;
        jid.clone_into(&mut person.jid);
        Some(person)
    }

    /// Asks the focus for a room; its answer as XML.
    pub fn ask_for_room(&self, room: &str) -> String {
        let domain = crate::DOMAIN;
        let id = format!("conference-{}", self.request.get());
        self.answered(
            &format!(
                "<iq xmlns='jabber:client' type='set' to='focus.{domain}' id='{id}'>\
                 <conference xmlns='http://jitsi.org/protocol/focus' \
                 room='{room}@conference.{domain}' machine-uid='m-{id}'/></iq>"
            ),
            &id,
        )
    }

    /// Whether the room lets this person in.
    pub fn may_enter(&self, room: &str) -> bool {
        let domain = crate::DOMAIN;
        let entered = self.answered(
            &format!(
                "<presence xmlns='jabber:client' to='{room}@conference.{domain}/nick{}'>\
                 <x xmlns='http://jabber.org/protocol/muc'/></presence>",
                self.jid.len()
            ),
            "<presence",
        );
        !entered.contains("type='error'") && !entered.contains("type=\"error\"")
    }

    /// Enters a room under this nickname; what came back as XML.
    ///
    /// # Panics
    /// When the room refuses.
    #[track_caller]
    pub fn enter(&self, room: &str, nick: &str) -> String {
        let entered = self.answered(
            &format!(
                "<presence xmlns='jabber:client' to='{room}@conference.{}/{nick}'>\
                 <x xmlns='http://jabber.org/protocol/muc'/></presence>",
                crate::DOMAIN
            ),
            "110",
        );
        assert!(entered.contains("110"), "{nick} is not let in: {entered}");
        entered
    }

    /// What came since, after waiting some seconds for it.
    pub fn hear(&self) -> String {
        self.post("", "").replace('"', "'")
    }

    /// Sends, and polls until the answer contains `word`.
    fn answered(&self, stanza: &str, word: &str) -> String {
        let mut all = self.post("", stanza);
        for _ in 0..4 {
            if all.contains(word) {
                break;
            }
            all.push_str(&self.post("", ""));
        }
        all.replace('"', "'")
    }

    fn post(&self, attributes: &str, payload: &str) -> String {
        let request = self.request.get();
        self.request.set(request + 1);
        let session = if self.session.is_empty() {
            String::new()
        } else {
            format!(" sid='{}'", self.session)
        };
        let body = format!(
            "<body xmlns='http://jabber.org/protocol/httpbind' rid='{request}'{session} \
             {attributes}>{payload}</body>"
        );
        let url = format!("https://{}/http-bind", crate::DOMAIN);
        let answer = self.lab.as_client(&[
            "curl",
            "-sS",
            "-m",
            "20",
            "-k",
            "-H",
            "Content-Type: text/xml",
            "-d",
            &body,
            &url,
        ]);
        assert_eq!(answer.code, Some(0), "{}: {answer}", self.domain);
        answer.stdout
    }
}

/// The value of an attribute, in either kind of quotes.
fn attribute<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    ['\'', '"'].iter().find_map(|quote| {
        let (_, rest) = text.split_once(&format!("{name}={quote}"))?;
        Some(rest.split_once(*quote)?.0)
    })
}

/// RFC 4648.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    bytes
        .chunks(3)
        .flat_map(|chunk| {
            let mut three = [0_u8; 3];
            three[..chunk.len()].copy_from_slice(chunk);
            let number = u32::from_be_bytes([0, three[0], three[1], three[2]]);
            (0..4).map(move |place| {
                let index = (number >> (18 - 6 * place)) & 63;
                if place <= chunk.len() {
                    char::from(ALPHABET[index as usize])
                } else {
                    '='
                }
            })
        })
        .collect()
}
