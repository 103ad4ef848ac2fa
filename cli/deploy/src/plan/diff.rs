//! Diffs that show no secret.

use std::collections::{BTreeMap, BTreeSet};

use jitctl_templates::desired::SecretName;
use similar::TextDiff;

/// What stands for a line that may hold a secret that we do not know.
const HIDDEN: &str = "(hidden: this file holds secrets)";

/// A unified diff with three lines of context.
pub(super) fn unified(path: &str, old: &str, new: &str) -> String {
    TextDiff::from_lines(old, new)
        .unified_diff()
        .context_radius(3)
        .header(path, path)
        .to_string()
}

/// The values at the markers of a text, found between the literal parts around them; nothing when
/// the content is not that text with values in it.
pub(super) fn values_in(marker_text: &str, content: &str) -> Option<Vec<(SecretName, String)>> {
    let mut values = Vec::new();
    let mut parts = marker_text.split("@@secret:");
    let mut rest = content.strip_prefix(parts.next()?)?;
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        let (name, literal) = part.split_once("@@")?;
        let end = match (literal.is_empty(), parts.peek().is_none()) {
            (true, true) => rest.len(),
            // Two secrets side by side cannot be told apart.
            (true, false) => return None,
            (false, true) => rest.strip_suffix(literal)?.len(),
            (false, false) => rest.find(literal)?,
        };
        values.push((SecretName(name.to_owned()), rest.get(..end)?.to_owned()));
        rest = rest.get(end + literal.len()..)?;
    }
    rest.is_empty().then_some(values)
}

/// The secrets that two contents have both, with other values. Each content comes with the text
/// that it was made from.
pub(super) fn changed_values(old: (&str, &str), new: (&str, &str)) -> Vec<SecretName> {
    let (Some(before), Some(after)) = (values_in(old.0, old.1), values_in(new.0, new.1)) else {
        return Vec::new();
    };
    let after: BTreeMap<SecretName, String> = after.into_iter().collect();
    let mut changed: Vec<SecretName> = before
        .into_iter()
        .filter(|(name, value)| after.get(name).is_some_and(|now| now != value))
        .map(|(name, _)| name)
        .collect();
    changed.dedup();
    changed
}

/// What may be shown of a secret file that is not as we wrote it: lines that our own texts have,
/// once known values are masked. All others are hidden.
pub(super) fn visible_part(
    content: &str,
    known: &[(SecretName, String)],
    texts: &[&str],
) -> String {
    let mut masked = content.to_owned();
    let mut known: Vec<_> = known
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .collect();
    known.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
    for (name, value) in known {
        masked = masked.replace(value.as_str(), &name.marker());
    }
    let ours: BTreeSet<&str> = texts.iter().flat_map(|text| text.lines()).collect();
    masked
        .lines()
        .map(|line| if ours.contains(line) { line } else { HIDDEN })
        .fold(String::new(), |text, line| text + line + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_between_the_literal_parts() {
        let text = "a=@@secret:x@@\nb=@@secret:y@@";
        let values = values_in(text, "a=1\nb=2").unwrap();
        assert_eq!(values[0], (SecretName("x".into()), "1".into()));
        assert_eq!(values[1], (SecretName("y".into()), "2".into()));
        assert_eq!(values_in(text, "c=1\nb=2"), None);
        assert_eq!(values_in("none", "none"), Some(Vec::new()));
    }

    #[test]
    fn only_the_changed_secret_is_named() {
        let text = "a=@@secret:x@@\nb=@@secret:y@@\n";
        let changed = changed_values((text, "a=1\nb=2\n"), (text, "a=1\nb=3\n"));
        assert_eq!(changed, [SecretName("y".into())]);
    }

    #[test]
    fn a_secret_that_leaves_a_text_changes_no_other() {
        let old = "a=@@secret:x@@\nb=@@secret:y@@\n";
        let new = "a=@@secret:x@@\n";
        let changed = changed_values((old, "a=1\nb=2\n"), (new, "a=1\n"));
        assert_eq!(changed, []);
    }

    #[test]
    fn a_line_with_an_unknown_secret_is_hidden() {
        let text = "user = jvb\npassword = @@secret:x@@\n";
        let shown = visible_part(
            "user = jvb\npassword = oldpassword\n",
            &[(SecretName("x".into()), "newpassword".into())],
            &[text],
        );
        assert_eq!(shown, format!("user = jvb\n{HIDDEN}\n"));
    }
}
