//! No secret appears in a process list, a journal, a world-readable file or our own output.

#![expect(clippy::expect_used, reason = "a broken set-up ends the test")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use jitctl_tests::Lab;

/// The values of all secrets; certificates are public and left out.
fn secrets(lab: &Lab) -> Vec<String> {
    let path = lab.folder().join("secrets.yaml");
    let text = std::fs::read_to_string(path).expect("the secrets are there");
    let secret: String = text
        .split("-----BEGIN CERTIFICATE-----")
        .map(|part| {
            part.rsplit("-----END CERTIFICATE-----")
                .next()
                .unwrap_or(part)
        })
        .collect();
    // The last line of a PKCS #8 key of P-256 is part of its public key (RFC 5958), which stands
    // in the certificate too.
    let lines: Vec<&str> = secret.lines().collect();
    let secret: Vec<&str> = lines
        .iter()
        .enumerate()
        .filter(|(position, _)| {
            let next = lines.get(position + 1);
            !next.is_some_and(|next| next.contains("-----END PRIVATE KEY-----"))
        })
        .map(|(_, line)| *line)
        .collect();
    let secret = secret.join("\n");
    let values: Vec<String> = secret
        .split(|char: char| !char.is_ascii_alphanumeric() && !"+/=_-".contains(char))
        .filter(|word| word.len() >= 24)
        .filter(|word| !word.contains("-----"))
        .map(str::to_owned)
        .collect();
    assert!(values.len() >= 4, "secrets were found: {}", values.len());
    values
}

/// Samples the command lines of all processes of this machine, lab hosts included.
fn sample(seen: &mut String) {
    for entry in std::fs::read_dir("/proc")
        .expect("processes can be listed")
        .flatten()
    {
        for file in ["cmdline", "environ"] {
            let text = std::fs::read(entry.path().join(file)).unwrap_or_default();
            seen.push_str(&String::from_utf8_lossy(&text));
            seen.push('\n');
        }
    }
}

fn leaked<'a>(secrets: &'a [String], text: &str) -> Vec<&'a str> {
    secrets
        .iter()
        .filter(|secret| text.contains(secret.as_str()))
        .map(|secret| &secret[..4])
        .collect()
}

#[test]
fn no_secret_is_seen_anywhere_during_and_after_an_apply() {
    let lab = Lab::with_inventory("leaks", 2);
    let secrets = secrets(&lab);

    let done = AtomicBool::new(false);
    let (outcome, processes) = thread::scope(|scope| {
        let sampler = scope.spawn(|| {
            let mut seen = String::new();
            while !done.load(Ordering::Relaxed) {
                sample(&mut seen);
                if leaked(&secrets, &seen).is_empty() {
                    seen.clear();
                }
                thread::sleep(Duration::from_millis(20));
            }
            seen
        });
        let outcome = lab.run(&["apply", "--yes", "-vvv"]);
        done.store(true, Ordering::Relaxed);
        (outcome, sampler.join().expect("the sampler ends"))
    });
    let outcome = outcome.expect(0);
    let none: Vec<&str> = Vec::new();
    assert_eq!(
        leaked(&secrets, &processes),
        none,
        "in a command line or environment"
    );
    let said = format!("{}{}", outcome.stdout, outcome.stderr);
    assert_eq!(leaked(&secrets, &said), none, "in our own output");

    let plan = lab.run(&["plan", "-vvv"]);
    assert_eq!(
        leaked(&secrets, &format!("{}{}", plan.stdout, plan.stderr)),
        none,
        "in a plan"
    );

    for host in ["h1", "h2"] {
        let journal = lab.on(host, "journalctl --no-pager -o cat");
        assert_eq!(leaked(&secrets, &journal), none, "in the journal of {host}");
        let readable = lab.on(
            host,
            "find /etc /home /opt /root /run /srv /tmp /usr/lib/jitctl /usr/local \
             /var -type f -perm -004 -size -2000k -not -path '/var/lib/dpkg/*' \
             -not -path '/var/cache/*' -not -path '/var/lib/apt/*' -exec cat {} + 2> /dev/null \
             | tr -c '[:print:]' '[\\n*]'; :",
        );
        assert_eq!(
            leaked(&secrets, &readable),
            none,
            "in a world-readable file of {host}"
        );
    }
}
