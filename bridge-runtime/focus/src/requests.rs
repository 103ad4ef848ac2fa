//! Requests that come to the focus, as a component and as an account.
//!
//! [`RequestHandler`] is where conference logic plugs in; what it does not take is answered here.

use jitctl_daemon::VERSION;
use jitctl_wire::disco::DiscoInfo;
use jitctl_wire::version::{SoftwareVersion, is_version_query};
use jitctl_wire::{Condition, Iq, IqKind, StanzaError, namespace, ping};
use jitctl_xmpp::Client;

/// Node of our capabilities (XEP-0115).
pub(crate) const CAPABILITIES_NODE: &str = "https://github.com/jitctl/jitctl";

/// Takes requests that are not of the common kind.
pub trait RequestHandler: Send + Sync + 'static {
    /// Takes a request, or gives it back to be refused. Must not block: answers go through the
    /// client whenever they are ready.
    fn handle(&self, client: &Client, iq: Iq) -> Option<Iq>;
}

/// Stands in where conferences are not part of the build: refuses everything.
#[derive(Debug, Default)]
pub struct NoConferences;

impl RequestHandler for NoConferences {
    fn handle(&self, _client: &Client, iq: Iq) -> Option<Iq> {
        Some(iq)
    }
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
pub(crate) fn answer(handler: &dyn RequestHandler, client: &Client, iq: Iq) {
    if let Some(answer) = common_answer(&iq) {
        return client.send(answer.to_element());
    }
    if let Some(iq) = handler.handle(client, iq) {
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
