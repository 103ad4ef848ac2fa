//! Which request gets which answer.

use std::time::Instant;

use jitctl_daemon::VERSION;
use jitctl_wire::colibri2::{ColibriError, ConferenceModify};
use jitctl_wire::disco::DiscoInfo;
use jitctl_wire::version::{SoftwareVersion, is_version_query};
use jitctl_wire::{Condition, Iq, IqKind, Jid, StanzaError, health, namespace, ping};

use crate::state::{BridgeState, LifeCycle};

/// Node of our capabilities (XEP-0115).
pub(crate) const CAPABILITIES_NODE: &str = "https://github.com/jitctl/jitctl";

/// What to do with a request.
#[derive(Debug)]
pub(crate) enum Disposition {
    /// Send this.
    Answer(Iq),
    /// Serve this and answer later.
    Conference(ConferenceModify),
}

/// What the bridge announces.
pub(crate) fn disco_info() -> DiscoInfo {
    DiscoInfo::new(
        "client",
        "bot",
        "jitctl-bridge",
        &[
            namespace::CAPS,
            namespace::COLIBRI2,
            namespace::DISCO_INFO,
            namespace::DTLS,
            namespace::HEALTH_CHECK,
            namespace::ICE_UDP,
            namespace::MUC,
            namespace::PING,
            namespace::VERSION,
        ],
    )
}

/// Decides on a request. Only occupants of the brewery may ask.
pub(crate) fn dispatch(state: &BridgeState, brewery: &Jid, iq: &Iq) -> Disposition {
    let refuse = |condition| Disposition::Answer(iq.refusal(StanzaError::new(condition)));
    let from_brewery = iq
        .from
        .as_ref()
        .is_some_and(|from| from.bare() == brewery.as_str());
    if !from_brewery {
        return refuse(Condition::Forbidden);
    }
    let Some(payload) = &iq.payload else {
        return refuse(Condition::BadRequest);
    };
    if ConferenceModify::matches(payload) {
        return conference(state, iq);
    }
    if iq.kind != IqKind::Get {
        return refuse(Condition::ServiceUnavailable);
    }
    if health::is_health_check(payload) {
        return Disposition::Answer(match state.check_health(Instant::now()) {
            Ok(()) => iq.result(None),
            Err(reason) => {
                iq.refusal(StanzaError::new(Condition::InternalServerError).with_text(reason))
            }
        });
    }
    if ping::is_ping(payload) {
        return Disposition::Answer(iq.result(None));
    }
    if is_version_query(payload) {
        let version = SoftwareVersion {
            name: String::from("jitctl-bridge"),
            version: VERSION.to_owned(),
            os: Some(String::from("Linux")),
        };
        return Disposition::Answer(iq.result(Some(version.to_element())));
    }
    if payload.is("query", namespace::DISCO_INFO) {
        let mut info = disco_info();
        info.node = payload.attribute("node").map(str::to_owned);
        return Disposition::Answer(iq.result(Some(info.to_element())));
    }
    if payload.is("query", namespace::DISCO_ITEMS) {
        let empty = jitctl_wire::Element::new("query", namespace::DISCO_ITEMS);
        return Disposition::Answer(iq.result(Some(empty)));
    }
    refuse(Condition::ServiceUnavailable)
}

fn conference(state: &BridgeState, iq: &Iq) -> Disposition {
    let Some(payload) = &iq.payload else {
        return Disposition::Answer(iq.refusal(StanzaError::new(Condition::BadRequest)));
    };
    let request = match ConferenceModify::parse(payload) {
        Ok(request) => request,
        Err(error) => {
            state.count_refused_request();
            let error = ColibriError::from(&error);
            return Disposition::Answer(iq.refusal(error.to_stanza_error()));
        }
    };
    match admit(state, &request) {
        Ok(()) => Disposition::Conference(request),
        Err(error) => Disposition::Answer(refuse_conference(state, iq, &request, &error)),
    }
}

/// Whether a request may be served at this stage of the bridge's life.
///
/// # Errors
/// New conferences are refused on the way out.
pub(crate) fn admit(state: &BridgeState, request: &ConferenceModify) -> Result<(), ColibriError> {
    if request.create && state.life_cycle() >= LifeCycle::GracefulShutdown {
        return Err(ColibriError::graceful_shutdown());
    }
    Ok(())
}

/// A refusal that repeats the request's head, as bridges do; counted.
pub(crate) fn refuse_conference(
    state: &BridgeState,
    iq: &Iq,
    request: &ConferenceModify,
    error: &ColibriError,
) -> Iq {
    state.count_refused_request();
    let mut refusal = iq.refusal(error.to_stanza_error());
    refusal.payload = Some(request.echo());
    refusal
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use jitctl_wire::Element;

    use super::*;
    use crate::conference::NoMedia;
    use crate::config::REFERENCE;

    const BREWERY: &str = "jvbbrewery@internal.auth.meet.test";

    fn state() -> BridgeState {
        let config = jitctl_daemon::config::read(REFERENCE, Path::new("x")).unwrap();
        let state = BridgeState::new(config, Arc::new(NoMedia));
        state.self_test(Instant::now());
        state
    }

    fn ask(state: &BridgeState, from: &str, payload: &str) -> Disposition {
        let mut iq = Iq::get(None, Element::parse(payload).unwrap());
        iq.from = Some(from.parse().unwrap());
        iq.id = String::from("an id");
        dispatch(state, &BREWERY.parse().unwrap(), &iq)
    }

    fn answer(disposition: Disposition) -> Iq {
        match disposition {
            Disposition::Answer(iq) => iq,
            Disposition::Conference(request) => panic!("{request:?}"),
        }
    }

    #[test]
    fn strangers_are_forbidden_and_unknown_requests_unavailable() {
        let state = state();
        let health = "<healthcheck xmlns='http://jitsi.org/protocol/healthcheck'/>";
        let stranger = answer(ask(&state, "focus@auth.meet.test/focus", health));
        assert_eq!(stranger.error.unwrap().condition, Condition::Forbidden);
        let unknown = answer(ask(
            &state,
            &format!("{BREWERY}/focus"),
            "<query xmlns='urn:x'/>",
        ));
        assert_eq!(
            unknown.error.unwrap().condition,
            Condition::ServiceUnavailable
        );
        let known = answer(ask(&state, &format!("{BREWERY}/focus"), health));
        assert_eq!((known.kind, known.payload), (IqKind::Result, None));
        assert_eq!(known.to.unwrap().as_str(), format!("{BREWERY}/focus"));
    }

    #[test]
    fn new_conferences_are_refused_on_the_way_out_and_others_still_served() {
        let state = state();
        let from = format!("{BREWERY}/focus");
        let create = "<conference-modify xmlns='jitsi:colibri2' meeting-id='m' create='true'/>";
        let update = "<conference-modify xmlns='jitsi:colibri2' meeting-id='m'/>";
        let payload = || Element::parse(create).unwrap();
        for mut iq in [Iq::get(None, payload()), Iq::set(None, payload())] {
            iq.from = Some(from.parse().unwrap());
            let disposition = dispatch(&state, &BREWERY.parse().unwrap(), &iq);
            assert!(matches!(disposition, Disposition::Conference(_)));
        }
        state.advance(LifeCycle::GracefulShutdown);
        let refused = answer(ask(&state, &from, create));
        let error = ColibriError::from_stanza_error(&refused.error.unwrap());
        assert_eq!(
            error.reason,
            Some(jitctl_wire::colibri2::Reason::GracefulShutdown)
        );
        assert_eq!(refused.payload.unwrap().attribute("meeting-id"), Some("m"));
        assert!(matches!(
            ask(&state, &from, update),
            Disposition::Conference(_)
        ));
        let broken = "<conference-modify xmlns='jitsi:colibri2'/>";
        let refused = answer(ask(&state, &from, broken));
        assert_eq!(refused.error.unwrap().condition, Condition::BadRequest);
    }
}
