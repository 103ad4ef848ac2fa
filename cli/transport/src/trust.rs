//! Learning a host key, once, on the operator's word.
//!
//! The key is fetched through the operator's own `ssh` (so that jump hosts and proxies work) into a
//! file of its own; no login happens. Only [`accept`] writes to the known_hosts file.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use jitctl_inventory::model::Ssh;
use jitctl_inventory::names::HostName;
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::process::Command;

use crate::classify::connect_error;
use crate::remote::RemoteError;
use crate::ssh::{expand_home, ssh_arguments};

/// What a host offers, and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OfferedKey {
    /// Which host.
    pub host: HostName,
    /// Key type, such as `ssh-ed25519`.
    pub algorithm: String,
    /// `SHA256:…`, as `ssh-keygen -lf` prints it.
    pub fingerprint: String,
    /// What the known_hosts file says about the host.
    pub known: Known,
    /// The file that [`accept`] writes.
    pub known_hosts: PathBuf,
    /// The line for it.
    pub line: String,
}

/// What is known of a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Known {
    /// Nothing.
    No,
    /// This very key.
    Same,
    /// Another key of the same type.
    Other {
        /// Its fingerprint.
        fingerprint: String,
    },
}

/// Why a key could not be learnt.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The host could not be asked.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// `ssh` or `ssh-keygen` could not be run on this machine.
    #[error("cannot run `{program}` on this machine: {cause}; install the OpenSSH client")]
    Program {
        /// Which program.
        program: &'static str,
        /// The system's words.
        cause: String,
    },
    /// The known_hosts file could not be written.
    #[error("cannot write `{path}`: {cause}; look at its owner and permissions")]
    Write {
        /// Which file.
        path: PathBuf,
        /// The system's words.
        cause: String,
    },
    /// Another key is known and replacing it was not asked for.
    #[error(
        "`{host}` shows another key than the known one; if it was installed anew, run `jitctl trust {host} --replace`"
    )]
    Changed {
        /// Which host.
        host: HostName,
    },
}

/// Asks the host for its key.
///
/// # Errors
/// The host cannot be reached, or `ssh` is missing.
pub async fn offered_key(
    host: &HostName,
    ssh: &Ssh,
    deadline: Duration,
) -> Result<OfferedKey, TrustError> {
    let folder = tempfile::tempdir().map_err(|error| TrustError::Write {
        path: std::env::temp_dir(),
        cause: error.to_string(),
    })?;
    let file = folder.path().join("known_hosts");
    let mut arguments: Vec<std::ffi::OsString> = Vec::new();
    let user_file = format!("UserKnownHostsFile={}", file.display());
    let timeout = format!("ConnectTimeout={}", deadline.as_secs().max(1));
    for option in [
        // The first value of an option counts: these win over the operator's own.
        "StrictHostKeyChecking=accept-new",
        user_file.as_str(),
        "GlobalKnownHostsFile=/dev/null",
        "HashKnownHosts=no",
        "BatchMode=yes",
        "PreferredAuthentications=none",
        "ControlMaster=no",
        "ControlPath=none",
        timeout.as_str(),
    ] {
        arguments.extend(["-o".into(), option.into()]);
    }
    arguments.extend(ssh_arguments(host, ssh));
    arguments.push("true".into());
    let output = run("ssh", &arguments).await?;
    let lines = std::fs::read_to_string(&file).unwrap_or_default();
    let Some(line) = lines.lines().find(|line| !line.starts_with('#')) else {
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(connect_error(host, &words).into());
    };
    let mut words = line.split_whitespace();
    let name = words.next().unwrap_or_default().to_owned();
    let algorithm = words.next().unwrap_or_default().to_owned();
    let fingerprint = fingerprint(words.next().unwrap_or_default());
    let known_hosts = known_hosts_file(host, ssh).await?;
    let known = known_key(&name, &algorithm, &fingerprint, &known_hosts).await?;
    Ok(OfferedKey {
        host: host.clone(),
        algorithm,
        fingerprint,
        known,
        known_hosts,
        line: line.to_owned(),
    })
}

/// Writes the key into the known_hosts file. A known key is left as it is.
///
/// # Errors
/// Another key is known and `replace` is false; the file cannot be written.
pub async fn accept(key: &OfferedKey, replace: bool) -> Result<(), TrustError> {
    match &key.known {
        Known::Same => return Ok(()),
        Known::Other { .. } if !replace => {
            return Err(TrustError::Changed {
                host: key.host.clone(),
            });
        }
        Known::Other { .. } => {
            let name = key.line.split_whitespace().next().unwrap_or_default();
            let file = key.known_hosts.as_os_str().to_owned();
            run("ssh-keygen", &["-R".into(), name.into(), "-f".into(), file]).await?;
        }
        Known::No => {}
    }
    append(&key.known_hosts, &key.line).map_err(|error| TrustError::Write {
        path: key.known_hosts.clone(),
        cause: error.to_string(),
    })
}

fn append(path: &Path, line: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let before = std::fs::read(path).unwrap_or_default();
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)?;
    if before.last().is_some_and(|byte| *byte != b'\n') {
        file.write_all(b"\n")?;
    }
    writeln!(file, "{line}")
}

async fn known_hosts_file(host: &HostName, ssh: &Ssh) -> Result<PathBuf, TrustError> {
    let mut arguments = vec!["-G".into()];
    arguments.extend(ssh_arguments(host, ssh));
    let output = run("ssh", &arguments).await?;
    let settings = String::from_utf8_lossy(&output.stdout).into_owned();
    let file = settings
        .lines()
        .find_map(|line| line.strip_prefix("userknownhostsfile "))
        .and_then(|files| files.split_whitespace().next())
        .unwrap_or("~/.ssh/known_hosts");
    Ok(expand_home(Path::new(file)))
}

async fn known_key(
    name: &str,
    algorithm: &str,
    offered: &str,
    file: &Path,
) -> Result<Known, TrustError> {
    if !file.exists() {
        return Ok(Known::No);
    }
    let arguments = [
        "-F".into(),
        name.into(),
        "-f".into(),
        file.as_os_str().to_owned(),
    ];
    let output = run("ssh-keygen", &arguments).await?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let known: Vec<String> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let mut words = line.split_whitespace().skip(1);
            (words.next()? == algorithm).then(|| fingerprint(words.next().unwrap_or_default()))
        })
        .collect();
    Ok(match known.first() {
        None => Known::No,
        Some(_) if known.iter().any(|key| key == offered) => Known::Same,
        Some(other) => Known::Other {
            fingerprint: other.clone(),
        },
    })
}

/// `SHA256:` and the unpadded Base64 of the key's digest.
fn fingerprint(key: &str) -> String {
    let blob = STANDARD.decode(key).unwrap_or_default();
    format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(blob)))
}

async fn run(
    program: &'static str,
    arguments: &[std::ffi::OsString],
) -> Result<std::process::Output, TrustError> {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| TrustError::Program {
            program,
            cause: error.to_string(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";

    fn offered(file: &Path, known: Known) -> OfferedKey {
        OfferedKey {
            host: "b1".into(),
            algorithm: "ssh-ed25519".into(),
            fingerprint: fingerprint(KEY),
            known,
            known_hosts: file.to_owned(),
            line: format!("b1 ssh-ed25519 {KEY}"),
        }
    }

    #[test]
    fn the_fingerprint_is_the_one_that_ssh_prints() {
        // The published ed25519 key of github.com.
        assert_eq!(
            fingerprint(KEY),
            "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"
        );
    }

    #[tokio::test]
    async fn a_learnt_key_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ssh/known_hosts");
        accept(&offered(&file, Known::No), false).await.unwrap();
        let print = fingerprint(KEY);
        let known = known_key("b1", "ssh-ed25519", &print, &file).await.unwrap();
        assert_eq!(known, Known::Same);
    }

    #[tokio::test]
    async fn a_changed_key_is_not_replaced_unless_asked() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("known_hosts");
        let key = offered(
            &file,
            Known::Other {
                fingerprint: "SHA256:x".to_owned(),
            },
        );
        let error = accept(&key, false).await.unwrap_err();
        assert!(matches!(error, TrustError::Changed { .. }));
        assert!(!file.exists());
    }
}
