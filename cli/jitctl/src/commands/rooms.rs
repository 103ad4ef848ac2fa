//! `jitctl rooms`: the meetings of now.

use serde::Serialize;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::focus::{self, Room};
use crate::help;
use crate::printer::{Style, View, table};

/// List the meetings of now: people, bridges, which focus runs them.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help::tail(
    &[
        ("jitctl rooms", "one line a meeting"),
        ("jitctl rooms --json | jq '[.rooms[].participants | length] | add'", "how many people meet"),
    ],
    &[Exit::Success, Exit::Failure, Exit::Usage, Exit::Connect, Exit::Interrupted],
))]
pub(crate) struct Rooms {}

#[derive(Debug, Serialize)]
struct List {
    rooms: Vec<Room>,
}

impl Rooms {
    pub(crate) async fn run(&self, context: &Context) -> Result<Exit, Failure> {
        let site = context.open()?;
        let rooms = focus::rooms(&site).await?;
        context.printer.view(&List { rooms });
        Ok(Exit::Success)
    }
}

/// The name of a room without its service.
pub(super) fn short(room: &str) -> &str {
    room.split('@').next().unwrap_or(room)
}

impl View for List {
    fn human(&self, style: Style) -> String {
        if self.rooms.is_empty() {
            return "nobody meets".to_owned();
        }
        let rows = self.rooms.iter().map(|room| {
            let sends = |send: fn(&focus::Person) -> bool| {
                let count = room.participants.iter().filter(|one| send(one)).count();
                count.to_string()
            };
            let bridges: Vec<String> = room
                .bridges
                .iter()
                .map(|(bridge, people)| format!("{bridge} ({people})"))
                .collect();
            vec![
                short(&room.address).into(),
                room.host.as_str().into(),
                room.participants.len().to_string().into(),
                sends(|one| one.sends_audio).into(),
                sends(|one| one.sends_video).into(),
                if bridges.is_empty() {
                    "-".into()
                } else {
                    bridges.join(", ").into()
                },
            ]
        });
        let rows = rows.collect();
        let titles = ["room", "focus", "people", "audio", "video", "bridge"];
        table(style, &titles, rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_meeting_is_a_line() {
        let room: Room = serde_json::from_value(serde_json::json!({
            "host": "m1", "room": "standup@conference.meet.test", "meeting_id": "x",
            "bridges": {"b1-3fa9": 2},
            "participants": [
                {"id": "aa", "bridge": "b1-3fa9", "session": "active", "moderator": true,
                 "sends_audio": true},
                {"id": "bb", "bridge": "b1-3fa9", "session": "active", "moderator": false},
            ],
        }))
        .unwrap();
        let list = List { rooms: vec![room] };
        let text = list.human(Style::PLAIN);
        let line = text.lines().last().unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words, ["standup", "m1", "2", "1", "0", "b1-3fa9", "(2)"]);
        assert_eq!(
            List { rooms: Vec::new() }.human(Style::PLAIN),
            "nobody meets"
        );
    }
}
