//! Files that the inventory names: looked at by `check`, not while loading.

use std::fs;
use std::io::ErrorKind;
use std::path::Path as FilePath;

use super::{Finding, Rule, rule};
use crate::diagnostic::Diagnostic;
use crate::load::{Loaded, Path};
use crate::model::{Tls, Web};

pub(super) const RULES: &[Rule] = &[
    Rule::error(
        "E050",
        "ssh key is missing",
        "The private key named by `ssh.key` cannot be read on this machine. Leave the key out if an agent or `ssh_config` provides it.",
    ),
    Rule::error(
        "E051",
        "ssh key is readable by others",
        "`ssh` refuses private keys that other users can read (mode wider than 0600).",
    ),
    Rule::error(
        "E052",
        "ssh configuration is missing",
        "The file named by `ssh.config` cannot be read on this machine.",
    ),
    Rule::error(
        "E053",
        "certificate file is missing or no certificate",
        "The file named by `tls.certificate` cannot be read, or holds no PEM certificate.",
    ),
    Rule::error(
        "E054",
        "key file is missing or no key",
        "The file named by `tls.key` cannot be read, or holds no PEM private key.",
    ),
    Rule::error(
        "E060",
        "page folder is missing or has no index.html",
        "The folder named by `web.path` cannot be read, or holds no `index.html`.",
    ),
];

/// Looks at every file that the inventory names; `home` stands for `~/`.
pub fn check_files(loaded: &Loaded, home: Option<&FilePath>) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for (name, host) in &loaded.inventory.hosts {
        if let Some(key) = &host.ssh.key {
            let path = Path::host(name).key("ssh").key("key");
            findings.extend(ssh_key(&loaded.resolve(key, home), path));
        }
        if let Some(config) = &host.ssh.config {
            let path = Path::host(name).key("ssh").key("config");
            findings.extend(readable("E052", &loaded.resolve(config, home), path, None));
        }
    }
    if let Tls::Files { certificate, key } = &loaded.inventory.site.tls {
        let tls = Path::root().key("site").key("tls");
        let certificate = loaded.resolve(certificate, home);
        findings.extend(readable(
            "E053",
            &certificate,
            tls.key("certificate"),
            Some("CERTIFICATE-----"),
        ));
        let key = loaded.resolve(key, home);
        findings.extend(readable(
            "E054",
            &key,
            tls.key("key"),
            Some("PRIVATE KEY-----"),
        ));
    }
    if let Web::Dir { path } = &loaded.inventory.site.web {
        let index = loaded.resolve(path, home).join("index.html");
        let place = Path::root().key("site").key("web").key("path");
        findings.extend(readable("E060", &index, place, None));
    }
    findings
        .iter()
        .filter_map(|(code, finding)| {
            Some(finding.diagnostic(rule(code)?, &loaded.source, &loaded.map))
        })
        .collect()
}

type Coded = (&'static str, Finding);

fn readable(code: &'static str, file: &FilePath, path: Path, pem: Option<&str>) -> Option<Coded> {
    let shown = file.display();
    let (message, label, help) = match fs::read(file) {
        Ok(bytes) => {
            let pem = pem?;
            let text = String::from_utf8_lossy(&bytes);
            if text
                .lines()
                .any(|line| line.starts_with("-----BEGIN ") && line.ends_with(pem))
            {
                return None;
            }
            let wanted = pem.trim_end_matches('-').to_lowercase();
            (
                format!("`{shown}` holds no PEM {wanted}"),
                "wrong content",
                "the file must have a `-----BEGIN …-----` block of that kind",
            )
        }
        Err(error) if error.kind() == ErrorKind::NotFound => (
            format!("`{shown}` does not exist"),
            "no such file",
            "relative paths count from the inventory's folder",
        ),
        Err(error) => (
            format!("`{shown}` cannot be read: {error}"),
            "not readable",
            "give yourself the right to read it",
        ),
    };
    Some((code, Finding::new(path, message, label).help(help)))
}

fn ssh_key(file: &FilePath, path: Path) -> Option<Coded> {
    let missing = readable("E050", file, path.clone(), None);
    if missing.is_some() {
        return missing;
    }
    let mode = mode(file)?;
    (mode & 0o077 != 0).then(|| {
        let shown = file.display();
        let message = format!("`{shown}` has mode {:04o}", mode & 0o7777);
        let finding = Finding::new(path, message, "readable by others")
            .cause("ssh refuses private keys that others can read")
            .help(format!("chmod 600 {shown}"));
        ("E051", finding)
    })
}

fn mode(file: &FilePath) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    Some(fs::metadata(file).ok()?.permissions().mode())
}
