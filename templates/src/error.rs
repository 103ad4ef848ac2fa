//! Why a host could not be rendered; every variant names the place and the remedy.

use std::path::PathBuf;

use thiserror::Error;

/// A host could not be rendered; nothing was written anywhere.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RenderError {
    /// The host is not in the inventory.
    #[error("host `{host}` is not in the inventory; add it under `hosts:` or check its spelling")]
    UnknownHost {
        /// The name asked for.
        host: String,
    },
    /// A bridge has no address pair with a MAIN host.
    #[error(
        "bridge `{bridge}` has no way to MAIN `{main}`: give both a private address of the same \
         family, or `{main}` a public one, or change `xmpp_via`"
    )]
    NoRoute {
        /// The bridge.
        bridge: String,
        /// The MAIN host.
        main: String,
    },
    /// A template does not parse or refers to something that is not there.
    #[error("{template}:{line}: {message}\n{report}")]
    Template {
        /// Template name, or the path of the override.
        template: String,
        /// Line, from 1; 0 if unknown.
        line: usize,
        /// The cause.
        message: String,
        /// The source line with the place underlined.
        report: String,
    },
    /// The overrides folder, or a file in it, can not be read.
    #[error("can not read override {}: {source}; check that it exists and is UTF-8", path.display())]
    OverrideUnreadable {
        /// The path.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A file in the overrides folder replaces nothing.
    #[error(
        "override {} replaces no template{}; templates are named like `main/nginx.conf`, remove \
         or rename it",
        path.display(),
        .suggestion.as_ref().map(|name| format!(", did you mean `{name}`")).unwrap_or_default()
    )]
    UnknownOverride {
        /// The path.
        path: PathBuf,
        /// A template of the same file name.
        suggestion: Option<String>,
    },
    /// A secret would stand in a file that everybody on the host can read.
    #[error(
        "template {template} puts the secret `{secret}` into {path}, which everybody on the host \
         can read (mode {mode:04o}); take the marker out of the override"
    )]
    SecretExposed {
        /// Template name or override path.
        template: String,
        /// The secret's name.
        secret: String,
        /// The path on the host.
        path: String,
        /// Its permissions.
        mode: u32,
    },
    /// A value could not be handed to the template engine: a defect of ours.
    #[error("internal: the values of template {template} do not serialize: {message}")]
    View {
        /// Template name.
        template: String,
        /// The cause.
        message: String,
    },
}
