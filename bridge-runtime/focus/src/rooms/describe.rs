//! Conferences as JSON for operators.

use jitctl_conference::{Conference, ConferenceView};
use jitctl_wire::Jid;
use serde_json::{Value, json};

/// One conference; `full` with everything that the next process would be told of it.
pub(super) fn conference(conference: &Conference, full: bool) -> Value {
    let mut description = overview(&conference.view());
    if full {
        description["state"] = json!(conference.save());
    }
    description
}

fn overview(view: &ConferenceView) -> Value {
    let participants: Vec<Value> = view
        .participants
        .iter()
        .map(|someone| {
            json!({
                "id": someone.id,
                "jid": someone.real.as_str(),
                "bridge": someone.bridge.as_ref().and_then(Jid::resource),
                "session": someone.session,
                "moderator": someone.moderator,
                "sends_audio": someone.sends_audio,
                "sends_video": someone.sends_video,
                "ssrcs": someone.ssrcs,
            })
        })
        .collect();
    let bridges: serde_json::Map<String, Value> = view
        .bridges
        .iter()
        .map(|(bridge, count)| {
            let nickname = bridge.resource().unwrap_or_default();
            (nickname.to_owned(), json!(count))
        })
        .collect();
    json!({
        "room": view.room.as_str(),
        "meeting_id": view.meeting_id,
        "ready": view.ready,
        "rtcstats": view.rtcstats,
        "participants": participants,
        "bridges": bridges,
    })
}
