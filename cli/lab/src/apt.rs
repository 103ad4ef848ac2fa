//! What the lab inherits from the outer machine's apt: its Debian sources and its switches.
//!
//! Third-party sources are left out: hosts get a plain Debian, and the package proxy reaches
//! no other server. Formats: sources.list(5), both one-line and deb822.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::LabError;
use crate::process;

/// The keyring of the Debian archive, where the package `debian-archive-keyring` puts it.
pub(crate) const DEBIAN_KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// One set of Debian suites on a mirror.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    uris: Vec<String>,
    suites: Vec<String>,
    components: Vec<String>,
    signed_by: String,
}

/// The outer machine's Debian sources for one release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sources(Vec<Source>);

impl Sources {
    /// Reads `/etc/apt`; the main mirror when it names no Debian source of `release`.
    pub(crate) fn of_machine(release: &str) -> Result<Self, LabError> {
        let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
        if let Ok(entries) = fs::read_dir("/etc/apt/sources.list.d") {
            files.extend(entries.flatten().map(|entry| entry.path()));
        }
        files.sort();
        let mut found = Vec::new();
        for file in files {
            let Ok(text) = fs::read_to_string(&file) else {
                continue;
            };
            match file.extension().and_then(|extension| extension.to_str()) {
                Some("list") => found.extend(parse_one_line(&text)),
                Some("sources") => found.extend(parse_deb822(&text)),
                _ => {}
            }
        }
        let sources = Self::select(found, release);
        if !sources.0.is_empty() {
            return Ok(sources);
        }
        if !Path::new(DEBIAN_KEYRING).exists() {
            return Err(LabError::Machine {
                problem: format!("no apt source of Debian {release} and no Debian keyring here"),
                remedy: "sudo apt-get install debian-archive-keyring".into(),
            });
        }
        Ok(Self::main_mirror(release))
    }

    fn main_mirror(release: &str) -> Self {
        let source = |path: &str, suites: &[&str]| Source {
            uris: vec![format!("http://deb.debian.org/{path}")],
            suites: suites
                .iter()
                .map(|suffix| format!("{release}{suffix}"))
                .collect(),
            components: vec!["main".into()],
            signed_by: DEBIAN_KEYRING.into(),
        };
        Self(vec![
            source("debian", &["", "-updates"]),
            source("debian-security", &["-security"]),
        ])
    }

    /// Keeps Debian's own suites of `release`.
    fn select(sources: Vec<Source>, release: &str) -> Self {
        let of_release = |suite: &String| {
            suite == release
                || suite.strip_prefix(release).is_some_and(|rest| {
                    matches!(rest, "-updates" | "-security" | "-backports" | "/updates")
                })
        };
        let kept = sources
            .into_iter()
            .filter(Source::is_debian)
            .filter_map(|mut source| {
                source.suites.retain(of_release);
                source.uris.retain(|uri| host_of(uri).is_some());
                (!source.suites.is_empty() && !source.uris.is_empty()).then_some(source)
            });
        Self(kept.collect())
    }

    /// As one deb822 file, the same for the same sources.
    pub(crate) fn to_deb822(&self) -> String {
        let stanzas: Vec<_> = self.0.iter().map(Source::to_deb822).collect();
        stanzas.join("\n")
    }

    /// The servers that the sources name.
    pub(crate) fn servers(&self) -> BTreeSet<String> {
        let uris = self.0.iter().flat_map(|source| &source.uris);
        uris.filter_map(|uri| host_of(uri))
            .map(str::to_owned)
            .collect()
    }
}

impl Source {
    fn is_debian(&self) -> bool {
        if !self.signed_by.is_empty() {
            return self.signed_by.contains("debian-archive");
        }
        // Unsigned-by entries trust every key of the machine: only Debian's own servers count.
        self.uris.iter().all(|uri| {
            host_of(uri).is_some_and(|host| host == "debian.org" || host.ends_with(".debian.org"))
        })
    }

    fn to_deb822(&self) -> String {
        let signed_by = if self.signed_by.starts_with('/') {
            &self.signed_by
        } else {
            DEBIAN_KEYRING
        };
        format!(
            "Types: deb\nURIs: {}\nSuites: {}\nComponents: {}\nSigned-By: {signed_by}\n",
            self.uris.join(" "),
            self.suites.join(" "),
            self.components.join(" "),
        )
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_ascii_whitespace().map(str::to_owned).collect()
}

fn parse_one_line(text: &str) -> Vec<Source> {
    text.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Source> {
    let line = line.split('#').next()?.trim();
    let rest = line.strip_prefix("deb")?;
    let rest = rest.strip_prefix([' ', '\t'])?.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']')?,
        None => ("", rest),
    };
    let signed_by = options
        .split_ascii_whitespace()
        .find_map(|option| option.strip_prefix("signed-by="))
        .unwrap_or_default();
    let mut fields = rest.split_ascii_whitespace().map(str::to_owned);
    Some(Source {
        uris: vec![fields.next()?],
        suites: vec![fields.next()?],
        components: fields.collect(),
        signed_by: signed_by.to_owned(),
    })
}

fn parse_deb822(text: &str) -> Vec<Source> {
    let mut stanzas: Vec<Vec<(String, String)>> = vec![Vec::new()];
    for line in text.lines() {
        if line.starts_with('#') {
            continue;
        }
        if line.trim().is_empty() {
            stanzas.push(Vec::new());
            continue;
        }
        let Some(stanza) = stanzas.last_mut() else {
            continue;
        };
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = stanza.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((key, value)) = line.split_once(':') {
            stanza.push((key.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    stanzas
        .iter()
        .filter_map(|stanza| source_of_stanza(stanza))
        .collect()
}

fn source_of_stanza(stanza: &[(String, String)]) -> Option<Source> {
    let field = |name: &str| {
        stanza
            .iter()
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value.as_str())
    };
    if field("enabled").eq_ignore_ascii_case("no") {
        return None;
    }
    if !field("types")
        .split_ascii_whitespace()
        .any(|kind| kind == "deb")
    {
        return None;
    }
    Some(Source {
        uris: words(field("uris")),
        suites: words(field("suites")),
        components: words(field("components")),
        signed_by: field("signed-by").to_owned(),
    })
}

/// The server of an http(s) address, without port and credentials.
fn host_of(uri: &str) -> Option<&str> {
    let rest = uri
        .strip_prefix("http://")
        .or_else(|| uri.strip_prefix("https://"))?;
    let authority = rest.split('/').next()?;
    let host = authority.rsplit('@').next()?.split(':').next()?;
    (!host.is_empty()).then_some(host)
}

/// The outer machine's download switches: validity of lists, retries, address family, proxies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Switches {
    lines: Vec<String>,
}

impl Switches {
    /// Asks `apt-config`; nothing when the machine has no apt.
    pub(crate) fn of_machine() -> Self {
        let dump = process::run(process::command("apt-config").arg("dump"));
        Self::parse(&dump.unwrap_or_default())
    }

    fn parse(dump: &str) -> Self {
        let is_switch = |line: &&str| {
            let Some(name) = line.strip_prefix("Acquire::") else {
                return false;
            };
            let name = name.split(' ').next().unwrap_or_default();
            matches!(
                name,
                "Check-Valid-Until" | "Check-Date" | "ForceIPv4" | "ForceIPv6" | "Retries"
            ) || name.starts_with("http::")
                || name.starts_with("https::")
        };
        let mut lines: Vec<_> = dump
            .lines()
            .filter(is_switch)
            .filter(|line| !line.contains(" \"\";"))
            .map(str::to_owned)
            .collect();
        lines.sort();
        Self { lines }
    }

    /// For building the image: all of them, the outer machine's proxy included.
    pub(crate) fn for_build(&self) -> String {
        self.lines
            .iter()
            .flat_map(|line| [line.as_str(), "\n"])
            .collect()
    }

    /// For the image itself: without a proxy, which would win over the lab's own.
    pub(crate) fn for_hosts(&self) -> String {
        let lines = self
            .lines
            .iter()
            .filter(|line| !line.to_ascii_lowercase().contains("proxy"));
        lines.flat_map(|line| [line.as_str(), "\n"]).collect()
    }

    /// The outer machine's own http proxy as `host:port`.
    pub(crate) fn http_proxy(&self) -> Option<String> {
        let line = self
            .lines
            .iter()
            .find(|line| line.starts_with("Acquire::http::Proxy \""))?;
        let value = line.split('"').nth(1)?.strip_prefix("http://")?;
        let authority = value.trim_end_matches('/').rsplit('@').next()?;
        Some(if authority.contains(':') {
            authority.into()
        } else {
            format!("{authority}:80")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEBIAN: &str = "\
Types: deb
# http://snapshot.debian.org/archive/debian/20250520T000000Z
URIs: http://deb.debian.org/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb deb-src
URIs: http://mirror.example.net:8080/debian-security
Suites: bookworm-security trixie-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
";
    const THIRD_PARTY: &str = "\
Types: deb
URIs: https://deb.nodesource.com/node_20.x
Suites: nodistro
Components: main
Signed-By: /usr/share/keyrings/nodesource.gpg

Types: deb
URIs: https://packages.example.org/debian
Suites: bookworm
Components: main
Signed-By: -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBF
 -----END PGP PUBLIC KEY BLOCK-----
";

    #[test]
    fn only_debian_suites_of_the_release_are_kept() {
        let mut found = parse_deb822(DEBIAN);
        found.extend(parse_deb822(THIRD_PARTY));
        found.extend(parse_one_line(
            "deb https://packages.cloud.google.com/apt cloud-sdk-bookworm main\n",
        ));
        found.extend(parse_one_line(
            "deb https://packages.cloud.google.com/apt bookworm main\n",
        ));
        let sources = Sources::select(found, "bookworm");
        let servers: Vec<_> = sources.servers().into_iter().collect();
        assert_eq!(servers, ["deb.debian.org", "mirror.example.net"]);
        let text = sources.to_deb822();
        assert!(
            text.contains("Suites: bookworm bookworm-updates\n"),
            "{text}"
        );
        assert!(text.contains("Suites: bookworm-security\n"), "{text}");
        assert!(
            !text.contains("nodesource") && !text.contains("trixie"),
            "{text}"
        );
    }

    #[test]
    fn one_line_entries_are_read_with_options_and_comments() {
        let sources = parse_one_line(
            "# deb http://deb.debian.org/debian bookworm main\n\
             deb-src http://deb.debian.org/debian bookworm main\n\
             deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] \
             http://ftp.example.net/debian bookworm main contrib # mine\n\
             deb http://security.debian.org bookworm-security main\n\
             deb [broken http://x y z\n\
             deb\n",
        );
        assert_eq!(sources.len(), 2);
        assert_eq!(sources[0].components, ["main", "contrib"]);
        let kept = Sources::select(sources, "bookworm");
        assert_eq!(
            kept.0.len(),
            2,
            "a Debian server counts without a keyring named"
        );
        assert!(kept.to_deb822().contains(DEBIAN_KEYRING));
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        let sources = Sources::select(parse_deb822(DEBIAN), "bookworm");
        assert_eq!(
            Sources::select(parse_deb822(&sources.to_deb822()), "bookworm"),
            sources
        );
        let mirror = Sources::main_mirror("bookworm");
        assert_eq!(
            Sources::select(parse_deb822(&mirror.to_deb822()), "bookworm"),
            mirror
        );
    }

    #[test]
    fn disabled_stanzas_are_left_out() {
        assert!(parse_deb822(&format!("Enabled: no\n{THIRD_PARTY}")).len() == 1);
    }

    #[test]
    fn the_outer_proxy_is_used_but_not_baked_in() {
        let switches = Switches::parse(
            "APT::Architecture \"amd64\";\n\
             Acquire::Check-Valid-Until \"false\";\n\
             Acquire::http \"\";\n\
             Acquire::http::Proxy \"http://proxy.example.net:3128/\";\n\
             Acquire::http::Pipeline-Depth \"0\";\n\
             Acquire::Languages \"none\";\n\
             DPkg::Post-Invoke:: \"rm -f /var/cache/apt/archives/*.deb\";\n",
        );
        assert!(switches.for_build().contains("Proxy"));
        assert_eq!(
            switches.for_hosts(),
            "Acquire::Check-Valid-Until \"false\";\nAcquire::http::Pipeline-Depth \"0\";\n"
        );
        assert_eq!(
            switches.http_proxy().as_deref(),
            Some("proxy.example.net:3128")
        );
        assert_eq!(Switches::parse("").http_proxy(), None);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_parsers_panic(text in "\\PC*") {
            parse_one_line(&text);
            parse_deb822(&text);
            Switches::parse(&text);
            host_of(&text);
        }
    }
}
