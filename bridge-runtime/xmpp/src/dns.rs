//! Host names to addresses, without the C library: static binaries have no usable look-up there.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use hickory_resolver::TokioResolver;

use crate::failure::Failure;

/// `host:port`, `address:port` or `[address]:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAddress {
    host: String,
    port: u16,
}

/// A text is no `host:port`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not `host:port`")]
pub struct AddressError(String);

impl ServerAddress {
    /// A host and a port.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
        }
    }

    /// Name or address, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Looks the name up; an address stands for itself.
    ///
    /// # Errors
    /// [`Failure::NameNotFound`].
    pub async fn resolve(&self) -> Result<Vec<SocketAddr>, Failure> {
        if let Ok(address) = self.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, self.port)]);
        }
        let failure = |detail: String| Failure::NameNotFound {
            host: self.host.clone(),
            detail,
        };
        // A resolver per look-up: they are rare, and /etc/resolv.conf may have changed meanwhile.
        let resolver = TokioResolver::builder_tokio()
            .and_then(hickory_resolver::ResolverBuilder::build)
            .map_err(|error| failure(error.to_string()))?;
        let found = resolver
            .lookup_ip(self.host.as_str())
            .await
            .map_err(|error| {
                failure(if error.is_nx_domain() {
                    String::from("no name server knows it")
                } else if error.is_no_records_found() {
                    String::from("its name servers give none")
                } else {
                    error.to_string()
                })
            })?;
        let addresses: Vec<SocketAddr> = found
            .iter()
            .map(|address| SocketAddr::new(address, self.port))
            .collect();
        if addresses.is_empty() {
            return Err(failure(String::from("the answer is empty")));
        }
        Ok(addresses)
    }
}

impl FromStr for ServerAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let error = || AddressError(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(error)?;
        let port: u16 = port.parse().map_err(|_| error())?;
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let fits = match bare {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => {
                !host.is_empty()
                    && host
                        .chars()
                        .all(|c| c.is_ascii_alphanumeric() || "-._".contains(c))
            }
        };
        if !fits || port == 0 {
            return Err(error());
        }
        Ok(Self::new(bare.unwrap_or(host), port))
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(formatter, "[{}]:{}", self.host, self.port)
        } else {
            write!(formatter, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_back_as_written() {
        for text in ["10.77.0.11:5222", "meet.test:5222", "[fd00::1]:5222"] {
            assert_eq!(text.parse::<ServerAddress>().unwrap().to_string(), text);
        }
        for text in [
            "meet.test",
            "meet.test:",
            ":5222",
            "meet.test:70000",
            "fd00::1:5222",
            "a b:1",
        ] {
            assert!(text.parse::<ServerAddress>().is_err(), "{text}");
        }
    }
}
