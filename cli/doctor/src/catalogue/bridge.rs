//! Bridges: health, media port, limits.

use super::rows;

rows! {
    MEDIA_PORT_TAKEN: "B07", Error, "another program holds the media port" {
        symptom: "`Failed to bind single-port`",
        cause: "a second bridge, or another program such as Webmin, uses the same UDP port",
        detection: "the owner of the UDP socket on the bridge's port",
        cure: "jitctl exec --on HOST -- ss -lunp   # stop that program, or set `media_port:` of the host",
        fixable: false,
        here: ["H09", "X15", "B12", "B22", "B20"],
        elsewhere: [],
    }
    BRIDGE_HANGS: "B22", Error, "the bridge runs and does not answer" {
        symptom: "the unit is active, its people freeze, the focus drops it",
        cause: "the process is stopped (SIGSTOP), starved or stuck",
        detection: "the bridge's own health, asked for on its host; the state of its process",
        cure: "jitctl exec --on HOST -- systemctl restart jitctl-bridge",
        fixable: true,
        here: ["X15", "B12", "B14"],
        elsewhere: [],
    }
    BRIDGE_ILL: "B02", Error, "the bridge says that it is ill" {
        symptom: "`No valid IP addresses available for harvesting.`",
        cause: "the words of its health check say which",
        detection: "GET /about/health on the bridge's own host",
        cure: "jitctl logs --on HOST --since 10m",
        fixable: false,
        here: ["X15", "B12"],
        elsewhere: [],
    }
    BRIDGE_UNHEALTHY: "B12", Error, "the focus holds this bridge for broken" {
        symptom: "the bridge gets no rooms",
        cause: "its health check failed, or it did not answer it",
        detection: "the focus's list of bridges",
        cure: "jitctl logs --on HOST --since 10m",
        fixable: false,
        here: [],
        elsewhere: [],
    }
    BRIDGE_DRAINED: "B14", Warning, "the bridge is drained" {
        symptom: "it gets no new rooms",
        cause: "somebody drained it and did not take that back",
        detection: "its presence says so",
        cure: "jitctl exec --on HOST -- curl -sX POST http://127.0.0.1:8080/colibri/drain/disable",
        fixable: false,
        here: [],
        elsewhere: [],
    }
    FILE_LIMIT_LOW: "B09", Warning, "a service may open too few files" {
        symptom: "`Too many open files`; bridges drop out after days",
        cause: "the unit's limit was lowered, or the system's is low",
        detection: "the limit of the running process and how many files it has open",
        cure: "jitctl apply --on HOST",
        fixable: true,
        here: ["H11"],
        elsewhere: [],
    }
    UDP_BUFFER_SMALL: "B17", Warning, "the receive buffer for media is small" {
        symptom: "frames skip under load",
        cause: "net.core.rmem_max is the kernel's default",
        detection: "net.core.rmem_max and the kernel's count of packets lost for want of buffer",
        cure: "jitctl apply --on HOST",
        fixable: true,
        here: [],
        elsewhere: [],
    }
    VERSIONS_DIFFER: "R02", Warning, "bridges of different versions" {
        symptom: "one meeting never spans them",
        cause: "an upgrade stopped half way",
        detection: "the versions that the bridges publish",
        cure: "jitctl apply",
        fixable: true,
        here: [],
        elsewhere: [],
    }
}
