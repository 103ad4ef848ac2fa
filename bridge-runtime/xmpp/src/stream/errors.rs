//! Stream errors and SASL failures, turned into what cures them.

use jitctl_wire::{Element, namespace};

use crate::credentials::Credentials;
use crate::failure::Failure;
use crate::sasl::{Mechanism, SaslError};

/// Reads a `<stream:error>` (RFC 6120 4.9).
pub(super) fn stream_error(error: &Element, domain: &str) -> Failure {
    let is_condition =
        |child: &&Element| child.namespace() == namespace::STREAM_ERRORS && child.name() != "text";
    let condition = error
        .children()
        .find(is_condition)
        .map_or("undefined-condition", Element::name)
        .to_owned();
    let text = error
        .child("text", namespace::STREAM_ERRORS)
        .map(Element::text)
        .unwrap_or_default();
    match condition.as_str() {
        "host-unknown" | "host-gone" | "improper-addressing" => Failure::HostUnknown {
            domain: domain.to_owned(),
        },
        "conflict" => Failure::Replaced,
        "policy-violation" | "resource-constraint" => Failure::Policy { condition, text },
        _ => Failure::Stream { condition, text },
    }
}

/// Reads a SASL `<failure>` (RFC 6120 6.5). Whether a challenge came before decides between a
/// missing account and a wrong password.
pub(super) fn sasl_failure(
    failure: &Element,
    domain: &str,
    credentials: &Credentials,
    mechanism: Mechanism,
    challenged: bool,
) -> Failure {
    let condition = failure
        .children()
        .find(|child| child.name() != "text")
        .map_or("not-authorized", Element::name)
        .to_owned();
    let text = failure
        .child("text", namespace::SASL)
        .map(Element::text)
        .unwrap_or_default();
    let username = match credentials {
        Credentials::Password { username, .. } => username.clone(),
        _ => String::from("anonymous"),
    };
    let domain = domain.to_owned();
    match (condition.as_str(), mechanism) {
        ("not-authorized", Mechanism::Plain) => Failure::NotAuthorized { username, domain },
        ("not-authorized", Mechanism::ScramSha1 | Mechanism::ScramSha256) if challenged => {
            Failure::WrongPassword { username, domain }
        }
        ("not-authorized", Mechanism::ScramSha1 | Mechanism::ScramSha256) => {
            Failure::NoAccount { username, domain }
        }
        ("account-disabled", _) => Failure::AccountDisabled { username, domain },
        ("invalid-mechanism", Mechanism::ScramSha1 | Mechanism::ScramSha256) => {
            Failure::OnlyAnonymous { domain }
        }
        ("temporary-auth-failure", _) => Failure::Policy { condition, text },
        _ => Failure::Sasl { condition, text },
    }
}

pub(super) fn broken_exchange(error: SaslError) -> Failure {
    match error {
        SaslError::Protocol(detail) => Failure::NotXmpp {
            detail: detail.to_owned(),
        },
        SaslError::ServerNotAuthentic => Failure::ServerNotAuthentic,
    }
}

/// What a domain without a mechanism of ours means.
pub(super) fn no_mechanism(offered: &[String], domain: &str, credentials: &Credentials) -> Failure {
    let only_anonymous = !offered.is_empty() && offered.iter().all(|name| name == "ANONYMOUS");
    if only_anonymous && matches!(credentials, Credentials::Password { .. }) {
        return Failure::OnlyAnonymous {
            domain: domain.to_owned(),
        };
    }
    Failure::NoMechanism {
        offered: offered.to_vec(),
    }
}
