//! What a lab remembers on disk: its hosts, its base image, its names.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::address::{FIRST_HOST, LAST_HOST, host_address};
use crate::error::LabError;
use crate::files;
use crate::host::{HostName, HostSpec};
use crate::paths::LabPaths;

/// `lab.json` in the state directory. Only the command that holds the command lock writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The unpacked base image under every host's overlay; it must not change while they live.
    pub(crate) base: Option<PathBuf>,
    pub(crate) hosts: Vec<HostSpec>,
    /// Names that the lab's name server knows beside the hosts' own.
    #[serde(default)]
    pub(crate) names: BTreeMap<String, Ipv4Addr>,
}

impl Record {
    /// The record of the lab; an empty one when there is none yet.
    pub(crate) fn load(paths: &LabPaths) -> Result<Self, LabError> {
        let path = paths.record();
        if !path.exists() {
            return Ok(Self::default());
        }
        serde_json::from_str(&files::read(&path)?)
            .map_err(|error| LabError::file("understand", &path)(error.into()))
    }

    pub(crate) fn store(&self, paths: &LabPaths) -> Result<(), LabError> {
        let path = paths.record();
        let text = serde_json::to_vec_pretty(self)
            .map_err(|error| LabError::file("write", &path)(error.into()))?;
        files::replace(&path, &text, 0o644)
    }

    pub(crate) fn host(&self, name: &str) -> Result<&HostSpec, LabError> {
        self.hosts
            .iter()
            .find(|host| host.name.as_str() == name)
            .ok_or_else(|| {
                let known: Vec<_> = self.hosts.iter().map(|host| host.name.as_str()).collect();
                LabError::NoSuchHost {
                    name: name.to_owned(),
                    known: if known.is_empty() {
                        "none".into()
                    } else {
                        known.join(", ")
                    },
                }
            })
    }

    /// Adds a host unless it is there; `hN` gets the Nth address if that is free.
    pub(crate) fn add_host(
        &mut self,
        name: &HostName,
        disk_mebibytes: Option<u32>,
    ) -> Result<(), LabError> {
        if self.hosts.iter().any(|host| host.name == *name) {
            return Ok(());
        }
        let is_free = |octet: &u8| {
            let address = host_address(*octet);
            self.hosts.iter().all(|host| host.address != address)
        };
        let preferred = name
            .number()
            .and_then(|number| number.checked_add(FIRST_HOST - 1));
        let octet = preferred
            .into_iter()
            .filter(|octet| (FIRST_HOST..=LAST_HOST).contains(octet))
            .chain(FIRST_HOST..=LAST_HOST)
            .find(is_free)
            .ok_or_else(|| LabError::NoAddressLeft(name.to_string()))?;
        self.hosts.push(HostSpec {
            name: name.clone(),
            address: host_address(octet),
            disk_mebibytes,
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbered_hosts_get_their_numbers_address_and_no_address_twice() {
        let mut record = Record::default();
        for name in ["main", "h1", "h3", "h2", "h3", "h255"] {
            record.add_host(&name.parse().unwrap(), None).unwrap();
        }
        let addresses: Vec<_> = record
            .hosts
            .iter()
            .map(|host| (host.name.as_str(), host.address.octets()[3]))
            .collect();
        assert_eq!(
            addresses,
            [
                ("main", 11),
                ("h1", 12),
                ("h3", 13),
                ("h2", 14),
                ("h255", 15)
            ]
        );
    }

    #[test]
    fn a_full_network_is_an_error() {
        let mut record = Record::default();
        for number in 0..240_u16 {
            record
                .add_host(&format!("x{number}").parse().unwrap(), None)
                .unwrap();
        }
        assert!(matches!(
            record.add_host(&"x240".parse().unwrap(), None),
            Err(LabError::NoAddressLeft(_))
        ));
    }

    #[test]
    fn the_record_survives_the_disk() {
        let directory = tempfile::tempdir().unwrap();
        let paths = LabPaths::of_state(directory.path(), directory.path());
        assert_eq!(Record::load(&paths).unwrap(), Record::default());
        let mut record = Record::default();
        record.add_host(&"h2".parse().unwrap(), Some(600)).unwrap();
        record
            .names
            .insert("meet.test".into(), Ipv4Addr::new(10, 77, 0, 12));
        record.store(&paths).unwrap();
        assert_eq!(Record::load(&paths).unwrap(), record);
        std::fs::write(paths.record(), "{").unwrap();
        assert!(Record::load(&paths).is_err());
    }
}
