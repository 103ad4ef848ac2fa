//! A report to post in public: the findings with hosts and addresses under other names.
//!
//! Secrets of the site are masked by the printer's mask on top; here goes what tells who it is.

use std::collections::BTreeMap;

use jitctl_doctor::Report;

/// The text, as JSON; every IP address becomes `address-N`, the same one everywhere.
pub(super) fn text(report: &Report) -> String {
    let json = serde_json::json!({
        "jitctl": env!("CARGO_PKG_VERSION"),
        "report": report,
    });
    let text = serde_json::to_string_pretty(&json).unwrap_or_default();
    hide_addresses(&text)
}

fn hide_addresses(text: &str) -> String {
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    let mut hidden = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_of_address) {
        let (before, from) = rest.split_at(start);
        hidden.push_str(before);
        let end = from
            .find(|character| !is_of_address(character))
            .unwrap_or(from.len());
        let (word, after) = from.split_at(end);
        hidden.push_str(&replaced(word, &mut names));
        rest = after;
    }
    hidden.push_str(rest);
    hidden
}

fn is_of_address(character: char) -> bool {
    character.is_ascii_hexdigit() || matches!(character, '.' | ':')
}

/// A word that is an address, with or without a port, under its other name.
fn replaced(word: &str, names: &mut BTreeMap<String, usize>) -> String {
    let is_address = |text: &str| {
        text.parse::<std::net::Ipv4Addr>().is_ok()
            || (text.len() > 4 && text.parse::<std::net::Ipv6Addr>().is_ok())
    };
    let trimmed = word.trim_end_matches(['.', ':']);
    let (address, port) = match trimmed.rsplit_once(':') {
        _ if is_address(trimmed) => (trimmed, ""),
        Some((address, _)) if is_address(address) => {
            (address, trimmed.get(address.len()..).unwrap_or_default())
        }
        _ => return word.to_owned(),
    };
    let local = address.starts_with("127.") || address == "0.0.0.0";
    if local {
        return word.to_owned();
    }
    let next = names.len() + 1;
    let number = *names.entry(address.to_owned()).or_insert(next);
    let tail = word.get(trimmed.len()..).unwrap_or_default();
    format!("address-{number}{port}{tail}")
}

#[cfg(test)]
mod tests {
    use super::hide_addresses;

    #[test]
    fn an_address_has_the_same_other_name_everywhere() {
        let text = "10.0.0.1:5222 refused; 10.0.0.1, 2001:db8::7 and 127.0.0.1:8080. version 0.1.0";
        assert_eq!(
            hide_addresses(text),
            "address-1:5222 refused; address-1, address-2 and 127.0.0.1:8080. version 0.1.0"
        );
    }
}
