//! Reads the answer of the fact script. Never panics, whatever comes; says what is missing.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Facts, FileFact, Listener, UnitFact};
use crate::accounts::Credential;
use crate::lease::Lease;
use crate::manifest::Manifest;

/// The answer is not one of our script.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The end is missing.
    #[error("the facts end early, after section `{0}`")]
    Incomplete(String),
    /// The manifest on the host is damaged.
    #[error(
        "/etc/jitctl/manifest.json is damaged ({0}); move it away and apply again: all files are then compared anew"
    )]
    Manifest(String),
}

/// Reads facts. `root` is the prefix that the script had; `now_ms` is our clock halfway between
/// question and answer, in milliseconds since 1970.
///
/// # Errors
/// The answer is cut off, or the host's manifest is damaged.
pub fn parse(text: &str, root: &str, now_ms: i64) -> Result<Facts, ParseError> {
    let sections = split(text)?;
    let lines = |name: &str| sections.get(name).copied().unwrap_or_default().lines();
    let own = |path: &str| path.strip_prefix(root).unwrap_or(path).to_owned();
    let mut facts = Facts::default();

    let clock: Option<i64> = lines("clock").next().and_then(|line| line.parse().ok());
    facts.clock_offset_ms = clock.map_or(0, |nanoseconds| nanoseconds / 1_000_000 - now_ms);
    for (key, value) in lines("system").filter_map(|line| line.split_once('\t')) {
        match key {
            "os" => value.clone_into(&mut facts.os),
            "version" => value.clone_into(&mut facts.os_version),
            "arch" => value.clone_into(&mut facts.arch),
            "cpus" => facts.cpus = value.parse().unwrap_or(0),
            "memory" => facts.memory_kib = value.parse().unwrap_or(0),
            "disk" => facts.disk_free_kib = value.parse().unwrap_or(0),
            "container" => value.clone_into(&mut facts.container),
            _ => {}
        }
    }
    facts.addresses = lines("addresses").filter_map(address).collect();
    facts.listeners = lines("listeners").filter_map(listener).collect();

    facts.manifest = Manifest::parse(sections.get("manifest").copied().unwrap_or_default())
        .map_err(|error| ParseError::Manifest(error.to_string()))?;
    facts.lease = Lease::parse(sections.get("lease").copied().unwrap_or_default());
    facts.interrupted = lines("interrupted").next().map(str::to_owned);
    for (key, value) in lines("settings").filter_map(|line| line.split_once('\t')) {
        facts.settings.insert(key.to_owned(), value.to_owned());
    }
    facts.releases = lines("releases")
        .filter_map(|line| line.parse().ok())
        .collect();

    for line in lines("stat") {
        if let Some((path, fact)) = stat(line) {
            facts.files.insert(own(path), fact);
        }
    }
    for (path, target) in lines("links").filter_map(|line| line.split_once('\t')) {
        facts.files.remove(&own(path));
        facts.links.insert(own(path), target.to_owned());
    }
    for (sum, path) in lines("sums").filter_map(|line| line.split_once("  ")) {
        if let Some(fact) = facts.files.get_mut(&own(path)) {
            sum.clone_into(&mut fact.sha256);
        }
    }
    for (path, encoded) in lines("contents").filter_map(|line| line.split_once('\t')) {
        let bytes = STANDARD.decode(encoded).unwrap_or_default();
        facts.contents.0.insert(own(path), bytes);
    }
    for (jid, encoded) in lines("accounts").filter_map(|line| line.split_once('\t')) {
        let bytes = STANDARD.decode(encoded).unwrap_or_default();
        let credential = Credential::parse(&String::from_utf8_lossy(&bytes));
        facts.accounts.insert(jid.to_owned(), credential);
    }
    for (sum, path) in lines("programs").filter_map(|line| line.split_once("  ")) {
        facts.programs.insert(own(path), sum.to_owned());
    }

    for line in lines("packages") {
        let mut words = line.split('\t');
        if let (Some("ii "), Some(name), Some(version)) = (words.next(), words.next(), words.next())
        {
            facts.packages.insert(name.to_owned(), version.to_owned());
        }
    }
    facts.users = lines("users")
        .filter_map(|line| Some(line.split_once(':')?.0.to_owned()))
        .collect();
    facts.units = units(sections.get("units").copied().unwrap_or_default());
    for (key, value) in lines("firewall").filter_map(|line| line.split_once('\t')) {
        let firewall = &mut facts.firewall;
        let hash = || value.split_whitespace().next().map(str::to_owned);
        match key {
            "nft" => firewall.nft = true,
            "ufw" => firewall.ufw = true,
            "firewalld" => firewall.firewalld = true,
            "table" => firewall.table = hash(),
            "loaded" => firewall.loaded = hash(),
            "rule" => {
                firewall.rules.insert(value.trim().to_owned());
            }
            _ => {}
        }
    }
    Ok(facts)
}

fn split(text: &str) -> Result<BTreeMap<&str, &str>, ParseError> {
    let mut sections = BTreeMap::new();
    let mut last = String::new();
    // The first line has no line break before it.
    let text = text.strip_prefix("@@section ").unwrap_or(text);
    for part in text.split("\n@@section ") {
        let (name, body) = part.split_once('\n').unwrap_or((part, ""));
        name.trim_end().clone_into(&mut last);
        sections.insert(name.trim_end(), body);
    }
    if sections.contains_key("end") {
        Ok(sections)
    } else {
        Err(ParseError::Incomplete(last))
    }
}

/// `2: eth0    inet 10.0.0.1/24 brd …`, loopback left out.
fn address(line: &str) -> Option<std::net::IpAddr> {
    let mut words = line.split_whitespace();
    let interface = words.nth(1)?;
    let family = words.next()?;
    if interface == "lo" || !family.starts_with("inet") {
        return None;
    }
    words.next()?.split('/').next()?.parse().ok()
}

/// `tcp LISTEN 0 511 0.0.0.0:80 0.0.0.0:* users:(("nginx",pid=1,fd=6))`.
fn listener(line: &str) -> Option<Listener> {
    let mut words = line.split_whitespace();
    let protocol = words.next()?.to_owned();
    let (address, port) = words.nth(3)?.rsplit_once(':')?;
    let program = line
        .split_once("((\"")
        .and_then(|(_, rest)| rest.split('"').next())
        .unwrap_or_default();
    let address = address.split('%').next().unwrap_or(address);
    Some(Listener {
        protocol,
        address: address.trim_matches(['[', ']']).to_owned(),
        port: port.parse().ok()?,
        program: program.to_owned(),
    })
}

fn stat(line: &str) -> Option<(&str, FileFact)> {
    let mut words = line.splitn(6, '\t');
    let mode = u32::from_str_radix(words.next()?, 8).ok()?;
    let (owner, group) = (words.next()?.to_owned(), words.next()?.to_owned());
    let modified = words.next()?.parse().ok()?;
    let folder = words.next()? == "directory";
    let fact = FileFact {
        sha256: String::new(),
        mode,
        owner,
        group,
        modified,
        folder,
    };
    Some((words.next()?, fact))
}

fn units(text: &str) -> BTreeMap<String, UnitFact> {
    let mut units = BTreeMap::new();
    for block in text.split("\n\n") {
        let mut unit = UnitFact::default();
        let mut name = None;
        for (key, value) in block.lines().filter_map(|line| line.split_once('=')) {
            match key {
                "Id" => name = Some(value.to_owned()),
                "ActiveState" => value.clone_into(&mut unit.active),
                "SubState" => value.clone_into(&mut unit.sub),
                "UnitFileState" => value.clone_into(&mut unit.enabled),
                "LoadState" => value.clone_into(&mut unit.load),
                "NRestarts" => unit.restarts = value.parse().unwrap_or(0),
                _ => {}
            }
        }
        if let Some(name) = name {
            units.insert(name, unit);
        }
    }
    units
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_answer_that_was_cut_off_is_refused() {
        let error = parse("@@section clock\n12\n@@section sys", "", 0).unwrap_err();
        assert_eq!(error, ParseError::Incomplete("sys".to_owned()));
    }

    #[test]
    fn sections_become_facts() {
        let text = "@@section clock\n5000000000\n@@section system\nos\tdebian\narch\tx86_64\n\
            @@section addresses\n1: lo inet 127.0.0.1/8 scope host\n2: host0    inet 10.77.0.11/24 brd x\n\
            @@section listeners\ntcp   LISTEN 0 511 0.0.0.0:80 0.0.0.0:* users:((\"nginx\",pid=1,fd=6))\n\
            @@section stat\n644\troot\troot\t7\tregular file\t/etc/a b\n777\troot\troot\t7\tsymbolic link\t/etc/l\n\
            @@section links\n/etc/l\ttarget\n@@section sums\nabc  /etc/a b\n\
            @@section packages\nii \tnginx\t1.22\nrc \tufw\t0.36\n\
            @@section units\nId=nginx.service\nActiveState=active\nUnitFileState=enabled\n\nId=x.service\nActiveState=inactive\n\
            @@section firewall\nnft\tyes\ntable\tabc  -\n@@section end\n";
        let facts = parse(text, "", 4000).unwrap();
        assert_eq!(facts.clock_offset_ms, 1000);
        assert_eq!(facts.addresses.len(), 1);
        assert_eq!(facts.listeners[0].program, "nginx");
        assert_eq!(facts.files["/etc/a b"].sha256, "abc");
        assert!(!facts.files.contains_key("/etc/l"));
        assert_eq!(facts.links["/etc/l"], "target");
        assert_eq!(facts.packages.len(), 1);
        assert!(facts.units["nginx.service"].is_active());
        assert_eq!(facts.firewall.table.as_deref(), Some("abc"));
    }

    proptest! {
        #[test]
        fn any_answer_is_read_without_panic(body in "[a-z0-9=:/\\[\\]\"\t\n @%.-]{0,300}") {
            for section in ["addresses", "listeners", "stat", "links", "sums", "units", "lease"] {
                let text = format!("@@section {section}\n{body}\n@@section end\n");
                let _ = parse(&text, "", 0);
            }
        }
    }
}
