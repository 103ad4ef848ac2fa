//! Names of hosts, nicknames, regions and labels.

use super::syntax::{nickname_fault, plain_name_fault};
use super::{Finding, Rule, doubled};
use crate::load::Path;
use crate::model::{Inventory, Role};

/// The nickname that the focus itself takes in every room.
const FOCUS_NICKNAME: &str = "focus";

pub(super) const RULES: &[Rule] = &[
    Rule::error("E012", "nickname used twice", "Two bridges with one nickname share one seat in the brewery: the focus sees only the first and sends every room to it. Nothing reports an error. Each bridge needs a nickname of its own; without `nickname:` it is the host's name.").check(nickname_twice),
    Rule::error("E013", "nickname is not a valid resource", "The nickname becomes the resource of an XMPP address and a label of metrics: letters, digits, `-`, `_`, `.`, at most 64 characters.").check(nickname_syntax),
    Rule::error("E014", "nickname is taken by the focus", "The focus joins every room, the brewery too, under the nickname `focus`.").check(nickname_of_focus),
    Rule::warning("E015", "nickname without a bridge", "Only bridges join the brewery; on another host a nickname does nothing. Perhaps the role `bridge` is missing.").check(nickname_without_bridge),
    Rule::error("E016", "host name cannot be used", "The name of a host is typed after `--on`, names files and becomes a nickname: letters, digits, `-`, `_`, `.`, starting with a letter or digit, at most 64 characters.").check(host_name),
    Rule::error("E017", "host names differ in case only", "Two names that differ only in upper and lower case are one name to DNS, to XMPP and to most readers.").check(host_name_case),
    Rule::error("E027", "label cannot be selected", "Labels are for `--on key=value`: keys and values use letters, digits, `-`, `_`, `.` only, or they could not be typed there.").check(label_syntax),
    Rule::error("E028", "label name is taken", "`region` and `name` have a meaning of their own in `--on`; a label of that name could never be selected. Use the key `region:` of the host.").check(label_taken),
    Rule::error("E029", "region cannot be selected", "A region uses letters, digits, `-`, `_`, `.` only: it is typed after `--on region=` and compared by the focus letter by letter.").check(region_syntax),
];

fn bridges_with_nickname(inventory: &Inventory) -> impl Iterator<Item = (Path, String)> {
    inventory.hosts_with(Role::Bridge).map(|(name, host)| {
        let path = match host.nickname {
            Some(_) => Path::host(name).key("nickname"),
            None => Path::host(name),
        };
        (path, host.muc_nick(name).to_string())
    })
}

/// Nicknames of bridges that others keep.
fn foreign_nicknames(inventory: &Inventory) -> impl Iterator<Item = (Path, String)> {
    inventory
        .foreign_main()
        .into_iter()
        .flat_map(|(name, foreign)| {
            let list = Path::host(name).key("foreign").key("nicknames");
            foreign
                .nicknames
                .iter()
                .enumerate()
                .map(move |(index, nickname)| (list.clone().index(index), nickname.to_string()))
        })
}

fn nickname_twice(inventory: &Inventory) -> Vec<Finding> {
    let by_nickname = foreign_nicknames(inventory)
        .chain(bridges_with_nickname(inventory))
        .map(|(path, nickname)| (nickname, path));
    let report = |(nickname, paths): (String, Vec<Path>)| {
        let (first, others) = paths.split_first()?;
        let finding = |path: &Path| {
            Finding::new(
                path.clone(),
                format!("nickname `{nickname}` is used twice"),
                "used again",
            )
            .twin(first.clone(), "first used here")
            .cause("the focus would see one of the two bridges only, without any error")
            .help("give each bridge a `nickname:` of its own, such as `NAME-4hex`")
        };
        Some(others.iter().map(finding).collect::<Vec<_>>())
    };
    doubled(by_nickname)
        .into_iter()
        .filter_map(report)
        .flatten()
        .collect()
}

fn nickname_syntax(inventory: &Inventory) -> Vec<Finding> {
    let hosts = inventory.hosts.iter();
    hosts
        .filter_map(|(name, host)| {
            let nickname = host.nickname.as_ref()?;
            let fault = nickname_fault(nickname.as_str())?;
            let message = format!("`{nickname}` cannot be a nickname: {fault}");
            Some(
                Finding::new(Path::host(name).key("nickname"), message, "not a nickname")
                    .help("use letters, digits, `-`, `_`, `.`, such as `b1-3fa9`"),
            )
        })
        .collect()
}

fn nickname_of_focus(inventory: &Inventory) -> Vec<Finding> {
    bridges_with_nickname(inventory)
        .filter(|(_, nickname)| nickname.eq_ignore_ascii_case(FOCUS_NICKNAME))
        .map(|(path, nickname)| {
            let message = format!("a bridge cannot be called `{nickname}`");
            Finding::new(path, message, "taken by the focus").help("set another `nickname:`")
        })
        .collect()
}

fn nickname_without_bridge(inventory: &Inventory) -> Vec<Finding> {
    let hosts = inventory.hosts.iter();
    hosts
        .filter(|(_, host)| host.nickname.is_some() && !host.roles.contains(&Role::Bridge))
        .map(|(name, _)| {
            let message = format!("`{name}` has a nickname but is no bridge");
            Finding::new(Path::host(name).key("nickname"), message, "does nothing")
                .also(Path::host(name).key("roles"), "no `bridge` here")
                .help("add the role `bridge`, or remove the nickname")
        })
        .collect()
}

fn host_name(inventory: &Inventory) -> Vec<Finding> {
    inventory
        .hosts
        .keys()
        .filter_map(|name| {
            let fault = plain_name_fault(name.as_str())?;
            let message = format!("`{name}` cannot name a host: {fault}");
            Some(Finding::new(Path::host(name), message, "not a host name")
                .on_key()
                .help("use letters, digits, `-`, `_`, `.`; what ssh shall dial goes to `ssh.address`"))
        })
        .collect()
}

fn host_name_case(inventory: &Inventory) -> Vec<Finding> {
    let folded = inventory
        .hosts
        .keys()
        .map(|name| (name.as_str().to_lowercase(), name));
    let report = |(_, names): (String, Vec<_>)| {
        let (first, others) = names.split_first()?;
        let finding = |name| {
            Finding::new(
                Path::host(name),
                format!("`{name}` and `{first}` differ in case only"),
                "same name",
            )
            .on_key()
            .twin(Path::host(first), "first used here")
            .help("rename one of the two")
        };
        Some(others.iter().map(finding).collect::<Vec<_>>())
    };
    doubled(folded)
        .into_iter()
        .filter_map(report)
        .flatten()
        .collect()
}

fn label_syntax(inventory: &Inventory) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, host) in &inventory.hosts {
        for (key, value) in &host.labels {
            let path = Path::host(name).key("labels").key(key);
            let help = "use letters, digits, `-`, `_`, `.`";
            if let Some(fault) = plain_name_fault(key) {
                let message = format!("`{key}` cannot be the name of a label: {fault}");
                findings.push(
                    Finding::new(path.clone(), message, "not a label")
                        .on_key()
                        .help(help),
                );
            }
            if let Some(fault) = plain_name_fault(value) {
                let message = format!("`{value}` cannot be the value of label `{key}`: {fault}");
                findings.push(Finding::new(path, message, "cannot be selected").help(help));
            }
        }
    }
    findings
}

fn label_taken(inventory: &Inventory) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, host) in &inventory.hosts {
        for key in ["region", "name"]
            .into_iter()
            .filter(|key| host.labels.contains_key(*key))
        {
            let path = Path::host(name).key("labels").key(key);
            findings.push(
                Finding::new(path, format!("a label cannot be called `{key}`"), "taken")
                    .on_key()
                    .help("use `region:` of the host itself, or another label name"),
            );
        }
    }
    findings
}

fn region_syntax(inventory: &Inventory) -> Vec<Finding> {
    let hosts = inventory.hosts.iter();
    hosts
        .filter_map(|(name, host)| {
            let region = host.region.as_ref()?;
            let fault = plain_name_fault(region)?;
            let message = format!("`{region}` cannot be a region: {fault}");
            Some(
                Finding::new(Path::host(name).key("region"), message, "not a region")
                    .help("use letters, digits, `-`, `_`, `.`, such as `eu-west`"),
            )
        })
        .collect()
}
