//! `jitctl import`: an inventory for a MAIN that others set up, so that bridges of ours join it.
//!
//! Reads the host and changes nothing there. A second run, by the name in the inventory, reads
//! the password and the certificate anew and leaves the inventory as it is.

use std::path::PathBuf;

use jitctl_doctor::foreign::{Adoption, adopt};
use jitctl_inventory::model::{Foreign, Host, Role, Ssh};
use jitctl_inventory::names::HostName;
use jitctl_inventory::scaffold::{ScaffoldHost, imported};
use jitctl_inventory::secrets::{self, FOREIGN_BRIDGE, os_random};
use jitctl_templates::secrets::PKI_CA_CERT;
use serde::Serialize;

use super::doctor::look_at_foreign;
use super::init::write_site;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;
use crate::host_argument::HostArgument;
use crate::printer::{Style, View};
use crate::vault;

/// Make an inventory and its secrets from a Jitsi that others set up, for `add-bridge`.
///
/// HOST is `[USER@]NAME[=ADDRESS]`: the MAIN with Prosody, from Debian packages or a
/// docker-jitsi-meet folder. The bridges' account is tried before it is taken, and the server's
/// certificate is compared with its file. Nothing is changed there; `add-bridge` opens the XMPP
/// port for the new bridge, where ufw or firewalld keeps the rules. With an inventory that is there
/// already, HOST is the name in it: the password and the certificate are read anew.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::tail(
    &[
        ("jitctl import root@meet.example.org && jitctl add-bridge root@b1=203.0.113.7", "a bridge of ours for a Jitsi that is there"),
        ("jitctl import meet && jitctl apply", "its keepers changed the bridges' password"),
    ],
    &[Exit::Success, Exit::Failure, Exit::Usage, Exit::Connect, Exit::Interrupted],
))]
pub(crate) struct Import {
    /// The MAIN host.
    host: HostArgument,

    /// The docker-jitsi-meet folder, when it is in no usual place.
    #[arg(long, value_name = "DIR")]
    folder: Option<String>,

    /// An `ssh_config` file to reach the host with; the inventory will name it.
    #[arg(long, value_name = "FILE")]
    ssh_config: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Imported {
    inventory: PathBuf,
    /// False when it was there already.
    new: bool,
    host: HostName,
    domain: String,
    account: String,
    brewery: String,
    /// Names of the secrets that were taken.
    secrets: [&'static str; 2],
    notes: Vec<String>,
}

impl Import {
    pub(crate) async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let new = !context.inventory_path.exists();
        let name = HostName::new(self.host.name().unwrap_or("main"));
        let (ssh, folder) = if new {
            refuse_other_secrets(context)?;
            (self.ssh(), self.folder.clone())
        } else {
            known(context, &name)?
        };
        let look = look_at_foreign(&name, ssh, folder.as_deref()).await;
        let mut adoption = adopt(&look?)
            .map_err(|refusal| Failure::usage(refusal.to_string(), refusal.remedy()))?;
        adoption.server.folder = folder;
        if new {
            let text = imported(&adoption.domain, &name, &self.main(&name, &adoption)?);
            write_site(context, &text)?;
        } else {
            same_server(context, &name, &adoption)?;
        }
        secrets::edit(&vault::location(context), |store| -> Result<_, Failure> {
            store.reissue(FOREIGN_BRIDGE, adoption.password.clone())?;
            store.reissue(PKI_CA_CERT, adoption.certificate.clone().into())?;
            Ok(())
        })?;
        let server = &adoption.server;
        context.printer.view(&Imported {
            inventory: context.inventory_path.clone(),
            new,
            host: name,
            domain: adoption.domain.to_string(),
            account: format!("{}@{}", server.username, server.domain),
            brewery: server.brewery.clone(),
            secrets: [FOREIGN_BRIDGE, PKI_CA_CERT],
            notes: adoption.notes,
        });
        Ok(Exit::Success)
    }

    fn ssh(&self) -> Ssh {
        let config = self.ssh_config.as_ref();
        Ssh {
            // What the operator typed counts from here, what the inventory says from its folder.
            config: config.and_then(|path| std::path::absolute(path).ok()),
            ..self.host.ssh()
        }
    }

    /// The host for the inventory.
    fn main(&self, name: &HostName, adoption: &Adoption) -> Result<Host, Failure> {
        let typed = self.host.addresses();
        let main = ScaffoldHost {
            name: name.clone(),
            roles: vec![Role::Main],
            addresses: if typed.is_empty() {
                adoption.addresses.clone()
            } else {
                typed.to_vec()
            },
            ssh: self.ssh(),
            region: None,
        };
        Ok(Host {
            foreign: Some(adoption.server.clone()),
            ..main.build(&mut os_random)?
        })
    }
}

/// The way to the host of an inventory that is there.
fn known(context: &Context, name: &HostName) -> Result<(Ssh, Option<String>), Failure> {
    let site = context.open()?;
    match site.inventory().foreign_main() {
        Some((main, foreign)) if main == name => Ok((site.ssh(name), foreign.folder.clone())),
        _ => Err(Failure::usage(
            format!(
                "`{}` is there already, and `{name}` is no MAIN in it that others keep",
                context.inventory_path.display()
            ),
            "write another inventory with `--file FILE`, in a folder of its own",
        )),
    }
}

/// That the server is still the one of the inventory; nicknames may come and go.
fn same_server(context: &Context, name: &HostName, adoption: &Adoption) -> Result<(), Failure> {
    let site = context.open()?;
    let written = site.inventory().foreign_main().map(|(_, foreign)| foreign);
    let same = |foreign: &Foreign| {
        (&foreign.domain, &foreign.username, &foreign.brewery)
            == (
                &adoption.server.domain,
                &adoption.server.username,
                &adoption.server.brewery,
            )
    };
    if written.is_some_and(same) {
        return Ok(());
    }
    let server = &adoption.server;
    Err(Failure::usage(
        format!("`{name}` has another account or room for its bridges than the inventory says"),
        format!(
            "write `foreign: {{ domain: {}, username: {}, brewery: {} }}` there, then try again",
            server.domain, server.username, server.brewery
        ),
    ))
}

/// Secrets of another site in this folder must not be overwritten.
fn refuse_other_secrets(context: &Context) -> Result<(), Failure> {
    let store = secrets::open(&vault::location(context));
    let taken = store.is_ok_and(|store| store.names().next().is_some());
    if !taken {
        return Ok(());
    }
    Err(Failure::usage(
        "there are secrets of another site in this folder",
        "write the inventory into a folder of its own with `--file DIR/jitctl.yaml`",
    ))
}

impl View for Imported {
    fn human(&self, style: Style) -> String {
        let path = self.inventory.display();
        let mut lines = vec![if self.new {
            format!("wrote `{path}`: {} is MAIN of {}", self.host, self.domain)
        } else {
            format!("`{path}` stays as it is")
        }];
        lines.push(format!(
            "bridges log in as `{}` and join `{}`; its password and the server's certificate are in \
             the secrets ({})",
            self.account,
            self.brewery,
            self.secrets.join(", ")
        ));
        lines.extend(
            self.notes
                .iter()
                .map(|note| style.warn(&format!("note: {note}"))),
        );
        let next = if self.new {
            "jitctl add-bridge NAME=ADDRESS"
        } else {
            "jitctl apply"
        };
        lines.push(format!("next: {}", style.bold(&format!("`{next}`"))));
        lines.join("\n")
    }
}
