//! What is refused before anything is touched.

use jitctl_wire::Condition;
use jitctl_wire::colibri2::{ColibriError, ConferenceModify, Endpoint, Sctp, SctpRole, capability};

/// The only SCTP port a bridge has.
pub(super) const SCTP_PORT: u16 = 5000;
/// Longest identifier of an endpoint.
const LONGEST_ID: usize = 256;

/// Combinations within one request that bridges do not serve.
pub(super) fn combination(request: &ConferenceModify) -> Result<(), ColibriError> {
    if !request.relays.is_empty() {
        if !request.endpoints.is_empty() {
            return Err(ColibriError::feature_not_implemented(
                "Endpoints and relays in the same request.",
            ));
        }
        if request.relays.iter().all(|relay| relay.expire) {
            return Ok(());
        }
        return Err(ColibriError::new(
            Condition::FeatureNotImplemented,
            "This bridge has no links to other bridges.",
        ));
    }
    if request
        .connects
        .as_ref()
        .is_some_and(|connects| !connects.is_empty())
    {
        return Err(ColibriError::feature_not_implemented(
            "This bridge exports no media.",
        ));
    }
    let batched = request.endpoints.len() > 1;
    if batched && !is_expiry_or_mute(request) {
        return Err(ColibriError::feature_not_implemented(
            "Creating or updating media, sources or transport for more than one endpoint in a request.",
        ));
    }
    Ok(())
}

/// Whether a request consists of nothing that needs its endpoints to be there.
pub(super) fn is_expiry_or_mute(request: &ConferenceModify) -> bool {
    request
        .endpoints
        .iter()
        .all(|entry| entry.expire || entry.is_expire_or_mute_only())
}

/// An endpoint to be created.
pub(super) fn creation(entry: &Endpoint) -> Result<(), ColibriError> {
    let id = &entry.id;
    if id.is_empty() || id.len() > LONGEST_ID {
        return Err(ColibriError::bad_request(format!(
            "An endpoint's id has 1 to {LONGEST_ID} bytes."
        )));
    }
    let Some(transport) = &entry.transport else {
        return Err(ColibriError::bad_request(format!(
            "Attempt to create endpoint {id} with no <transport>"
        )));
    };
    if !entry.has_capability(capability::SOURCE_NAMES) {
        return Err(ColibriError::bad_request(format!(
            "Endpoint {id} has no capability {}.",
            capability::SOURCE_NAMES
        )));
    }
    transport.sctp.map_or(Ok(()), sctp)
}

fn sctp(sctp: Sctp) -> Result<(), ColibriError> {
    let refuse = |text: String| Err(ColibriError::new(Condition::FeatureNotImplemented, text));
    if sctp.role == Some(SctpRole::Client) {
        return refuse(String::from("Unsupported SCTP role: CLIENT"));
    }
    match sctp.port {
        None | Some(SCTP_PORT) => Ok(()),
        Some(other) => refuse(format!("Unsupported SCTP port: {other}")),
    }
}

#[cfg(test)]
mod tests {
    use jitctl_wire::colibri2::{ForceMute, Relay, Transport};

    use super::*;

    #[test]
    fn only_expiries_and_mutes_may_be_batched() {
        let mut request = ConferenceModify::new("m");
        let mute = Endpoint {
            force_mute: Some(ForceMute::default()),
            ..Endpoint::new("a")
        };
        let expiry = Endpoint {
            expire: true,
            ..Endpoint::new("b")
        };
        request.endpoints = vec![mute, expiry];
        assert_eq!(combination(&request), Ok(()));
        request.endpoints.push(Endpoint {
            sources: Some(Vec::new()),
            ..Endpoint::new("c")
        });
        let error = combination(&request).unwrap_err();
        assert_eq!(error.condition, Condition::FeatureNotImplemented);
        request.endpoints = vec![Endpoint::new("a")];
        request.relays = vec![Relay::default()];
        assert!(combination(&request).is_err());
    }

    #[test]
    fn a_new_endpoint_needs_a_transport_and_named_sources() {
        let mut entry = Endpoint::new("a");
        assert!(creation(&entry).unwrap_err().text.contains("<transport>"));
        entry.transport = Some(Transport::default());
        assert!(creation(&entry).unwrap_err().text.contains("source-names"));
        entry.capabilities = vec![capability::SOURCE_NAMES.to_owned()];
        assert_eq!(creation(&entry), Ok(()));
        entry.transport.as_mut().unwrap().sctp = Some(Sctp {
            role: Some(SctpRole::Client),
            port: None,
        });
        let error = creation(&entry).unwrap_err();
        assert_eq!(
            (error.condition, error.reason),
            (Condition::FeatureNotImplemented, None)
        );
    }
}
