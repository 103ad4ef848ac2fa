//! One TOML file, with line, column and remedy in every error.
//!
//! Values are checked while they are read ([`parsed`]), so that a wrong one is pointed at where
//! it stands. Checks over several values report through [`ConfigError::invalid`].

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::de::{self, DeserializeOwned, Deserializer, Visitor};

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error(
        "cannot read {path}: {detail}\n  help: give the path with `--config`, and let the service's user read it"
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        detail: String,
    },
    /// A place in the file is wrong.
    #[error(
        "{path}:{line}:{column}: {message}\n{excerpt}  help: `--print-config` shows every key with its meaning"
    )]
    Place {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong.
        message: String,
        /// The line with a mark under the place.
        excerpt: String,
    },
    /// The values do not fit together, or a file they name cannot be used.
    #[error("{path}: {message}\n  help: {remedy}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
        /// What to do.
        remedy: String,
    },
}

impl ConfigError {
    /// Values that do not fit together.
    pub fn invalid(path: &Path, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Invalid {
            path: path.to_owned(),
            message: message.into(),
            remedy: remedy.into(),
        }
    }

    /// Something that a value names cannot be used.
    pub fn unusable<'a, E: fmt::Display>(
        path: &'a Path,
        remedy: &'a str,
    ) -> impl Fn(E) -> Self + 'a {
        move |error| Self::invalid(path, error.to_string(), remedy)
    }
}

/// Reads a configuration file.
///
/// # Errors
/// The file cannot be read, is no TOML, has an unknown key or a wrong value.
pub fn load<T: DeserializeOwned>(path: &Path) -> Result<T, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Read {
        path: path.to_owned(),
        detail: error.to_string(),
    })?;
    read(&text, path)
}

/// Reads a configuration text; `path` is for messages.
///
/// # Errors
/// The text is no TOML, has an unknown key or a wrong value.
pub fn read<T: DeserializeOwned>(text: &str, path: &Path) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        place(text, path, offset, error.message())
    })
}

fn place(text: &str, path: &Path, offset: usize, message: &str) -> ConfigError {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let line_start = before.rfind('\n').map_or(0, |position| position + 1);
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    let source = text
        .get(line_start..)
        .unwrap_or_default()
        .lines()
        .next()
        .unwrap_or_default();
    let mut excerpt = String::new();
    // A line may hold a secret only by mistake; a mistake is what we are showing.
    let shown = if source.contains("password") || source.contains("secret") {
        source.split('=').next().unwrap_or_default().trim_end()
    } else {
        source
    };
    let _ = writeln!(excerpt, "  {line} | {shown}");
    let _ = writeln!(
        excerpt,
        "  {} | {}^",
        " ".repeat(line.to_string().len()),
        " ".repeat(column - 1)
    );
    ConfigError::Place {
        path: path.to_owned(),
        line,
        column,
        message: message.trim().to_owned(),
        excerpt,
    }
}

/// Deserializes a string through [`FromStr`], for `#[serde(deserialize_with = "…")]`.
///
/// # Errors
/// What `FromStr` says.
pub fn parsed<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr,
    T::Err: fmt::Display,
{
    struct Text<T>(std::marker::PhantomData<T>);

    impl<T: FromStr> Visitor<'_> for Text<T>
    where
        T::Err: fmt::Display,
    {
        type Value = T;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a string")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }
    }

    deserializer.deserialize_str(Text(std::marker::PhantomData))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[serde(deserialize_with = "parsed")]
        address: IpAddr,
    }

    fn error(text: &str) -> String {
        read::<Sample>(text, Path::new("/etc/x.toml"))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn errors_name_line_and_column_and_show_the_place() {
        let shown = error("# comment\naddress = \"10.0.0.300\"\n");
        assert!(shown.starts_with("/etc/x.toml:2:11: "), "{shown}");
        assert!(
            shown.contains("  2 | address = \"10.0.0.300\"\n    |           ^\n"),
            "{shown}"
        );
        let shown = error("address = \"10.0.0.1\"\nadress = 1\n");
        assert!(
            shown.starts_with("/etc/x.toml:2:1: unknown field `adress`"),
            "{shown}"
        );
        assert!(error("address = ").starts_with("/etc/x.toml:1:"));
        assert!(error("").contains("missing field `address`"));
        let right: Sample = read("address = \"10.0.0.1\"", Path::new("x")).unwrap();
        assert_eq!(right.address.to_string(), "10.0.0.1");
    }

    #[test]
    fn a_password_written_into_the_file_is_not_shown() {
        let shown = error("password = \"hunter2\"\n");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
