//! `jitctl`: a Jitsi Meet of your own that grows from one server to many.
//!
//! This program parses what the operator typed, hands it to the engine crates and prints what
//! they return. It decides nothing about hosts itself: see ARCHITECTURE.md for the map.
#![forbid(unsafe_code)]

mod arguments;
mod commands;
mod context;
mod exit;
mod failure;
mod help;
mod interrupt;
mod journal;
mod logging;
mod printer;
mod site;

use std::process::ExitCode;

use clap::Parser as _;

use crate::arguments::Arguments;
use crate::context::Context;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return failure::usage(&error).into(),
    };
    let (command, context) = Context::split(arguments);
    logging::start(&context);
    let result = commands::run(command, &context);
    let exit = match result {
        Ok(exit) => exit,
        Err(failure) => {
            context.printer.failure(&failure);
            failure.exit
        }
    };
    exit.into()
}
