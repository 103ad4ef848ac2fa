//! The TURN server.

use super::rows;

rows! {
    TURN_PORT_UNUSED: "U04", Error, "nobody listens where people are told that TURN is" {
        symptom: "people behind strict firewalls cannot join",
        cause: "coturn and Prosody have different ports",
        detection: "the services that Prosody hands to a guest against the sockets of MAIN",
        cure: "jitctl apply --on HOST   # then: jitctl exec --on HOST -- systemctl restart coturn",
        fixable: true,
        here: ["U01", "U05", "U06", "U07", "T02", "H11"],
        elsewhere: [],
    }
    TURN_PORT_RESTRICTED: "U03", Warning, "browsers do not dial the port of TURN" {
        symptom: "TURN fails in Chrome only",
        cause: "the port is below 1024 and none of 53, 80 and 443",
        detection: "the services that Prosody hands to a guest",
        cure: "jitctl apply --on HOST",
        fixable: false,
        here: ["H11"],
        elsewhere: [],
    }
    TURN_UNENCRYPTED: "U01", Error, "TURN over TLS does not answer" {
        symptom: "`cannot find private key file`; people behind strict firewalls cannot join",
        cause: "coturn cannot read the certificate or its key, or listens elsewhere",
        detection: "a TLS handshake with coturn's port 5349",
        cure: "jitctl exec --on HOST -- systemctl restart coturn   # then jitctl apply --on HOST",
        fixable: true,
        here: ["T02", "H11"],
        elsewhere: [],
    }
    TURN_SECRET_DIFFERS: "U05", Error, "the TURN server refuses the credentials that people get" {
        symptom: "TURN answers 401; people behind strict firewalls cannot join",
        cause: "the shared secret differs between Prosody and coturn",
        detection: "credentials from Prosody as a guest gets them, then an Allocate request with them",
        cure: "jitctl apply --on HOST   # then, if it persists: jitctl exec --on HOST -- systemctl restart coturn",
        fixable: true,
        here: ["U06", "U07", "H11"],
        elsewhere: [],
    }
    TURN_RELAYS_INSIDE: "U07", Error, "the TURN server would relay to its own loopback" {
        symptom: "none, until somebody reaches Prosody's and the focus's private ports through it",
        cause: "the denied ranges were removed from coturn's configuration, or loopback was allowed",
        detection: "CreatePermission for 127.0.0.1, which must be refused",
        cure: "jitctl apply --on HOST   # then: jitctl exec --on HOST -- systemctl restart coturn",
        fixable: true,
        here: ["H11"],
        elsewhere: [],
    }
    TURN_REFUSES_BRIDGE: "U06", Error, "the TURN server refuses to relay to a bridge" {
        symptom: "TURN allocates and no media comes",
        cause: "the bridge's address is in a denied range and not allowed by name",
        detection: "CreatePermission for each bridge's address",
        cure: "jitctl apply --on HOST",
        fixable: true,
        here: ["H11", "H13"],
        elsewhere: [],
    }
    TURN_CERTIFICATE_STALE: "T02", Warning, "the TURN server serves an old certificate" {
        symptom: "TURN works, and dies near day 90",
        cause: "the certificate was renewed and coturn never read it again",
        detection: "the certificate on port 5349 against the one on port 443",
        cure: "jitctl exec --on HOST -- systemctl reload coturn",
        fixable: true,
        here: ["H11"],
        elsewhere: [],
    }
}
