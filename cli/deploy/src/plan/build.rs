//! Puts a plan together.

use std::collections::BTreeMap;

use jitctl_inventory::names::HostName;
use jitctl_templates::SYSCTL_FILE;
use jitctl_templates::desired::{Action, DesiredHost};

use super::{AccountChange, HostPlan, Leaving, ProgramChange, SitePlan, VERSION, files, services};
use crate::artifacts::{ArtifactError, Artifacts};
use crate::facts::Facts;
use crate::firewall;
use crate::layout::{current_link, program_folder};
use crate::manifest::{Manifest, OwnedFile};
use crate::resolved::ResolvedHost;
use crate::secrets::{MissingSecret, SecretValues};
use crate::settings;

/// Why no plan can be made.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// One of our programs is missing.
    #[error("host `{host}`: {cause}")]
    Artifact {
        /// Which host needs it.
        host: HostName,
        /// What is wrong.
        cause: ArtifactError,
    },
    /// A secret is missing.
    #[error("host `{host}`: {cause}")]
    Secret {
        /// Which host needs it.
        host: HostName,
        /// Which one.
        cause: MissingSecret,
    },
}

/// The plan of all hosts whose facts are known, in the order of `hosts`.
///
/// # Errors
/// A program or secret is missing.
pub fn plan_site(
    hosts: &[ResolvedHost],
    facts: &BTreeMap<HostName, Facts>,
    artifacts: &Artifacts,
    secrets: &dyn SecretValues,
) -> Result<SitePlan, PlanError> {
    let hosts = hosts
        .iter()
        .filter_map(|host| Some((host, facts.get(&host.desired.host)?)))
        .map(|(host, facts)| plan_host(host, facts, artifacts, secrets))
        .collect::<Result<_, _>>()?;
    Ok(SitePlan {
        version: VERSION,
        hosts,
    })
}

/// The plan of one host.
///
/// # Errors
/// A program or secret is missing.
pub fn plan_host(
    host: &ResolvedHost,
    facts: &Facts,
    artifacts: &Artifacts,
    secrets: &dyn SecretValues,
) -> Result<HostPlan, PlanError> {
    let desired = &host.desired;
    let programs = wanted_programs(host, facts, artifacts)?;
    let mut changes = files::compare(host, facts);
    let program_changes = compare_programs(&programs, facts);
    for binary in &desired.binaries {
        let recorded = facts.manifest.programs.get(&binary.name);
        if recorded != programs.get(&binary.name).map(|(folder, _)| folder) {
            let restarts = binary.restarts.iter().cloned().map(Action::Restart);
            changes.actions.extend(restarts);
        }
    }
    let settings = settings::compare(host, facts);
    if !settings.is_empty() {
        changes.actions.push(Action::Sysctl(SYSCTL_FILE.to_owned()));
    }
    let service_changes = services::compare(host, facts);
    let actions = services::settle(&changes.actions, &service_changes, host);
    let newest = facts.releases.last().copied().unwrap_or(0);
    let release = newest.max(facts.manifest.release) + 1;
    let recorded = Manifest {
        release,
        ..facts.manifest.clone()
    };
    // A host that others keep gets no records; what a cut-off run left of its own goes.
    let manifest = if desired.foreign {
        recorded.clone()
    } else {
        next_manifest(host, &programs, release)
    };
    let firewall = firewall::compare(host, facts, &changes.files);
    let nothing_stays = if desired.foreign {
        firewall.is_some() || facts.interrupted.is_some()
    } else {
        desired.roles.is_empty()
    };
    Ok(HostPlan {
        host: desired.host.clone(),
        roles: desired.roles.clone(),
        basis: facts.basis(),
        release,
        heals: facts.interrupted.clone(),
        packages: missing(&desired.packages, |name| facts.packages.contains_key(name)),
        users: desired
            .users
            .iter()
            .map(|user| user.name.clone())
            .filter(|name| !facts.users.contains(name))
            .collect(),
        directories: files::compare_directories(host, facts),
        programs: program_changes,
        accounts: compare_accounts(host, facts, secrets)?,
        firewall,
        interruptions: services::interruptions(&actions, &service_changes, facts),
        files: changes.files,
        links: changes.links,
        services: service_changes,
        settings,
        actions,
        leaving: nothing_stays.then(|| leaving(desired, facts)),
        records: manifest != recorded || facts.interrupted.is_some(),
        manifest,
        warnings: warnings(facts)
            .into_iter()
            .chain(firewall::left_to_others(host, facts))
            .collect(),
    })
}

/// The end of an apply after which nothing of ours is on the host but, where others keep it, the
/// ports that it opened.
fn leaving(desired: &DesiredHost, facts: &Facts) -> Leaving {
    Leaving {
        commands: if desired.foreign {
            Vec::new()
        } else {
            firewall::farewell(&desired.firewall, facts)
        },
    }
}

fn missing(names: &[String], present: impl Fn(&String) -> bool) -> Vec<String> {
    names
        .iter()
        .filter(|name| !present(name))
        .cloned()
        .collect()
}

/// Program name to folder and hash.
type Programs = BTreeMap<String, (String, String)>;

fn wanted_programs(
    host: &ResolvedHost,
    facts: &Facts,
    artifacts: &Artifacts,
) -> Result<Programs, PlanError> {
    let wanted = |name: &String| {
        let artifact =
            artifacts
                .program(&facts.arch, name)
                .map_err(|cause| PlanError::Artifact {
                    host: host.desired.host.clone(),
                    cause,
                })?;
        let folder = program_folder(artifacts.version(), &artifact.sha256);
        Ok((name.clone(), (folder, artifact.sha256.clone())))
    };
    let names = host.desired.binaries.iter().map(|binary| &binary.name);
    names.map(wanted).collect()
}

fn compare_programs(programs: &Programs, facts: &Facts) -> Vec<ProgramChange> {
    programs
        .iter()
        .filter_map(|(name, (folder, sha256))| {
            let from = facts.links.get(&current_link(name));
            let there = facts.programs.get(&format!("{folder}/{name}")) == Some(sha256);
            let change = ProgramChange {
                name: name.clone(),
                from: from.cloned(),
                to: folder.clone(),
                sha256: sha256.clone(),
                upload: !there,
            };
            (change.upload || from != Some(folder)).then_some(change)
        })
        .collect()
}

fn compare_accounts(
    host: &ResolvedHost,
    facts: &Facts,
    secrets: &dyn SecretValues,
) -> Result<Vec<AccountChange>, PlanError> {
    let mut changes = Vec::new();
    for account in &host.desired.accounts {
        let password = secrets
            .value(&account.password.0)
            .ok_or_else(|| PlanError::Secret {
                host: host.desired.host.clone(),
                cause: MissingSecret {
                    name: account.password.clone(),
                },
            })?;
        let stored = facts
            .accounts
            .get(&format!("{}@{}", account.user, account.domain));
        let fits = stored
            .and_then(Option::as_ref)
            .is_some_and(|credential| credential.matches(&password));
        if !fits {
            changes.push(AccountChange {
                user: account.user.clone(),
                domain: account.domain.clone(),
                password: Some(account.password.clone()),
                exists: stored.is_some(),
            });
        }
    }
    for jid in &facts.manifest.accounts {
        let Some((user, domain)) = jid.split_once('@') else {
            continue;
        };
        let wanted = |account: &jitctl_templates::desired::Account| {
            account.user == user && account.domain == domain
        };
        if !host.desired.accounts.iter().any(wanted) {
            changes.push(AccountChange {
                user: user.to_owned(),
                domain: domain.to_owned(),
                password: None,
                exists: true,
            });
        }
    }
    Ok(changes)
}

fn warnings(facts: &Facts) -> Vec<String> {
    let mut warnings = Vec::new();
    if facts.clock_offset_ms.abs() > 5_000 {
        warnings.push(format!(
            "its clock is {} s off: certificates and tokens may fail; start a time service",
            facts.clock_offset_ms / 1000
        ));
    }
    if facts.disk_free_kib > 0 && facts.disk_free_kib < 512 * 1024 {
        warnings.push(format!(
            "only {} MiB are free under /var",
            facts.disk_free_kib / 1024
        ));
    }
    if facts.os != "debian" {
        warnings.push(format!(
            "it runs {} {}; only Debian 12 is tested",
            facts.os, facts.os_version
        ));
    }
    warnings
}

/// The records that an apply leaves on the host.
pub fn next_manifest(
    host: &ResolvedHost,
    programs: &BTreeMap<String, (String, String)>,
    release: u64,
) -> Manifest {
    let desired = &host.desired;
    let mut files: Vec<OwnedFile> = host
        .files
        .iter()
        .map(|file| OwnedFile {
            path: file.file.path.clone(),
            sha256: file.sha256.clone(),
            mode: file.file.mode,
            owner: file.file.owner.clone(),
            group: file.file.group.clone(),
            on_change: file.file.on_change.clone(),
            marker_text: (!file.secrets.is_empty()).then(|| file.file.content.clone()),
        })
        .collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Manifest {
        version: 1,
        release,
        files,
        links: desired
            .links
            .iter()
            .map(|link| (link.path.clone(), link.target.clone()))
            .collect(),
        services: desired
            .services
            .iter()
            .map(|service| service.unit.clone())
            .collect(),
        accounts: desired
            .accounts
            .iter()
            .map(|account| format!("{}@{}", account.user, account.domain))
            .collect(),
        programs: programs
            .iter()
            .map(|(name, (folder, _))| (name.clone(), folder.clone()))
            .collect(),
        firewall_rules: Vec::new(),
    }
}
