//! Who logs in.

use std::fmt;

use secrecy::SecretString;

/// Who logs in.
#[derive(Clone)]
pub enum Credentials {
    /// An account. The password is used as given: SASLprep (RFC 4013) leaves ASCII alone, and
    /// ours are ASCII.
    Password {
        /// Local part of the account.
        username: String,
        /// Its password.
        password: SecretString,
    },
    /// Nobody in particular: the server makes up an account (RFC 4505).
    Anonymous,
    /// An external component that shares a secret with the server (XEP-0114).
    Component {
        /// The shared secret.
        secret: SecretString,
    },
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password { username, .. } => write!(formatter, "Password({username})"),
            Self::Anonymous => formatter.write_str("Anonymous"),
            Self::Component { .. } => formatter.write_str("Component"),
        }
    }
}
