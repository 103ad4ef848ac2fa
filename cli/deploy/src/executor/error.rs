//! Why a host could not be brought to its desired state.

use jitctl_inventory::names::HostName;
use jitctl_transport::RemoteError;

use crate::accounts::NoRandomness;
use crate::facts::ParseError;
use crate::gates::RedGate;
use crate::lease::LeaseError;
use crate::steps::{Phase, StageError};

/// Why a host failed. None of these holds a secret: scripts print only titles and the words of
/// checkers, and the caller masks known values once more.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// It cannot be reached, or the link broke.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The lease is in other hands.
    #[error(transparent)]
    Lease(#[from] LeaseError),
    /// The lease was taken away while we worked.
    #[error("`{host}`: somebody took the lease away; see `jitctl lock show`")]
    LeaseLost {
        /// Which host.
        host: HostName,
    },
    /// Its facts cannot be read.
    #[error("`{host}`: {cause}")]
    Facts {
        /// Which host.
        host: HostName,
        /// What is wrong.
        cause: ParseError,
    },
    /// It changed since the plan was made.
    #[error("`{host}` changed since the plan was made; plan again")]
    Moved {
        /// Which host.
        host: HostName,
    },
    /// Bytes for the host are missing.
    #[error("`{host}`: {cause}")]
    Stage {
        /// Which host.
        host: HostName,
        /// What is wrong.
        cause: StageError,
    },
    /// No salt for an account.
    #[error("`{host}`: {cause}")]
    Random {
        /// Which host.
        host: HostName,
        /// What is wrong.
        cause: NoRandomness,
    },
    /// A phase failed before anything was switched: the host is as it was, apart from packages.
    #[error("`{host}` refused: {}", phase.title())]
    Refused {
        /// Which host.
        host: HostName,
        /// Which phase.
        phase: Phase,
        /// The words of the program that refused.
        said: Vec<String>,
    },
    /// A phase or gate failed after the switch; the previous state is back.
    #[error("`{host}`: red gate: {}; the previous state is back", gate.gate)]
    RolledBack {
        /// Which host.
        host: HostName,
        /// Which gate, with evidence.
        gate: RedGate,
    },
    /// The same, and putting the previous state back failed too.
    #[error("`{host}`: red gate: {}; putting the previous state back failed: {cause}", gate.gate)]
    NotRolledBack {
        /// Which host.
        host: HostName,
        /// Which gate, with evidence.
        gate: RedGate,
        /// Why.
        cause: String,
    },
}

impl HostError {
    /// The exit code that this calls for.
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::Remote(_) => 5,
            Self::Lease(error) => error.exit_code(),
            Self::LeaseLost { .. } => 6,
            Self::RolledBack { .. } | Self::NotRolledBack { .. } => 7,
            _ => 1,
        }
    }

    /// The lines that explain it: a checker's words or a unit's log.
    pub fn evidence(&self) -> &[String] {
        match self {
            Self::Refused { said, .. } => said,
            Self::RolledBack { gate, .. } | Self::NotRolledBack { gate, .. } => &gate.evidence,
            _ => &[],
        }
    }

    /// What the operator can do.
    pub fn remedy(&self) -> String {
        match self {
            Self::Remote(error) => error.remedy(),
            Self::Lease(error) => error.remedy(),
            Self::LeaseLost { .. } | Self::Moved { .. } => "run `jitctl plan` again".to_owned(),
            Self::Facts { cause, .. } => cause.to_string(),
            Self::Stage { cause, .. } => cause.to_string(),
            Self::Random { .. } => "try again".to_owned(),
            Self::Refused { .. } => {
                "correct what it names in the inventory or an override, then apply again".to_owned()
            }
            Self::RolledBack { .. } | Self::NotRolledBack { .. } => {
                "read the log lines above, run `jitctl doctor`, then apply again".to_owned()
            }
        }
    }
}
