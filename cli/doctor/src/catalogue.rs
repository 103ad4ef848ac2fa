//! The table of checks: code, words, and which checks explain which others.
//!
//! Documentation, `jitctl explain` and the folding of findings all read this table; a code never
//! changes its meaning. `HOST` in a cure stands for the host of the finding.

use crate::finding::Severity;

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// Stable code.
    pub code: &'static str,
    /// How much it hurts.
    pub severity: Severity,
    /// What is wrong, one sentence without a host.
    pub title: &'static str,
    /// What people see: log lines, symptoms.
    pub symptom: &'static str,
    /// The usual reason.
    pub cause: &'static str,
    /// How it is detected.
    pub detection: &'static str,
    /// The command that cures it.
    pub cure: &'static str,
    /// Whether `doctor --fix` may cure it.
    pub fixable: bool,
    /// Checks on the same host whose findings only follow from this one.
    pub explains_here: &'static [&'static str],
    /// Checks on other hosts whose findings only follow from this one.
    pub explains_elsewhere: &'static [&'static str],
}

/// The row of a code.
pub fn check(code: &str) -> Option<&'static Check> {
    CHECKS
        .iter()
        .copied()
        .find(|check| check.code.eq_ignore_ascii_case(code))
}

macro_rules! checks {
    ($($name:ident: $code:literal, $severity:ident, $title:literal {
        symptom: $symptom:literal,
        cause: $cause:literal,
        detection: $detection:literal,
        cure: $cure:literal,
        fixable: $fixable:literal,
        here: [$($here:literal),*],
        elsewhere: [$($elsewhere:literal),*],
    })*) => {
        $(pub(crate) static $name: Check = Check {
            code: $code,
            severity: Severity::$severity,
            title: $title,
            symptom: $symptom,
            cause: $cause,
            detection: $detection,
            cure: $cure,
            fixable: $fixable,
            explains_here: &[$($here),*],
            explains_elsewhere: &[$($elsewhere),*],
        };)*

        /// All rows, in the order of their codes' families.
        pub static CHECKS: &[&Check] = &[$(&$name),*];
    };
}

checks! {
    HOST_KEY_CHANGED: "H01", Error, "the host key is not the known one" {
        symptom: "`REMOTE HOST IDENTIFICATION HAS CHANGED` from ssh",
        cause: "the host was installed anew, or somebody answers in its place",
        detection: "a strict host key check when connecting",
        cure: "jitctl trust HOST --replace   # after comparing the fingerprint on its console",
        fixable: false,
        here: [],
        elsewhere: [],
    }
    SUDO_MISSING: "H02", Error, "the login may not use sudo without a password" {
        symptom: "`sudo: a password is required`",
        cause: "the sudoers line of the login is missing or was changed",
        detection: "`sudo -n true` before anything else",
        cure: "ssh HOST 'echo \"$USER ALL=(ALL) NOPASSWD: ALL\" | sudo tee /etc/sudoers.d/jitctl'",
        fixable: false,
        here: [],
        elsewhere: [],
    }
    LOGIN_REFUSED: "H03", Error, "the host accepts none of our keys" {
        symptom: "`Permission denied (publickey)`",
        cause: "the agent offers other keys, or the key was removed from the host",
        detection: "the words of ssh when connecting",
        cure: "ssh-copy-id HOST   # or set ssh.key and ssh.user of the host in the inventory",
        fixable: false,
        here: [],
        elsewhere: [],
    }
    HOST_UNREACHABLE: "H04", Error, "the host cannot be reached" {
        symptom: "ssh times out or is refused",
        cause: "the host is down, its address is wrong, or port 22 is closed for us",
        detection: "an ssh connection with a deadline",
        cure: "ping HOST; jitctl ssh HOST   # then look at the console of your provider",
        fixable: false,
        here: [],
        elsewhere: ["X06", "X07", "X12", "X15"],
    }
    HOST_KEY_UNKNOWN: "H05", Error, "the host key is not known yet" {
        symptom: "`Host key verification failed`",
        cause: "nobody has confirmed the host's key on this machine",
        detection: "a strict host key check when connecting",
        cure: "jitctl trust HOST",
        fixable: false,
        here: [],
        elsewhere: [],
    }
    DISK_FULL: "H06", Error, "the disk is (almost) full" {
        symptom: "odd failures of every service; `No space left on device`",
        cause: "logs or packages grew, or the disk is too small",
        detection: "free space and inodes of the file systems that we write to",
        cure: "jitctl exec HOST -- journalctl --vacuum-size=200M",
        fixable: false,
        here: ["H07", "H09", "H11"],
        elsewhere: [],
    }
    PACKAGE_HALF_INSTALLED: "H07", Error, "a package is half installed" {
        symptom: "`dpkg was interrupted`; services missing or old",
        cause: "an installation was interrupted",
        detection: "the states in dpkg's own database",
        cure: "jitctl exec HOST -- dpkg --configure -a",
        fixable: false,
        here: ["H09"],
        elsewhere: [],
    }
    CLOCK_OFF: "H08", Error, "the clock is off" {
        symptom: "certificates `not valid yet` or `expired`; tokens refused",
        cause: "no time synchronisation, or a paused virtual machine",
        detection: "the host's clock beside this machine's, half the round trip taken off",
        cure: "jitctl exec HOST -- systemctl restart systemd-timesyncd   # or chrony",
        fixable: false,
        here: ["X09", "X10", "T01"],
        elsewhere: [],
    }
    SERVICE_DOWN: "H09", Error, "a service of ours is not running" {
        symptom: "the unit is failed or inactive",
        cause: "it was stopped, or it failed; the journal says which",
        detection: "the state of each unit that the inventory asks for",
        cure: "jitctl apply --on HOST",
        fixable: true,
        here: ["W01", "W03", "X06", "X12", "X15", "W20"],
        elsewhere: ["X06", "X15", "X12"],
    }
    UNIT_MASKED: "H10", Error, "a unit is masked" {
        symptom: "`Unit is masked`; it starts neither by hand nor at boot",
        cause: "somebody masked it to keep it down",
        detection: "the unit file's state",
        cure: "jitctl exec HOST -- systemctl unmask UNIT && jitctl apply --on HOST",
        fixable: true,
        here: ["H09", "W01", "W03", "X06", "X12", "X15", "W20"],
        elsewhere: ["X06", "X15", "X12"],
    }
    CONFIGURATION_REFUSED: "B20", Error, "a service of ours refuses its configuration" {
        symptom: "exit code 78 and no restart",
        cause: "a file was edited by hand, or belongs to another version",
        detection: "the exit status that systemd kept",
        cure: "jitctl apply --on HOST",
        fixable: true,
        here: ["H09", "X15"],
        elsewhere: ["X15", "X12"],
    }
    DNS_WRONG: "D01", Error, "the site's name leads somewhere else" {
        symptom: "people see another page or a certificate warning",
        cause: "the DNS record is old or was never made",
        detection: "the name is looked up and compared with MAIN's addresses",
        cure: "set the A/AAAA record of the site's domain to MAIN's public address",
        fixable: false,
        here: [],
        elsewhere: [],
    }
    DNS_SILENT: "D02", Error, "the host's name server does not answer" {
        symptom: "everything that looks up a name takes tens of seconds",
        cause: "the name server in /etc/resolv.conf is down or unreachable",
        detection: "a look-up on the host with a limit of its own",
        cure: "jitctl exec HOST -- cat /etc/resolv.conf   # then name a server that answers",
        fixable: false,
        here: ["D01"],
        elsewhere: [],
    }
    WRONG_PASSWORD: "X01", Error, "the XMPP server refuses the password" {
        symptom: "`SASLError using SCRAM-SHA-1: not-authorized`",
        cause: "the secret on the host and the account's on MAIN differ",
        detection: "SCRAM with the host's own secret: refused after the challenge",
        cure: "jitctl apply --on HOST   # sends the right secret; `jitctl apply` when it is MAIN's",
        fixable: true,
        here: ["X15", "X12"],
        elsewhere: [],
    }
    ACCOUNT_MISSING: "X02", Error, "the XMPP account does not exist" {
        symptom: "`SASLError using SCRAM-SHA-1: not-authorized`",
        cause: "the account was never made, or was deleted on MAIN",
        detection: "SCRAM with the host's own secret: refused before any challenge",
        cure: "jitctl apply --on @main",
        fixable: true,
        here: ["X15", "X12"],
        elsewhere: [],
    }
    WRONG_DOMAIN: "X04", Error, "the XMPP server does not serve the domain" {
        symptom: "stream error `host-unknown`",
        cause: "the domain in the host's configuration is wrong, or Prosody lost its configuration",
        detection: "a stream to that domain",
        cure: "jitctl apply --on HOST,@main",
        fixable: true,
        here: ["X15", "X12"],
        elsewhere: [],
    }
    ANONYMOUS_DOMAIN: "X05", Error, "the account's domain only takes anonymous people" {
        symptom: "SASL `invalid-mechanism`",
        cause: "the configuration names the people's domain instead of `auth.`",
        detection: "the mechanisms offered are ANONYMOUS alone",
        cure: "jitctl apply --on HOST",
        fixable: true,
        here: ["X15", "X12"],
        elsewhere: [],
    }
    XMPP_REFUSED: "X06", Error, "nobody listens on MAIN's XMPP port" {
        symptom: "`Connection refused … :5222`",
        cause: "Prosody is down or listens on loopback only, or a firewall rejects",
        detection: "a connection from the bridge ends at once",
        cure: "jitctl apply --on @main",
        fixable: true,
        here: ["X15"],
        elsewhere: [],
    }
    XMPP_BLOCKED: "X07", Error, "connections to MAIN's XMPP port are swallowed" {
        symptom: "connect timeout to port 5222",
        cause: "a firewall on MAIN or at the provider drops this bridge's packets",
        detection: "a connection from the bridge stays silent while MAIN listens",
        cure: "jitctl apply --on @main   # and open 5222/tcp for this bridge at your provider",
        fixable: true,
        here: ["X15"],
        elsewhere: [],
    }
    XMPP_STALLED: "X08", Error, "the XMPP server accepts and then says nothing" {
        symptom: "`NoResponseException … While waiting for establishing TLS`",
        cause: "a middlebox, another program on the port, or a hanging server",
        detection: "each step of a login has its own time",
        cure: "jitctl logs @main --since 10m",
        fixable: false,
        here: ["X15", "X12"],
        elsewhere: [],
    }
    XMPP_CERTIFICATE_UNTRUSTED: "X09", Error, "the XMPP certificate is not trusted" {
        symptom: "`PKIX path building failed`; unknown authority or wrong name",
        cause: "the certificate is of another authority, or was issued for another name",
        detection: "the chain as sent inside STARTTLS, held against the host's own trust file",
        cure: "jitctl apply --on HOST,@main",
        fixable: true,
        here: ["X15", "X12"],
        elsewhere: [],
    }
    XMPP_CERTIFICATE_EXPIRED: "X10", Error, "the XMPP certificate has expired" {
        symptom: "all bridges log out on one day",
        cause: "the internal certificate was not renewed",
        detection: "the dates of the certificate on port 5222",
        cure: "jitctl apply --on @main",
        fixable: true,
        here: ["X09", "X15", "X12"],
        elsewhere: ["X09", "X15"],
    }
    FOCUS_SILENT: "X12", Error, "the focus does not answer" {
        symptom: "`Focus error, retry after …`; rooms do not open",
        cause: "the focus is not connected to Prosody or its component",
        detection: "the focus's own health and bridge list",
        cure: "jitctl logs @main --since 10m   # then jitctl apply --on @main",
        fixable: true,
        here: [],
        elsewhere: ["X15"],
    }
    BRIDGE_NOT_COUNTED: "X15", Error, "the focus does not count this bridge" {
        symptom: "the bridge is logged in, the focus sees none",
        cause: "the brewery rooms differ, or the bridge is not in the room",
        detection: "the focus's list of bridges against the inventory and the bridge's own room",
        cure: "jitctl apply --on HOST,@main",
        fixable: true,
        here: [],
        elsewhere: [],
    }
    NICKNAME_CLASH: "X16", Error, "two bridges share one nickname" {
        symptom: "two bridges, only one visible, no error anywhere",
        cause: "a cloned host, or a second inventory with the same names",
        detection: "one presence in the brewery carries two real addresses",
        cure: "give one of them another `nickname:` in its inventory, then jitctl apply --on HOST",
        fixable: false,
        here: ["X15"],
        elsewhere: ["X15"],
    }
    BRIDGE_UNHEALTHY: "B12", Error, "the focus holds this bridge for broken" {
        symptom: "the bridge gets no rooms",
        cause: "its health check failed, or it did not answer it",
        detection: "the focus's list of bridges",
        cure: "jitctl logs HOST --since 10m",
        fixable: false,
        here: [],
        elsewhere: [],
    }
    BRIDGE_DRAINED: "B14", Warning, "the bridge is drained" {
        symptom: "it gets no new rooms",
        cause: "somebody drained it and did not take that back",
        detection: "its presence says so",
        cure: "jitctl exec HOST -- curl -sX POST http://127.0.0.1:8080/colibri/drain/disable",
        fixable: false,
        here: [],
        elsewhere: [],
    }
    BOSH_DOWN: "W01", Error, "the web server cannot reach Prosody" {
        symptom: "`/http-bind` answers 502",
        cause: "Prosody is down, or its HTTP port is elsewhere",
        detection: "GET /http-bind through nginx",
        cure: "jitctl apply --on HOST",
        fixable: true,
        here: ["W03"],
        elsewhere: [],
    }
    WEBSOCKET_DOWN: "W03", Error, "the XMPP WebSocket does not open" {
        symptom: "`You have been disconnected`",
        cause: "the location or its upgrade headers are missing in nginx",
        detection: "a WebSocket handshake with sub-protocol `xmpp`; anything but 101",
        cure: "jitctl apply --on HOST",
        fixable: true,
        here: [],
        elsewhere: [],
    }
    PAGE_DOWN: "W20", Error, "the site's page does not open" {
        symptom: "the browser shows an error instead of the page",
        cause: "nginx is down, or its configuration was changed",
        detection: "GET / over TLS with the site's name",
        cure: "jitctl apply --on HOST",
        fixable: true,
        here: ["W01", "W03", "T01", "T04", "W11"],
        elsewhere: [],
    }
    CHAIN_INCOMPLETE: "W11", Warning, "an intermediate certificate is missing" {
        symptom: "browsers open the page, mobile apps do not",
        cause: "the certificate file holds the leaf only",
        detection: "the chain as sent, without help from any cache",
        cure: "put the intermediate into the certificate file, then jitctl apply --on HOST",
        fixable: false,
        here: [],
        elsewhere: [],
    }
    CERTIFICATE_EXPIRY: "T01", Error, "the public certificate expires soon or has expired" {
        symptom: "browsers refuse the page",
        cause: "the renewal failed or was never set up",
        detection: "the dates of the certificate that is served",
        cure: "jitctl apply --on HOST   # with your own files: renew them first",
        fixable: true,
        here: ["T04"],
        elsewhere: [],
    }
    CERTIFICATE_NAME: "T04", Error, "the public certificate is for other names" {
        symptom: "`NET::ERR_CERT_COMMON_NAME_INVALID`",
        cause: "the files belong to another site",
        detection: "the names of the certificate that is served",
        cure: "jitctl apply --on HOST",
        fixable: true,
        here: [],
        elsewhere: [],
    }
    FILE_EDITED: "H11", Warning, "a file of ours was changed by hand" {
        symptom: "the next apply replaces what was edited",
        cause: "somebody edited it on the host",
        detection: "the hashes that the last apply noted",
        cure: "jitctl plan --on HOST   # shows the difference; jitctl apply --on HOST replaces it",
        fixable: true,
        here: [],
        elsewhere: [],
    }
    VERSIONS_DIFFER: "V01", Warning, "bridges of different versions" {
        symptom: "one meeting never spans them",
        cause: "an upgrade stopped half way",
        detection: "the versions that the bridges publish",
        cure: "jitctl apply",
        fixable: true,
        here: [],
        elsewhere: [],
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_every_reference_names_a_row() {
        let codes: BTreeSet<&str> = CHECKS.iter().map(|check| check.code).collect();
        assert_eq!(codes.len(), CHECKS.len());
        for check in CHECKS {
            for other in check.explains_here.iter().chain(check.explains_elsewhere) {
                assert!(codes.contains(other), "{} names {other}", check.code);
                assert_ne!(*other, check.code);
            }
        }
    }

    #[test]
    fn a_code_is_found_in_any_case() {
        assert_eq!(check("x01").map(|check| check.code), Some("X01"));
        assert!(check("Z99").is_none());
    }
}
