//! The script that gathers facts: a hundred checks, some thirty processes.

use std::time::Duration;

use jitctl_transport::{Script, quote};

use super::Query;

const TEXT: &str = include_str!("gather.sh");

/// The script for a host. `root` is a prefix of all paths, empty but in tests.
pub fn script(query: &Query, root: &str) -> Script {
    Script::new(
        "gather facts",
        format!("root={}\n{TEXT}", quote(root)),
        Duration::from_secs(30),
    )
    .with_input(query.to_lines())
}
