//! `jitctl trust`: learn a host's key, on the operator's word.

use std::time::Duration;

use jitctl_transport::trust::{self, Known, OfferedKey, TrustError};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;
use crate::printer::{Style, View};

/// Show a host's key and, on your word, remember it.
///
/// Compare the fingerprint with what the host's console or your provider shows. Nothing else in
/// jitctl ever learns a key.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::tail(
    &[
        ("jitctl trust b1", "show the key and ask"),
        ("jitctl trust b1 --fingerprint SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU", "accept this key only, without asking"),
    ],
    &[Exit::Success, Exit::Failure, Exit::Usage, Exit::Connect, Exit::Interrupted],
))]
pub(crate) struct Trust {
    /// The host's name in the inventory.
    host: String,

    /// Accept exactly this key, without asking.
    #[arg(long, value_name = "SHA256:…")]
    fingerprint: Option<String>,

    /// Accept whatever key the host shows, without asking.
    #[arg(long, conflicts_with = "fingerprint")]
    yes: bool,

    /// Replace another key that is known for the host.
    #[arg(long)]
    replace: bool,
}

impl Trust {
    pub(crate) async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let site = context.open()?;
        let (name, _) = site.host(&self.host)?;
        let offered = trust::offered_key(name, &site.ssh(name), Duration::from_secs(10))
            .await
            .map_err(failure)?;
        context.printer.view(&offered);
        if offered.known == Known::Same {
            return Ok(Exit::Success);
        }
        if !self.accepts(context, &offered).await? {
            context.printer.note("nothing was written");
            return Ok(Exit::Failure);
        }
        trust::accept(&offered, self.replace)
            .await
            .map_err(failure)?;
        context.printer.note(&format!(
            "`{name}` is known now, in `{}`",
            offered.known_hosts.display()
        ));
        Ok(Exit::Success)
    }

    async fn accepts(&self, context: &Context, offered: &OfferedKey) -> Result<bool, Failure> {
        match &self.fingerprint {
            Some(expected) if *expected == offered.fingerprint => Ok(true),
            Some(expected) => Err(Failure::usage(
                format!(
                    "`{}` shows {}, not {expected}",
                    offered.host, offered.fingerprint
                ),
                "find out which host answers there before you go on",
            )),
            None if self.yes => Ok(true),
            None => {
                let question = format!("Is this the key of `{}`?", offered.host);
                context.confirm(&question, "--fingerprint SHA256:…").await
            }
        }
    }
}

pub(super) fn failure(error: TrustError) -> Failure {
    match error {
        TrustError::Remote(error) => error.into(),
        TrustError::Changed { .. } => Failure::usage(error.to_string(), String::new()),
        other => Failure::other(other.to_string(), String::new()),
    }
}

impl View for OfferedKey {
    fn human(&self, style: Style) -> String {
        let known = match &self.known {
            Known::No => "not known yet".to_owned(),
            Known::Same => style.good("known"),
            Known::Other { fingerprint } => {
                style.bad(&format!("differs from the known key {fingerprint}"))
            }
        };
        format!(
            "{} {} {}\n{known}",
            style.bold(self.host.as_str()),
            self.algorithm,
            self.fingerprint
        )
    }
}
