//! The sites that tests render: samples of the inventory crate, and what no sample has.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary uses its own part"
)]

use std::path::Path;

use jitctl_inventory::model::Inventory;
use jitctl_inventory::names::HostName;
use jitctl_templates::desired::DesiredHost;
use jitctl_templates::{RenderOptions, Renderer};

/// Samples that together have every mode of TLS, both authentications, TURN, NAT, several regions
/// and several MAIN hosts.
const SAMPLES: [&str; 6] = [
    "lab",
    "s-a-four-bridges-two-mains",
    "s-c-private-network",
    "secure-domain",
    "two-bridges-one-nat",
    "web-upstream",
];

/// The bridge channel over WebSocket, IPv6 only hosts, TURN beside private bridges, all on one
/// host.
const EVERYTHING: &str = r#"
version: 1
site:
  domain: meet.test
  tls: { mode: private_ca }
  bridge_channel: websocket
  turn: { enabled: true }
hosts:
  all:
    roles: [main, bridge]
    nickname: all-1a2b
    region: eu
    address: { private: [10.0.0.5, "fd00::5"], public: [198.51.100.5] }
    overrides: { bridge: { advertise_private: false, media_port: 10443 } }
  v6:
    roles: [bridge]
    nickname: v6-3c4d
    region: us
    address: { private: ["fd00::6"] }
    overrides: { bridge: { stun_servers: ["stun.example.org:3478", "[fd00::7]:3478"] } }
"#;

pub fn inventory(text: &str) -> Inventory {
    jitctl_inventory::load_text("inventory.yaml", text)
        .unwrap_or_else(|errors| panic!("{errors:#?}"))
        .inventory
}

pub fn sample(name: &str) -> Inventory {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../inventories/samples")
        .join(format!("{name}.yaml"));
    inventory(
        &std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display())),
    )
}

pub fn everything() -> Inventory {
    inventory(EVERYTHING)
}

/// Name and inventory of every site.
pub fn sites() -> Vec<(String, Inventory)> {
    let mut sites: Vec<(String, Inventory)> = SAMPLES
        .iter()
        .map(|name| ((*name).to_owned(), sample(name)))
        .collect();
    sites.push(("everything".to_owned(), everything()));
    sites
}

pub fn render_all(inventory: &Inventory, options: &RenderOptions) -> Vec<DesiredHost> {
    let renderer = Renderer::new(options).unwrap_or_else(|error| panic!("{error}"));
    inventory
        .hosts
        .keys()
        .map(|name| render_with(&renderer, inventory, name))
        .collect()
}

pub fn render(inventory: &Inventory, host: &str) -> DesiredHost {
    let renderer = Renderer::new(&RenderOptions::default()).unwrap();
    render_with(&renderer, inventory, &HostName::new(host))
}

fn render_with(renderer: &Renderer, inventory: &Inventory, name: &HostName) -> DesiredHost {
    renderer
        .desired_host(inventory, name)
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The text of the file at `path`.
pub fn content<'a>(host: &'a DesiredHost, path: &str) -> &'a str {
    host.files
        .iter()
        .find(|file| file.path == path)
        .map_or_else(
            || panic!("{} has no {path}", host.host),
            |file| file.content.as_str(),
        )
}
