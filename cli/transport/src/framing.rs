//! How a script and its input share one standard input.
//!
//! The first line is the length of the script in bytes, then comes the script, then its input to
//! the end. The host's `sh` reads exactly the script (`read` takes byte by byte, `head -c` no more
//! than asked), checks that it is whole, and evaluates it with the rest as standard input. The
//! argument list holds these constant texts and a number of seconds, nothing else.

use crate::remote::Script;

/// Last line of every script on the wire: a script that was cut off is not run.
const END: &str = "#end";

/// Exit status of a script that did not arrive whole.
pub(crate) const CUT_OFF: i32 = 98;

/// Exit status of `timeout` when the deadline passed.
const TIMED_OUT: i32 = 124;

/// Runs as root: reads the script and evaluates it.
const READER: &str = concat!(
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; LC_ALL=C; export PATH LC_ALL; ",
    "umask 077; IFS= read -r length || exit 98; script=$(head -c \"$length\"); ",
    "case $script in *\"#end\") eval \"$script\";; ",
    "*) echo 'the script did not arrive whole' >&2; exit 98;; esac",
);

/// Becomes root when needed. `$1` seconds, `$2` the reader.
const LAUNCHER: &str = concat!(
    "if [ \"$(id -u)\" = 0 ]; then exec timeout -k 5 \"$1\" sh -c \"$2\"; fi; ",
    "exec sudo -n -- timeout -k 5 \"$1\" sh -c \"$2\"",
);

/// The same without `sudo`.
const PLAIN_LAUNCHER: &str = "exec timeout -k 5 \"$1\" sh -c \"$2\"";

/// The argument list that starts the reader, `sh` itself left out.
pub(crate) fn arguments(script: &Script, sudo: bool) -> [String; 5] {
    let launcher = if sudo { LAUNCHER } else { PLAIN_LAUNCHER };
    [
        "-c".to_owned(),
        launcher.to_owned(),
        "jitctl".to_owned(),
        script.deadline.as_secs().max(1).to_string(),
        READER.to_owned(),
    ]
}

/// The bytes for standard input.
pub(crate) fn frame(script: &Script) -> Vec<u8> {
    let text = format!("{}\n{END}", script.text);
    let mut bytes = format!("{}\n", text.len()).into_bytes();
    bytes.extend_from_slice(text.as_bytes());
    bytes.extend_from_slice(&script.input);
    bytes
}

/// Whether the host's own `timeout` ended the script.
pub(crate) fn timed_out(status: Option<i32>) -> bool {
    status == Some(TIMED_OUT)
}

/// Whether `sudo` refused before anything of ours ran; gives its words.
pub(crate) fn sudo_refusal(status: Option<i32>, stdout: &[u8], stderr: &str) -> Option<String> {
    let refused = matches!(status, Some(1 | 127)) && stdout.is_empty();
    let line = stderr.lines().find(|line| {
        line.starts_with("sudo:") || line.contains("sudo: not found") || line.contains("sudoers")
    })?;
    refused.then(|| line.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn nothing_of_the_script_is_in_the_argument_list() {
        let script = Script::new("t", "echo hunter2", Duration::from_secs(9))
            .with_input(b"hunter3".to_vec());
        let arguments = arguments(&script, true).join(" ");
        assert!(!arguments.contains("hunter"), "{arguments}");
    }

    #[test]
    fn the_length_counts_bytes_and_not_characters() {
        let script = Script::new("t", "echo ü", Duration::from_secs(9));
        assert!(frame(&script).starts_with(b"12\necho "));
    }

    #[test]
    fn the_words_of_sudo_are_told_from_those_of_a_script() {
        let words = "sudo: a password is required\n";
        assert!(sudo_refusal(Some(1), b"", words).is_some());
        assert!(sudo_refusal(Some(1), b"output", words).is_none());
        assert!(sudo_refusal(Some(1), b"", "nginx: failed\n").is_none());
    }
}
