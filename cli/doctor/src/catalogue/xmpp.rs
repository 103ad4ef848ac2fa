//! Logging in to XMPP, the focus, the brewery.

use super::rows;

rows! {
    PROSODY_READS_NOTHING: "X13", Error, "Prosody does not read the site's configuration" {
        symptom: "every XMPP host is unknown after an upgrade of the package",
        cause: "the line `Include \"conf.d/*.cfg.lua\"` is lost from /etc/prosody/prosody.cfg.lua",
        detection: "that line, on MAIN",
        cure: "jitctl exec --on HOST -- 'echo Include \"\\\"conf.d/*.cfg.lua\\\"\" >> /etc/prosody/prosody.cfg.lua; systemctl restart prosody'",
        fixable: false,
        here: ["X04", "X05", "X06", "X08", "X12", "X14", "X23", "W01", "W02", "W03", "W21", "U05"],
        elsewhere: ["X04", "X05", "X06", "X08", "X15", "B12"],
    }
    PROSODY_ADDRESS_GONE: "X22", Error, "Prosody is to listen on an address that the host does not have" {
        symptom: "`Failed to open server port 5222 … Cannot assign requested address`",
        cause: "the host got another address, or the file was edited by hand",
        detection: "`c2s_interfaces` against the addresses of the host's interfaces",
        cure: "jitctl apply --on HOST",
        fixable: true,
        here: ["X06", "X12", "X14", "X15", "W21", "H11"],
        elsewhere: ["X06", "X07", "X15", "B12"],
    }
    PROSODY_HANGS: "W02", Error, "Prosody runs and answers nobody" {
        symptom: "`/http-bind` answers 504; nobody gets in",
        cause: "the process is stopped, waits for a disk, or is drowned in work",
        detection: "GET /http-bind through nginx, while nginx answers for the page; the state of the process",
        cure: "jitctl exec --on HOST -- systemctl restart prosody",
        fixable: true,
        here: ["X07", "X08", "X12", "X14", "X23", "W01", "W03", "W21", "U05"],
        elsewhere: ["X07", "X08", "X15", "B12"],
    }
    WRONG_PASSWORD: "X01", Error, "the XMPP server refuses the password" {
        symptom: "`SASLError using SCRAM-SHA-1: not-authorized`",
        cause: "the secret on the host and the account's on MAIN differ",
        detection: "SCRAM with the host's own secret, from that host: refused after the challenge",
        cure: "jitctl apply --on HOST,@main",
        fixable: true,
        here: ["X15", "X12", "X14", "B12", "H11"],
        elsewhere: ["X15", "B12"],
    }
    ACCOUNT_MISSING: "X02", Error, "the XMPP account does not exist" {
        symptom: "`SASLError using SCRAM-SHA-1: not-authorized`",
        cause: "the account was never made, or was deleted on MAIN",
        detection: "SCRAM with the host's own secret, from that host: refused before any challenge",
        cure: "jitctl apply --on @main",
        fixable: true,
        here: ["X15", "X12", "X14", "B12"],
        elsewhere: ["X15", "B12"],
    }
    PASSWORD_OLD: "X03", Error, "the server keeps an older password than the services have" {
        symptom: "some components log in, others do not, after a change of passwords",
        cause: "passwords were made anew, and the server's data kept the old ones",
        detection: "the server's own record of the account, held against the configured password",
        cure: "jitctl apply --on @main",
        fixable: false,
        here: ["X15", "X12", "X14", "B12"],
        elsewhere: [],
    }
    WRONG_DOMAIN: "X04", Error, "the XMPP server does not serve the domain" {
        symptom: "stream error `host-unknown`",
        cause: "the domain in the host's configuration is wrong, or Prosody lost its configuration",
        detection: "a stream to that domain, from the host",
        cure: "jitctl apply --on HOST,@main",
        fixable: true,
        here: ["X15", "X12", "X14", "B12", "H11"],
        elsewhere: ["X15", "B12"],
    }
    ANONYMOUS_DOMAIN: "X05", Error, "the account's domain only takes anonymous people" {
        symptom: "SASL `invalid-mechanism`",
        cause: "the configuration names the people's domain instead of `auth.`",
        detection: "the mechanisms offered are ANONYMOUS alone",
        cure: "jitctl apply --on HOST",
        fixable: true,
        here: ["X15", "X12", "X14", "B12", "H11"],
        elsewhere: ["X15", "B12"],
    }
    XMPP_REFUSED: "X06", Error, "nobody listens on MAIN's XMPP port" {
        symptom: "`Connection refused … :5222`",
        cause: "Prosody is down or listens on loopback only, or a firewall rejects",
        detection: "a connection from the host ends at once; MAIN's own list of sockets",
        cure: "jitctl apply --on @main",
        fixable: true,
        here: ["X15", "X12", "X14", "B12"],
        elsewhere: ["X15", "B12"],
    }
    XMPP_BLOCKED: "X07", Error, "connections to MAIN's XMPP port are swallowed" {
        symptom: "connect timeout to port 5222",
        cause: "a firewall on MAIN or at the provider drops this host's packets",
        detection: "a connection from the host stays silent while MAIN listens",
        cure: "jitctl apply --on @main   # and open 5222/tcp for this host at your provider",
        fixable: true,
        here: ["X15", "B12"],
        elsewhere: [],
    }
    XMPP_STALLED: "X08", Error, "the XMPP server accepts and then says nothing" {
        symptom: "`NoResponseException … While waiting for establishing TLS`",
        cause: "a middlebox, another program on the port, or a hanging server",
        detection: "each step of a login has its own time",
        cure: "jitctl logs --on @main --since 10m",
        fixable: false,
        here: ["X15", "X12", "X14", "B12", "W01", "W03"],
        elsewhere: ["X15", "B12"],
    }
    XMPP_CERTIFICATE_EXPIRED: "X10", Error, "the XMPP certificate has expired or soon will" {
        symptom: "all bridges log out on one day",
        cause: "the internal certificate was not renewed",
        detection: "the dates of the certificate on port 5222",
        cure: "jitctl apply --on @main",
        fixable: true,
        here: ["X09", "X15", "X12", "X14", "B12", "H11"],
        elsewhere: ["X09", "X15", "B12"],
    }
    XMPP_CERTIFICATE_UNTRUSTED: "X09", Error, "the XMPP certificate is not trusted" {
        symptom: "`PKIX path building failed`; unknown authority or wrong name",
        cause: "the certificate is of another authority, or was issued for another name",
        detection: "the chain as sent inside STARTTLS, held against the host's own trust file",
        cure: "jitctl apply --on HOST,@main",
        fixable: true,
        here: ["X15", "X12", "X14", "B12", "H11"],
        elsewhere: ["X15", "B12"],
    }
    FOCUS_SILENT: "X12", Error, "the focus does not answer or cannot open conferences" {
        symptom: "`Focus error, retry after …`; rooms do not open",
        cause: "the focus hangs, or is not connected to Prosody as account and as component",
        detection: "the focus's own state, asked for on its host; a conference request of a guest",
        cure: "jitctl logs --on HOST --since 10m   # then jitctl apply --on HOST",
        fixable: true,
        here: ["W21"],
        elsewhere: ["X15", "B12"],
    }
    GUESTS_REFUSED: "X23", Error, "people cannot log in" {
        symptom: "the page opens and asks for a password, or stays at \"connecting\"",
        cause: "the XMPP host of people takes no anonymous logins, or refuses them for now",
        detection: "an anonymous login over the WebSocket, as a browser does it",
        cure: "jitctl apply --on HOST",
        fixable: true,
        here: ["U05", "H11"],
        elsewhere: [],
    }
    FOCUS_NOT_ADMIN: "X14", Error, "the focus may not open the brewery" {
        symptom: "`Failed to create room: jvbbrewery…`",
        cause: "the internal rooms' component is missing in Prosody, or the focus is no admin there",
        detection: "the focus is logged in and not in the brewery; Prosody's own list of admins",
        cure: "jitctl apply --on HOST",
        fixable: true,
        here: ["X12", "W21", "H11"],
        elsewhere: ["X15", "B12"],
    }
    NICKNAME_CLASH: "X16", Error, "two bridges share one nickname" {
        symptom: "two bridges, only one visible, no error anywhere",
        cause: "a cloned host, or a second inventory with the same names",
        detection: "one presence in the brewery carries two real addresses",
        cure: "give one of them another `nickname:` in its inventory, then jitctl apply --on HOST",
        fixable: false,
        here: ["X15", "B12", "B14"],
        elsewhere: [],
    }
    BRIDGE_NOT_COUNTED: "X15", Error, "the focus does not count this bridge" {
        symptom: "the bridge is logged in, the focus sees none",
        cause: "the brewery rooms differ, or the bridge is not in the room",
        detection: "the focus's list of bridges against the inventory and the bridge's own room",
        cure: "jitctl apply --on HOST,@main",
        fixable: true,
        here: ["H11"],
        elsewhere: [],
    }
    STANZAS_SMALL: "X20", Warning, "Prosody takes small stanzas only" {
        symptom: "people in big rooms are disconnected with `policy-violation`",
        cause: "`c2s_stanza_size_limit` was lowered",
        detection: "the limit in the running configuration",
        cure: "jitctl apply --on HOST",
        fixable: true,
        here: ["H11"],
        elsewhere: [],
    }
    PROSODY_UNTRIED: "X11", Warning, "Prosody is of a version that our modules are not tried with" {
        symptom: "`Unable to load module` in Prosody's journal",
        cause: "the package came from elsewhere than Debian 12",
        detection: "the version of the package",
        cure: "jitctl exec --on HOST -- apt-get -y install --allow-downgrades prosody/bookworm",
        fixable: false,
        here: [],
        elsewhere: [],
    }
    SERVICES_THROTTLED: "X17", Warning, "the XMPP server throttles focus and bridges" {
        symptom: "presence of bridges comes late, the focus loses them and finds them again",
        cause: "Prosody's `limits` hold for the service accounts, too",
        detection: "the running configuration has limits and no `unlimited_jids` for the accounts",
        cure: "jitctl apply --on HOST",
        fixable: true,
        here: ["H11"],
        elsewhere: [],
    }
}
