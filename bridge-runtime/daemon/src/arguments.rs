//! The few arguments a daemon takes.

use std::path::PathBuf;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invocation {
    /// Run.
    Run,
    /// Check the configuration and its files, then exit.
    CheckConfig,
    /// Print the reference configuration with every key explained.
    PrintConfig,
    /// Print name and version.
    Version,
    /// Print the usage.
    Help,
}

/// Parsed arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arguments {
    /// What is to be done.
    pub invocation: Invocation,
    /// The configuration file.
    pub config: PathBuf,
}

impl Arguments {
    /// Parses arguments without the program's name.
    ///
    /// # Errors
    /// An argument that is none of ours, in words.
    pub fn parse(
        arguments: impl IntoIterator<Item = String>,
        default_config: &str,
    ) -> Result<Self, String> {
        let mut parsed = Self {
            invocation: Invocation::Run,
            config: PathBuf::from(default_config),
        };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--check-config" => parsed.invocation = Invocation::CheckConfig,
                "--print-config" => parsed.invocation = Invocation::PrintConfig,
                "--version" | "-V" => parsed.invocation = Invocation::Version,
                "--help" | "-h" => parsed.invocation = Invocation::Help,
                "--config" | "-c" => {
                    let path = arguments.next().ok_or("`--config` needs a path")?;
                    parsed.config = PathBuf::from(path);
                }
                other => match other.strip_prefix("--config=") {
                    Some(path) => parsed.config = PathBuf::from(path),
                    None => return Err(format!("unknown argument `{other}`; see `--help`")),
                },
            }
        }
        Ok(parsed)
    }
}

/// The usage of a daemon.
pub fn usage(name: &str, default_config: &str) -> String {
    format!(
        "Usage: {name} [--config PATH] [--check-config | --print-config | --version]\n\n\
         \x20 --config PATH    configuration file (default {default_config})\n\
         \x20 --check-config   check the configuration and the files it names, then exit\n\
         \x20 --print-config   print the reference configuration with every key explained\n\
         \x20 --version        print the version\n\n\
         Exit codes: 0 stopped on request, 1 failure, 78 configuration cannot be used.\n\n\
         Example: {name} --config {default_config} --check-config\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Arguments, String> {
        Arguments::parse(
            arguments.iter().map(|argument| (*argument).to_owned()),
            "/default",
        )
    }

    #[test]
    fn a_path_may_follow_or_be_attached_and_unknown_arguments_are_named() {
        assert_eq!(parse(&[]).unwrap().config, PathBuf::from("/default"));
        assert_eq!(
            parse(&["--config", "/a"]).unwrap().config,
            PathBuf::from("/a")
        );
        assert_eq!(parse(&["--config=/a"]).unwrap().config, PathBuf::from("/a"));
        assert!(parse(&["--config"]).is_err());
        assert!(
            parse(&["--frobnicate"])
                .unwrap_err()
                .contains("--frobnicate")
        );
    }
}
