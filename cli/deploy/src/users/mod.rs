//! People's accounts on a site with a secure domain.
//!
//! They live in Prosody's own store on MAIN and nowhere else: the inventory does not list people.
//! A password becomes SCRAM keys here and never reaches a host.

use std::time::Duration;

use jitctl_inventory::names::{Domain, HostName};
use jitctl_transport::{Output, Remote, RemoteError, Script, quote};
use secrecy::SecretString;

use crate::accounts::{Credential, NoRandomness, account_path, accounts_folder, decode};

/// Why an account could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// The name cannot be one.
    #[error("`{name}` is no user name; use letters, digits, `.`, `_` and `-`")]
    Name {
        /// What was given.
        name: String,
    },
    /// The account is there already.
    #[error("`{name}` exists already on `{host}`; remove it first to set another password")]
    Exists {
        /// Which host.
        host: HostName,
        /// Which user.
        name: String,
    },
    /// There is no such account.
    #[error("there is no user `{name}` on `{host}`")]
    Unknown {
        /// Which host.
        host: HostName,
        /// Which user.
        name: String,
    },
    /// The host cannot be reached.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// No salt.
    #[error(transparent)]
    Random(#[from] NoRandomness),
    /// The script failed.
    #[error("`{host}`: {cause}")]
    Failed {
        /// Which host.
        host: HostName,
        /// Its words.
        cause: String,
    },
}

const DEADLINE: Duration = Duration::from_secs(20);
const EXISTS: i32 = 71;
const UNKNOWN: i32 = 72;

/// Adds a user on one MAIN host.
///
/// # Errors
/// The name is bad or taken, or the host cannot be reached.
pub async fn add(
    main: &dyn Remote,
    domain: &Domain,
    name: &str,
    password: &SecretString,
) -> Result<(), UserError> {
    check_name(name)?;
    let path = account_path(domain.as_str(), name);
    let text = format!(
        "set -eu\nfolder={folder}; path={path}\n[ ! -e \"$path\" ] || exit {EXISTS}\n\
         mkdir -p \"$folder\"\nchown prosody:prosody \"${{folder%/*}}\" \"$folder\"\n\
         chmod 0750 \"${{folder%/*}}\" \"$folder\"\ncat > \"$path.new\"\n\
         chown prosody:prosody \"$path.new\"\nchmod 0640 \"$path.new\"\nmv \"$path.new\" \"$path\"\n",
        folder = quote(&accounts_folder(domain.as_str())),
        path = quote(&path),
    );
    let credential = Credential::create(password)?.to_lua();
    let script = Script::new("add a user", text, DEADLINE).with_input(credential.into_bytes());
    let output = main.run(script).await?;
    judge(main, name, &output)
}

/// Removes a user on one MAIN host.
///
/// # Errors
/// There is no such user, or the host cannot be reached.
pub async fn remove(main: &dyn Remote, domain: &Domain, name: &str) -> Result<(), UserError> {
    check_name(name)?;
    let path = quote(&account_path(domain.as_str(), name));
    let text = format!("[ -e {path} ] || exit {UNKNOWN}\nrm -f {path}\n");
    let output = main
        .run(Script::new("remove a user", text, DEADLINE))
        .await?;
    judge(main, name, &output)
}

/// The users of one MAIN host, sorted.
///
/// # Errors
/// The host cannot be reached.
pub async fn list(main: &dyn Remote, domain: &Domain) -> Result<Vec<String>, UserError> {
    let folder = quote(&accounts_folder(domain.as_str()));
    let text = format!("[ ! -d {folder} ] || ls {folder}\n");
    let output = main.run(Script::new("list users", text, DEADLINE)).await?;
    judge(main, "", &output)?;
    let mut users: Vec<String> = output
        .text()
        .lines()
        .filter_map(|file| Some(decode(file.strip_suffix(".dat")?)))
        .collect();
    users.sort();
    Ok(users)
}

/// A safe subset of what RFC 7622 allows in a local part; lower case, so that no two spellings
/// mean one person.
fn check_name(name: &str) -> Result<(), UserError> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    if !name.is_empty() && name.len() <= 64 && name.chars().all(good) {
        Ok(())
    } else {
        Err(UserError::Name {
            name: name.to_owned(),
        })
    }
}

fn judge(main: &dyn Remote, name: &str, output: &Output) -> Result<(), UserError> {
    let host = main.host().clone();
    let name = name.to_owned();
    match output.status {
        Some(0) => Ok(()),
        Some(EXISTS) => Err(UserError::Exists { host, name }),
        Some(UNKNOWN) => Err(UserError::Unknown { host, name }),
        _ => Err(UserError::Failed {
            host,
            cause: output.stderr.trim().to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use jitctl_transport::FakeRemote;

    use super::*;

    #[tokio::test]
    async fn a_password_travels_neither_in_the_script_nor_in_its_input() {
        let main = FakeRemote::answering("main", |_| {
            Ok(Output {
                status: Some(0),
                ..Output::default()
            })
        });
        let password = "hunter2".to_owned().into();
        add(&main, &"meet.test".into(), "anna", &password)
            .await
            .unwrap();
        let script = main.calls().remove(0);
        assert!(!script.text.contains("hunter2"));
        let input = String::from_utf8(script.input).unwrap();
        assert!(!input.contains("hunter2"));
        assert!(Credential::parse(&input).unwrap().matches(&password));
    }

    #[tokio::test]
    async fn a_name_that_could_be_a_path_is_refused() {
        let main = FakeRemote::answering("main", |_| Ok(Output::default()));
        let password = "x".to_owned().into();
        let error = add(&main, &"meet.test".into(), "../x", &password)
            .await
            .unwrap_err();
        assert!(matches!(error, UserError::Name { .. }));
        assert!(main.calls().is_empty());
    }

    #[tokio::test]
    async fn file_names_become_names_again() {
        let main = FakeRemote::answering("main", |_| {
            Ok(Output {
                status: Some(0),
                stdout: b"berta.dat\nanna%2dlena.dat\n".to_vec(),
                stderr: String::new(),
            })
        });
        let users = list(&main, &"meet.test".into()).await.unwrap();
        assert_eq!(users, ["anna-lena", "berta"]);
    }
}
