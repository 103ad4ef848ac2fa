//! Every way a login or a stream can end, told apart by what cures it.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// How far a login came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// Looking the host name up.
    Resolve,
    /// Opening the TCP connection.
    Connect,
    /// Opening the stream and asking for TLS.
    Open,
    /// TLS handshake.
    Tls,
    /// Authentication.
    Authenticate,
    /// Binding a resource and enabling stream management.
    Bind,
    /// Logged in.
    Online,
}

impl fmt::Display for Stage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Resolve => "name look-up",
            Self::Connect => "TCP connect",
            Self::Open => "stream opening",
            Self::Tls => "TLS handshake",
            Self::Authenticate => "authentication",
            Self::Bind => "resource binding",
            Self::Online => "session",
        })
    }
}

/// What is wrong with the server's certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsFailure {
    /// Not issued by an authority we trust.
    #[error("certificate is not issued by the trusted authority")]
    UnknownAuthority,
    /// Issued for other names.
    #[error("certificate is not valid for `{expected}`")]
    WrongName {
        /// The name wanted.
        expected: String,
    },
    /// Past its end.
    #[error("certificate has expired")]
    Expired,
    /// Before its beginning; often a wrong clock.
    #[error("certificate is not valid yet: compare the clocks of both hosts")]
    NotYetValid,
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// Why a login failed or a stream ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The name has no address.
    #[error("`{host}` has no address: {detail}")]
    NameNotFound {
        /// The name.
        host: String,
        /// What the resolver said.
        detail: String,
    },
    /// Nobody listens.
    #[error("{address} refuses connections: is the XMPP server running and its port right?")]
    Refused {
        /// The address tried last.
        address: SocketAddr,
    },
    /// The network says no.
    #[error("{address} cannot be reached: {detail}")]
    Unreachable {
        /// The address tried last.
        address: SocketAddr,
        /// What the system said.
        detail: String,
    },
    /// No answer in time.
    #[error("no answer within {:.1} s during {stage}", after.as_secs_f64())]
    Timeout {
        /// Where it was waiting.
        stage: Stage,
        /// The whole time allowed.
        after: Duration,
    },
    /// The server does not serve that domain (`host-unknown`).
    #[error("the server does not serve `{domain}` (host-unknown)")]
    HostUnknown {
        /// The domain asked for.
        domain: String,
    },
    /// The server offers no STARTTLS.
    #[error("the server offers no TLS for `{domain}`: it has no certificate for that host")]
    TlsNotOffered {
        /// The domain asked for.
        domain: String,
    },
    /// TLS could not be set up.
    #[error("TLS: {0}")]
    Tls(TlsFailure),
    /// No such account: refused before any challenge.
    #[error("no account `{username}@{domain}` (refused before the challenge)")]
    NoAccount {
        /// The user tried.
        username: String,
        /// The domain asked for.
        domain: String,
    },
    /// Wrong password: refused after the challenge.
    #[error("wrong password for `{username}@{domain}` (refused after the challenge)")]
    WrongPassword {
        /// The user tried.
        username: String,
        /// The domain asked for.
        domain: String,
    },
    /// No account or wrong password: PLAIN does not tell.
    #[error("no account `{username}@{domain}` or a wrong password (PLAIN does not tell which)")]
    NotAuthorized {
        /// The user tried.
        username: String,
        /// The domain asked for.
        domain: String,
    },
    /// The account is switched off.
    #[error("account `{username}@{domain}` is disabled")]
    AccountDisabled {
        /// The user tried.
        username: String,
        /// The domain asked for.
        domain: String,
    },
    /// The domain only takes anonymous users.
    #[error(
        "`{domain}` only takes anonymous users: the domain of the account is wrong (invalid-mechanism)"
    )]
    OnlyAnonymous {
        /// The domain asked for.
        domain: String,
    },
    /// None of the mechanisms offered is ours.
    #[error("none of the mechanisms offered can be used: {}", offered.join(", "))]
    NoMechanism {
        /// What the server offers.
        offered: Vec<String>,
    },
    /// The server does not know the password either: somebody stands in between.
    #[error("the server could not prove that it knows the password")]
    ServerNotAuthentic,
    /// A policy or a rate limit.
    #[error("the server turns us away for now: {condition}{}", with_text(text))]
    Policy {
        /// Stream or SASL condition.
        condition: String,
        /// Words of the server.
        text: String,
    },
    /// Any other SASL failure.
    #[error("authentication failed: {condition}{}", with_text(text))]
    Sasl {
        /// SASL condition (RFC 6120 6.5).
        condition: String,
        /// Words of the server.
        text: String,
    },
    /// The shared secret of a component is wrong.
    #[error("the server refuses the secret of component `{name}`")]
    WrongSecret {
        /// Name of the component.
        name: String,
    },
    /// No resource was bound.
    #[error("no resource was bound: {detail}")]
    Bind {
        /// Words of the server.
        detail: String,
    },
    /// Another connection took our place (`conflict`).
    #[error("another connection took the place of this one (conflict)")]
    Replaced,
    /// Any other stream error.
    #[error("stream error: {condition}{}", with_text(text))]
    Stream {
        /// Stream error condition (RFC 6120 4.9.3).
        condition: String,
        /// Words of the server.
        text: String,
    },
    /// The other side speaks something else, or breaks the protocol.
    #[error("not XMPP: {detail}")]
    NotXmpp {
        /// What was wrong.
        detail: String,
    },
    /// The connection ended.
    #[error("the connection was closed during {stage}")]
    Closed {
        /// Where it ended.
        stage: Stage,
    },
    /// Nothing came for too long, even when asked.
    #[error("the server fell silent")]
    Silent,
    /// We closed the stream ourselves.
    #[error("closed on request")]
    Finished,
}

fn with_text(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!(" ({text})")
    }
}

impl Failure {
    /// Whether the stream may go on where it stopped, over a new connection (XEP-0198).
    pub fn allows_resumption(&self) -> bool {
        matches!(
            self,
            Self::Closed { .. }
                | Self::Silent
                | Self::Refused { .. }
                | Self::Unreachable { .. }
                | Self::Timeout { .. }
                | Self::NameNotFound { .. }
        )
    }
}
