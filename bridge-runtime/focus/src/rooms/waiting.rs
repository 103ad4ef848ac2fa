//! People who wait for the answer to a conference request, and the answer.

use std::collections::BTreeMap;

use jitctl_wire::Iq;
use jitctl_wire::conference_request::ConferenceReply;
use jitctl_xmpp::Client;
use tokio::sync::oneshot;

use super::Refusal;
use super::logins::Asker;

/// How somebody asked.
#[derive(Debug)]
pub(super) enum Way {
    /// Over XMPP; the answer goes back over the same connection.
    Xmpp {
        /// The connection.
        client: Client,
        /// The request.
        iq: Box<Iq>,
    },
    /// Over HTTP.
    Http(oneshot::Sender<Result<ConferenceReply, Refusal>>),
}

/// Somebody waits until the focus is in a room.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) way: Way,
    pub(super) asker: Asker,
}

impl Waiting {
    /// The focus is in the room, or asks to be asked again.
    pub(super) fn answer(self, mut reply: ConferenceReply) {
        reply.session_id = self.asker.session;
        reply.identity = self.asker.identity;
        self.way.answer(reply);
    }
}

impl Way {
    pub(super) fn answer(self, reply: ConferenceReply) {
        match self {
            Self::Xmpp { client, iq } => {
                client.send(iq.result(Some(reply.to_element())).to_element());
            }
            Self::Http(sender) => {
                let _ = sender.send(Ok(reply));
            }
        }
    }

    pub(super) fn refuse(self, refusal: Refusal) {
        match self {
            Self::Xmpp { client, iq } => {
                client.send(iq.refusal(refusal.to_stanza_error()).to_element());
            }
            Self::Http(sender) => {
                let _ = sender.send(Err(refusal));
            }
        }
    }
}

/// An answer without a login; a client that is not told `ready` asks again.
pub(super) fn reply(room: &str, focus: &str, ready: bool, authentication: bool) -> ConferenceReply {
    let properties: BTreeMap<String, String> = [
        ("authentication".to_owned(), authentication.to_string()),
        ("visitors-supported".to_owned(), false.to_string()),
    ]
    .into();
    ConferenceReply {
        room: room.to_owned(),
        ready,
        focus_jid: focus.to_owned(),
        session_id: None,
        identity: None,
        properties,
    }
}

#[cfg(test)]
mod tests {
    use jitctl_wire::Element;

    use super::*;

    #[test]
    fn the_answer_is_what_the_recorded_focus_answered() {
        let recorded =
            include_str!("../../../wire/tests/fixtures/33-conference-request-reply-from-focus.xml");
        let start = recorded.find("-->").map_or(0, |end| end + 3);
        let recorded = Element::parse(recorded[start..].trim()).unwrap();
        let recorded = ConferenceReply::parse(recorded.children().next().unwrap()).unwrap();
        let room = "capa@conference.meet.test";
        assert_eq!(reply(room, "focus@auth.meet.test", true, false), recorded);
    }
}
