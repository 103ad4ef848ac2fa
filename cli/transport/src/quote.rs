//! The one function that puts a value into a shell script.

/// Quotes a value for a POSIX shell so that it is one word, taken literally.
///
/// A NUL byte cannot occur in a shell word; it is dropped.
pub fn quote(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if !value.is_empty() && value.chars().all(plain) {
        return value.to_owned();
    }
    let mut quoted = String::with_capacity(value.len() + 2);
    quoted.push('\'');
    for character in value.chars() {
        match character {
            '\'' => quoted.push_str("'\\''"),
            '\0' => {}
            other => quoted.push(other),
        }
    }
    quoted.push('\'');
    quoted
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::quote;

    #[test]
    fn an_empty_value_stays_a_word() {
        assert_eq!(quote(""), "''");
    }

    #[test]
    fn an_assignment_or_option_is_left_readable() {
        assert_eq!(quote("/etc/a-b_c.conf"), "/etc/a-b_c.conf");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn the_shell_gives_back_what_went_in(values in prop::collection::vec("[^\0]{0,20}", 1..6)) {
            let words: Vec<String> = values.iter().map(|value| quote(value)).collect();
            let script = format!("printf '%s\\0' {}", words.join(" "));
            let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
            let back: Vec<String> = String::from_utf8(output.stdout)
                .unwrap()
                .split_terminator('\0')
                .map(str::to_owned)
                .collect();
            prop_assert_eq!(back, values);
        }
    }
}
