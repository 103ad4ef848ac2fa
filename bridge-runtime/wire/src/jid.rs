//! Addresses (RFC 7622).
//!
//! Local part and domain are lower-cased in ASCII, which is what servers hand out; full PRECIS
//! preparation is left to the server, that compares names for us.

use std::fmt;
use std::str::FromStr;

/// An address: `domain`, `local@domain`, each with or without `/resource`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Jid {
    text: String,
    /// Where the domain starts; 0 when there is no local part.
    domain_start: usize,
    /// Where the domain ends.
    domain_end: usize,
}

/// Why a text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an address: {reason}")]
pub struct JidError {
    text: String,
    reason: &'static str,
}

impl Jid {
    /// Puts an address together from its parts.
    ///
    /// # Errors
    /// A part that is empty, too long (1023 bytes) or holds a forbidden character.
    pub fn from_parts(
        local: Option<&str>,
        domain: &str,
        resource: Option<&str>,
    ) -> Result<Self, JidError> {
        let error = |reason| {
            let shown = format!(
                "{}@{domain}/{}",
                local.unwrap_or(""),
                resource.unwrap_or("")
            );
            JidError {
                text: shown.chars().take(128).collect(),
                reason,
            }
        };
        if domain.is_empty() || domain.len() > 1023 {
            return Err(error("the domain must have 1 to 1023 bytes"));
        }
        if domain.contains(|c: char| c.is_whitespace() || c.is_control() || "@/\"&'<>".contains(c))
        {
            return Err(error("the domain holds a forbidden character"));
        }
        let mut text = String::new();
        if let Some(local) = local {
            if local.is_empty() || local.len() > 1023 {
                return Err(error("the local part must have 1 to 1023 bytes"));
            }
            if local
                .contains(|c: char| c.is_whitespace() || c.is_control() || "\"&'/:<>@".contains(c))
            {
                return Err(error("the local part holds a forbidden character"));
            }
            text.push_str(&local.to_ascii_lowercase());
            text.push('@');
        }
        let domain_start = text.len();
        text.push_str(&domain.to_ascii_lowercase());
        let domain_end = text.len();
        if let Some(resource) = resource {
            if resource.is_empty() || resource.len() > 1023 {
                return Err(error("the resource must have 1 to 1023 bytes"));
            }
            if resource.contains(char::is_control) {
                return Err(error("the resource holds a control character"));
            }
            text.push('/');
            text.push_str(resource);
        }
        Ok(Self {
            text,
            domain_start,
            domain_end,
        })
    }

    /// The part before `@`.
    pub fn local(&self) -> Option<&str> {
        self.domain_start
            .checked_sub(1)
            .and_then(|end| self.text.get(..end))
    }

    /// The host.
    pub fn domain(&self) -> &str {
        self.text
            .get(self.domain_start..self.domain_end)
            .unwrap_or_default()
    }

    /// The part after `/`; in a room, the nickname.
    pub fn resource(&self) -> Option<&str> {
        self.text.get(self.domain_end + 1..)
    }

    /// The address without its resource, as text.
    pub fn bare(&self) -> &str {
        self.text.get(..self.domain_end).unwrap_or_default()
    }

    /// The address without its resource.
    #[must_use]
    pub fn to_bare(&self) -> Self {
        Self {
            text: self.bare().to_owned(),
            ..*self
        }
    }

    /// The address with another resource.
    ///
    /// # Errors
    /// A resource that is empty, too long or holds control characters.
    pub fn with_resource(&self, resource: &str) -> Result<Self, JidError> {
        Self::from_parts(self.local(), self.domain(), Some(resource))
    }

    /// Whether there is no resource.
    pub fn is_bare(&self) -> bool {
        self.domain_end == self.text.len()
    }

    /// The whole address as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Jid {
    type Err = JidError;

    fn from_str(text: &str) -> Result<Self, JidError> {
        let (bare, resource) = match text.split_once('/') {
            Some((bare, resource)) => (bare, Some(resource)),
            None => (text, None),
        };
        let (local, domain) = match bare.split_once('@') {
            Some((local, domain)) => (Some(local), domain),
            None => (None, bare),
        };
        Self::from_parts(local, domain, resource)
    }
}

impl fmt::Display for Jid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl fmt::Debug for Jid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parts_are_split_at_the_first_slash_and_at() {
        let jid: Jid = "focus.meet.test/a@meet.test/x".parse().unwrap();
        assert_eq!(jid.local(), None);
        assert_eq!(jid.domain(), "focus.meet.test");
        assert_eq!(jid.resource(), Some("a@meet.test/x"));
        let jid: Jid = "[tenant]Room@conference.Meet.test/Nick".parse().unwrap();
        assert_eq!(jid.bare(), "[tenant]room@conference.meet.test");
        assert_eq!(jid.resource(), Some("Nick"));
        assert!(jid.to_bare().is_bare());
    }

    #[test]
    fn empty_parts_are_refused() {
        for text in ["", "@b", "a@", "a@b/", "/x", "a b@c", "a@b@c"] {
            assert!(text.parse::<Jid>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_either_fails_or_reads_back_as_itself(text in "\\PC{0,40}") {
            if let Ok(jid) = text.parse::<Jid>() {
                prop_assert_eq!(jid.as_str().parse::<Jid>().unwrap(), jid);
            }
        }
    }
}
