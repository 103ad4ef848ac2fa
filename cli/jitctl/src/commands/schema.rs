//! `jitctl schema`: the JSON Schema of the inventory, for editors and CI.

use crate::context::Context;
use crate::exit::Exit;
use crate::help;

/// Print the JSON Schema of the inventory.
///
/// `jitctl init` writes the line that makes editors use it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::tail(
    &[("jitctl schema > jitctl.schema.json", "for editors that complete YAML")],
    &[Exit::Success],
))]
pub(crate) struct Schema {}

impl Schema {
    #[expect(clippy::unused_self, reason = "every command runs from its arguments")]
    pub(crate) fn run(&self, context: &Context) -> Exit {
        context
            .printer
            .raw(jitctl_inventory::schema_text().as_bytes());
        Exit::Success
    }
}
