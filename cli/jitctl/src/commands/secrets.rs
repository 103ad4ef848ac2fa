//! `jitctl secrets`: made once, never shown, rotated on request.

use clap::Subcommand;
use jitctl_inventory::secrets::{self, Entry};
use secrecy::ExposeSecret as _;
use serde::Serialize;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;
use crate::printer::{Cell, Style, View, table};
use crate::rotation;
use crate::vault;

/// Manage the site's secrets: make missing ones, list them, encrypt the file.
///
/// Values are never shown. They are in `secrets.yaml` beside the inventory (0600), or in
/// `secrets.yaml.age` for the recipients in `secrets.recipients`; `JITCTL_AGE_IDENTITY` names the
/// identity file that opens it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::tail(
    &[
        ("jitctl secrets show", "what there is, by name"),
        ("jitctl secrets rotate xmpp-bridge", "a fresh value, without a broken minute"),
    ],
    &[
        Exit::Success, Exit::Failure, Exit::Usage, Exit::Connect, Exit::Locked, Exit::RolledBack,
        Exit::Interrupted,
    ],
))]
pub(crate) struct Secrets {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the secrets that are missing; those that are there stay as they are.
    #[command(after_long_help = help::tail(
        &[("jitctl secrets init", "a second time there is nothing to do")],
        &[Exit::Success, Exit::Usage],
    ))]
    Init,
    /// List the secrets by name, or print a public one such as the authority's certificate.
    #[command(after_long_help = help::tail(
        &[
            ("jitctl secrets show", "names, never values"),
            ("jitctl secrets show pki-ca-cert > ca.crt", "what browsers must trust with `private_ca`"),
        ],
        &[Exit::Success, Exit::Usage],
    ))]
    Show {
        /// A certificate's name.
        name: Option<String>,
    },
    /// Roll a secret over to a fresh value without an interruption.
    ///
    /// Passwords have two accounts: the idle one gets the fresh value, services change over, the
    /// old one ends. When a round fails, services change back.
    #[command(after_long_help = help::tail(
        &[("jitctl secrets rotate xmpp-bridge", "the bridges' password")],
        &[
            Exit::Success, Exit::Failure, Exit::Usage, Exit::Connect, Exit::Locked,
            Exit::RolledBack, Exit::Interrupted,
        ],
    ))]
    Rotate {
        /// As `jitctl secrets show` lists it.
        name: String,
    },
    /// Encrypt the file with age and remove the plain one.
    #[command(after_long_help = help::tail(
        &[("age-keygen -y ~/.age > secrets.recipients && jitctl secrets encrypt", "to your own key")],
        &[Exit::Success, Exit::Usage],
    ))]
    Encrypt,
}

#[derive(Debug, Serialize)]
struct Made {
    made: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Listed {
    secrets: Vec<Secret>,
}

#[derive(Debug, Serialize)]
struct Secret {
    name: String,
    kind: &'static str,
    active: Option<&'static str>,
    phase: &'static str,
}

impl Secrets {
    pub(crate) async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        match &self.command {
            Command::Init => {
                let made = vault::complete(&context.open()?, context)?;
                context.printer.view(&Made { made });
            }
            Command::Show { name: None } => {
                let vault = vault::open(context)?;
                let secrets = vault.store.names().filter_map(|name| {
                    let entry = vault.store.entry(name)?;
                    Some(Secret {
                        name: name.to_owned(),
                        kind: kind(name, entry),
                        active: vault.store.active(name).map(secrets::Slot::as_str),
                        phase: entry.phase().as_str(),
                    })
                });
                context.printer.view(&Listed {
                    secrets: secrets.collect(),
                });
            }
            Command::Show { name: Some(name) } => show(context, name)?,
            Command::Rotate { name } => {
                Box::pin(rotation::run(context, name)).await?;
                context
                    .printer
                    .note(&format!("`{name}` is rotated; the old value is void"));
            }
            Command::Encrypt => {
                secrets::encrypt(&vault::location(context))?;
                context.printer.note(
                    "the secrets are encrypted; the plain file is gone. From now on \
                         `JITCTL_AGE_IDENTITY` must name the file with your identity",
                );
            }
        }
        Ok(Exit::Success)
    }
}

fn kind(name: &str, entry: &Entry) -> &'static str {
    match entry {
        Entry::Pair(_) => "two accounts",
        Entry::Single(_) if secrets::is_public(name) => "certificate",
        Entry::Single(_) if secrets::is_material(name) => "key",
        Entry::Single(_) => "value",
    }
}

fn show(context: &Context, name: &str) -> Result<(), Failure> {
    let vault = vault::open(context)?;
    let value = vault.value_named(name)?;
    if !secrets::is_public(name) {
        return Err(Failure::usage(
            format!("`{name}` is secret: values are never shown"),
            "only certificates can be printed, such as `pki-ca-cert`",
        ));
    }
    context.printer.raw(value.expose_secret().as_bytes());
    Ok(())
}

impl View for Made {
    fn human(&self, _: Style) -> String {
        if self.made.is_empty() {
            "nothing to do: no secret is missing".to_owned()
        } else {
            format!("made {}", self.made.join(", "))
        }
    }
}

impl View for Listed {
    fn human(&self, style: Style) -> String {
        let rows = self
            .secrets
            .iter()
            .map(|secret| -> Vec<Cell> {
                vec![
                    secret.name.as_str().into(),
                    secret.kind.into(),
                    secret.active.unwrap_or("").into(),
                    secret.phase.into(),
                ]
            })
            .collect();
        table(style, &["secret", "kind", "in use", "rotation"], rows)
    }
}
