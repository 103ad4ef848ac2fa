//! The texts that let plain ssh reach the hosts: `ssh_config` and `known_hosts`.

use std::fmt::Write as _;
use std::path::Path;

use crate::error::LabError;
use crate::files;
use crate::host::HostSpec;
use crate::paths::LabPaths;

/// Writes `ssh_config` and `known_hosts` for hosts whose keys are there.
pub(crate) fn write_configuration(
    paths: &LabPaths,
    program: &Path,
    hosts: &[HostSpec],
) -> Result<(), LabError> {
    let mut known_hosts = String::new();
    for host in hosts {
        let key = paths.host(&host.name).join("hostkey.pub");
        known_hosts.push_str(&known_hosts_line(host, &files::read(&key)?));
    }
    replace_when_changed(&paths.known_hosts(), &known_hosts)?;
    replace_when_changed(&paths.ssh_config(), &ssh_config(paths, program, hosts))
}

fn replace_when_changed(path: &Path, text: &str) -> Result<(), LabError> {
    if std::fs::read_to_string(path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    files::replace(path, text.as_bytes(), 0o644)
}

fn known_hosts_line(host: &HostSpec, public_key: &str) -> String {
    let key: Vec<_> = public_key.split_ascii_whitespace().take(2).collect();
    format!(
        "{0},{0}.test,{1} {2}\n",
        host.name,
        host.address,
        key.join(" ")
    )
}

fn ssh_config(paths: &LabPaths, program: &Path, hosts: &[HostSpec]) -> String {
    let mut text = String::from("# Written by `jitctl lab up`; `jitctl lab down` removes it.\n");
    let mut patterns = String::new();
    for host in hosts {
        let _ = write!(patterns, " {0} {0}.test {1}", host.name, host.address);
        let _ = writeln!(
            text,
            "Host {0} {0}.test\n  HostName {1}",
            host.name, host.address
        );
    }
    if hosts.is_empty() {
        return text;
    }
    let _ = write!(
        text,
        "Host{patterns}\n  User root\n  IdentityFile {key}\n  IdentitiesOnly yes\n  \
         UserKnownHostsFile {known_hosts}\n  GlobalKnownHostsFile /dev/null\n  \
         StrictHostKeyChecking yes\n  LogLevel ERROR\n  ServerAliveInterval 20\n  ProxyUseFdpass yes\n  \
         ProxyCommand {program} __lab-dial {state} %h %p\n",
        key = configuration_word(&paths.ssh_key()),
        known_hosts = configuration_word(&paths.known_hosts()),
        program = shell_word(program),
        state = shell_word(paths.state()),
    );
    text
}

/// A path as one argument of ssh_config(5), which expands `%`.
fn configuration_word(path: &Path) -> String {
    format!("\"{}\"", path.display().to_string().replace('%', "%%"))
}

/// A path as one word of the shell that runs a `ProxyCommand`, after ssh's own expansion.
fn shell_word(path: &Path) -> String {
    format!(
        "'{}'",
        path.display()
            .to_string()
            .replace('\'', r"'\''")
            .replace('%', "%%")
    )
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::process::{Command, Stdio};

    use super::*;

    fn host(name: &str, octet: u8) -> HostSpec {
        HostSpec {
            name: name.parse().unwrap(),
            address: Ipv4Addr::new(10, 77, 0, octet),
            disk_mebibytes: None,
        }
    }

    fn effective(config: &str, target: &str) -> String {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ssh_config");
        std::fs::write(&file, config).unwrap();
        let output = Command::new("ssh")
            .args(["-G", "-F"])
            .arg(&file)
            .arg(target)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn ssh_itself_reads_the_configuration_as_meant() {
        let state = Path::new("/tmp/it's 100% mine/lab/demo");
        let paths = LabPaths::of_state(state, Path::new("/tmp/cache"));
        let config = ssh_config(&paths, Path::new("/opt/a b/jitctl"), &[host("h1", 11)]);
        for target in ["h1", "h1.test", "10.77.0.11"] {
            let effective = effective(&config, target);
            for line in [
                "hostname 10.77.0.11",
                "user root",
                "stricthostkeychecking true",
                "proxyusefdpass yes",
            ] {
                assert!(
                    effective.lines().any(|found| found == line),
                    "{target}: {effective}"
                );
            }
            assert!(
                effective.contains("'/opt/a b/jitctl' __lab-dial"),
                "{effective}"
            );
        }
        assert!(!effective(&config, "elsewhere.example.org").contains("__lab-dial"));
    }

    #[test]
    fn a_host_is_known_by_all_its_names() {
        assert_eq!(
            known_hosts_line(&host("main", 12), "ssh-ed25519 AAAA root@main\n"),
            "main,main.test,10.77.0.12 ssh-ed25519 AAAA\n"
        );
    }
}
