//! The text of a first inventory, for `jitctl init`: complete, commented, and clean when checked.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::edit::host_lines;
use crate::model::{Addresses, Host, Overrides, Role, Ssh, Tls};
use crate::names::{Domain, HostName, MucNick};
use crate::rules::is_private_address;
use crate::secrets::RandomError;

/// Where editors find the schema when `jitctl init` writes it beside the inventory.
pub const SCHEMA_FILE: &str = "inventory.schema.json";

/// What `init` was told.
#[derive(Clone, Debug)]
pub struct Scaffold {
    /// The site's name.
    pub domain: Domain,
    /// Where the certificate comes from.
    pub tls: Tls,
    /// The hosts in the order in which they shall stand.
    pub hosts: Vec<ScaffoldHost>,
}

/// One host that `init` was told of.
#[derive(Clone, Debug)]
pub struct ScaffoldHost {
    /// Its name.
    pub name: HostName,
    /// What it carries.
    pub roles: Vec<Role>,
    /// Its addresses, private and public mixed.
    pub addresses: Vec<IpAddr>,
    /// How to reach it.
    pub ssh: Ssh,
    /// Its region.
    pub region: Option<String>,
}

impl ScaffoldHost {
    /// The host of the model; a bridge gets a nickname with four hexadecimal digits of `random`.
    ///
    /// # Errors
    /// Those of `random`.
    pub fn build(
        &self,
        random: &mut dyn FnMut(&mut [u8]) -> Result<(), RandomError>,
    ) -> Result<Host, RandomError> {
        let (private, public) = self
            .addresses
            .iter()
            .partition(|one| is_private_address(**one));
        let nickname = if self.roles.contains(&Role::Bridge) {
            Some(nickname(&self.name, random)?)
        } else {
            None
        };
        Ok(Host {
            roles: self.roles.iter().copied().collect(),
            foreign: None,
            ssh: self.ssh.clone(),
            address: Addresses { private, public },
            region: self.region.clone(),
            labels: BTreeMap::new(),
            nickname,
            overrides: Overrides::default(),
        })
    }
}

/// `NAME-4hex`: unique even when a host is cloned or a second inventory uses the same names.
///
/// # Errors
/// Those of `random`.
pub fn nickname(
    name: &HostName,
    random: &mut dyn FnMut(&mut [u8]) -> Result<(), RandomError>,
) -> Result<MucNick, RandomError> {
    let mut bytes = [0_u8; 2];
    random(&mut bytes)?;
    Ok(MucNick::new(format!(
        "{name}-{:04x}",
        u16::from_be_bytes(bytes)
    )))
}

impl Scaffold {
    /// The text of the file.
    ///
    /// # Errors
    /// Those of `random`.
    pub fn text(
        &self,
        random: &mut dyn FnMut(&mut [u8]) -> Result<(), RandomError>,
    ) -> Result<String, RandomError> {
        let mut lines = head(&self.domain);
        lines.extend(self.tls_lines());
        lines.extend(SITE_OPTIONS.map(str::to_owned));
        lines.push("hosts:".to_owned());
        for (position, host) in self.hosts.iter().enumerate() {
            if position > 0 {
                lines.push(String::new());
            }
            if let Some(comment) = comment(&self.hosts[..position], host) {
                lines.push(format!("  # {comment}"));
            }
            lines.extend(host_lines(&host.name, &host.build(random)?, 2, 2));
        }
        Ok(lines.join("\n") + "\n")
    }

    fn tls_lines(&self) -> Vec<String> {
        let text = |text: &str| crate::edit::scalar(text);
        match &self.tls {
            Tls::PrivateCa => vec![
                "  # A certificate authority of your own. For the Internet use instead:".to_owned(),
                "  #   tls: { mode: acme, email: admin@example.org }".to_owned(),
                "  tls: { mode: private_ca }".to_owned(),
            ],
            Tls::Acme { email, directory } => {
                let directory = directory.as_deref();
                let directory = directory.map(|url| format!(", directory: {}", text(url)));
                vec![
                    "  # The authority checks the name through port 80 of MAIN.".to_owned(),
                    format!(
                        "  tls: {{ mode: acme, email: {}{} }}",
                        text(email),
                        directory.unwrap_or_default()
                    ),
                ]
            }
            Tls::Files { certificate, key } => vec![
                "  # Relative paths count from this file.".to_owned(),
                format!(
                    "  tls: {{ mode: files, certificate: {}, key: {} }}",
                    text(&certificate.to_string_lossy()),
                    text(&key.to_string_lossy())
                ),
            ],
        }
    }
}

/// The first lines, down to the domain.
fn head(domain: &Domain) -> Vec<String> {
    vec![
        format!("# yaml-language-server: $schema={SCHEMA_FILE}"),
        "#".to_owned(),
        "# The inventory of this site: the only file that you edit.".to_owned(),
        "#   jitctl check   finds mistakes without touching a host".to_owned(),
        "#   jitctl plan    shows what would change".to_owned(),
        "#   jitctl apply   makes it so; a second apply changes nothing".to_owned(),
        "version: 1".to_owned(),
        String::new(),
        "site:".to_owned(),
        "  # What people type in their browser. It must resolve to the MAIN host.".to_owned(),
        format!("  domain: {}", crate::edit::scalar(domain.as_str())),
    ]
}

/// The text of an inventory for a MAIN that others keep, for `jitctl import`.
pub fn imported(domain: &Domain, name: &HostName, main: &Host) -> String {
    let mut lines = head(domain);
    lines.extend(IMPORTED.map(str::to_owned));
    lines.extend(host_lines(name, main, 2, 2));
    lines.join("\n") + "\n"
}

/// What is to be known of an imported site, as comments.
const IMPORTED: [&str; 7] = [
    "",
    "# Add a bridge with `jitctl add-bridge NAME=ADDRESS`; it keeps your comments.",
    "hosts:",
    "  # MAIN, set up and kept by others. jitctl opens 5222/tcp there for the bridges below, where",
    "  # ufw or firewalld keeps the rules, and touches nothing else. `jitctl import` again reads the",
    "  # account's password and the certificate anew.",
    "  # `nicknames` are those of bridges that others keep.",
];

/// What may be changed later, as comments.
const SITE_OPTIONS: [&str; 6] = [
    "  # Who may open a room: everybody (open), or accounts only (secure_domain).",
    "  # authentication: { mode: secure_domain }",
    "  # Which firewall the hosts use: auto, nftables, ufw, firewalld, or none (hands off).",
    "  # firewall: auto",
    "",
    "# Add a bridge later with `jitctl add-bridge NAME=ADDRESS`; it keeps your comments.",
];

/// Explains the first host of its kind.
fn comment(before: &[ScaffoldHost], host: &ScaffoldHost) -> Option<&'static str> {
    if before.iter().any(|other| other.roles == host.roles) {
        return None;
    }
    Some(
        match (
            host.roles.contains(&Role::Main),
            host.roles.contains(&Role::Bridge),
        ) {
            (true, true) => {
                "MAIN and BRIDGE in one: web page, Prosody, focus, and the media as well."
            }
            (true, false) => "MAIN: web page, Prosody and our focus.",
            (false, _) => {
                "BRIDGE: carries the media. Its nickname is its identity: leave it as it is."
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load_text;
    use crate::model::Foreign;

    fn host(name: &str, roles: &[Role], addresses: &[&str]) -> ScaffoldHost {
        ScaffoldHost {
            name: HostName::new(name),
            roles: roles.to_vec(),
            addresses: addresses.iter().map(|one| one.parse().unwrap()).collect(),
            ssh: Ssh {
                user: Some("root".to_owned()),
                ..Ssh::default()
            },
            region: None,
        }
    }

    fn scaffold(tls: Tls) -> String {
        let scaffold = Scaffold {
            domain: Domain::new("meet.example.org"),
            tls,
            hosts: vec![
                host("m1", &[Role::Main], &["10.0.0.11", "203.0.113.11"]),
                host("b1", &[Role::Bridge], &["10.0.0.21", "2001:db8::21"]),
                host("b2", &[Role::Bridge], &["203.0.113.22", "10.0.0.22"]),
            ],
        };
        let mut counter = 0x3f_a8_u16;
        let mut random = |bytes: &mut [u8]| {
            counter += 1;
            bytes.copy_from_slice(&counter.to_be_bytes());
            Ok(())
        };
        scaffold.text(&mut random).unwrap()
    }

    #[test]
    fn the_text_loads_without_a_finding() {
        let modes = [
            Tls::PrivateCa,
            Tls::Acme {
                email: "a@example.org".to_owned(),
                directory: None,
            },
            Tls::Acme {
                email: "a@example.org".to_owned(),
                directory: Some("https://ca.example/dir".to_owned()),
            },
            Tls::Files {
                certificate: "c d.pem".into(),
                key: "~/k.pem".into(),
            },
        ];
        for tls in modes {
            let text = scaffold(tls.clone());
            let loaded = load_text("site.yaml", &text)
                .unwrap_or_else(|errors| panic!("{errors:#?}\n{text}"));
            assert_eq!(loaded.warnings.len(), 0, "{:#?}", loaded.warnings);
            assert_eq!(loaded.inventory.site.tls, tls);
            assert_eq!(loaded.inventory.hosts.len(), 3);
        }
    }

    #[test]
    fn an_imported_main_loads_and_waits_for_its_first_bridge() {
        let foreign = Foreign {
            domain: Domain::new("auth.meet.example.org"),
            username: "jvb".to_owned(),
            brewery: "jvbbrewery@internal.auth.meet.example.org".to_owned(),
            nicknames: vec![MucNick::new("6a1f")],
            folder: None,
        };
        let main = Host {
            foreign: Some(foreign),
            ..host("m1", &[Role::Main], &["203.0.113.11"])
                .build(&mut |_| Ok(()))
                .unwrap()
        };
        let domain = Domain::new("meet.example.org");
        let text = imported(&domain, &HostName::new("m1"), &main);
        let loaded = load_text("site.yaml", &text).unwrap_or_else(|found| panic!("{found:#?}"));
        assert_eq!(loaded.inventory.hosts[&HostName::new("m1")], main);
        let warnings: Vec<&str> = loaded.warnings.iter().map(|one| one.code).collect();
        assert_eq!(warnings, ["E033"]);
    }

    #[test]
    fn a_host_is_written_as_people_read_it() {
        let text = scaffold(Tls::PrivateCa);
        let expected = "hosts:
  # MAIN: web page, Prosody and our focus.
  m1:
    roles: [main]
    ssh: { user: root }
    address: { private: [10.0.0.11], public: [203.0.113.11] }

  # BRIDGE: carries the media. Its nickname is its identity: leave it as it is.
  b1:
    roles: [bridge]
    nickname: b1-3fa9
    ssh: { user: root }
    address: { private: [10.0.0.21], public: [\"2001:db8::21\"] }

  b2:
    roles: [bridge]
    nickname: b2-3faa
    ssh: { user: root }
    address: { private: [10.0.0.22], public: [203.0.113.22] }
";
        assert!(text.ends_with(expected), "{text}");
    }
}
