//! `jitctl render`: every file as it would be on the hosts, offline.

use std::path::{Path, PathBuf};

use jitctl_templates::desired::DesiredHost;
use jitctl_templates::{RenderOptions, Renderer};
use serde::Serialize;

use crate::context::Context;
use crate::deployment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;
use crate::printer::{Style, View};

/// Write every file as it would be on the hosts, without reaching any.
///
/// Below the folder each host has a folder of its own with the files at their paths. Where a
/// secret belongs stands a marker such as `@@secret:turn@@`. Files in the folder `overrides` beside
/// the inventory replace templates of the same path. The same inventory gives the same bytes every
/// time.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::tail(
    &[
        ("jitctl render --out rendered", "all hosts"),
        ("jitctl render --out rendered --on m1 --json", "one host, listing what was written"),
    ],
    &[Exit::Success, Exit::Failure, Exit::Usage],
))]
pub(crate) struct Render {
    /// The folder to write into.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Which hosts: names, `@role`, `region=…`, `label=…`, `*`, `!` for not; commas between.
    #[arg(long, value_name = "HOSTS")]
    on: Option<String>,
}

#[derive(Debug, Serialize)]
struct Rendered {
    folder: PathBuf,
    files: Vec<PathBuf>,
}

impl Render {
    pub(crate) fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let site = context.open()?;
        let options = RenderOptions {
            overrides: deployment::overrides(context),
            ..RenderOptions::default()
        };
        let renderer = Renderer::new(&options)?;
        let mut files = Vec::new();
        for host in site.select(self.on.as_deref())? {
            let desired = renderer.desired_host(site.inventory(), &host)?;
            files.extend(write(&self.out, &desired)?);
        }
        context.printer.view(&Rendered {
            folder: self.out.clone(),
            files,
        });
        Ok(Exit::Success)
    }
}

fn write(out: &Path, desired: &DesiredHost) -> Result<Vec<PathBuf>, Failure> {
    let mut written = Vec::new();
    for file in &desired.files {
        let relative = Path::new(desired.host.as_str()).join(file.path.trim_start_matches('/'));
        let path = out.join(&relative);
        let result = path
            .parent()
            .map_or(Ok(()), std::fs::create_dir_all)
            .and_then(|()| std::fs::write(&path, &file.content));
        result.map_err(|error| {
            Failure::other(
                format!("cannot write `{}`: {error}", path.display()),
                "choose a folder you may write to with `--out`",
            )
        })?;
        written.push(relative);
    }
    Ok(written)
}

impl View for Rendered {
    fn human(&self, _: Style) -> String {
        let mut lines: Vec<String> = self
            .files
            .iter()
            .map(|file| file.display().to_string())
            .collect();
        lines.push(format!(
            "{} files in `{}`",
            self.files.len(),
            self.folder.display()
        ));
        lines.join("\n")
    }
}
