//! Identities as types: a host name is not a nickname, and neither is a domain.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
        )]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps a value; whether it is well formed is the business of the inventory's rules.
            pub fn new(value: impl Into<String>) -> Self {
                Self(value.into())
            }

            /// The name as written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(value: &str) -> Self {
                Self::new(value)
            }
        }
    };
}

name! {
    /// The key of a host in the inventory: what operators type.
    HostName
}
name! {
    /// The nickname of a bridge in the brewery room: its identity for the focus.
    MucNick
}
name! {
    /// The public DNS name of the site, also the XMPP domain of its people.
    Domain
}
