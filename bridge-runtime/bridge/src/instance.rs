//! The XMPP resource of this bridge.
//!
//! The same after a restart of the process, so that the server replaces a session that is not
//! over yet; another one on a cloned host, so that a shared nickname shows as two addresses.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use sha1::{Digest as _, Sha1};

use crate::config::BridgeConfig;

/// The resource to ask for.
pub(crate) fn resource(config: &BridgeConfig) -> String {
    let mut hash = Sha1::new();
    // Differs between hosts even when everything on disk was copied; a hardened unit may not see
    // the first, so the network cards count as well.
    hash.update(fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default());
    for address in card_addresses() {
        hash.update(address);
    }
    // Differs between containers of one host.
    let namespace = fs::metadata("/proc/self/ns/net").map(|metadata| metadata.ino());
    hash.update(namespace.unwrap_or_default().to_be_bytes());
    // Differs between bridges of one host.
    hash.update(config.http.private.to_string());
    hash.update(config.media.port.to_be_bytes());
    let digest = hash.finalize();
    let suffix: u32 = digest
        .iter()
        .take(4)
        .fold(0, |value, byte| value << 8 | u32::from(*byte));
    format!("{}-{suffix:08x}", config.identity.nickname)
}

/// Hardware addresses of the cards that have a device; bridges and tunnels come and go.
fn card_addresses() -> Vec<Vec<u8>> {
    let Ok(interfaces) = fs::read_dir("/sys/class/net") else {
        return Vec::new();
    };
    let mut addresses: Vec<Vec<u8>> = interfaces
        .flatten()
        .filter(|interface| interface.path().join("device").exists())
        .filter_map(|interface| fs::read(interface.path().join("address")).ok())
        .collect();
    addresses.sort();
    addresses
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::REFERENCE;

    #[test]
    fn the_resource_is_stable_and_differs_between_bridges_of_one_host() {
        let config: BridgeConfig = jitctl_daemon::config::read(REFERENCE, Path::new("x")).unwrap();
        let mut other = config.clone();
        other.media.port = 10_001;
        assert_eq!(resource(&config), resource(&config));
        assert_ne!(resource(&config), resource(&other));
        assert!(resource(&config).starts_with("b1-3fa9-"));
    }
}
