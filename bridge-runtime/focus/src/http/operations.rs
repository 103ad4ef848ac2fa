//! What operators do to rooms and bridges, under Jicofo's names and under our own.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jitctl_wire::Jid;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Shared, Site};
use crate::rooms::{Moved, PinnedTo, Share};

/// Refuses with words.
fn refuse(status: StatusCode, words: &str) -> Response {
    (status, format!("{words}\n")).into_response()
}

fn bad(words: &str) -> Response {
    refuse(StatusCode::BAD_REQUEST, words)
}

/// A room by its address or its name alone.
pub(super) fn room_address(site: &Site, name: &str) -> Option<Jid> {
    let text = if name.contains('@') {
        name.to_owned()
    } else {
        format!("{name}@{}", site.state.config.xmpp.muc)
    };
    text.parse::<Jid>().ok().filter(Jid::is_bare)
}

fn found(found: bool) -> Response {
    if found {
        StatusCode::OK.into_response()
    } else {
        refuse(StatusCode::NOT_FOUND, "no such room or person")
    }
}

/// `POST /rooms/{room}/end`: the meeting is over for all.
pub(super) async fn end_room(State(site): Shared, Path(room): Path<String>) -> Response {
    match room_address(&site, &room) {
        Some(room) => found(site.rooms.end(room).await),
        None => bad("that is no room"),
    }
}

/// `POST /rooms/{room}/kick/{participant}`.
pub(super) async fn kick(
    State(site): Shared,
    Path((room, who)): Path<(String, String)>,
) -> Response {
    match room_address(&site, &room) {
        Some(room) => found(site.rooms.kick(room, who).await),
        None => bad("that is no room"),
    }
}

/// `POST /rooms/{room}/reinvite/{participant}`: a new session, on whatever bridge is chosen.
pub(super) async fn reinvite(
    State(site): Shared,
    Path((room, who)): Path<(String, String)>,
) -> Response {
    match room_address(&site, &room) {
        Some(room) => found(site.rooms.reinvite(room, who).await),
        None => bad("that is no room"),
    }
}

/// `POST /rooms/{room}/move`: everybody to another bridge.
pub(super) async fn move_room(State(site): Shared, Path(room): Path<String>) -> Response {
    let Some(room) = room_address(&site, &room) else {
        return bad("that is no room");
    };
    let share = Share::Room {
        room,
        participant: None,
        bridge: None,
    };
    moved(site.rooms.move_away(share).await)
}

fn moved(moved: Option<Moved>) -> Response {
    match moved {
        Some(moved) => Json(json!({
            "movedEndpoints": moved.people,
            "conferences": moved.conferences,
        }))
        .into_response(),
        None => refuse(StatusCode::NOT_FOUND, "no such room, person or bridge"),
    }
}

/// `GET /move-endpoints/move-endpoint?conference=&endpoint=&bridge=`.
pub(super) async fn move_endpoint(
    State(site): Shared,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let Some(room) = query
        .get("conference")
        .and_then(|room| room_address(&site, room))
    else {
        return bad("`conference` must be a room");
    };
    let Some(endpoint) = query.get("endpoint") else {
        return bad("`endpoint` is missing");
    };
    let share = Share::Room {
        room,
        participant: Some(endpoint.clone()),
        bridge: query.get("bridge").cloned(),
    };
    moved(site.rooms.move_away(share).await)
}

/// `GET /move-endpoints/move-endpoints?bridge=&conference=&numEndpoints=1`.
pub(super) async fn move_endpoints(
    State(site): Shared,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let Some(bridge) = query.get("bridge").cloned() else {
        return bad("`bridge` is missing");
    };
    let share = if let Some(room) = query.get("conference") {
        let Some(room) = room_address(&site, room) else {
            return bad("`conference` must be a room");
        };
        Share::Room {
            room,
            participant: None,
            bridge: Some(bridge),
        }
    } else {
        let people = query.get("numEndpoints").map_or(Ok(1), |text| text.parse());
        let Ok(people) = people else {
            return bad("`numEndpoints` must be a number");
        };
        Share::Some { bridge, people }
    };
    moved(site.rooms.move_away(share).await)
}

/// `GET /move-endpoints/move-fraction?bridge=&fraction=0.1`.
pub(super) async fn move_fraction(
    State(site): Shared,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let Some(bridge) = query.get("bridge").cloned() else {
        return bad("`bridge` is missing");
    };
    let part: f64 = match query.get("fraction").map_or(Ok(0.1), |text| text.parse()) {
        Ok(part) if (0.0..=1.0).contains(&part) => part,
        _ => return bad("`fraction` must be between 0 and 1"),
    };
    moved(site.rooms.move_away(Share::Fraction { bridge, part }).await)
}

/// A pin as it is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PinRequest {
    conference_id: String,
    jvb_version: Option<String>,
    /// Nickname in the brewery; ours, Jicofo knows versions only.
    bridge: Option<String>,
    duration_minutes: u64,
}

/// A room whose pin goes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UnpinRequest {
    conference_id: String,
}

/// `GET /pin`: the pins that hold.
pub(super) async fn pins(State(site): Shared) -> Json<Value> {
    let pins = site.rooms.pins().await;
    let pins = pins.into_iter().map(|(room, pin)| {
        json!({
            "conferenceId": room.as_str(),
            "jvbVersion": pin.to.version,
            "bridge": pin.to.bridge,
            "expiresAt": pin.until,
        })
    });
    Json(pins.collect())
}

/// `POST /pin`.
pub(super) async fn pin(
    State(site): Shared,
    body: Result<Json<PinRequest>, JsonRejection>,
) -> Response {
    let Ok(Json(asked)) = body else {
        return bad("write {\"conferenceId\":…,\"jvbVersion\":…,\"durationMinutes\":…}");
    };
    let Some(room) = room_address(&site, &asked.conference_id) else {
        return bad("`conferenceId` must be a room");
    };
    let lasts = Duration::from_secs(asked.duration_minutes.saturating_mul(60));
    let to = PinnedTo {
        version: asked.jvb_version,
        bridge: asked.bridge,
    };
    if to == PinnedTo::default() {
        return bad("`jvbVersion` or `bridge` is missing");
    }
    site.rooms.pin(room, to, lasts).await;
    StatusCode::OK.into_response()
}

/// `POST /pin/remove`.
pub(super) async fn unpin(
    State(site): Shared,
    body: Result<Json<UnpinRequest>, JsonRejection>,
) -> Response {
    let Ok(Json(asked)) = body else {
        return bad("write {\"conferenceId\":…}");
    };
    let Some(room) = room_address(&site, &asked.conference_id) else {
        return bad("`conferenceId` must be a room");
    };
    if site.rooms.unpin(room).await {
        StatusCode::OK.into_response()
    } else {
        refuse(StatusCode::NOT_FOUND, "that room is not pinned")
    }
}
