//! Carries the bytes: files into a private staging folder, programs into their own version folder.

use std::time::Duration;

use jitctl_transport::Script;

use super::{Context, Phase, line};
use crate::artifacts::{ArtifactError, Artifacts};
use crate::plan::{Change, FileChange};

/// The plan and the bytes do not belong together.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The plan wants other bytes than those at hand.
    #[error("`{path}` is not what the plan was made from; plan again")]
    OtherBytes {
        /// Which file.
        path: String,
    },
    /// A program cannot be read.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
}

const FUNCTIONS: &str = r#"take() {
    head -c "$1" > "$3"
    [ "$(sha256sum < "$3")" = "$2  -" ] || fail "$3 did not arrive whole"
}
stage() {
    head -c "$1" > "$staging/$3"
    printf '%s  %s\n' "$2" "$3" >> "$staging/sums"
}
program() {
    public "$root$3"
    take "$1" "$2" "$root$3/.$4.new"
    chmod 0755 "$root$3/.$4.new"
    case $4 in *-web) unpack "$root$3/.$4.new" "$root$3/web" ;; esac
    mv -f "$root$3/.$4.new" "$root$3/$4"
}
# The archive itself comes last into its place: where it is, its files are whole. Their times are
# now, since nginx tells browsers by time and size whether a page is still the same.
unpack() {
    rm -rf "$2" "$2.new"
    public "$2.new"
    (umask 022; tar -xmf "$1" -C "$2.new" --no-same-owner --no-same-permissions)
    mv "$2.new" "$2"
}
! grep -qs '^# jitctl' "$root/usr/sbin/policy-rc.d" || rm -f "$root/usr/sbin/policy-rc.d"
rm -rf "$staging"
mkdir -p "$staging"
chmod 0700 "$staging"
"#;

/// The name of a file inside the staging folder: its place in the plan.
pub(super) fn staged_name(index: usize) -> String {
    format!("f{index}")
}

/// The files that bring bytes, with their place in the plan.
pub(super) fn carried<'a>(
    context: &Context<'a>,
) -> impl Iterator<Item = (usize, &'a FileChange)> + use<'a> {
    context
        .plan
        .files
        .iter()
        .enumerate()
        .filter(|(_, file)| matches!(file.change, Change::Create | Change::Update))
}

/// The script, with all bytes as its input; nothing when there are none.
///
/// # Errors
/// Plan and bytes differ, or a program is missing.
pub fn stage(
    context: &Context<'_>,
    artifacts: &Artifacts,
    arch: &str,
) -> Result<Option<Script>, StageError> {
    let mut body = String::new();
    let mut input = Vec::new();
    for (index, change) in carried(context) {
        let file = context
            .host
            .file(&change.path)
            .filter(|file| file.sha256 == change.sha256)
            .ok_or_else(|| StageError::OtherBytes {
                path: change.path.clone(),
            })?;
        let size = file.content.len().to_string();
        body.push_str(&line(&["stage", &size, &file.sha256, &staged_name(index)]));
        input.extend_from_slice(&file.content);
    }
    if !body.is_empty() {
        body.push_str("(cd \"$staging\"; sha256sum --quiet -c sums >&2) || fail 'a file did not arrive whole'\n");
    }
    for program in context
        .plan
        .programs
        .iter()
        .filter(|program| program.upload)
    {
        let artifact = artifacts.program(arch, &program.name)?;
        let bytes = artifact.read()?;
        if artifact.sha256 != program.sha256 {
            return Err(StageError::OtherBytes {
                path: program.name.clone(),
            });
        }
        let size = bytes.len().to_string();
        body.push_str(&line(&[
            "program",
            &size,
            &program.sha256,
            &program.to,
            &program.name,
        ]));
        input.extend_from_slice(&bytes);
    }
    if body.is_empty() {
        return Ok(None);
    }
    // A slow line of 1 Mbit/s still gets through.
    let deadline = Duration::from_secs(60 + input.len() as u64 / 100_000);
    let text = format!(
        "{}{FUNCTIONS}{body}",
        context.prologue(Phase::Stage, deadline)
    );
    Ok(Some(
        Script::new(Phase::Stage.title(), text, deadline).with_input(input),
    ))
}
