//! What is wrong with such a host. Codes are those of our own sites; cures are for files that
//! other hands keep.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jitctl_inventory::names::HostName;
use jitctl_inventory::rules::is_private_address;
use jitctl_xmpp::{Failure, TlsFailure};
use secrecy::ExposeSecret as _;

use super::account;
use super::read::{ForeignHost, Kind, ServiceAccount};
use super::{ForeignSight, Tried, settings};
use crate::catalogue::{self, Check};
use crate::discovery;
use crate::finding::{Finding, Severity};

/// All findings on one host.
pub(super) fn host(name: &HostName, sight: &ForeignSight) -> Vec<Finding> {
    let mut findings = Vec::new();
    let host = &sight.host;
    if host.kind == Kind::Nothing {
        return vec![
            Finding::of(&catalogue::SERVICE_DOWN, Some(name))
                .what(format!("nothing of Jitsi was found on `{name}`"))
                .seen("no file in /etc/jitsi, and no folder with .env and docker-compose.yml")
                .because("it is another host, or the folder stands elsewhere")
                .cured_by("jitctl doctor --foreign HOST --folder /path/to/docker-jitsi-meet"),
        ];
    }
    findings.extend(units(name, host));
    for tried in &sight.logins {
        findings.extend(login(name, host, tried));
    }
    findings.extend(breweries(name, host));
    findings.extend(media_port(name, host));
    findings.extend(addresses(name, host));
    findings.extend(discovery::finding(name, &sight.stun));
    findings.extend(versions(name, host));
    findings.extend(images(name, host));
    findings.extend(certificate(name, sight));
    findings.extend(settings::findings(name, host));
    findings
}

fn units(name: &HostName, host: &ForeignHost) -> Vec<Finding> {
    if host.kind != Kind::Packages {
        return Vec::new();
    }
    // A bridge host carries no focus, and need not.
    let wanted = |unit: &str| match unit {
        "jicofo" => host.focus.is_some(),
        "jitsi-videobridge2" => host.bridge.is_some(),
        _ => true,
    };
    let units = host.units.iter().filter(|(unit, _)| wanted(unit));
    let down = units.filter(|(_, state)| {
        state.starts_with("masked") || (state.starts_with("loaded") && !state.ends_with(" active"))
    });
    down.map(|(unit, state)| {
        Finding::of(&catalogue::SERVICE_DOWN, Some(name))
            .what(format!("`{unit}` on `{name}` does not run"))
            .seen(format!("{unit}.service: {state}"))
            .cured_by(format!(
                "systemctl unmask {unit}; systemctl restart {unit}; journalctl -u {unit}"
            ))
    })
    .collect()
}

fn login(name: &HostName, host: &ForeignHost, tried: &Tried) -> Option<Finding> {
    let account = &tried.account;
    let who = format!("{}@{}", account.username, account.domain);
    let finding = |check: &'static Check, what: String| {
        Finding::of(check, Some(name))
            .what(what)
            .seen(format!("{}: account `{who}`", account.file))
    };
    if account.password.expose_secret().is_empty() {
        let cure = match host.kind {
            Kind::Compose => {
                "./gen-passwords.sh && docker compose up -d --force-recreate".to_owned()
            }
            _ => format!("write the account's password into {}", account.file),
        };
        return Some(
            finding(
                &catalogue::WRONG_PASSWORD,
                format!("`{who}` has no password"),
            )
            .because("the password was never made")
            .cured_by(cure),
        );
    }
    // What Prosody itself keeps tells old from wrong, also where it cannot be asked.
    let on_record = account
        .record
        .as_ref()
        .and_then(|record| account::matches(record, account.password.expose_secret()));
    let failure = tried
        .outcome
        .as_ref()
        .and_then(|outcome| outcome.result.as_ref().err());
    if host.kind == Kind::Compose {
        return (on_record == Some(false)).then(|| {
            finding(
                &catalogue::PASSWORD_OLD,
                format!("`{who}` has another password in `.env` than in Prosody's data"),
            )
            .seen("Prosody's record of the account was made with another password")
            .because("the passwords were made anew, and the CONFIG folder kept the old accounts")
            .cured_by("docker compose down && rm -r \"$CONFIG\" && docker compose up -d   # CONFIG as in .env; it holds nothing but generated files")
        });
    }
    if tried.ended_at_once || matches!(failure, Some(Failure::Refused { .. })) {
        return Some(
            finding(
                &catalogue::XMPP_REFUSED,
                format!(
                    "{}:{} refuses connections from `{name}`",
                    account.hostname, account.port
                ),
            )
            .cured_by("systemctl status prosody; ss -ltnp | grep 5222   # on MAIN"),
        );
    }
    let failure = failure?;
    let (check, cure) = match failure {
        Failure::WrongPassword { .. } => (
            &catalogue::WRONG_PASSWORD,
            format!(
                "prosodyctl passwd {who}   # on MAIN, with the password of {}; or write the right one there and restart the service",
                account.file
            ),
        ),
        Failure::NoAccount { .. } | Failure::NotAuthorized { .. } => (
            &catalogue::ACCOUNT_MISSING,
            format!(
                "prosodyctl adduser {who}   # on MAIN, with the password of {}",
                account.file
            ),
        ),
        Failure::HostUnknown { .. } | Failure::TlsNotOffered { .. } => (
            &catalogue::WRONG_DOMAIN,
            format!(
                "correct the domain in {}, or the VirtualHost in /etc/prosody/conf.d",
                account.file
            ),
        ),
        Failure::OnlyAnonymous { .. } => (
            &catalogue::ANONYMOUS_DOMAIN,
            format!(
                "write auth.DOMAIN instead of `{}` in {}",
                account.domain, account.file
            ),
        ),
        Failure::Tls(TlsFailure::Expired) => (
            &catalogue::XMPP_CERTIFICATE_EXPIRED,
            format!(
                "prosodyctl cert generate {}   # then restart prosody, jicofo and jitsi-videobridge2",
                account.domain
            ),
        ),
        // A self-signed certificate that calls itself an authority is what Prosody makes, and
        // what stock services accept: the record has to do.
        Failure::Tls(TlsFailure::Other(_) | TlsFailure::UnknownAuthority) => {
            return (on_record == Some(false)).then(|| {
                finding(
                    &catalogue::WRONG_PASSWORD,
                    format!("`{name}` logs in as `{who}` with a wrong password"),
                )
                .seen("Prosody's record of the account was made with another password")
                .cured_by(format!(
                    "prosodyctl passwd {who}   # on MAIN, with the password of {}",
                    account.file
                ))
            });
        }
        Failure::Tls(_) => (
            &catalogue::XMPP_CERTIFICATE_UNTRUSTED,
            format!("prosodyctl cert generate {}", account.domain),
        ),
        _ => (
            &catalogue::XMPP_STALLED,
            "journalctl -u prosody --since -10min".to_owned(),
        ),
    };
    Some(
        finding(check, format!("`{name}`: {}", check.title))
            .seen(failure.to_string())
            .cured_by(cure),
    )
}

fn breweries(name: &HostName, host: &ForeignHost) -> Option<Finding> {
    let bridge = host.bridge.as_ref()?.brewery.as_ref()?;
    let focus = host.focus.as_ref()?.brewery.as_ref()?;
    (bridge != focus).then(|| {
        Finding::of(&catalogue::BRIDGE_NOT_COUNTED, Some(name))
            .what(format!(
                "focus and bridge on `{name}` use different breweries"
            ))
            .seen(format!("the focus looks in {focus}"))
            .seen(format!("the bridge joins {bridge}"))
            .because("the brewery rooms differ")
            .cured_by(
                "write the same room into jicofo.conf (bridge.brewery-jid) and jvb.conf (muc_jids)",
            )
    })
}

/// The bridge is Java, or a proxy of docker.
fn media_port(name: &HostName, host: &ForeignHost) -> Option<Finding> {
    host.bridge.as_ref()?;
    let port = host.media_port;
    let stranger = host.listeners.iter().find(|one| {
        let program = one.process.as_deref().unwrap_or("java");
        one.protocol == "udp" && one.port == port && !["java", "docker-proxy"].contains(&program)
    })?;
    let program = stranger.process.as_deref().unwrap_or_default();
    Some(
        Finding::of(&catalogue::MEDIA_PORT_TAKEN, Some(name))
            .what(format!("`{program}` on `{name}` holds {port}/udp"))
            .seen(format!("ss: {program} on {}:{port}", stranger.address))
            .cured_by(format!("stop `{program}`, or give the bridge another port")),
    )
}

fn addresses(name: &HostName, host: &ForeignHost) -> Option<Finding> {
    host.bridge.as_ref()?;
    let list = |addresses: &[IpAddr]| {
        let words: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        words.join(", ")
    };
    let file = match host.kind {
        Kind::Compose => ".env",
        _ => "/etc/jitsi/videobridge/jvb.conf",
    };
    let domain = host.domain.as_ref();
    let resolved = domain
        .and_then(|domain| host.names.get(domain))
        .cloned()
        .unwrap_or_default();
    // A mapping of an address that is neither the host's nor where its name leads.
    for (local, public) in &host.mappings {
        let gone = local.is_some_and(|local| !host.addresses.contains(&local));
        let elsewhere = !host.addresses.contains(public) && !resolved.contains(public);
        if gone || (host.kind == Kind::Compose && elsewhere && !resolved.is_empty()) {
            return Some(
                Finding::of(&catalogue::ADDRESS_WRONG, Some(name))
                    .what(format!(
                        "the bridge on `{name}` advertises {public} by a mapping that does not fit"
                    ))
                    .seen(match local {
                        Some(local) => format!("{file}: {local} stands for {public}"),
                        None => format!("{file}: {public} is advertised"),
                    })
                    .seen(format!(
                        "the host has {}; its name leads to {}",
                        list(&host.addresses),
                        list(&resolved)
                    ))
                    .cured_by(format!(
                        "correct the addresses in {file}, then restart the bridge"
                    )),
            );
        }
    }
    let private = host.addresses.iter().all(|ip| is_private_address(*ip));
    // A name that leads to the host's own private address, or a bridge alone beside a MAIN with a
    // private one: a network of its own.
    let server = host
        .bridge
        .as_ref()
        .and_then(|account| account.hostname.parse().ok());
    let meant = host.kind == Kind::Packages
        && if resolved.is_empty() {
            server.is_none_or(is_private_address)
        } else {
            resolved.iter().any(|ip| host.addresses.contains(ip))
        };
    if host.mappings.is_empty() && host.stun_servers.is_empty() && private && !meant {
        let cure = match host.kind {
            Kind::Compose => {
                "write JVB_ADVERTISE_IPS=ADDRESS into .env, then: docker compose up -d jvb"
            }
            _ => {
                "add ice4j.harvest.mapping.static-mappings to jvb.conf, then: systemctl restart jitsi-videobridge2"
            }
        };
        let inside = match host.kind {
            Kind::Compose => "the bridge sees its container's address only".to_owned(),
            _ => format!("the host has {}", list(&host.addresses)),
        };
        return Some(
            Finding::of(&catalogue::ADDRESS_PRIVATE, Some(name))
                .what(format!(
                    "the bridge on `{name}` advertises private addresses only"
                ))
                .seen(format!("{file} names no address, and no STUN server"))
                .seen(inside)
                .cured_by(cure),
        );
    }
    None
}

/// The package `jitsi-meet` names the exact versions that belong together.
fn versions(name: &HostName, host: &ForeignHost) -> Option<Finding> {
    let whole = host.packages.get("jitsi-meet")?;
    let mut differing = Vec::new();
    for need in whole.depends.split(',') {
        let Some((package, version)) = need.trim().split_once(" (= ") else {
            continue;
        };
        let version = version.trim_end_matches(')');
        if let Some(installed) = host.packages.get(package)
            && installed.version != version
        {
            differing.push(format!(
                "{package} is {}; jitsi-meet {} belongs to {version}",
                installed.version, whole.version
            ));
        }
    }
    (!differing.is_empty()).then(|| {
        let finding = Finding::of(&catalogue::VERSIONS_DIFFER, Some(name))
            .what(format!("parts of different releases are installed on `{name}`"))
            .because("an upgrade stopped half way, or a package is held back")
            .cured_by("apt-mark showhold; apt-get install --only-upgrade jitsi-meet jicofo jitsi-videobridge2");
        differing.into_iter().fold(finding, Finding::seen)
    })
}

fn images(name: &HostName, host: &ForeignHost) -> Option<Finding> {
    let mut tags: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (service, image) in &host.images {
        if let Some((project, tag)) = image.rsplit_once(':')
            && project.contains("jitsi/")
        {
            tags.entry(tag).or_default().push(service);
        }
    }
    (tags.len() > 1).then(|| {
        let finding = Finding::of(&catalogue::VERSIONS_DIFFER, Some(name))
            .what(format!("the containers on `{name}` are of different releases"))
            .because("one service has a tag of its own")
            .cured_by("set JITSI_IMAGE_VERSION in .env alone, then: docker compose pull && docker compose up -d");
        tags.iter().fold(finding, |finding, (tag, services)| {
            finding.seen(format!("{tag}: {}", services.join(", ")))
        })
    })
}

/// Fewer days than this are worth a warning.
const EXPIRY_WARNING_DAYS: i64 = 21;

fn certificate(name: &HostName, sight: &ForeignSight) -> Option<Finding> {
    let domain = sight.host.domain.as_ref()?;
    let leaf = sight.chain.first()?;
    let days = leaf.days_left(sight.now);
    let renew = "certbot renew   # or: /usr/share/jitsi-meet/scripts/install-letsencrypt-cert.sh";
    if !leaf.is_for(domain) {
        return Some(
            Finding::of(&catalogue::CERTIFICATE_NAME, Some(name))
                .what(format!("the certificate on port 443 is not for `{domain}`"))
                .seen(format!("it is for {}", leaf.names.join(", ")))
                .cured_by(renew),
        );
    }
    if days >= EXPIRY_WARNING_DAYS {
        return None;
    }
    let mut finding = Finding::of(&catalogue::CERTIFICATE_EXPIRY, Some(name))
        .what(match days {
            ..0 => format!("the certificate of `{domain}` expired {} days ago", -days),
            _ => format!("the certificate of `{domain}` expires in {days} days"),
        })
        .seen(format!("{} by {}", leaf.subject, leaf.issuer))
        .cured_by(renew);
    if days >= 7 {
        finding.severity = Severity::Warning;
    }
    Some(finding)
}

/// Two bridges, on whatever hosts, that use one nickname.
pub(super) fn nicknames(sights: &BTreeMap<HostName, ForeignSight>) -> Vec<Finding> {
    let mut seen: BTreeMap<&str, Vec<(&HostName, &ServiceAccount)>> = BTreeMap::new();
    for (name, sight) in sights {
        if let Some(bridge) = &sight.host.bridge
            && let Some(nickname) = &bridge.nickname
        {
            seen.entry(nickname).or_default().push((name, bridge));
        }
    }
    seen.into_iter()
        .filter(|(_, users)| users.len() > 1)
        .filter_map(|(nickname, users)| {
            let (first, _) = users.first()?;
            let finding = Finding::of(&catalogue::NICKNAME_CLASH, Some(first))
                .what(format!("{} bridges share the nickname `{nickname}`", users.len()))
                .cured_by("write another `muc_nickname` into jvb.conf of one of them, then: systemctl restart jitsi-videobridge2");
            Some(users.iter().fold(finding, |finding, (host, account)| {
                finding.seen(format!("{host}: {} names it", account.file))
            }))
        })
        .collect()
}
