//! What must be closed: files with secrets, process lists, ports.

use super::rows;

rows! {
    SECRET_FILE_READABLE: "P01", Error, "a file with secrets can be read by others" {
        symptom: "none, until somebody reads it",
        cause: "its mode or its owner was changed",
        detection: "mode and owner of every file of ours that holds a secret",
        cure: "jitctl apply --on HOST   # then jitctl secrets rotate, if others have logins there",
        fixable: true,
        here: [],
        elsewhere: [],
    }
    SECRET_IN_PROCESS_LIST: "P02", Error, "a secret stands in the process list" {
        symptom: "none: every login of the host can read it with `ps`",
        cause: "a program was started with the password as an argument",
        detection: "the argument lists of all processes against the host's own secrets",
        cure: "jitctl exec --on HOST -- kill PID   # then jitctl secrets rotate",
        fixable: false,
        here: [],
        elsewhere: [],
    }
    XMPP_OPEN: "P03", Error, "MAIN's XMPP port is open to the world" {
        symptom: "none, until somebody tries passwords there",
        cause: "our rules were flushed or changed",
        detection: "the loaded rules of the packet filter",
        cure: "jitctl apply --on HOST   # or: jitctl exec --on HOST -- systemctl restart jitctl-firewall",
        fixable: true,
        here: ["P04", "H11"],
        elsewhere: [],
    }
    PRIVATE_HTTP_OPEN: "P04", Error, "a private HTTP port is open to the world" {
        symptom: "none, until somebody drains your bridges from outside",
        cause: "a service listens on every address and no rule closes the port",
        detection: "listening sockets against the loaded rules of the packet filter",
        cure: "jitctl apply --on HOST",
        fixable: true,
        here: ["H11"],
        elsewhere: [],
    }
}
