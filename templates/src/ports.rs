//! Every port of a site in one table: who listens, who may come in, and why.
//!
//! Rules, daemon configuration and documentation take their numbers from here. The numbers are
//! those that Jitsi deployments have always used, so that old notes and cloud rules still fit.

/// A port with its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    /// The number.
    pub number: u16,
    /// The last number of a range, else the same.
    pub last: u16,
    /// The transport.
    pub protocol: crate::desired::Protocol,
    /// Who listens.
    pub listener: &'static str,
    /// Why it is open or closed; appears in plans and as a comment in packet filters.
    pub why: &'static str,
}

const fn tcp(number: u16, listener: &'static str, why: &'static str) -> Port {
    Port {
        number,
        last: number,
        protocol: crate::desired::Protocol::Tcp,
        listener,
        why,
    }
}

const fn udp(number: u16, last: u16, listener: &'static str, why: &'static str) -> Port {
    Port {
        number,
        last,
        protocol: crate::desired::Protocol::Udp,
        listener,
        why,
    }
}

/// 80/tcp, world: the ACME challenge and the redirect to HTTPS.
pub const HTTP: Port = tcp(80, "nginx", "ACME challenge and redirect to HTTPS");
/// 443/tcp, world: the meeting page, XMPP over WebSocket and BOSH.
pub const HTTPS: Port = tcp(443, "nginx", "meeting page, XMPP WebSocket and BOSH");
/// 5222/tcp, the bridges only: XMPP client connections.
pub const XMPP: Port = tcp(5222, "prosody", "XMPP of the bridges");
/// 5280/tcp, the host itself: Prosody's HTTP behind nginx.
pub const XMPP_HTTP: Port = tcp(5280, "prosody", "Prosody HTTP, behind nginx only");
/// 5347/tcp, the host itself: XMPP components (XEP-0114).
pub const COMPONENT: Port = tcp(5347, "prosody", "XMPP components, the local focus only");
/// 8888/tcp, the host itself: health, metrics and conference requests of the focus.
pub const FOCUS_HTTP: Port = tcp(8888, "jitctl-focus", "private HTTP of the focus");
/// 8080/tcp, the host itself: health and metrics of the bridge.
pub const BRIDGE_HTTP: Port = tcp(8080, "jitctl-bridge", "private HTTP of the bridge");
/// 9090/tcp, the MAIN hosts only, and only with `bridge_channel: websocket`.
pub const BRIDGE_WEBSOCKET: Port = tcp(
    9090,
    "jitctl-bridge",
    "bridge channel WebSockets through MAIN",
);
/// 10000/udp, world: all media of a bridge.
pub const MEDIA: Port = udp(10000, 10000, "jitctl-bridge", "media");
/// 3478/udp, world: TURN and STUN.
pub const TURN_UDP: Port = udp(3478, 3478, "coturn", "TURN and STUN");
/// 3478/tcp, world: TURN over TCP.
pub const TURN_TCP: Port = tcp(3478, "coturn", "TURN over TCP");
/// 5349/tcp, world: TURN over TLS.
pub const TURN_TLS: Port = tcp(5349, "coturn", "TURN over TLS");
/// 49152-50175/udp, world: TURN relays. 1024 ports serve as many relayed streams; the range is
/// narrow on purpose, a wider one only exposes more of the host.
pub const TURN_RELAYS: Port = udp(49152, 50175, "coturn", "TURN relays");

/// The whole table, by number.
pub const ALL: [Port; 13] = [
    HTTP,
    HTTPS,
    TURN_UDP,
    TURN_TCP,
    XMPP,
    XMPP_HTTP,
    COMPONENT,
    TURN_TLS,
    BRIDGE_HTTP,
    FOCUS_HTTP,
    BRIDGE_WEBSOCKET,
    MEDIA,
    TURN_RELAYS,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_names_no_port_twice() {
        for pair in ALL.windows(2) {
            let key = |port: &Port| (port.number, port.protocol != crate::desired::Protocol::Udp);
            assert!(key(&pair[0]) < key(&pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn no_two_ranges_of_a_transport_overlap() {
        for (index, port) in ALL.iter().enumerate() {
            assert!(port.last >= port.number, "{port:?}");
            for other in ALL.iter().skip(index + 1) {
                let apart = port.protocol != other.protocol
                    || port.last < other.number
                    || other.last < port.number;
                assert!(apart, "{port:?} {other:?}");
            }
        }
    }
}
