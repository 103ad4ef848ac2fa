//! Every exit code of `jitctl`, in one place.
//!
//! Scripts depend on these numbers: they are a committed interface. The help of each command
//! lists the ones it can end with.

use std::process::ExitCode;

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All is done, or nothing was to do.
    Success,
    /// Something failed that has no number of its own.
    Failure,
    /// The plan holds changes.
    Changes,
    /// The command line, the inventory or the secrets are wrong; nothing was touched.
    Usage,
    /// Hosts drifted from the inventory, or `doctor` found something.
    Findings,
    /// A host could not be reached.
    Connect,
    /// Somebody else holds a lease on a host.
    Locked,
    /// A gate stayed red and the change was taken back.
    RolledBack,
    /// Ctrl-C.
    Interrupted,
}

impl Exit {
    /// How commands end that ask or change something on hosts and deploy nothing.
    pub(crate) const ON_HOSTS: &[Self] = &[
        Self::Success,
        Self::Failure,
        Self::Usage,
        Self::Connect,
        Self::Interrupted,
    ];

    /// The number that the shell sees.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failure => 1,
            Self::Changes => 2,
            Self::Usage => 3,
            Self::Findings => 4,
            Self::Connect => 5,
            Self::Locked => 6,
            Self::RolledBack => 7,
            Self::Interrupted => 130,
        }
    }

    /// The exit of a number that an engine crate calls for.
    pub(crate) fn of(code: i32) -> Self {
        match code {
            0 => Self::Success,
            2 => Self::Changes,
            3 => Self::Usage,
            4 => Self::Findings,
            5 => Self::Connect,
            6 => Self::Locked,
            7 => Self::RolledBack,
            130 => Self::Interrupted,
            _ => Self::Failure,
        }
    }

    /// What the number means, for help texts.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::Success => "done, or nothing to do",
            Self::Failure => "failed for a reason without a number of its own",
            Self::Changes => "the plan holds changes",
            Self::Usage => "the command line, the inventory or the secrets are wrong",
            Self::Findings => "hosts differ from what they should be",
            Self::Connect => "a host could not be reached",
            Self::Locked => "somebody else holds the lock of a host",
            Self::RolledBack => "a health gate failed and the change was taken back",
            Self::Interrupted => "interrupted with Ctrl-C",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::Exit;

    #[test]
    fn the_codes_are_the_documented_ones() {
        let codes = [
            Exit::Success,
            Exit::Failure,
            Exit::Changes,
            Exit::Usage,
            Exit::Findings,
            Exit::Connect,
            Exit::Locked,
            Exit::RolledBack,
            Exit::Interrupted,
        ]
        .map(Exit::code);
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7, 130]);
    }
}
