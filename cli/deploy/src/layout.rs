//! Where things are on a host. One place, so that facts, steps and rollback cannot disagree.

/// The list of what we own.
pub const MANIFEST: &str = "/etc/jitctl/manifest.json";
/// State of `jitctl` on the host; 0700.
pub const STATE: &str = "/var/lib/jitctl";
/// Folder of the versioned programs.
pub const PROGRAMS: &str = "/usr/lib/jitctl/releases";
/// Where Prosody keeps its data.
pub const PROSODY_DATA: &str = "/var/lib/prosody";
/// How many releases and program versions are kept.
pub const KEPT: usize = 3;

/// The link that names the program version in use.
pub fn current_link(program: &str) -> String {
    let short = program.strip_prefix("jitctl-").unwrap_or(program);
    format!("/usr/lib/jitctl/current-{short}")
}

/// The folder of one program version.
pub fn program_folder(version: &str, sha256: &str) -> String {
    format!("{PROGRAMS}/{version}-{}", sha256.get(..8).unwrap_or(sha256))
}
