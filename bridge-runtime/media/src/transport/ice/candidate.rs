//! Candidates: which addresses this host offers, and what the peer offered.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Where a candidate's address comes from (RFC 8445 section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CandidateKind {
    /// An address of the host itself.
    Host,
    /// The host's address as seen from outside, static mappings included.
    ServerReflexive,
    /// Learned from a check.
    PeerReflexive,
    /// An address of a relay.
    Relayed,
}

impl CandidateKind {
    /// Type preference of RFC 8445 section 5.1.2.2.
    const fn preference(self) -> u32 {
        match self {
            Self::Host => 126,
            Self::PeerReflexive => 110,
            Self::ServerReflexive => 100,
            Self::Relayed => 0,
        }
    }

    /// Priority of a candidate of this kind (RFC 8445 section 5.1.2.1), component 1.
    #[must_use]
    pub const fn priority(self, local_preference: u16) -> u32 {
        (self.preference() << 24) + ((local_preference as u32) << 8) + 255
    }
}

/// A candidate of the peer, as signalled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoteCandidate {
    /// Address to check.
    pub address: SocketAddr,
    /// Type as signalled.
    pub kind: CandidateKind,
    /// Priority as signalled.
    pub priority: u32,
}

/// A candidate to signal to the peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalCandidate {
    /// Address the peer is to send to.
    pub address: SocketAddr,
    /// Socket the packets arrive at.
    pub base: SocketAddr,
    /// Host or server-reflexive.
    pub kind: CandidateKind,
    /// Priority (RFC 8445 section 5.1.2).
    pub priority: u32,
    /// Foundation: equal for candidates of one kind and base.
    pub foundation: String,
    /// Related address of a reflexive candidate; `0.0.0.0:9` when the base is to stay hidden.
    pub related: Option<SocketAddr>,
}

/// A static mapping: what reaches `public` from outside arrives at `local`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mapping {
    /// Socket address of this host; `None` for every socket of the same family.
    pub local: Option<IpAddr>,
    /// Address outside.
    pub public: IpAddr,
    /// Port outside if it differs from the local one.
    pub port: Option<u16>,
}

/// The addresses of this host that take part in ICE.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AddressPlan {
    /// Bound sockets, best first. Filtered by the edge, which knows interfaces.
    pub sockets: Vec<SocketAddr>,
    /// Static mappings.
    pub mappings: Vec<Mapping>,
    /// Whether private addresses (RFC 1918, RFC 4193, link-local) are shown to endpoints.
    pub advertise_private: bool,
}

/// Whether `address` is reachable only within its own network: RFC 1918, RFC 4193, link-local.
/// Loopback is not private here: who binds it wants it shown.
#[must_use]
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

impl AddressPlan {
    /// The candidates to signal. `show_private` overrides [`AddressPlan::advertise_private`] for
    /// relays and endpoints with the capability `private-address-connectivity`.
    #[must_use]
    pub fn candidates(&self, show_private: bool) -> Vec<LocalCandidate> {
        let show_private = show_private || self.advertise_private;
        let mut candidates: Vec<LocalCandidate> = Vec::new();
        for (index, socket) in self.sockets.iter().enumerate() {
            let preference = local_preference(index);
            let base_shown = show_private || !is_private(socket.ip());
            if base_shown {
                candidates.push(LocalCandidate {
                    address: *socket,
                    base: *socket,
                    kind: CandidateKind::Host,
                    priority: CandidateKind::Host.priority(preference),
                    foundation: (2 * index + 1).to_string(),
                    related: None,
                });
            }
            for mapping in &self.mappings {
                let public = SocketAddr::new(mapping.public, mapping.port.unwrap_or(socket.port()));
                let applies = match mapping.local {
                    Some(local) => local == socket.ip(),
                    None => mapping.public.is_ipv4() == socket.is_ipv4(),
                };
                if !applies
                    || candidates
                        .iter()
                        .any(|candidate| candidate.address == public)
                {
                    continue;
                }
                let hidden = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 9);
                candidates.push(LocalCandidate {
                    address: public,
                    base: *socket,
                    kind: CandidateKind::ServerReflexive,
                    priority: CandidateKind::ServerReflexive.priority(preference),
                    foundation: (2 * index + 2).to_string(),
                    related: Some(if base_shown { *socket } else { hidden }),
                });
            }
        }
        candidates
    }

    /// Local preference of a socket; unknown ones come last.
    pub(super) fn preference(&self, socket: SocketAddr) -> u16 {
        let index = self.sockets.iter().position(|known| *known == socket);
        local_preference(index.unwrap_or(self.sockets.len()))
    }
}

fn local_preference(index: usize) -> u16 {
    u16::MAX - (index.min(1000) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> AddressPlan {
        AddressPlan {
            sockets: vec![
                "10.0.0.5:10000".parse().unwrap(),
                "[2001:db8::5]:10000".parse().unwrap(),
            ],
            mappings: vec![Mapping {
                local: None,
                public: "203.0.113.7".parse().unwrap(),
                port: None,
            }],
            advertise_private: false,
        }
    }

    fn shown(candidates: &[LocalCandidate]) -> Vec<(String, CandidateKind, Option<String>)> {
        candidates
            .iter()
            .map(|candidate| {
                let related = candidate.related.map(|related| related.to_string());
                (candidate.address.to_string(), candidate.kind, related)
            })
            .collect()
    }

    #[test]
    fn private_bases_stay_hidden_unless_asked_for() {
        assert_eq!(
            shown(&plan().candidates(false)),
            [
                (
                    "203.0.113.7:10000".to_owned(),
                    CandidateKind::ServerReflexive,
                    Some("0.0.0.0:9".to_owned())
                ),
                ("[2001:db8::5]:10000".to_owned(), CandidateKind::Host, None),
            ]
        );
        assert_eq!(
            shown(&plan().candidates(true)),
            [
                ("10.0.0.5:10000".to_owned(), CandidateKind::Host, None),
                (
                    "203.0.113.7:10000".to_owned(),
                    CandidateKind::ServerReflexive,
                    Some("10.0.0.5:10000".to_owned())
                ),
                ("[2001:db8::5]:10000".to_owned(), CandidateKind::Host, None),
            ]
        );
    }

    #[test]
    fn a_mapping_may_name_its_base_and_port() {
        let mut plan = plan();
        plan.mappings = vec![Mapping {
            local: Some("2001:db8::5".parse().unwrap()),
            public: "203.0.113.7".parse().unwrap(),
            port: Some(443),
        }];
        let candidates = plan.candidates(false);
        assert_eq!(
            candidates[1].address,
            "203.0.113.7:443".parse::<SocketAddr>().unwrap()
        );
        assert_eq!(candidates[1].base, plan.sockets[1]);
    }

    #[test]
    fn private_is_what_another_network_cannot_reach() {
        let private = |address: &str| is_private(address.parse().unwrap());
        for address in [
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.1.1",
            "fd00::1",
            "fe80::1",
        ] {
            assert!(private(address), "{address}");
        }
        for address in [
            "203.0.113.7",
            "172.32.0.1",
            "2001:db8::1",
            "127.0.0.1",
            "::1",
        ] {
            assert!(!private(address), "{address}");
        }
    }

    #[test]
    fn the_priority_is_the_one_of_the_rfc() {
        assert_eq!(CandidateKind::Host.priority(65_535), 2_130_706_431);
    }
}
