//! `jitctl user`: the accounts that may open rooms on a secure domain.

use std::io::{IsTerminal as _, Read as _};

use clap::Subcommand;
use jitctl_deploy::users::{self, UserError};
use jitctl_inventory::model::AuthenticationMode;
use jitctl_transport::Remote as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Problem};
use crate::help;
use crate::printer::{Style, View};
use crate::site::Site;

/// Manage the accounts that may open rooms (`authentication: { mode: secure_domain }`).
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::tail(
    &[
        ("jitctl user add ann", "an account for Ann; her password is asked for"),
        ("jitctl user list", "who may open rooms"),
    ],
    Exit::ON_HOSTS,
))]
pub(crate) struct User {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Add an account; its password is asked for, or read from standard input.
    #[command(after_long_help = help::tail(
        &[("pass show meet/ann | jitctl user add ann", "the password never appears in a command line")], Exit::ON_HOSTS))]
    Add {
        /// The part before `@`.
        name: String,
    },
    /// Remove an account.
    #[command(after_long_help = help::tail(&[("jitctl user remove ann", "rooms that she opened go on")], Exit::ON_HOSTS))]
    Remove {
        /// The part before `@`.
        name: String,
    },
    /// List the accounts.
    #[command(after_long_help = help::tail(&[("jitctl user list --json", "for a program")], Exit::ON_HOSTS))]
    List,
}

#[derive(Debug, Serialize)]
struct Users {
    domain: String,
    users: Vec<String>,
}

impl User {
    pub(crate) async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let site = context.open()?;
        let domain = &site.inventory().site.domain;
        let mains = site.remotes(&site.own_mains()?);
        match &self.command {
            Command::Add { name } => {
                let password = password(context).await?;
                warn_open(context, &site);
                for main in &mains {
                    users::add(main, domain, name, &password).await?;
                    context
                        .printer
                        .note(&format!("{name}@{domain} is on {}", main.host()));
                }
            }
            Command::Remove { name } => {
                for main in &mains {
                    users::remove(main, domain, name).await?;
                    context
                        .printer
                        .note(&format!("{name}@{domain} is gone from {}", main.host()));
                }
            }
            Command::List => {
                let mut all = Vec::new();
                for main in &mains {
                    all.extend(users::list(main, domain).await?);
                }
                all.sort();
                all.dedup();
                context.printer.view(&Users {
                    domain: domain.to_string(),
                    users: all,
                });
            }
        }
        Ok(Exit::Success)
    }
}

/// Accounts without a secure domain do nothing; that should not be found out in a meeting.
fn warn_open(context: &Context, site: &Site) {
    if site.inventory().site.authentication.mode == AuthenticationMode::Open {
        context.printer.warn(
            "everybody opens rooms on this site: accounts count once the inventory says \
             `authentication: { mode: secure_domain }`",
        );
    }
}

/// Typed twice on a terminal, else the first line of standard input.
async fn password(context: &Context) -> Result<SecretString, Failure> {
    if std::io::stdin().is_terminal() {
        let password = context.ask_secret("Password").await?;
        let again = context.ask_secret("The same again").await?;
        if password.expose_secret().is_empty() {
            return Err(Failure::usage("the password is empty", "choose one"));
        }
        if password.expose_secret() != again.expose_secret() {
            return Err(Failure::usage(
                "the two passwords differ",
                "run the command again",
            ));
        }
        return Ok(password);
    }
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| Failure::other(format!("cannot read the password: {error}"), ""))?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(SecretString::from(line)),
        _ => Err(Failure::usage(
            "there is no password on standard input",
            "pipe it in: `pass show meet/ann | jitctl user add ann`",
        )),
    }
}

impl From<UserError> for Failure {
    fn from(error: UserError) -> Self {
        match error {
            UserError::Remote(error) => error.into(),
            UserError::Name { .. } | UserError::Exists { .. } => {
                Self::new(Exit::Usage, Problem::new(error.to_string()))
            }
            UserError::Unknown { .. } => Self::new(
                Exit::Usage,
                Problem::new(error.to_string()).help("`jitctl user list` shows who is there"),
            ),
            other => Self::new(Exit::Failure, Problem::new(other.to_string())),
        }
    }
}

impl View for Users {
    fn human(&self, _: Style) -> String {
        if self.users.is_empty() {
            return format!("no accounts on {}", self.domain);
        }
        let lines = self
            .users
            .iter()
            .map(|user| format!("{user}@{}", self.domain));
        lines.collect::<Vec<_>>().join("\n")
    }
}
