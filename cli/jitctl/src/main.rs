//! `jitctl`: a Jitsi Meet of your own that grows from one server to many.
//!
//! This program parses what the operator typed, hands it to the engine crates and prints what
//! they return. It decides nothing about hosts itself: see ARCHITECTURE.md for the map.
#![forbid(unsafe_code)]

mod arguments;
mod call_gate;
mod calls;
mod commands;
mod context;
mod deployment;
mod enactment;
mod exit;
mod failure;
mod focus;
mod help;
mod host_argument;
mod interrupt;
mod journal;
mod logging;
mod meeting;
mod plan_view;
mod printer;
mod rotation;
mod saved_plan;
mod site;
mod status;
mod vault;

use std::process::ExitCode;

use clap::Parser as _;

use crate::arguments::Arguments;
use crate::context::Context;

fn main() -> ExitCode {
    // The lab's own processes are this program again; they must not have a second thread.
    if let Some(code) = jitctl_lab::run_internal(std::env::args_os()) {
        return code;
    }
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
