//! Faults: the ways to break a lab, and the words for them.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::host::HostName;

/// Something broken on purpose. Every one is mended by `clear`, and none outlives the lab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fault {
    /// Packets to and from the host are lost.
    Loss {
        /// On which host's link.
        host: HostName,
        /// How many of a hundred IP packets, each way: of pings, nearly twice as many.
        percent: u8,
    },
    /// Packets to the host arrive later.
    Delay {
        /// On which host's link.
        host: HostName,
        /// Added time in milliseconds.
        milliseconds: u32,
        /// Spread around it in milliseconds.
        jitter_milliseconds: u32,
    },
    /// The host's link carries no more than so much to it.
    Rate {
        /// On which host's link.
        host: HostName,
        /// Kilobits per second.
        kilobits: u32,
    },
    /// A port of the host cannot be reached: packets vanish.
    Block {
        /// Whose port.
        host: HostName,
        /// Over which protocol.
        protocol: Protocol,
        /// Which port.
        port: u16,
        /// For whom.
        from: BlockSource,
    },
    /// The host's cable is pulled.
    Cut {
        /// Which host.
        host: HostName,
    },
    /// The host's processes stand still; its kernel still answers pings and connects.
    Hang {
        /// Which host.
        host: HostName,
    },
    /// The host lost power; mending powers it on.
    PowerOff {
        /// Which host.
        host: HostName,
    },
    /// The name server answers nobody, or not this host.
    DnsSilent {
        /// Only this host's questions; without one, everybody's.
        host: Option<HostName>,
    },
    /// The name server gives a wrong address.
    DnsWrong {
        /// For which name.
        name: String,
        /// The address it gives.
        address: Ipv4Addr,
    },
    /// The package servers cannot be reached.
    Registry {
        /// Whether packages in the lab's cache can still be had.
        cached: bool,
    },
    /// The host's clock is off.
    Clock {
        /// Which host.
        host: HostName,
        /// By how much, in seconds.
        offset_seconds: i64,
    },
    /// The host's own disk is full.
    DiskFull {
        /// Which host; it needs a disk of its own.
        host: HostName,
    },
}

/// A transport protocol of a [`Fault::Block`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// Whose packets a [`Fault::Block`] drops.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockSource {
    /// Everybody's.
    All,
    /// The internet client's.
    Client,
    /// One host's.
    Host(HostName),
}

impl Fault {
    /// The host whose fault it is, when it is one host's.
    pub fn host(&self) -> Option<&HostName> {
        match self {
            Self::Loss { host, .. }
            | Self::Delay { host, .. }
            | Self::Rate { host, .. }
            | Self::Block { host, .. }
            | Self::Cut { host }
            | Self::Hang { host }
            | Self::PowerOff { host }
            | Self::Clock { host, .. }
            | Self::DiskFull { host } => Some(host),
            Self::DnsSilent { host } => host.as_ref(),
            Self::DnsWrong { .. } | Self::Registry { .. } => None,
        }
    }

    /// Whether both break the same thing, so that the newer one takes the older one's place.
    pub(crate) fn replaces(&self, older: &Self) -> bool {
        match (self, older) {
            (Self::Block { .. }, _) => self == older,
            (Self::DnsWrong { name, .. }, Self::DnsWrong { name: other, .. }) => name == other,
            _ => {
                std::mem::discriminant(self) == std::mem::discriminant(older)
                    && self.host() == older.host()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_fault_of_the_same_thing_takes_its_place() {
        let h1: HostName = "h1".parse().unwrap();
        let h2: HostName = "h2".parse().unwrap();
        let loss = |host: &HostName, percent| Fault::Loss {
            host: host.clone(),
            percent,
        };
        assert!(loss(&h1, 5).replaces(&loss(&h1, 9)));
        assert!(!loss(&h1, 5).replaces(&loss(&h2, 5)));
        assert!(!loss(&h1, 5).replaces(&Fault::Cut { host: h1.clone() }));
        let block = |port| Fault::Block {
            host: h1.clone(),
            protocol: Protocol::Tcp,
            port,
            from: BlockSource::All,
        };
        assert!(!block(80).replaces(&block(443)));
        assert!(block(80).replaces(&block(80)));
    }
}
