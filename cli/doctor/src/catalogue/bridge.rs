//! Bridges: health, media port, limits.

use super::rows;

rows! {
    MEDIA_PORT_TAKEN: "B07", Error, "another program holds the media port" {
        symptom: "`Failed to bind single-port`",
        cause: "a second bridge, or another program such as Webmin, uses the same UDP port",
        detection: "the owner of the UDP socket on the bridge's port",
        cure: "jitctl exec --on HOST -- ss -lunp   # stop that program, or set `media_port:` of the host",
        fixable: false,
        here: ["H09", "X15", "B12", "B13", "B17", "B22", "B20", "B05", "B23", "R04"],
        elsewhere: [],
    }
    BRIDGE_HANGS: "B22", Error, "the bridge runs and does not answer" {
        symptom: "the unit is active, its people freeze, the focus drops it",
        cause: "the process is stopped (SIGSTOP), starved or stuck",
        detection: "the bridge's own health, asked for on its host; the state of its process",
        cure: "jitctl exec --on HOST -- systemctl restart jitctl-bridge",
        fixable: true,
        here: ["X15", "B12", "B14", "B05", "B23", "R04"],
        elsewhere: [],
    }
    BRIDGE_ILL: "B13", Error, "the bridge says that it is ill" {
        symptom: "`No health checks performed recently`; the focus gives it no rooms",
        cause: "the words of its health check say which",
        detection: "GET /about/health on the bridge's own host",
        cure: "jitctl logs --on HOST --since 10m",
        fixable: false,
        here: ["X15", "B12", "B23", "B05"],
        elsewhere: [],
    }
    MEDIA_PORT_UNUSED: "B23", Error, "nobody listens on the bridge's media port" {
        symptom: "people join and neither see nor hear anybody",
        cause: "the bridge listens on another port or address than it should",
        detection: "the sockets of the bridge's host; Binding requests are refused",
        cure: "jitctl apply --on HOST",
        fixable: true,
        here: ["B05", "B04", "R04", "H11"],
        elsewhere: [],
    }
    ADDRESS_PRIVATE: "B02", Error, "the bridge advertises private addresses only" {
        symptom: "`No valid IP addresses available for harvesting.`; media works inside the network only",
        cause: "the bridge stands behind NAT, and the inventory does not say under which address the world reaches it",
        detection: "the addresses that the bridge advertises, while MAIN has a public one",
        cure: "set `address: { public: [ADDRESS] }` of HOST in the inventory, then jitctl apply --on HOST",
        fixable: false,
        here: ["B05"],
        elsewhere: [],
    }
    ADDRESS_WRONG: "B04", Error, "an advertised address does not lead to the bridge" {
        symptom: "signalling is fine, no media",
        cause: "the mapping names an address that is not, or no longer, the bridge's: the way in is not the way out",
        detection: "Binding requests to each advertised address: silence there, an answer under another address of the same bridge",
        cure: "correct `address: { public: [ADDRESS] }` of HOST in the inventory, then jitctl apply --on HOST",
        fixable: false,
        here: ["B05", "R04", "H11"],
        elsewhere: [],
    }
    DISCOVERY_FAILED: "B03", Error, "no STUN server tells the bridge its address" {
        symptom: "`Address discovery through STUN failed`; media works inside the network only",
        cause: "UDP to the STUN servers is blocked, or the host has no way to the internet",
        detection: "a Binding request from the bridge's host to each STUN server that its files name, where they name no public address",
        cure: "name the public address in the bridge's files, and no STUN server",
        fixable: false,
        here: ["B05", "B02"],
        elsewhere: [],
    }
    MEDIA_BLOCKED: "B05", Error, "the bridge's media port is blocked" {
        symptom: "people join and neither see nor hear anybody",
        cause: "a firewall on the host or at the provider drops UDP",
        detection: "Binding requests from this machine and from the other hosts; the counters of the bridge's host say how far they came",
        cure: "jitctl apply --on HOST   # and open the media port (udp) for the world at your provider",
        fixable: false,
        here: ["R04"],
        elsewhere: [],
    }
    BRIDGES_APART: "R04", Error, "bridges cannot reach each other" {
        symptom: "people on different bridges do not see each other",
        cause: "UDP between the bridges is blocked",
        detection: "Binding requests from every bridge to every other",
        cure: "open the media port (udp) of HOST for the other bridges at your provider",
        fixable: false,
        here: [],
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
    NO_BRIDGE: "B01", Error, "the focus has no bridge that it would use" {
        symptom: "`No operational bridges available`; people join and neither see nor hear anybody",
        cause: "every bridge is away, broken or not in the focus's room",
        detection: "the focus's list of bridges",
        cure: "jitctl doctor   # looks at every host and names what each bridge lacks",
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
    TASKS_FEW: "B10", Warning, "a service may have too few tasks" {
        symptom: "`unable to create new native thread`, near 33 people for some",
        cause: "the unit's limit was lowered, or the system's is low",
        detection: "`TasksMax` of the unit and the threads of its process",
        cure: "jitctl apply --on HOST",
        fixable: true,
        here: ["H11"],
        elsewhere: [],
    }
    BRIDGE_OVERLOADED: "B16", Warning, "the bridge is overloaded" {
        symptom: "sound and picture are choppy for everybody on it",
        cause: "more people than its processors can carry, or the provider takes processor time away",
        detection: "the stress that the bridge publishes: 0.8 and more",
        cure: "jitctl add-bridge NAME=ADDRESS   # then jitctl room ROOM move",
        fixable: false,
        here: [],
        elsewhere: [],
    }
    CONNECTIONS_TRACKED: "B18", Warning, "the kernel's table of connections is almost full" {
        symptom: "sudden loss with many people; `nf_conntrack: table full`",
        cause: "every person is a tracked connection, and the table is small",
        detection: "the count of tracked connections against their maximum",
        cure: "jitctl exec --on HOST -- sysctl -w net.netfilter.nf_conntrack_max=262144",
        fixable: false,
        here: [],
        elsewhere: [],
    }
    UDP_BUFFER_SMALL: "B17", Warning, "the receive buffer for media is small" {
        symptom: "frames skip under load",
        cause: "net.core.rmem_max is the kernel's default, or was when the bridge started",
        detection: "the media socket's own buffer, net.core.rmem_max, and the kernel's count of packets lost for want of buffer",
        cure: "jitctl apply --on HOST   # then: jitctl exec --on HOST -- systemctl restart jitctl-bridge",
        fixable: true,
        here: [],
        elsewhere: [],
    }
    RELAYS_ONE_SIDED: "R01", Warning, "relays are on at one side only" {
        symptom: "`A new bridge was selected, but Octo is disabled`; a room stays on one bridge",
        cause: "`jicofo.conf` and `jvb.conf` disagree about `octo` and `relay`",
        detection: "both files of a site that others set up",
        cure: "set jicofo.octo.enabled and videobridge.relay.enabled alike, then restart both services",
        fixable: false,
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
