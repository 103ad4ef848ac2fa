//! "Did you mean": the closest known word, when it is close enough to be a slip.

/// The word among `known` that was probably meant by `typed`.
pub(crate) fn closest<'a>(typed: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let typed = fold(typed);
    known
        .map(|word| {
            let folded = fold(word);
            let mut score = strsim::jaro_winkler(&typed, &folded);
            if strsim::damerau_levenshtein(&typed, &folded) <= 1 {
                score += 1.0;
            }
            (score, word)
        })
        .filter(|(score, _)| *score > 0.8)
        .max_by(|one, two| one.0.total_cmp(&two.0))
        .map(|(_, word)| word)
}

fn fold(word: &str) -> String {
    word.to_lowercase().replace('-', "_")
}

/// Words in backticks, separated by commas.
pub(crate) fn list<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words
        .map(|word| format!("`{word}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_a_stranger_is_not() {
        let known = ["roles", "region", "address", "xmpp_via"];
        let guess = |typed| closest(typed, known.into_iter());
        assert_eq!(guess("rolse"), Some("roles"));
        assert_eq!(guess("adress"), Some("address"));
        assert_eq!(guess("XMPP-Via"), Some("xmpp_via"));
        assert_eq!(guess("kubernetes"), None);
    }
}
