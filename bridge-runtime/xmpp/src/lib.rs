//! One XMPP stream core: TLS, SCRAM, stream management.
#![forbid(unsafe_code)]
