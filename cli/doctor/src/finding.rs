//! One thing that is wrong.

use jitctl_inventory::names::HostName;
use schemars::JsonSchema;
use serde::Serialize;

use crate::catalogue::Check;

/// How much it hurts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// People notice.
    Error,
    /// People will notice.
    Warning,
}

/// A cure that may be carried out without asking further.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fix {
    /// Bring hosts to the inventory's state.
    Apply {
        /// Which hosts, as for `--on`.
        on: String,
    },
    /// Restart one unit.
    RestartUnit {
        /// On which host.
        host: HostName,
        /// Unit name.
        unit: String,
    },
    /// Start a unit that is masked or stopped, and enable it.
    EnableUnit {
        /// On which host.
        host: HostName,
        /// Unit name.
        unit: String,
    },
}

/// One thing that is wrong, where, and what cures it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// Stable code of the [`Check`].
    pub code: &'static str,
    /// How much it hurts.
    pub severity: Severity,
    /// The host to look at; nothing when it is the operator's side or the whole site.
    pub host: Option<HostName>,
    /// Other hosts that show the same.
    pub also: Vec<HostName>,
    /// What is wrong, one sentence.
    pub what: String,
    /// What was seen: a stanza, a counter, a file and line, the words of a program.
    pub evidence: Vec<String>,
    /// Why, as far as it is known.
    pub cause: String,
    /// The command to type.
    pub cure: String,
    /// What `--fix` would do.
    pub fix: Option<Fix>,
    /// Findings that follow from this one and go with it.
    pub consequences: Vec<Self>,
    /// The unit that it is about: decides what follows from a service that is down.
    #[serde(skip)]
    pub(crate) unit: Option<String>,
}

impl Finding {
    /// A finding of this check on a host; texts come from the check's row.
    pub(crate) fn of(check: &'static Check, host: Option<&HostName>) -> Self {
        let name = host.map_or("HOST", HostName::as_str);
        Self {
            code: check.code,
            severity: check.severity,
            host: host.cloned(),
            also: Vec::new(),
            what: check.title.to_owned(),
            evidence: Vec::new(),
            cause: check.cause.to_owned(),
            cure: check.cure.replace("HOST", name),
            fix: None,
            consequences: Vec::new(),
            unit: None,
        }
    }

    /// Says what exactly, in place of the row's general title.
    pub(crate) fn what(mut self, what: impl Into<String>) -> Self {
        self.what = what.into();
        self
    }

    /// Says why exactly, in place of the row's usual reason.
    pub(crate) fn because(mut self, cause: impl Into<String>) -> Self {
        self.cause = cause.into();
        self
    }

    /// Names another cure than the row's; `HOST` stands for the host here, too.
    pub(crate) fn cured_by(mut self, cure: impl Into<String>) -> Self {
        let name = self.host.as_ref().map_or("HOST", HostName::as_str);
        self.cure = cure.into().replace("HOST", name);
        self
    }

    /// Adds a line of evidence.
    pub(crate) fn seen(mut self, evidence: impl Into<String>) -> Self {
        self.evidence.push(evidence.into());
        self
    }

    /// Names the unit, also in the cure.
    pub(crate) fn about_unit(mut self, unit: &str) -> Self {
        self.cure = self.cure.replace("UNIT", unit);
        self.unit = Some(unit.to_owned());
        self
    }

    /// Names a fix.
    pub(crate) fn fixed_by(mut self, fix: Fix) -> Self {
        self.fix = Some(fix);
        self
    }

    /// An apply on its own host cures it.
    pub(crate) fn fixed_by_apply(self) -> Self {
        match self.host.clone() {
            Some(host) => self.fixed_by_apply_on(host.to_string()),
            None => self,
        }
    }

    /// An apply on these hosts cures it.
    pub(crate) fn fixed_by_apply_on(self, on: impl Into<String>) -> Self {
        self.fixed_by(Fix::Apply { on: on.into() })
    }
}
