//! Differences between inventory, last apply and host that hurt nobody yet.

use super::rows;

rows! {
    FILE_EDITED: "H11", Warning, "a file of ours was changed by hand" {
        symptom: "the next apply replaces what was edited",
        cause: "somebody edited it on the host",
        detection: "the hashes that the last apply noted",
        cure: "jitctl plan --on HOST   # shows the difference; jitctl apply --on HOST replaces it",
        fixable: true,
        here: [],
        elsewhere: [],
    }
    CONFIGURATION_STALE: "H13", Warning, "the host has not got the inventory's latest state" {
        symptom: "a change in the inventory has no effect",
        cause: "the inventory was edited after the last apply",
        detection: "what the inventory renders to, against the hashes of the last apply",
        cure: "jitctl plan --on HOST   # shows the difference; jitctl apply --on HOST",
        fixable: true,
        here: [],
        elsewhere: [],
    }
}
