//! Requests that come to the focus, as a component and as an account.
//!
//! [`Conferences`] is where conference logic plugs in; what it does not take is answered here.

use std::collections::BTreeMap;

use jitctl_daemon::VERSION;
use jitctl_wire::conference_request::ConferenceRequest;
use jitctl_wire::disco::DiscoInfo;
use jitctl_wire::version::{SoftwareVersion, is_version_query};
use jitctl_wire::{
    Condition, Element, Iq, IqKind, Jid, JidError, Presence, StanzaError, namespace, ping,
};
use jitctl_xmpp::{Client, SavedSession};
use serde::Deserialize;
use serde_json::Value;

use crate::brewery::BridgeEvent;

/// A conference request in JSON, as it comes over HTTP.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpConferenceRequest {
    room: String,
    #[serde(default)]
    machine_uid: Option<String>,
    #[serde(default)]
    session_id: Option<String>,
    #[serde(default)]
    properties: BTreeMap<String, Value>,
}

impl HttpConferenceRequest {
    /// The request as it would come over XMPP.
    ///
    /// # Errors
    /// The room is no address.
    pub fn into_request(self) -> Result<ConferenceRequest, JidError> {
        // Clients send numbers and booleans as they are; over XMPP all of them are text.
        let text = |value: Value| match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        Ok(ConferenceRequest {
            room: self.room.parse()?,
            machine_uid: self.machine_uid,
            session_id: self.session_id,
            properties: self
                .properties
                .into_iter()
                .map(|(key, value)| (key, text(value)))
                .collect(),
        })
    }
}

/// Node of our capabilities (XEP-0115).
pub(crate) const CAPABILITIES_NODE: &str = "https://github.com/jitctl/jitctl";

/// Where conference logic plugs in. All calls come from the tasks that own the connections, in
/// the order of arrival, and must not block: answers go through the client whenever they are
/// ready.
pub trait Conferences: Send + Sync + 'static {
    /// Takes a request, or gives it back to be refused with `service-unavailable`. `client` is
    /// the connection it came by: the component's or the account's.
    fn handle_request(&self, client: &Client, iq: Iq) -> Option<Iq>;

    /// A presence or message for the account, outside the brewery.
    fn handle_stanza(&self, _account: &Client, _stanza: &Element) {}

    /// The account is logged in; when not `resumed`, it is in no room.
    fn handle_online(&self, _account: &Client, _jid: &Jid, _resumed: bool) {}

    /// The account is not connected; while `resumable`, rooms count as joined.
    fn handle_offline(&self, _resumable: bool) {}

    /// Something happened to a bridge; see [`BridgeEvent::moves_participants`].
    fn handle_bridge(&self, _event: &BridgeEvent) {}

    /// A presence of the brewery, our own included.
    fn handle_brewery(&self, _presence: &Presence) {}

    /// Where the account's session stands after all that was handed on before.
    fn handle_checkpoint(&self, _session: SavedSession) {}
}

/// What the focus announces.
pub(crate) fn disco_info() -> DiscoInfo {
    DiscoInfo::new(
        "component",
        "focus",
        "jitctl-focus",
        &[
            namespace::CAPS,
            namespace::DISCO_INFO,
            namespace::FOCUS,
            namespace::MUC,
            namespace::PING,
            namespace::VERSION,
        ],
    )
}

/// Answers a request, or hands it over.
pub(crate) fn answer(conferences: &dyn Conferences, client: &Client, iq: Iq) {
    if let Some(answer) = common_answer(&iq) {
        return client.send(answer.to_element());
    }
    if let Some(iq) = conferences.handle_request(client, iq) {
        let refusal = iq.refusal(StanzaError::new(Condition::ServiceUnavailable));
        client.send(refusal.to_element());
    }
}

fn common_answer(iq: &Iq) -> Option<Iq> {
    let payload = iq.payload.as_ref().filter(|_| iq.kind == IqKind::Get)?;
    if ping::is_ping(payload) {
        return Some(iq.result(None));
    }
    if is_version_query(payload) {
        let version = SoftwareVersion {
            name: String::from("jitctl-focus"),
            version: VERSION.to_owned(),
            os: Some(String::from("Linux")),
        };
        return Some(iq.result(Some(version.to_element())));
    }
    if payload.is("query", namespace::DISCO_INFO) {
        let mut info = disco_info();
        info.node = payload.attribute("node").map(str::to_owned);
        return Some(iq.result(Some(info.to_element())));
    }
    None
}
