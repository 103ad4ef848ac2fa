//! Settings of the site: its name and its certificates.

use std::net::IpAddr;

use super::syntax::{dns_name_fault, is_private_name};
use super::{Finding, Rule};
use crate::load::Path;
use crate::model::{Inventory, Role, Tls, Web};

pub(super) const RULES: &[Rule] = &[
    Rule::error("E018", "domain is not a DNS name", "The domain is typed in browsers, stands in certificates and is the XMPP domain: lower case letters, digits and `-` between dots, without scheme, port or final dot.").check(domain_syntax),
    Rule::error("E019", "domain is an address", "An IP address cannot be the domain: Prosody's hosts and most certificates need a name. For a try-out take a name such as `meet.test` and add it to the hosts file.").check(domain_is_address),
    Rule::warning("E026", "domain repeats a component's name", "Rooms, accounts and the focus live at `conference.`, `auth.`, `internal.auth.` and `focus.` below the domain; a domain that starts with one of these is probably such a name of another site.").check(domain_is_component),
    Rule::error("E055", "ACME address is not a mail address", "The authority sends warnings about expiring certificates there; it refuses addresses that cannot exist.").check(email),
    Rule::error("E056", "ACME directory is not an https URL", "The directory of an ACME authority (RFC 8555 section 7.1.1) is an `https://` URL.").check(directory),
    Rule::error("E057", "ACME for a private name", "No public authority gives a certificate for names such as `meet.test` or `meet.local`, which do not exist in the public DNS. Use `mode: private_ca`, or your own authority's `directory`.").check(acme_private_name),
    Rule::warning("E058", "ACME without a public MAIN", "The authority checks the name by a request to port 80 of MAIN from the Internet. MAIN has only private addresses here, so this works only behind a port forwarding.").check(acme_private_main),
    Rule::error("E059", "certificate and key are one file", "`certificate` is readable by everybody who connects, `key` by nobody: they must be two files.").check(one_file),
    Rule::error("E061", "package repository that apt cannot use", "`web.repository` is an `https://` or `http://` URL without spaces, `web.suite` one word or two, and `web.key` the text of an OpenPGP public key: without it apt would install what anybody sends.").check(repository),
];

fn site(key: &str) -> Path {
    Path::root().key("site").key(key)
}

fn is_address(domain: &str) -> bool {
    domain.trim_matches(['[', ']']).parse::<IpAddr>().is_ok()
}

fn domain_syntax(inventory: &Inventory) -> Vec<Finding> {
    let domain = inventory.site.domain.as_str();
    if is_address(domain) {
        return Vec::new();
    }
    let fault = dns_name_fault(domain);
    fault
        .map(|fault| {
            Finding::new(
                site("domain"),
                format!("`{domain}` is not a DNS name: {fault}"),
                "not a DNS name",
            )
            .help("write it like `meet.example.org`")
        })
        .into_iter()
        .collect()
}

fn domain_is_address(inventory: &Inventory) -> Vec<Finding> {
    let domain = inventory.site.domain.as_str();
    if !is_address(domain) {
        return Vec::new();
    }
    vec![
        Finding::new(
            site("domain"),
            format!("the domain cannot be the address {domain}"),
            "an address",
        )
        .help("take a name, such as `meet.test`, and let it resolve to MAIN"),
    ]
}

fn domain_is_component(inventory: &Inventory) -> Vec<Finding> {
    let domain = inventory.site.domain.as_str();
    let prefix = ["conference.", "auth.", "internal.auth.", "focus."]
        .into_iter()
        .find(|prefix| domain.starts_with(prefix));
    prefix
        .map(|prefix| {
            let rest = &domain[prefix.len()..];
            Finding::new(
                site("domain"),
                format!("`{prefix}` in front of the domain is a component's name"),
                "probably one part too many",
            )
            .help(format!("did you mean `{rest}`?"))
        })
        .into_iter()
        .collect()
}

fn email(inventory: &Inventory) -> Vec<Finding> {
    let Tls::Acme { email, .. } = &inventory.site.tls else {
        return Vec::new();
    };
    let good = email.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty()
            && !email.contains(char::is_whitespace)
            && domain.contains('.')
            && dns_name_fault(&domain.to_lowercase()).is_none()
    });
    if good {
        return Vec::new();
    }
    vec![
        Finding::new(
            site("tls").key("email"),
            format!("`{email}` is not a mail address"),
            "not a mail address",
        )
        .help("write it like `admin@example.org`"),
    ]
}

fn directory(inventory: &Inventory) -> Vec<Finding> {
    let Tls::Acme {
        directory: Some(directory),
        ..
    } = &inventory.site.tls
    else {
        return Vec::new();
    };
    let rest = directory.strip_prefix("https://");
    if rest.is_some_and(|rest| !rest.is_empty() && !directory.contains(char::is_whitespace)) {
        return Vec::new();
    }
    vec![
        Finding::new(
            site("tls").key("directory"),
            format!("`{directory}` is not an https URL"),
            "not an https URL",
        )
        .help("for Let's Encrypt leave it out; others name it in their documentation"),
    ]
}

fn acme_private_name(inventory: &Inventory) -> Vec<Finding> {
    let domain = inventory.site.domain.as_str();
    let public_authority = matches!(
        &inventory.site.tls,
        Tls::Acme {
            directory: None,
            ..
        }
    );
    if !public_authority || !is_private_name(domain) || is_address(domain) {
        return Vec::new();
    }
    vec![
        Finding::new(
            site("domain"),
            format!("no public authority gives a certificate for `{domain}`"),
            "a private name",
        )
        .also(site("tls").key("mode"), "ACME is asked for here")
        .help("use `tls: { mode: private_ca }`, or name your own authority's `directory`"),
    ]
}

fn acme_private_main(inventory: &Inventory) -> Vec<Finding> {
    if !matches!(
        &inventory.site.tls,
        Tls::Acme {
            directory: None,
            ..
        }
    ) {
        return Vec::new();
    }
    inventory
        .hosts_with(Role::Main)
        .filter(|(_, host)| host.address.public.is_empty())
        .map(|(name, _)| {
            Finding::new(
                Path::host(name).key("address"),
                format!("the authority may not reach `{name}`"),
                "private addresses only",
            )
            .also(site("tls").key("mode"), "ACME is asked for here")
            .help("write the address that the world sees under `public:`")
        })
        .collect()
}

fn one_file(inventory: &Inventory) -> Vec<Finding> {
    let Tls::Files { certificate, key } = &inventory.site.tls else {
        return Vec::new();
    };
    if certificate != key {
        return Vec::new();
    }
    vec![
        Finding::new(
            site("tls").key("key"),
            "certificate and key are the same file",
            "also the certificate",
        )
        .also(site("tls").key("certificate"), "the certificate")
        .help("split the PEM file: chain in one, private key (0600) in the other"),
    ]
}

fn repository(inventory: &Inventory) -> Vec<Finding> {
    let Web::JitsiApt {
        repository,
        suite,
        key,
    } = &inventory.site.web
    else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    let one_line = |text: &str| !text.contains(char::is_control) && !text.trim().is_empty();
    let url = ["https://", "http://"]
        .iter()
        .any(|scheme| repository.len() > scheme.len() && repository.starts_with(scheme));
    if !url || repository.contains(char::is_whitespace) {
        findings.push(
            Finding::new(
                site("web").key("repository"),
                format!("`{}` is not a URL for apt", repository.escape_debug()),
                "not a URL",
            )
            .help("upstream's own is `https://download.jitsi.org`"),
        );
    }
    if !one_line(suite) {
        findings.push(
            Finding::new(site("web").key("suite"), "no suite is named", "empty")
                .help("upstream's is `stable/`; others are `NAME COMPONENT`"),
        );
    }
    let block = |word: &str| key.contains(&format!("-----{word} PGP PUBLIC KEY BLOCK-----"));
    if !(block("BEGIN") && block("END")) {
        findings.push(
            Finding::new(
                site("web").key("key"),
                "there is no OpenPGP public key here",
                "not a key",
            )
            .help("paste the ASCII-armoured key with `key: |`"),
        );
    }
    findings
}
