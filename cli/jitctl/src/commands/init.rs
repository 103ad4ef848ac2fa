//! `jitctl init`: an inventory and its secrets to start from.
//!
//! Never overwrites: an inventory that exists stays as it is, and only missing secrets are made.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use jitctl_inventory::model::{Role, Tls};
use jitctl_inventory::names::Domain;
use jitctl_inventory::scaffold::{SCHEMA_FILE, Scaffold, ScaffoldHost};
use jitctl_inventory::secrets::{IGNORED_BY_GIT, os_random};
use serde::Serialize;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;
use crate::host_argument::HostArgument;
use crate::printer::{Style, View};
use crate::site::Site;
use crate::vault;

/// Write an inventory, and the secrets that it needs.
///
/// A host is `[USER@]NAME[=ADDRESS[,ADDRESS]]`. Without an address the name is resolved on this
/// machine. Running it again fills in what is missing and changes nothing else.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::tail(
    &[
        ("jitctl init --domain meet.example.org --main m1=203.0.113.5 --bridge b1=203.0.113.7", "one MAIN, one BRIDGE"),
        ("jitctl init --domain meet.example.org --main root@meet.example.org --acme-email ops@example.org", "all on one host, with a public certificate"),
        ("jitctl init --domain meet.test --lab", "the hosts of the lab: the first is MAIN"),
    ],
    &[Exit::Success, Exit::Failure, Exit::Usage],
))]
pub(crate) struct Init {
    /// The DNS name that people open in the browser.
    #[arg(long, value_name = "NAME")]
    domain: Option<String>,

    /// The MAIN host: nginx, the web client, Prosody and the focus.
    #[arg(long, value_name = "HOST")]
    main: Vec<HostArgument>,

    /// A BRIDGE host; may be given more than once. Without any, MAIN carries a bridge too.
    #[arg(long, value_name = "HOST")]
    bridge: Vec<HostArgument>,

    /// Get the public certificate from Let's Encrypt; expiry mail goes to this address.
    #[arg(long, value_name = "MAIL")]
    acme_email: Option<String>,

    /// Take hosts from the lab of this name.
    #[arg(long, value_name = "LAB", num_args = 0..=1, default_missing_value = "default")]
    lab: Option<String>,
}

#[derive(Debug, Serialize)]
struct Written {
    inventory: PathBuf,
    /// False when it was there already.
    new: bool,
    made: Vec<String>,
    next: &'static str,
}

impl Init {
    pub(crate) fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let path = &context.inventory_path;
        let new = !path.exists();
        if new {
            write_site(context, &self.inventory(context)?)?;
        }
        let site = context.open()?;
        if let Some(lab) = &self.lab {
            name_in_lab(lab, &site)?;
        }
        let made = vault::complete(&site, context)?;
        context.printer.view(&Written {
            inventory: path.clone(),
            new,
            made,
            next: "jitctl plan",
        });
        Ok(Exit::Success)
    }

    fn inventory(&self, context: &Context) -> Result<String, Failure> {
        let domain = match &self.domain {
            Some(domain) => domain.clone(),
            None => context.ask("Domain that people will open", "--domain NAME")?,
        };
        let hosts = match &self.lab {
            Some(lab) => self.lab_hosts(lab)?,
            None => self.typed_hosts(context)?,
        };
        let tls = match &self.acme_email {
            Some(email) => Tls::Acme {
                email: email.clone(),
                directory: None,
            },
            None => Tls::PrivateCa,
        };
        let scaffold = Scaffold {
            domain: Domain::new(domain),
            tls,
            hosts,
        };
        Ok(scaffold.text(&mut os_random)?)
    }

    fn typed_hosts(&self, context: &Context) -> Result<Vec<ScaffoldHost>, Failure> {
        let mut mains = self.main.clone();
        if mains.is_empty() {
            let typed = context.ask("MAIN host, as [USER@]NAME[=ADDRESS]", "--main HOST")?;
            let host = typed
                .parse()
                .map_err(|error: String| Failure::usage(error, "give it with `--main HOST`"))?;
            mains.push(host);
        }
        let roles: &[Role] = if self.bridge.is_empty() {
            &[Role::Main, Role::Bridge]
        } else {
            &[Role::Main]
        };
        let mut hosts = Vec::new();
        for (position, host) in (1..).zip(&mains) {
            hosts.push(host.scaffold(&format!("m{position}"), roles)?);
        }
        for (position, host) in (1..).zip(&self.bridge) {
            hosts.push(host.scaffold(&format!("b{position}"), &[Role::Bridge])?);
        }
        Ok(hosts)
    }

    /// The lab's hosts: those named, else the first as MAIN and all others as bridges.
    fn lab_hosts(&self, name: &str) -> Result<Vec<ScaffoldHost>, Failure> {
        let lab = super::lab::open(name)?;
        let status = lab.status()?;
        let named = |list: &[HostArgument]| -> Vec<String> {
            let names = list.iter().filter_map(HostArgument::name);
            names.map(str::to_owned).collect()
        };
        let (mut mains, mut bridges) = (named(&self.main), named(&self.bridge));
        if mains.is_empty() && bridges.is_empty() {
            let mut all = status.hosts.iter().map(|host| host.spec.name.to_string());
            mains.extend(all.next());
            bridges.extend(all);
        }
        let main_roles: &[Role] = if bridges.is_empty() {
            &[Role::Main, Role::Bridge]
        } else {
            &[Role::Main]
        };
        let mut hosts = Vec::new();
        for name in &mains {
            hosts.push(super::lab::scaffold(&status, name, main_roles)?);
        }
        for name in &bridges {
            hosts.push(super::lab::scaffold(&status, name, &[Role::Bridge])?);
        }
        Ok(hosts)
    }
}

/// Writes a first inventory, and what belongs beside it.
pub(super) fn write_site(context: &Context, text: &str) -> Result<(), Failure> {
    // What would be refused later is refused now, with its place.
    context.imagine(text)?;
    let path = &context.inventory_path;
    write(path, text)?;
    write(&beside(path, SCHEMA_FILE), &jitctl_inventory::schema_text())?;
    ignore_secrets(&beside(path, ".gitignore"))
}

/// Makes the site's domain known to the lab's name server; a lab that was taken down forgot it.
fn name_in_lab(name: &str, site: &Site) -> Result<(), Failure> {
    let inventory = site.inventory();
    let addresses = inventory.hosts_with(Role::Main).flat_map(|(_, main)| {
        let addresses = &main.address;
        addresses.public.iter().chain(&addresses.private)
    });
    let first = addresses.into_iter().find_map(|address| match address {
        IpAddr::V4(address) => Some(*address),
        IpAddr::V6(_) => None,
    });
    let Some(address) = first else { return Ok(()) };
    let lab = super::lab::open(name)?;
    let domain = inventory.site.domain.to_string();
    lab.set_name(&domain, Some(address))?;
    lab.set_name(&format!("*.{domain}"), Some(address))?;
    Ok(())
}

fn beside(inventory: &Path, name: &str) -> PathBuf {
    inventory.with_file_name(name)
}

/// Keeps plain secrets out of git; a list of the operator's own stays as it is.
fn ignore_secrets(path: &Path) -> Result<(), Failure> {
    if path.exists() {
        return Ok(());
    }
    write(path, &format!("{}\n", IGNORED_BY_GIT.join("\n")))
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(|error| {
        Failure::other(
            format!("cannot write `{}`: {error}", path.display()),
            "choose another place with `--file`",
        )
    })
}

impl View for Written {
    fn human(&self, style: Style) -> String {
        let mut lines = Vec::new();
        let path = self.inventory.display();
        if self.new {
            lines.push(format!("wrote `{path}`"));
        } else {
            lines.push(format!("`{path}` is there already and stays as it is"));
        }
        if self.made.is_empty() {
            lines.push("no secret was missing".to_owned());
        } else {
            lines.push(format!("made secrets: {}", self.made.join(", ")));
        }
        lines.push(format!("next: {}", style.bold(&format!("`{}`", self.next))));
        lines.join("\n")
    }
}
