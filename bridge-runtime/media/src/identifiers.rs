//! Names and numbers by which the media core speaks of its objects.
//!
//! Endpoint ids and source names come from signalling and are opaque here; an index is a dense
//! handle the conference hands out so that the hot path never hashes a string.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Synchronisation source of an RTP stream (RFC 3550 section 5.1).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Ssrc(pub u32);

impl fmt::Display for Ssrc {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Handle of an endpoint within one conference; reused after the endpoint has expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct EndpointIndex(pub u32);

impl EndpointIndex {
    /// The handle as an index into a table.
    pub const fn as_usize(self) -> usize {
        self.0 as usize
    }
}

/// Handle of a source within one conference; reused after the source has been removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct SourceIndex(pub u32);

impl SourceIndex {
    /// The handle as an index into a table.
    pub const fn as_usize(self) -> usize {
        self.0 as usize
    }
}

macro_rules! name_type {
    ($(#[$documentation:meta])* $name:ident) => {
        $(#[$documentation])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as signalled.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self(name.into())
            }
        }

        impl From<String> for $name {
            fn from(name: String) -> Self {
                Self(name.into())
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.as_str().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name_type! {
    /// Endpoint id as signalled (the nickname in the room); opaque.
    EndpointId
}
name_type! {
    /// Source name as signalled, by custom `<endpoint>-a<N>` or `<endpoint>-v<N>`; opaque.
    SourceName
}
