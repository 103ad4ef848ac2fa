//! What the files of such a host say, whatever their format.

use std::collections::BTreeMap;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;

use super::hocon;
use crate::observe::host::Listener;
use crate::observe::parse::{each, listener, sections};

/// How the host was set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Debian packages with their files in the usual places.
    Packages,
    /// A docker-jitsi-meet folder.
    Compose,
    /// Nothing of Jitsi was found.
    Nothing,
}

/// An account as a service's configuration names it.
#[derive(Clone, Debug)]
pub struct ServiceAccount {
    /// The file that says so.
    pub file: String,
    /// Host that is dialled.
    pub hostname: String,
    /// Port that is dialled.
    pub port: u16,
    /// XMPP host.
    pub domain: String,
    /// Local part.
    pub username: String,
    /// Password.
    pub password: SecretString,
    /// Room of the bridges.
    pub brewery: Option<String>,
    /// Nickname there.
    pub nickname: Option<String>,
    /// What Prosody keeps of the account, if it was found on this host.
    pub record: Option<String>,
}

/// A package as installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Version.
    pub version: String,
    /// What it needs, as dpkg shows it.
    pub depends: String,
}

/// The same of the two Java services.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OfBoth<T> {
    /// Of jicofo.
    pub focus: T,
    /// Of the bridge.
    pub bridge: T,
}

/// A host that other hands set up.
#[derive(Debug)]
pub struct ForeignHost {
    /// How.
    pub kind: Kind,
    /// Whether an apply of ours has been there.
    pub ours: bool,
    /// The folder with `docker-compose.yml`.
    pub folder: Option<String>,
    /// The name that people open.
    pub domain: Option<String>,
    /// The bridge's account.
    pub bridge: Option<ServiceAccount>,
    /// The focus's account.
    pub focus: Option<ServiceAccount>,
    /// The media port.
    pub media_port: u16,
    /// Static mappings: local address, public address.
    pub mappings: Vec<(Option<IpAddr>, IpAddr)>,
    /// STUN servers that the bridge asks for its address, as `host:port`.
    pub stun_servers: Vec<String>,
    /// Whether conferences are spread over relays.
    pub relays: OfBoth<bool>,
    /// Whether the bridge is to take channels over WebSocket and names no domain for them.
    pub websockets_without_domain: bool,
    /// The largest heaps, MiB.
    pub heap_mib: OfBoth<u64>,
    /// The host's memory, KiB.
    pub memory_kib: Option<u64>,
    /// Packages by name.
    pub packages: BTreeMap<String, Package>,
    /// Images of services by service.
    pub images: BTreeMap<String, String>,
    /// Units: name to `loaded active` and the like.
    pub units: BTreeMap<String, String>,
    /// Listening sockets.
    pub listeners: Vec<Listener>,
    /// Addresses of its interfaces.
    pub addresses: Vec<IpAddr>,
    /// What names lead to, as the host sees it.
    pub names: BTreeMap<String, Vec<IpAddr>>,
    /// Files by path; some hold secrets.
    pub(super) files: BTreeMap<String, SecretString>,
}

impl ForeignHost {
    /// The STUN servers that the bridge depends on: it has no address in their place.
    pub(super) fn asked_servers(&self) -> &[String] {
        if self.bridge.is_some() && self.mappings.is_empty() {
            &self.stun_servers
        } else {
            &[]
        }
    }
}

/// Reads the script's answer.
pub(super) fn read(text: &str) -> ForeignHost {
    let sections = sections(text);
    let lines = |name: &str| sections.get(name).map(Vec::as_slice).unwrap_or_default();
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for line in lines("files").iter().chain(lines("composed")) {
        if let Some((path, encoded)) = line.split_once('\t')
            && let Ok(bytes) = STANDARD.decode(encoded)
        {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            files.insert(path.to_owned(), text);
        }
    }
    let folder = lines("folder").first().map(|line| (*line).to_owned());
    let kind = match &folder {
        Some(_) => Kind::Compose,
        None if files.keys().any(|path| path.starts_with("/etc/jitsi/")) => Kind::Packages,
        None => Kind::Nothing,
    };
    let mut host = ForeignHost {
        kind,
        ours: lines("ours").first().is_some_and(|line| *line == "yes"),
        folder,
        domain: None,
        bridge: None,
        focus: None,
        media_port: 10_000,
        mappings: Vec::new(),
        stun_servers: Vec::new(),
        relays: OfBoth::default(),
        websockets_without_domain: false,
        heap_mib: OfBoth::default(),
        memory_kib: lines("memory")
            .first()
            .and_then(|kib| kib.trim().parse().ok()),
        packages: each(lines("packages"), package),
        images: BTreeMap::new(),
        units: each(lines("units"), |line| {
            let (unit, state) = line.split_once('\t')?;
            Some((unit.to_owned(), state.trim().to_owned()))
        }),
        listeners: each(lines("listeners"), listener),
        addresses: each(lines("addresses"), |line| line.trim().parse().ok()),
        names: each(lines("names"), |line| {
            let (name, found) = line.split_once('\t')?;
            let found = found.split_whitespace();
            let found = found.filter_map(|one| one.parse().ok()).collect();
            Some((name.to_owned(), found))
        }),
        files: BTreeMap::new(),
    };
    match kind {
        Kind::Packages => stock(&mut host, &files),
        Kind::Compose => compose(&mut host, &files),
        Kind::Nothing => {}
    }
    let secret = |(path, text): (String, String)| (path, SecretString::from(text));
    host.files = files.into_iter().map(secret).collect();
    host
}

fn package(line: &str) -> Option<(String, Package)> {
    let mut fields = line.split('\t');
    let name = fields.next()?.to_owned();
    let version = fields.next()?.trim().to_owned();
    let depends = fields.next().unwrap_or_default().to_owned();
    // Removed packages whose settings are kept have no version.
    (!version.is_empty()).then_some((name, Package { version, depends }))
}

/// `/etc/jitsi/…` and `/etc/prosody/…`.
fn stock(host: &mut ForeignHost, files: &BTreeMap<String, String>) {
    host.domain = files.keys().find_map(|path| {
        let name = path.strip_prefix("/etc/jitsi/meet/")?;
        name.strip_suffix("-config.js").map(str::to_owned)
    });
    let bridge = settings(files, "/etc/jitsi/videobridge/jvb.conf");
    let old = properties(files, "/etc/jitsi/videobridge/sip-communicator.properties");
    host.bridge = bridge_account(&bridge, "/etc/jitsi/videobridge/jvb.conf", files)
        .or_else(|| old_bridge_account(&old, files));
    media(host, &bridge, &old);
    let focus = settings(files, "/etc/jitsi/jicofo/jicofo.conf");
    host.focus = focus_account(&focus, files);
    let is_on = |settings: &BTreeMap<String, String>, path: &str| {
        settings.get(path).is_some_and(|value| value == "true")
    };
    host.relays = OfBoth {
        focus: is_on(&focus, "jicofo.octo.enabled"),
        bridge: ["videobridge.relay.enabled", "videobridge.octo.enabled"]
            .iter()
            .any(|path| is_on(&bridge, path)),
    };
    let mut names = bridge.keys();
    host.websockets_without_domain = is_on(&bridge, "videobridge.websockets.enabled")
        && !names.any(|path| path.starts_with("videobridge.websockets.domain"));
    host.heap_mib = OfBoth {
        focus: heap(files, "/etc/jitsi/jicofo/config", "JICOFO_MAX_MEMORY"),
        bridge: heap(
            files,
            "/etc/jitsi/videobridge/config",
            "VIDEOBRIDGE_MAX_MEMORY",
        ),
    };
}

/// What the start scripts of both services give Java without a word.
const HEAP_MIB: u64 = 3072;

/// A heap as `config` says it: `3072m` or `3g`.
fn heap(files: &BTreeMap<String, String>, path: &str, name: &str) -> u64 {
    let said = properties(files, path).remove(name).unwrap_or_default();
    let number = said.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let number: Option<u64> = number.parse().ok();
    let unit = if said.to_ascii_lowercase().ends_with('g') {
        1024
    } else {
        1
    };
    number.map_or(HEAP_MIB, |number| number.saturating_mul(unit))
}

fn settings(files: &BTreeMap<String, String>, path: &str) -> BTreeMap<String, String> {
    files
        .get(path)
        .map(|text| hocon::flatten(text))
        .unwrap_or_default()
}

/// Lines of `key=value`: Java properties, and `.env`.
fn properties(files: &BTreeMap<String, String>, path: &str) -> BTreeMap<String, String> {
    let text = files.get(path).map(String::as_str).unwrap_or_default();
    text.lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| {
            let value = value.trim().trim_matches(['"', '\'']);
            (key.trim().to_owned(), value.to_owned())
        })
        .collect()
}

fn bridge_account(
    settings: &BTreeMap<String, String>,
    file: &str,
    files: &BTreeMap<String, String>,
) -> Option<ServiceAccount> {
    let prefix = "videobridge.apis.xmpp-client.configs.";
    let shard = settings.keys().find_map(|path| {
        let rest = path.strip_prefix(prefix)?;
        rest.rsplit_once('.').map(|(shard, _)| shard.to_owned())
    })?;
    let value = |name: &str| {
        let upper = name.to_uppercase();
        [name, &upper, &name.to_lowercase()]
            .iter()
            .find_map(|name| settings.get(&format!("{prefix}{shard}.{name}")))
            .filter(|value| !value.is_empty())
            .cloned()
    };
    account(file, files, &value)
}

fn old_bridge_account(
    properties: &BTreeMap<String, String>,
    files: &BTreeMap<String, String>,
) -> Option<ServiceAccount> {
    let prefix = "org.jitsi.videobridge.xmpp.user.";
    let shard = properties
        .keys()
        .find_map(|key| key.strip_prefix(prefix)?.split('.').next())?;
    let value = |name: &str| {
        let key = format!("{prefix}{shard}.{}", name.to_uppercase());
        properties
            .get(&key)
            .filter(|value| !value.is_empty())
            .cloned()
    };
    account(
        "/etc/jitsi/videobridge/sip-communicator.properties",
        files,
        &value,
    )
}

fn account(
    file: &str,
    files: &BTreeMap<String, String>,
    value: &dyn Fn(&str) -> Option<String>,
) -> Option<ServiceAccount> {
    let domain = value("domain")?;
    let username = value("username")?;
    Some(ServiceAccount {
        file: file.to_owned(),
        hostname: value("hostname").unwrap_or_else(|| "localhost".to_owned()),
        port: value("port")
            .and_then(|port| port.parse().ok())
            .unwrap_or(5222),
        password: SecretString::from(value("password").unwrap_or_default()),
        brewery: value("muc_jids").map(|rooms| first_word(&rooms)),
        nickname: value("muc_nickname"),
        record: record(files, &username, &domain),
        domain,
        username,
    })
}

fn first_word(rooms: &str) -> String {
    let mut words = rooms.split([',', ' ']);
    words.next().unwrap_or_default().to_lowercase()
}

fn focus_account(
    settings: &BTreeMap<String, String>,
    files: &BTreeMap<String, String>,
) -> Option<ServiceAccount> {
    let value = |name: &str| settings.get(&format!("jicofo.xmpp.client.{name}")).cloned();
    let domain = value("domain")?;
    let username = value("username").unwrap_or_else(|| "focus".to_owned());
    Some(ServiceAccount {
        file: "/etc/jitsi/jicofo/jicofo.conf".to_owned(),
        hostname: value("hostname").unwrap_or_else(|| "localhost".to_owned()),
        port: value("port")
            .and_then(|port| port.parse().ok())
            .unwrap_or(5222),
        password: SecretString::from(value("password").unwrap_or_default()),
        brewery: settings
            .get("jicofo.bridge.brewery-jid")
            .map(|room| first_word(room)),
        nickname: None,
        record: record(files, &username, &domain),
        domain,
        username,
    })
}

/// Prosody writes dots and dashes of a host into folder names as `%2e` and `%2d`.
fn record(files: &BTreeMap<String, String>, username: &str, domain: &str) -> Option<String> {
    let folder = domain.replace('.', "%2e").replace('-', "%2d");
    let end = format!("/{folder}/accounts/{username}.dat");
    let found = files.iter().find(|(path, _)| path.ends_with(&end));
    found.map(|(_, text)| text.clone())
}

fn media(
    host: &mut ForeignHost,
    settings: &BTreeMap<String, String>,
    old: &BTreeMap<String, String>,
) {
    let port = settings.get("videobridge.ice.udp.port");
    if let Some(port) = port.and_then(|port| port.parse().ok()) {
        host.media_port = port;
    }
    let mapping = "ice4j.harvest.mapping.";
    for number in 0..16 {
        let one = |name: &str| {
            let path = format!("{mapping}static-mappings.{number}.{name}");
            settings.get(&path)?.parse().ok()
        };
        if let Some(public) = one("public-address") {
            host.mappings.push((one("local-address"), public));
        }
    }
    let harvester = "org.ice4j.ice.harvest.NAT_HARVESTER_";
    let address = |side: &str| old.get(&format!("{harvester}{side}_ADDRESS"))?.parse().ok();
    if let Some(public) = address("PUBLIC") {
        host.mappings.push((address("LOCAL"), public));
    }
    let named = settings
        .iter()
        .filter(|(path, _)| path.starts_with("ice4j.harvest.mapping.stun.addresses"))
        .map(|(_, value)| value.as_str());
    let old = old.get("org.ice4j.ice.harvest.STUN_MAPPING_HARVESTER_ADDRESSES");
    host.stun_servers = named
        .chain(old.map(String::as_str))
        .flat_map(listed)
        .collect();
}

/// What stands between commas.
fn listed(text: &str) -> impl Iterator<Item = String> {
    let words = text.split(',').map(str::trim);
    words.filter(|word| !word.is_empty()).map(str::to_owned)
}

/// `.env` and `docker-compose.yml`, with the defaults of the project.
fn compose(host: &mut ForeignHost, files: &BTreeMap<String, String>) {
    let Some(folder) = host.folder.clone() else {
        return;
    };
    let file = format!("{folder}/.env");
    let set = properties(files, &file);
    let value = |name: &str| set.get(name).filter(|value| !value.is_empty()).cloned();
    let or = |name: &str, default: &str| value(name).unwrap_or_else(|| default.to_owned());
    host.domain = value("PUBLIC_URL").map(|url| {
        let rest = url.split("://").last().unwrap_or_default();
        rest.split(['/', ':']).next().unwrap_or_default().to_owned()
    });
    let domain = or("XMPP_AUTH_DOMAIN", "auth.meet.jitsi");
    let rooms = or("XMPP_INTERNAL_MUC_DOMAIN", "internal-muc.meet.jitsi");
    let brewery = format!("{}@{rooms}", or("JVB_BREWERY_MUC", "jvbbrewery"));
    let account = |user: String, password: &str| ServiceAccount {
        file: file.clone(),
        hostname: or("XMPP_SERVER", "xmpp.meet.jitsi"),
        port: value("XMPP_PORT")
            .and_then(|port| port.parse().ok())
            .unwrap_or(5222),
        password: SecretString::from(value(password).unwrap_or_default()),
        brewery: Some(brewery.clone()),
        nickname: None,
        record: record(files, &user, &domain),
        domain: domain.clone(),
        username: user,
    };
    host.bridge = Some(account(or("JVB_AUTH_USER", "jvb"), "JVB_AUTH_PASSWORD"));
    host.focus = Some(account(
        or("JICOFO_AUTH_USER", "focus"),
        "JICOFO_AUTH_PASSWORD",
    ));
    if let Some(port) = value("JVB_PORT").and_then(|port| port.parse().ok()) {
        host.media_port = port;
    }
    let advertised = value("JVB_ADVERTISE_IPS").or_else(|| value("DOCKER_HOST_ADDRESS"));
    let advertised = advertised.unwrap_or_default();
    host.mappings = advertised
        .split([',', ' '])
        // An address may carry a port: `203.0.113.7#10000`.
        .filter_map(|one| one.split('#').next()?.trim().parse().ok())
        .map(|address| (None, address))
        .collect();
    if value("JVB_DISABLE_STUN").is_none() {
        let servers = value("JVB_STUN_SERVERS").unwrap_or_default();
        host.stun_servers = listed(&servers).collect();
    }
    let yaml = files.get(&format!("{folder}/docker-compose.yml"));
    let version = or("JITSI_IMAGE_VERSION", "stable");
    let mut service = String::new();
    for line in yaml.map(String::as_str).unwrap_or_default().lines() {
        let word = line.trim();
        let indent = line.len() - line.trim_start().len();
        if (2..=4).contains(&indent) && word.ends_with(':') {
            word.trim_end_matches(':').clone_into(&mut service);
        } else if let Some(image) = word.strip_prefix("image:") {
            let image = image.trim().trim_matches(['"', '\'']);
            let (name, tag) = image.split_once(':').unwrap_or((image, "latest"));
            let tag = if tag.contains("JITSI_IMAGE_VERSION") {
                version.as_str()
            } else {
                tag
            };
            host.images.insert(service.clone(), format!("{name}:{tag}"));
        }
    }
}
