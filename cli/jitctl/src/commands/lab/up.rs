//! `jitctl lab up`.

use jitctl_lab::{Event, HostName, Lab, UpOptions};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;

/// Start the lab, or add the hosts that it lacks.
///
/// The first time builds a base image from your Debian mirror (about half a minute); after that
/// three hosts answer ssh within seconds. A lab that is up as wanted is left alone.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::tail(
    &[
        ("jitctl lab up", "three hosts: h1, h2, h3"),
        ("jitctl lab up --hosts 5 --disk 600", "five, with small disks of their own"),
        ("jitctl lab up --hosts m1,b1,b2 --offline", "by name, packages from the cache only"),
    ],
    &[Exit::Success, Exit::Failure, Exit::Usage],
))]
pub(super) struct Up {
    /// How many hosts, or their names with commas between.
    #[arg(long, value_name = "COUNT|NAMES", default_value = "3", value_parser = hosts)]
    hosts: Hosts,

    /// Give each new host a disk of its own of this size.
    #[arg(long, value_name = "MEBIBYTES")]
    disk: Option<u32>,

    /// Serve Debian packages from the cache only.
    #[arg(long)]
    offline: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Hosts(Vec<HostName>);

fn hosts(text: &str) -> Result<Hosts, String> {
    if let Ok(count) = text.parse::<u8>() {
        return Ok(Hosts(UpOptions::numbered(count).hosts));
    }
    text.split(',')
        .map(|name| name.parse().map_err(|error| format!("{error}")))
        .collect::<Result<_, _>>()
        .map(Hosts)
}

impl Up {
    pub(super) fn run(&self, context: &Context, lab: &Lab) -> Result<Exit, Failure> {
        let options = UpOptions {
            hosts: self.hosts.0.clone(),
            disk_mebibytes: self.disk,
            offline: self.offline,
            ephemeral: false,
        };
        let running = lab.up(&options, &mut |event| tell(context, &event))?;
        context.printer.view(&running.status);
        Ok(Exit::Success)
    }
}

/// Shows a step of the lab.
pub(crate) fn tell(context: &Context, event: &Event) {
    if context.printer.json() {
        if let Ok(line) = serde_json::to_string(event) {
            context.printer.chatter_line(&line);
        }
        return;
    }
    let text = match event {
        Event::WaitingForOtherCommand => "another command works on this lab: waiting".to_owned(),
        Event::Sweeping => "removing what a killed run left".to_owned(),
        Event::BuildingBase { suite } => {
            format!("building the base image of Debian {suite}: once, about half a minute")
        }
        Event::UnpackingBase { .. } => "unpacking the base image".to_owned(),
        Event::BaseReady { elapsed } => {
            format!("base image ready ({:.1} s)", elapsed.as_secs_f64())
        }
        Event::HostReady { host, elapsed } => {
            format!("{host} answers ssh ({:.1} s)", elapsed.as_secs_f64())
        }
        Event::Down { elapsed } => format!("the lab is gone ({:.1} s)", elapsed.as_secs_f64()),
        _ => return,
    };
    context.printer.note(&text);
}

#[cfg(test)]
mod tests {
    use super::hosts;

    #[test]
    fn hosts_are_counted_or_named() {
        assert_eq!(hosts("2").unwrap(), hosts("h1,h2").unwrap());
        assert!(hosts("m1,,b1").is_err());
        assert!(hosts("Client").is_err());
    }
}
