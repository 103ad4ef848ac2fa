//! What rendering promises: strict templates, visible overrides, hidden secrets, small changes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;
use std::path::Path;

use jitctl_inventory::model::{FirewallBackend, Inventory};
use jitctl_inventory::names::HostName;
use jitctl_templates::desired::{Action, DesiredHost, Gate, Source, TemplateSource};
use jitctl_templates::{AccountSlot, RenderError, RenderOptions, Renderer, secrets, templates};

fn override_with(name: &str, text: &str) -> (tempfile::TempDir, RenderOptions) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
    let options = RenderOptions {
        overrides: Some(folder.path().to_owned()),
        ..RenderOptions::default()
    };
    (folder, options)
}

fn render_main(options: &RenderOptions) -> Result<DesiredHost, RenderError> {
    Renderer::new(options)?.desired_host(&support::sample("lab"), &HostName::new("main"))
}

/// Paths whose file, link or mode differs between two renders of a host.
fn changed(before: &DesiredHost, after: &DesiredHost) -> BTreeSet<String> {
    let of = |host: &DesiredHost| -> BTreeSet<(String, String)> {
        host.files
            .iter()
            .map(|file| (file.path.clone(), format!("{file:?}")))
            .collect()
    };
    of(before)
        .symmetric_difference(&of(after))
        .map(|(path, _)| path.clone())
        .collect()
}

fn actions(host: &DesiredHost, paths: &BTreeSet<String>) -> BTreeSet<Action> {
    host.files
        .iter()
        .filter(|file| paths.contains(&file.path))
        .flat_map(|file| file.on_change.clone())
        .collect()
}

#[test]
fn an_override_replaces_its_template_and_says_so() {
    let (folder, options) = override_with("main/config.js", "var config = {{ domain | quote }};\n");
    let host = render_main(&options).unwrap();
    let page = host
        .files
        .iter()
        .find(|file| file.path == "/etc/jitctl/web/config.js")
        .unwrap();
    assert_eq!(page.content, "var config = \"meet.test\";\n");
    let path = folder.path().join("main/config.js");
    assert_eq!(
        page.source,
        TemplateSource::Override(path.display().to_string())
    );
}

#[test]
fn an_unknown_variable_names_the_file_and_the_line() {
    for text in [
        "one\ntwo {{ domian }}\n",
        "one\n{% if domian %}x{% endif %}\n",
        "one\n{% for x in domian %}x{% endfor %}\n",
    ] {
        let (folder, options) = override_with("main/config.js", text);
        let error = render_main(&options).unwrap_err();
        let path = folder.path().join("main/config.js");
        let RenderError::Template {
            template,
            line,
            message,
            ..
        } = &error
        else {
            panic!("{error}");
        };
        assert_eq!(Path::new(template), path, "{text}");
        assert_eq!(*line, 2, "{text}");
        assert!(message.contains("domian"), "{message}");
    }
}

#[test]
fn an_unknown_field_names_the_file_and_the_line() {
    let (_folder, options) = override_with("main/prosody.cfg.lua", "--\n--\n{{ ports.xmp }}\n");
    let error = render_main(&options).unwrap_err();
    assert!(
        error.to_string().contains("main/prosody.cfg.lua:3: "),
        "{error}"
    );
}

#[test]
fn a_template_that_does_not_parse_names_the_file_and_the_line() {
    let (_folder, options) = override_with("main/focus.toml", "a\n{% if %}\n");
    let error = Renderer::new(&options).unwrap_err();
    assert!(error.to_string().contains("main/focus.toml:2: "), "{error}");
}

#[test]
fn a_file_that_replaces_nothing_is_refused_with_a_suggestion() {
    let (_folder, options) = override_with("bridge/nginx.conf", "");
    let error = Renderer::new(&options).unwrap_err();
    assert!(
        error.to_string().contains("did you mean `main/nginx.conf`"),
        "{error}"
    );
}

#[test]
fn a_missing_folder_of_overrides_is_an_error() {
    let options = RenderOptions {
        overrides: Some("/nowhere/at/all".into()),
        ..RenderOptions::default()
    };
    let error = Renderer::new(&options).unwrap_err();
    assert!(
        matches!(error, RenderError::OverrideUnreadable { .. }),
        "{error}"
    );
}

#[test]
fn an_override_can_not_put_a_secret_where_everybody_reads_it() {
    let (_folder, options) =
        override_with("main/config.js", "@@secret:pki-ca-cert@@ @@secret:turn@@");
    let error = render_main(&options).unwrap_err();
    let RenderError::SecretExposed { secret, mode, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!((secret.as_str(), *mode), ("turn", 0o644));
}

#[test]
fn no_secret_stands_in_a_file_that_everybody_reads() {
    for (site, inventory) in support::sites() {
        for host in support::render_all(&inventory, &RenderOptions::default()) {
            for file in host.files.iter().filter(|file| file.mode & 0o004 != 0) {
                for name in secrets::markers_in(&file.content) {
                    assert!(secrets::is_public(name), "{site} {}: {name}", file.path);
                }
            }
        }
    }
}

#[test]
fn every_marker_is_a_required_secret_and_the_authoritys_key_never_leaves() {
    for (site, inventory) in support::sites() {
        let required: BTreeSet<String> = secrets::required(&inventory)
            .into_iter()
            .map(|name| name.0)
            .collect();
        let mut used = BTreeSet::new();
        for host in support::render_all(&inventory, &RenderOptions::default()) {
            for file in &host.files {
                used.extend(secrets::markers_in(&file.content).map(str::to_owned));
            }
            used.extend(
                host.accounts
                    .iter()
                    .map(|account| account.password.0.clone()),
            );
        }
        assert_eq!(used, required, "{site}");
        assert!(!used.contains(secrets::PKI_CA_KEY));
    }
}

/// The lab with one bridge more.
fn lab_with_another_bridge() -> Inventory {
    let mut inventory = support::sample("lab");
    let mut bridge = inventory.hosts[&HostName::new("b1")].clone();
    bridge.nickname = Some("b3-aaaa".into());
    bridge.address.private = vec!["10.77.0.23".parse().unwrap()];
    inventory.hosts.insert(HostName::new("b3"), bridge);
    inventory
}

#[test]
fn one_bridge_more_changes_nothing_on_other_hosts_but_the_packet_filter() {
    let before = support::sample("lab");
    let after = lab_with_another_bridge();
    let changes = |name: &str| {
        let (old, new) = (
            support::render(&before, name),
            support::render(&after, name),
        );
        let paths = changed(&old, &new);
        let actions = actions(&new, &paths);
        (paths, actions)
    };
    assert_eq!(changes("b1"), (BTreeSet::new(), BTreeSet::new()));
    assert_eq!(
        changes("main"),
        (
            BTreeSet::from(["/etc/jitctl/firewall.nft".to_owned()]),
            BTreeSet::from([Action::Reload("jitctl-firewall.service".to_owned())]),
        )
    );
}

#[test]
fn the_other_account_of_the_bridges_changes_bridges_alone() {
    let inventory = support::sample("lab");
    let rendered = |slot| {
        let options = RenderOptions {
            bridge_account: slot,
            ..RenderOptions::default()
        };
        support::render_all(&inventory, &options)
    };
    for (old, new) in rendered(AccountSlot::A)
        .iter()
        .zip(&rendered(AccountSlot::B))
    {
        let paths = changed(old, new);
        if old.host.as_str() == "main" {
            assert_eq!(paths, BTreeSet::new());
        } else {
            assert_eq!(
                paths,
                BTreeSet::from([
                    "/etc/jitctl/bridge.toml".to_owned(),
                    "/etc/jitctl/credentials/bridge-xmpp-password".to_owned(),
                ])
            );
        }
    }
}

#[test]
fn the_backend_none_leaves_no_packet_filter_and_changing_back_restores_it() {
    let renderer = Renderer::new(&RenderOptions::default()).unwrap();
    let original = support::render(&support::sample("lab"), "main");
    let mut host = original.clone();
    renderer
        .set_firewall_backend(&mut host, FirewallBackend::None)
        .unwrap();
    assert!(
        host.files
            .iter()
            .all(|file| !file.path.contains("firewall"))
    );
    assert!(
        host.services
            .iter()
            .all(|service| !service.unit.contains("firewall"))
    );
    renderer
        .set_firewall_backend(&mut host, FirewallBackend::Nftables)
        .unwrap();
    assert_eq!(host.firewall, original.firewall);
    assert_eq!(changed(&host, &original), BTreeSet::new());
}

#[test]
fn firewalld_gets_its_files_beside_our_table() {
    let renderer = Renderer::new(&RenderOptions::default()).unwrap();
    let mut host = support::render(&support::sample("lab"), "main");
    renderer
        .set_firewall_backend(&mut host, FirewallBackend::Firewalld)
        .unwrap();
    let text = support::content(&host, "/etc/firewalld/ipsets/jitctl4.xml");
    assert!(text.contains("10.77.0.21") && text.contains("10.77.0.22"));
    assert!(
        support::content(&host, "/etc/jitctl/firewall.nft").contains("dport 5347 counter drop")
    );
}

#[test]
fn ports_of_nobody_are_never_open_and_22_is_never_mentioned() {
    for (site, inventory) in support::sites() {
        for host in support::render_all(&inventory, &RenderOptions::default()) {
            for rule in &host.firewall.rules {
                assert_ne!(rule.port, 22, "{site}");
                if [5280, 5347, 8080, 8888].contains(&rule.port) {
                    assert_eq!(rule.from, Source::Nobody, "{site} {}", rule.port);
                }
            }
        }
    }
}

#[test]
fn no_path_link_port_or_package_comes_twice() {
    fn unique<T: Ord + std::fmt::Debug>(what: &str, items: impl Iterator<Item = T>) {
        let mut seen = BTreeSet::new();
        for item in items {
            let text = format!("{item:?}");
            assert!(seen.insert(item), "{what} {text} twice");
        }
    }
    for (_, inventory) in support::sites() {
        for host in support::render_all(&inventory, &RenderOptions::default()) {
            unique("file", host.files.iter().map(|file| &file.path));
            unique("link", host.links.iter().map(|link| &link.path));
            unique("package", host.packages.iter());
            unique("service", host.services.iter().map(|service| &service.unit));
            unique(
                "directory",
                host.directories.iter().map(|directory| &directory.path),
            );
            unique(
                "port",
                host.firewall
                    .rules
                    .iter()
                    .map(|rule| (rule.protocol, rule.port)),
            );
        }
    }
}

#[test]
fn every_template_is_rendered_by_some_site() {
    let mut used = BTreeSet::new();
    for (_, inventory) in support::sites() {
        for host in support::render_all(&inventory, &RenderOptions::default()) {
            used.extend(host.files.into_iter().filter_map(|file| match file.source {
                TemplateSource::BuiltIn(name) => Some(name),
                TemplateSource::Override(_) | TemplateSource::Generated => None,
            }));
        }
    }
    // Included by the units, never a file of its own.
    used.insert("common/hardening.conf".to_owned());
    let all: BTreeSet<String> = templates()
        .iter()
        .map(|template| template.name.to_owned())
        .collect();
    assert_eq!(used, all);
}

#[test]
fn a_host_that_is_not_there_is_named() {
    let renderer = Renderer::new(&RenderOptions::default()).unwrap();
    let error = renderer
        .desired_host(&support::sample("lab"), &HostName::new("b9"))
        .unwrap_err();
    assert!(error.to_string().contains("`b9`"), "{error}");
}

#[test]
fn a_bridge_without_a_way_to_main_is_an_error() {
    let mut inventory = support::sample("lab");
    let main = inventory.hosts.get_mut(&HostName::new("main")).unwrap();
    main.address.private = vec!["fd00::11".parse().unwrap()];
    let renderer = Renderer::new(&RenderOptions::default()).unwrap();
    let error = renderer
        .desired_host(&inventory, &HostName::new("b1"))
        .unwrap_err();
    assert!(matches!(error, RenderError::NoRoute { .. }), "{error}");
}

#[test]
fn nothing_is_rendered_for_a_main_of_others_and_bridges_use_its_account() {
    let inventory = support::sample("foreign-main");
    let main = support::render(&inventory, "meet");
    assert!(main.foreign && main.files.is_empty() && main.services.is_empty());
    let rules = &main.firewall.rules;
    assert_eq!(rules.len(), 1);
    let bridges = Source::Only(vec!["203.0.113.7".parse().unwrap()]);
    assert_eq!((rules[0].port, &rules[0].from), (5222, &bridges));

    let bridge = support::render(&inventory, "b1");
    let file = support::content(&bridge, "/etc/jitctl/bridge.toml");
    for line in [
        "address = \"203.0.113.5:5222\"",
        "domain = \"auth.meet.example.org\"",
        "brewery = \"jvbbrewery@internal.auth.meet.example.org\"",
    ] {
        assert!(file.contains(line), "{line} is missing: {file}");
    }
    let joined = Gate::BridgeJoined("b1-3fa9".to_owned());
    assert!(
        bridge.gates.contains(&joined),
        "its focus counts for others"
    );
    let names: BTreeSet<String> = secrets::required(&inventory)
        .into_iter()
        .map(|name| name.0)
        .collect();
    for file in &bridge.files {
        let used = secrets::markers_in(&file.content);
        assert!(
            used.into_iter().all(|name| names.contains(name)),
            "{}",
            file.path
        );
    }
}
