//! The language of `--on`: which hosts a command concerns.
//!
//! ```text
//! selection = term *( "," term )          hosts that any term selects, minus all "!" terms
//! term      = [ "!" ] factor *( "&" factor )   hosts that all factors select
//! factor    = "@" role | key "=" glob | glob
//! glob      = letters with "*" (any run) and "?" (any one)
//! ```
//!
//! `key` is `region`, `name` or a label. A selection of "!" terms alone starts from all hosts. A
//! term that selects nothing is an error: it is nearly always a slip.

mod glob;
mod parse;

use std::collections::BTreeSet;

use crate::load::suggest::closest;
use crate::model::{Host, Inventory, Role};
use crate::names::HostName;

use glob::Glob;
pub use parse::parse;

/// A parsed selection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    text: String,
    terms: Vec<Term>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    /// Bytes of the term in the text.
    at: std::ops::Range<usize>,
    excluded: bool,
    factors: Vec<Factor>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Factor {
    Role(Role),
    Name(Glob),
    Label(String, Glob),
}

/// What is wrong with a selection, and where.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, thiserror::Error)]
#[error("{message}")]
pub struct SelectError {
    /// One line.
    pub message: String,
    /// The whole selection as typed.
    pub text: String,
    /// Bytes from its start.
    pub offset: usize,
    /// Length in bytes.
    pub length: usize,
    /// What to do.
    pub help: String,
}

impl miette::Diagnostic for SelectError {
    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        Some(Box::new(&self.help))
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        Some(&self.text)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = miette::LabeledSpan> + '_>> {
        let label = miette::LabeledSpan::new_primary_with_span(
            Some("here".to_owned()),
            (self.offset, self.length),
        );
        Some(Box::new(std::iter::once(label)))
    }
}

impl Selection {
    /// The selected hosts, in the order of their names.
    ///
    /// # Errors
    /// A term selects no host, or nothing is left.
    pub fn hosts(&self, inventory: &Inventory) -> Result<Vec<HostName>, SelectError> {
        let mut chosen: BTreeSet<&HostName> = BTreeSet::new();
        let mut excluded: BTreeSet<&HostName> = BTreeSet::new();
        if self.terms.iter().all(|term| term.excluded) {
            chosen.extend(inventory.hosts.keys());
        }
        for term in &self.terms {
            let found: Vec<&HostName> = inventory
                .hosts
                .iter()
                .filter(|(name, host)| term.factors.iter().all(|factor| factor.selects(name, host)))
                .map(|(name, _)| name)
                .collect();
            if found.is_empty() {
                return Err(self.nothing(term, inventory));
            }
            if term.excluded {
                excluded.extend(found);
            } else {
                chosen.extend(found);
            }
        }
        let left: Vec<HostName> = chosen
            .difference(&excluded)
            .map(|name| (*name).clone())
            .collect();
        if left.is_empty() {
            return Err(SelectError {
                message: "the selection leaves no host".to_owned(),
                text: self.text.clone(),
                offset: 0,
                length: self.text.len(),
                help: "the `!` terms take away everything that the others select".to_owned(),
            });
        }
        Ok(left)
    }

    fn nothing(&self, term: &Term, inventory: &Inventory) -> SelectError {
        let words = &self.text[term.at.clone()];
        let names = || inventory.hosts.keys().map(HostName::as_str);
        let help = match &term.factors[..] {
            [Factor::Name(glob)] => match closest(glob.as_str(), names()) {
                Some(name) => format!("did you mean `{name}`?"),
                None => format!("the hosts are {}", names().collect::<Vec<_>>().join(", ")),
            },
            [Factor::Label(key, _)] => {
                let mut values: Vec<&str> = inventory
                    .hosts
                    .iter()
                    .filter_map(|(name, host)| label(name, host, key))
                    .collect();
                values.sort_unstable();
                values.dedup();
                if values.is_empty() {
                    format!("no host has `{key}`; a role is written `@bridge`")
                } else {
                    format!("`{key}` is one of {}", values.join(", "))
                }
            }
            _ => "`jitctl check` shows the hosts with their roles and labels".to_owned(),
        };
        SelectError {
            message: format!("`{}` selects no host", words.trim_start_matches('!')),
            text: self.text.clone(),
            offset: term.at.start,
            length: term.at.len(),
            help,
        }
    }
}

impl Factor {
    fn selects(&self, name: &HostName, host: &Host) -> bool {
        match self {
            Self::Role(role) => host.roles.contains(role),
            Self::Name(glob) => glob.matches(name.as_str()),
            Self::Label(key, glob) => {
                label(name, host, key).is_some_and(|value| glob.matches(value))
            }
        }
    }
}

fn label<'a>(name: &'a HostName, host: &'a Host, key: &str) -> Option<&'a str> {
    match key {
        "name" => Some(name.as_str()),
        "region" => host.region.as_deref(),
        _ => host.labels.get(key).map(String::as_str),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn inventory() -> Inventory {
        let text = "
version: 1
site: { domain: a.test }
hosts:
  main: { roles: [main], address: { private: [10.0.0.1] } }
  b1: { roles: [bridge], region: eu, labels: { rack: r1 }, address: { private: [10.0.0.2] } }
  b2: { roles: [bridge], region: eu, labels: { rack: r2 }, address: { private: [10.0.0.3] } }
  b3: { roles: [bridge], region: us, labels: { rack: r1 }, address: { private: [10.0.0.4] } }
";
        crate::load_text("x", text).unwrap().inventory
    }

    fn select(text: &str) -> Result<String, SelectError> {
        let hosts = parse(text)?.hosts(&inventory())?;
        Ok(hosts
            .iter()
            .map(HostName::as_str)
            .collect::<Vec<_>>()
            .join(" "))
    }

    #[test]
    fn terms_are_joined_and_exclusions_win() {
        for (text, hosts) in [
            ("b1", "b1"),
            ("b*", "b1 b2 b3"),
            ("b?,!b3", "b1 b2"),
            ("@main, region=us", "b3 main"),
            ("!@bridge", "main"),
            ("!b3,b*", "b1 b2"),
            ("region=eu&rack=r1", "b1"),
            ("@bridge&rack=r1,main", "b1 b3 main"),
            ("name=b2", "b2"),
            ("*", "b1 b2 b3 main"),
        ] {
            assert_eq!(select(text).unwrap(), hosts, "{text}");
        }
    }

    #[test]
    fn faults_are_shown_where_they_are() {
        for (text, offset, words) in [
            ("", 0, "empty"),
            ("b1,", 3, "empty"),
            ("b1,,b2", 3, "empty"),
            ("@brige", 1, "role"),
            ("b1,=x", 3, "label"),
            ("b1 b2", 2, "not allowed"),
            ("b1,b7", 3, "selects no host"),
            ("rack=r9", 0, "selects no host"),
            ("b1,!b*", 0, "leaves no host"),
            ("!!b1", 1, "not allowed"),
        ] {
            let error = select(text).unwrap_err();
            assert!(error.message.contains(words), "{text}: {error}");
            assert_eq!(error.offset, offset, "{text}: {error}");
        }
        assert_eq!(
            select("@brige").unwrap_err().help,
            "did you mean `@bridge`?"
        );
        assert_eq!(select("mian").unwrap_err().help, "did you mean `main`?");
        assert_eq!(
            select("rack=x").unwrap_err().help,
            "`rack` is one of r1, r2"
        );
    }

    proptest! {
        #[test]
        fn arbitrary_selections_are_never_a_panic(text in "[-ab1@!,&=*? é]{0,30}") {
            match select(&text) {
                Ok(hosts) => prop_assert!(!hosts.is_empty()),
                Err(error) => prop_assert!(text.get(error.offset..error.offset + error.length).is_some()),
            }
        }
    }
}
