//! The commands, one file each: its arguments and what it does.

mod add_bridge;
mod apply;
mod call;
mod check;
mod completions;
mod doctor;
mod exec;
mod explain;
mod import;
mod init;
mod lab;
mod load;
mod lock;
mod logs;
mod man;
mod plan;
mod remove_bridge;
mod render;
mod rollback;
mod room;
mod rooms;
mod schema;
mod secrets;
mod ssh;
mod status;
mod trust;
mod user;

use std::future::Future;

use clap::Subcommand;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt;

/// What `jitctl` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Init(init::Init),
    Import(import::Import),
    Check(check::Check),
    Schema(schema::Schema),
    Render(render::Render),
    Plan(plan::Plan),
    Apply(apply::Apply),
    AddBridge(add_bridge::AddBridge),
    RemoveBridge(remove_bridge::RemoveBridge),
    Status(status::Status),
    Rooms(rooms::Rooms),
    #[command(name = "room")]
    Room(room::OneRoom),
    Doctor(doctor::Doctor),
    Call(call::Call),
    Load(load::Load),
    Logs(logs::Logs),
    Ssh(ssh::Ssh),
    Exec(exec::Exec),
    User(user::User),
    Secrets(secrets::Secrets),
    Trust(trust::Trust),
    Rollback(rollback::Rollback),
    Lock(lock::Lock),
    Lab(lab::Lab),
    Explain(explain::Explain),
    Completions(completions::Completions),
    Man(man::Man),
}

/// Runs a command to its end.
pub(crate) fn run(command: Command, context: &Context) -> Result<Exit, Failure> {
    match command {
        Command::Init(command) => command.run(context),
        Command::Import(command) => wait(context, command.run(context)),
        Command::Check(command) => command.run(context),
        Command::Render(command) => command.run(context),
        Command::Plan(command) => wait(context, command.run(context)),
        Command::Apply(command) => wait(context, command.run(context)),
        Command::Lab(command) => command.run(context),
        Command::Schema(command) => Ok(command.run(context)),
        Command::AddBridge(command) => wait(context, command.run(context)),
        Command::RemoveBridge(command) => wait(context, command.run(context)),
        Command::Status(command) => wait(context, command.run(context)),
        Command::Rooms(command) => wait(context, command.run(context)),
        Command::Room(command) => wait(context, command.run(context)),
        Command::Rollback(command) => wait(context, command.run(context)),
        Command::Doctor(command) => wait(context, command.run(context)),
        Command::Call(command) => wait(context, command.run(context)),
        Command::Load(command) => wait(context, command.run(context)),
        Command::Lock(command) => wait(context, command.run(context)),
        Command::Logs(command) => wait(context, command.run(context)),
        Command::Ssh(command) => command.run(context),
        Command::Exec(command) => wait(context, command.run(context)),
        Command::Secrets(command) => wait(context, command.run(context)),
        Command::User(command) => wait(context, command.run(context)),
        Command::Trust(command) => wait(context, command.run(context)),
        Command::Explain(command) => command.run(context),
        Command::Completions(command) => Ok(command.run(context)),
        Command::Man(command) => command.run(context),
    }
}

/// Runs a command that talks to hosts; Ctrl-C ends it in good order.
fn wait<F>(context: &Context, command: F) -> Result<Exit, Failure>
where
    F: Future<Output = Result<Exit, Failure>>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            Failure::other(
                format!("cannot start the runtime: {error}"),
                "look at the limits of this process with `ulimit -a`",
            )
        })?;
    let result = runtime.block_on(interrupt::guard(context, command));
    // A look-up of a name that nobody answers must not hold up the end.
    runtime.shutdown_background();
    result
}
