//! What can go wrong with the store. No message ever shows a line of the file.

use std::io;
use std::path::PathBuf;

use super::entry::RotationError;
use super::random::RandomError;

/// Why the secrets could not be read, changed or written.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[non_exhaustive]
pub enum SecretsError {
    /// There is no store yet.
    #[error("there is no secrets file `{}`", path.display())]
    #[diagnostic(code(S001), help("make it with `jitctl secrets init`"))]
    Missing {
        /// Where it was expected.
        path: PathBuf,
    },
    /// Others could read the file.
    #[error("`{}` has mode {mode:04o}: others could read or change it", path.display())]
    #[diagnostic(code(S002), help("chmod 600 {}", path.display()))]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file belongs to somebody else.
    #[error("`{}` belongs to user {owner}, not to you (user {me})", path.display())]
    #[diagnostic(code(S003), help("chown {me} {}, if you trust its content", path.display()))]
    Owner {
        /// The file.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// The user who runs `jitctl`.
        me: u32,
    },
    /// Not a regular file.
    #[error("`{}` is not a regular file", path.display())]
    #[diagnostic(
        code(S004),
        help("links and devices are not followed: put the file itself there")
    )]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// The content is not what this program writes.
    #[error("`{}` line {line}: {reason}", path.display())]
    #[diagnostic(
        code(S005),
        help("take the file from a backup; values are not shown here")
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong, without any value.
        reason: String,
    },
    /// Both forms exist.
    #[error("both `{}` and `{}` exist", plain.display(), sealed.display())]
    #[diagnostic(code(S006), help("remove the outdated one of the two"))]
    Ambiguous {
        /// The plain file.
        plain: PathBuf,
        /// The encrypted file.
        sealed: PathBuf,
    },
    /// Somebody else is writing.
    #[error("another `jitctl` is changing the secrets (lock `{}`)", path.display())]
    #[diagnostic(
        code(S007),
        help("wait for it; the lock goes away with the program that holds it")
    )]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// The encrypted file needs an identity.
    #[error("`{}` is encrypted, and no identity file was named", path.display())]
    #[diagnostic(
        code(S008),
        help("name the file with your age identity in the variable `JITCTL_AGE_IDENTITY`")
    )]
    NoIdentity {
        /// The encrypted file.
        path: PathBuf,
    },
    /// Nobody could open the file again.
    #[error("`{}` names nobody who could open the encrypted file", path.display())]
    #[diagnostic(
        code(S014),
        help("write your own public key into it: `age-keygen -y KEYFILE > {}`", path.display())
    )]
    NoRecipient {
        /// The list of recipients.
        path: PathBuf,
    },
    /// Encryption or decryption failed.
    #[error("`{}`: {reason}", path.display())]
    #[diagnostic(
        code(S009),
        help("the identity must belong to one of the recipients in `secrets.recipients`")
    )]
    Seal {
        /// The file concerned.
        path: PathBuf,
        /// What age says.
        reason: String,
    },
    /// The name is not a name of a secret.
    #[error("`{name}` cannot name a secret")]
    #[diagnostic(
        code(S010),
        help("use lower case letters, digits and `-`, not ending in `-a` or `-b`")
    )]
    Name {
        /// The name.
        name: String,
    },
    /// Nothing is overwritten.
    #[error("secret `{name}` exists already")]
    #[diagnostic(code(S011), help("only `jitctl secrets rotate {name}` replaces it"))]
    Exists {
        /// The name.
        name: String,
    },
    /// There is no such secret.
    #[error("there is no secret `{name}`")]
    #[diagnostic(
        code(S012),
        help("`jitctl secrets show` lists the names; `jitctl secrets init` fills gaps")
    )]
    Unknown {
        /// The name.
        name: String,
    },
    /// A rotation step out of order.
    #[error("secret `{name}`: {source}")]
    #[diagnostic(
        code(S013),
        help("`jitctl secrets rotate {name}` continues where it stopped")
    )]
    Rotation {
        /// The name.
        name: String,
        /// What was out of order.
        source: RotationError,
    },
    /// It is issued, not drawn.
    #[error("`{name}` is issued, not drawn: it cannot be rotated")]
    #[diagnostic(
        code(S017),
        help(
            "certificates are renewed before their end by `jitctl secrets init`, then `jitctl apply`"
        )
    )]
    Issued {
        /// The name.
        name: String,
    },
    /// The operating system gave no random bytes.
    #[error(transparent)]
    #[diagnostic(code(S016))]
    Random(#[from] RandomError),
    /// The file system.
    #[error("`{}` cannot be {verb}: {source}", path.display())]
    #[diagnostic(code(S015))]
    Io {
        /// The path.
        path: PathBuf,
        /// What was tried: read, written, locked.
        verb: &'static str,
        /// What the system says.
        source: io::Error,
    },
}
