//! `[media]`: sockets, addresses and threads.

use std::net::IpAddr;
use std::path::Path;

use jitctl_daemon::config::ConfigError;
use jitctl_media::transport::ice::Mapping;
use serde::Deserialize;

use super::yes;
use crate::media::addresses::AddressFilter;

/// `[media]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "they are the file's keys")]
pub struct MediaConfig {
    /// UDP port.
    pub port: u16,
    /// Addresses clients reach this host under.
    #[serde(default)]
    pub public_addresses: Vec<IpAddr>,
    /// The same with more detail.
    #[serde(default)]
    pub mapping: Vec<MappingConfig>,
    /// Servers that tell the addresses clients reach this host under.
    #[serde(default)]
    pub stun_servers: Vec<String>,
    /// Ask the metadata service of AWS as well.
    #[serde(default)]
    pub aws: bool,
    /// Tell private addresses.
    #[serde(default = "yes")]
    pub advertise_private: bool,
    /// Only these interfaces; empty for all.
    #[serde(default)]
    pub allowed_interfaces: Vec<String>,
    /// Never these interfaces.
    #[serde(default)]
    pub blocked_interfaces: Vec<String>,
    /// Only these addresses; empty for all.
    #[serde(default)]
    pub allowed_addresses: Vec<IpAddr>,
    /// Never these addresses.
    #[serde(default)]
    pub blocked_addresses: Vec<IpAddr>,
    /// IPv6 takes part.
    #[serde(default = "yes")]
    pub ipv6: bool,
    /// Link-local addresses take part.
    #[serde(default)]
    pub link_local: bool,
    /// Loopback takes part.
    #[serde(default)]
    pub loopback: bool,
    /// Threads; 0 for one a processor.
    #[serde(default)]
    pub workers: usize,
    /// What every user name fragment begins with.
    #[serde(default)]
    pub fragment_prefix: String,
    /// Runs of packets leave in one system call.
    #[serde(default = "yes")]
    pub segmentation: bool,
    /// How long packets of one receiver may wait for each other.
    #[serde(default)]
    pub coalesce_microseconds: u64,
}

/// `[[media.mapping]]`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MappingConfig {
    /// Address of this host.
    pub local: IpAddr,
    /// Address clients reach it under.
    pub public: IpAddr,
    /// Port clients reach it under, when another.
    pub public_port: Option<u16>,
}

/// Most workers: what the fragments of clients can tell apart.
const MOST_WORKERS: usize = 256;

impl MediaConfig {
    /// Which addresses of the host take part.
    pub fn filter(&self) -> AddressFilter {
        AddressFilter {
            allowed_interfaces: self.allowed_interfaces.clone(),
            blocked_interfaces: self.blocked_interfaces.clone(),
            allowed_addresses: self.allowed_addresses.clone(),
            blocked_addresses: self.blocked_addresses.clone(),
            ipv6: self.ipv6,
            link_local: self.link_local,
            loopback: self.loopback,
        }
    }

    /// Addresses outside, as candidates tell them.
    pub fn mappings(&self) -> Vec<Mapping> {
        let anywhere = self.public_addresses.iter().map(|public| Mapping {
            local: None,
            public: *public,
            port: None,
        });
        let bound = self.mapping.iter().map(|mapping| Mapping {
            local: Some(mapping.local),
            public: mapping.public,
            port: mapping.public_port,
        });
        bound.chain(anywhere).collect()
    }

    pub(super) fn check(&self, path: &Path) -> Result<(), ConfigError> {
        let invalid =
            |message: String, remedy: &str| Err(ConfigError::invalid(path, message, remedy));
        if self.port == 0 {
            return invalid(String::from("`media.port` is 0"), "the usual port is 10000");
        }
        let outside = self.mapping.iter().map(|mapping| &mapping.public);
        for public in self.public_addresses.iter().chain(outside) {
            if public.is_unspecified() || public.is_multicast() {
                return invalid(
                    format!("`{public}` is no address that clients can reach"),
                    "write the address of this host as the world sees it",
                );
            }
        }
        for mapping in &self.mapping {
            if mapping.public_port == Some(0) || mapping.local.is_ipv4() != mapping.public.is_ipv4()
            {
                return invalid(
                    format!(
                        "`[[media.mapping]]` from {} to {} has port 0 or mixes IPv4 and IPv6",
                        mapping.local, mapping.public
                    ),
                    "map an address to one of the same family, on a port from 1",
                );
            }
        }
        let is_server = |server: &String| {
            server.rsplit_once(':').is_some_and(|(host, port)| {
                !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
            })
        };
        if let Some(server) = self.stun_servers.iter().find(|server| !is_server(server)) {
            return invalid(
                format!("`{server}` in `media.stun_servers` is no host with a port"),
                "write host:port, such as \"stun.example.org:3478\"",
            );
        }
        if self.workers > MOST_WORKERS {
            return invalid(
                format!("`media.workers` is above {MOST_WORKERS}"),
                "leave it out: one for each processor is best",
            );
        }
        let prefix = &self.fragment_prefix;
        if prefix.len() > 32 || !prefix.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return invalid(
                String::from("`media.fragment_prefix` is not up to 32 letters and digits"),
                "leave it out unless a balancer routes by it",
            );
        }
        if self.coalesce_microseconds > 10_000 {
            return invalid(
                String::from("`media.coalesce_microseconds` is above 10000"),
                "2000 is the most that people do not hear",
            );
        }
        Ok(())
    }

    /// Number of threads.
    pub fn workers(&self) -> usize {
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        match self.workers {
            0 => processors().min(MOST_WORKERS),
            workers => workers,
        }
    }
}
