//! `jitctl room NAME show|kick|move|end`: one meeting.

use clap::Subcommand;
use jitctl_transport::Remote as _;
use serde::{Deserialize, Serialize};

use super::rooms::short;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Problem};
use crate::focus::{self, Answer};
use crate::help;
use crate::printer::{Style, View, table};
use crate::site::Site;

/// Look into one meeting, or act on it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::tail(
    &[
        ("jitctl room standup show", "who is there, on which bridge"),
        ("jitctl room standup kick a1b2c3d4", "put somebody out, by the id that `show` names"),
        ("jitctl room standup move", "everybody to another bridge"),
        ("jitctl room standup end", "the meeting is over for all"),
    ],
    Exit::ON_HOSTS,
))]
pub(crate) struct OneRoom {
    /// The room, as in its URL.
    name: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show who is there, on which bridge, and what they send.
    #[command(after_long_help = help::tail(&[("jitctl room standup show --json", "for a program")], Exit::ON_HOSTS))]
    Show,
    /// Put somebody out of the room.
    #[command(after_long_help = help::tail(
        &[("jitctl room standup kick a1b2c3d4", "the id is the first column of `show`")], Exit::ON_HOSTS))]
    Kick {
        /// Their id, as `show` names it.
        person: String,
    },
    /// Move everybody to another bridge; media stops for a moment.
    #[command(after_long_help = help::tail(
        &[("jitctl room standup move", "fails when there is no other bridge")], Exit::ON_HOSTS))]
    Move,
    /// End the meeting for all.
    #[command(after_long_help = help::tail(
        &[("jitctl room standup end", "the room is destroyed; it can be opened again")], Exit::ON_HOSTS))]
    End,
}

#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Shown(focus::Room);

#[derive(Debug, Serialize)]
struct Done {
    room: String,
    did: &'static str,
    people: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Moved {
    moved_endpoints: u64,
}

impl OneRoom {
    pub(crate) async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let site = context.open()?;
        let room = self.find(&site).await?;
        let name = focus::in_path(&room.address);
        let order = |path: String| order(&site, &room.host, path);
        let done = |did, people| Done {
            room: short(&room.address).to_owned(),
            did,
            people,
        };
        match &self.command {
            Command::Show => context.printer.view(&Shown(room)),
            Command::Kick { person } => {
                let path = format!("/rooms/{name}/kick/{}", focus::in_path(person));
                if order(path).await?.status == 404 {
                    return Err(absent(
                        format!("{person} is not in {}", self.name),
                        &self.name,
                    ));
                }
                context.printer.view(&done("kicked", Some(1)));
            }
            Command::Move => {
                let said = order(format!("/rooms/{name}/move")).await?;
                let moved = serde_json::from_str(&said.body)
                    .map_or(0, |moved: Moved| moved.moved_endpoints);
                if moved == 0 {
                    return Err(Failure::other(
                        format!(
                            "nobody in {} was moved: there is no other bridge",
                            self.name
                        ),
                        "see which bridges count with `jitctl status`",
                    ));
                }
                context.printer.view(&done("moved", Some(moved)));
            }
            Command::End => {
                order(format!("/rooms/{name}/end")).await?;
                context.printer.view(&done("ended", None));
            }
        }
        Ok(Exit::Success)
    }

    /// The room of this name or address.
    async fn find(&self, site: &Site) -> Result<focus::Room, Failure> {
        // Names are the same in any case, as in URLs.
        let wanted = self.name.to_lowercase();
        focus::rooms(site)
            .await?
            .into_iter()
            .find(|room| room.address == wanted || short(&room.address) == wanted)
            .ok_or_else(|| {
                Failure::new(
                    Exit::Usage,
                    Problem::new(format!("nobody meets in {}", self.name))
                        .help("see who meets with `jitctl rooms`"),
                )
            })
    }
}

fn absent(what: String, room: &str) -> Failure {
    Failure::new(
        Exit::Usage,
        Problem::new(what).help(format!("see who is there with `jitctl room {room} show`")),
    )
}

async fn order(site: &Site, host: &str, path: String) -> Result<Answer, Failure> {
    let mains = site.own_mains()?;
    let remote = site
        .remotes(&mains)
        .into_iter()
        .find(|remote| remote.host().as_str() == host)
        .ok_or_else(|| Failure::other(format!("{host} is gone from the inventory"), ""))?;
    let said = focus::ask(&remote, "POST", &path).await?;
    if said.status == 200 || said.status == 404 {
        return Ok(said);
    }
    Err(Failure::other(
        format!("the focus of {host} refuses: {}", said.body.trim()),
        "look at `jitctl logs --unit jitctl-focus`",
    ))
}

impl View for Shown {
    fn human(&self, style: Style) -> String {
        let rows = self.0.participants.iter().map(|one| {
            let yes = |flag: bool| if flag { "yes" } else { "-" };
            vec![
                one.id.as_str().into(),
                one.session.as_str().into(),
                one.bridge.as_deref().unwrap_or("-").into(),
                yes(one.moderator).into(),
                yes(one.sends_audio).into(),
                yes(one.sends_video).into(),
                one.jid.as_str().into(),
            ]
        });
        let titles = [
            "person",
            "session",
            "bridge",
            "moderator",
            "audio",
            "video",
            "address",
        ];
        let people = table(style, &titles, rows.collect());
        format!(
            "{}  meeting {}  focus on {}\n\n{people}",
            style.bold(&self.0.address),
            self.0.meeting_id,
            self.0.host
        )
    }
}

impl View for Done {
    fn human(&self, _: Style) -> String {
        match self.people {
            Some(1) => format!("{}: one person {}", self.room, self.did),
            Some(people) => format!("{}: {people} people {}", self.room, self.did),
            None => format!("{}: {}", self.room, self.did),
        }
    }
}
