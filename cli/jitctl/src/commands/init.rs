//! `jitctl init`: an inventory and its secrets to start from.
//!
//! Never overwrites: an inventory that exists stays, and only missing secrets are made.

use std::path::Path;

use jitctl_inventory::model::{Addresses, Ssh};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;
use crate::host_argument::HostArgument;

/// Write an inventory, and the secrets that it needs.
///
/// A host is `[USER@]NAME[=ADDRESS]`. Without an address the name is resolved on this machine.
/// Running it again fills in missing secrets and changes nothing else.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::tail(
    &[
        ("jitctl init --domain meet.example.org --main m1=203.0.113.5 --bridge b1=203.0.113.7", "one MAIN, one BRIDGE"),
        ("jitctl init --domain meet.example.org --main root@meet.example.org", "all on one host"),
        ("jitctl init --domain meet.test --lab", "the hosts of the lab: the first is MAIN"),
    ],
    &[Exit::Success, Exit::Failure, Exit::Usage],
))]
pub(crate) struct Init {
    /// The DNS name that people open in the browser.
    #[arg(long, value_name = "NAME")]
    domain: Option<String>,

    /// A MAIN host; may be given more than once.
    #[arg(long, value_name = "HOST")]
    main: Vec<HostArgument>,

    /// A BRIDGE host; may be given more than once.
    #[arg(long, value_name = "HOST")]
    bridge: Vec<HostArgument>,

    /// Take the hosts from the lab of this name.
    #[arg(long, value_name = "LAB", num_args = 0..=1, default_missing_value = "default")]
    lab: Option<String>,
}
