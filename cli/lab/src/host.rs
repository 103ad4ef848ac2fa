//! Names, addresses and states of a lab and its hosts.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::LabError;

/// The name of a lab: one to sixteen of `a-z 0-9 -`, first a letter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LabName(String);

/// The name of a lab host: one to twelve of `a-z 0-9 -`, first a letter, not `client`.
///
/// Twelve, because the outer end of its link is `vb-NAME` and a link's name has fifteen bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostName(String);

fn check(what: &'static str, name: &str, longest: usize) -> Result<(), LabError> {
    let bad = |reason| LabError::BadName {
        what,
        name: name.to_owned(),
        reason,
    };
    if name.is_empty() || name.len() > longest {
        return Err(bad(if longest == 12 {
            "it must have 1 to 12 characters"
        } else {
            "it must have 1 to 16 characters"
        }));
    }
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) {
        return Err(bad("it must begin with a letter of a-z"));
    }
    if name.ends_with('-') {
        return Err(bad("it must not end with `-`"));
    }
    if !name
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    {
        return Err(bad("it may hold only a-z, 0-9 and `-`"));
    }
    Ok(())
}

impl LabName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl HostName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The `number`th host of a lab whose hosts were only counted: `h1`, `h2`, …
    pub fn numbered(number: u8) -> Self {
        Self(format!("h{number}"))
    }

    /// The outer end of the host's link, a port of the lab's bridge.
    pub(crate) fn link(&self) -> String {
        format!("vb-{}", self.0)
    }

    /// The bridge's port that stands for the link while that is delayed.
    pub(crate) fn delayed_link(&self) -> String {
        format!("td-{}", self.0)
    }

    /// The number of a host named `hN`.
    pub(crate) fn number(&self) -> Option<u8> {
        self.0.strip_prefix('h')?.parse().ok()
    }
}

impl FromStr for LabName {
    type Err = LabError;

    fn from_str(name: &str) -> Result<Self, LabError> {
        check("lab", name, 16)?;
        Ok(Self(name.to_owned()))
    }
}

impl FromStr for HostName {
    type Err = LabError;

    fn from_str(name: &str) -> Result<Self, LabError> {
        check("host", name, 12)?;
        if name == "client" || name == "localhost" {
            return Err(LabError::BadName {
                what: "host",
                name: name.to_owned(),
                reason: "that name has a meaning of its own",
            });
        }
        Ok(Self(name.to_owned()))
    }
}

macro_rules! text_conversions {
    ($($name:ident),*) => {$(
        impl TryFrom<String> for $name {
            type Error = LabError;
            fn try_from(name: String) -> Result<Self, LabError> {
                name.parse()
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    )*};
}
text_conversions!(LabName, HostName);

/// One host as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostSpec {
    /// Its name.
    pub name: HostName,
    /// Its address in the lab.
    pub address: Ipv4Addr,
    /// Size of a disk of its own, in mebibytes; without one it shares the outer machine's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_mebibytes: Option<u32>,
}

/// What a host does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostState {
    /// Its systemd runs.
    Running,
    /// It is powered off.
    Off,
    /// It is frozen: it answers pings, and nothing else.
    Hung,
}

/// One host and what it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostStatus {
    /// The host as it was asked for.
    #[serde(flatten)]
    pub spec: HostSpec,
    /// What it does.
    pub state: HostState,
    /// How often it was booted since the lab came up.
    pub boots: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_fit_a_link_name() {
        for name in ["h1", "main", "bridge-eu-1", "abcdefghijkl"] {
            let host: HostName = name.parse().unwrap();
            assert!(host.link().len() <= 15, "{name}");
        }
        for name in [
            "",
            "1h",
            "-a",
            "a-",
            "H1",
            "a.b",
            "abcdefghijklm",
            "client",
            "a b",
            "ä",
        ] {
            assert!(name.parse::<HostName>().is_err(), "{name:?} was accepted");
        }
    }

    #[test]
    fn a_name_is_checked_when_it_is_read_back() {
        assert!(serde_json::from_str::<LabName>("\"../x\"").is_err());
        assert_eq!(
            serde_json::from_str::<LabName>("\"demo\"")
                .unwrap()
                .as_str(),
            "demo"
        );
    }
}
