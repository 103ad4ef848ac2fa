//! Development tasks: set-up, demonstration, tests, checks of form.
//!
//! Only the standard library, so that the first command of a newcomer starts in seconds. CI calls
//! the same tasks as a laptop: see `.ci/run`.
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a development tool that talks to a terminal"
)]

mod compare;
mod demo;
mod dist;
mod licences;
mod page;
mod setup;
mod shell;
mod style;
mod test;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask TASK

  demo      set up this machine, build, and deploy the demonstration site in the lab
  test      run everything: format, lints, unit tests, schema, end-to-end tests (as root)
  faults    break a site in the lab in every known way and print what the doctor says (as root)
  compare   measure applies beside ansible-core and pyinfra, and plans of large sites
  compare-bridges
            measure our bridge beside LiveKit and Janus (as root)
  dist      build the static programs into dist/; `--arch aarch64` adds those for ARM hosts
  page      build the meeting page alone into dist/artifacts/any
  setup     install what is missing from Debian, and the Rust target
  style     check the form of the code: file lengths, dependency arrows, lints
  licences  check that every dependency's licence is one we accept
  schema    write the inventory's JSON Schema to inventories/schema.json
  docs      write the pages of docs/doctor/ from the table of checks
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let task = arguments.next();
    let rest: Vec<String> = arguments.collect();
    let result = match task.as_deref() {
        Some("demo") => demo::run(),
        Some("test") => test::run(&rest),
        Some("faults") => test::faults(),
        Some("compare") => compare::run(&rest),
        Some("compare-bridges") => compare::bridges(&rest),
        Some("dist") => dist::run(&rest),
        Some("page") => setup::run().and_then(|()| page::build()),
        Some("setup") => setup::run(),
        Some("style") => style::run(),
        Some("licences") => licences::run(),
        Some("schema") => dist::write_schema(),
        Some("docs") => dist::write_pages(),
        Some("help" | "--help" | "-h") | None => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Some(other) => Err(format!("there is no task `{other}`\n\n{USAGE}")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}
