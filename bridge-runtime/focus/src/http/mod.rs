//! Private HTTP: health, version, metrics, statistics, state, and what operators do.

mod operations;

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use jitctl_daemon::VERSION;
use jitctl_daemon::metrics::{MetricFormat, render};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::metrics::{BridgeCounts, PREFIX, metrics};
use crate::requests::HttpConferenceRequest;
use crate::rooms::{Refusal, Rooms};
use crate::state::{FocusState, Unhealthy};

/// What the handlers share.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    state: Arc<FocusState>,
    rooms: Rooms,
}

type Shared = State<Site>;

/// All routes of the private server.
pub(crate) fn router(state: Arc<FocusState>, rooms: Rooms) -> Router {
    Router::new()
        .route("/about/health", get(health))
        .route("/about/version", get(version))
        .route("/metrics", get(metrics_text))
        .route("/stats", get(statistics))
        .route("/debug", get(debug))
        .route("/debug/conferences", get(conferences))
        .route("/debug/conference/{room}", get(conference))
        .route("/debug/conferences-full", get(conferences_full))
        .route("/debug/xmpp-caps", get(capabilities))
        .route("/rtcstats", get(rtcstats))
        .route("/rooms/{room}/end", post(operations::end_room))
        .route("/rooms/{room}/kick/{participant}", post(operations::kick))
        .route(
            "/rooms/{room}/reinvite/{participant}",
            post(operations::reinvite),
        )
        .route("/rooms/{room}/move", post(operations::move_room))
        .route(
            "/move-endpoints/move-endpoint",
            get(operations::move_endpoint),
        )
        .route(
            "/move-endpoints/move-endpoints",
            get(operations::move_endpoints),
        )
        .route(
            "/move-endpoints/move-fraction",
            get(operations::move_fraction),
        )
        .route("/pin", get(operations::pins).post(operations::pin))
        .route("/pin/remove", post(operations::unpin))
        .route("/conference-request/v1", post(conference_request))
        .with_state(Site { state, rooms })
}

async fn health(State(Site { state, .. }): Shared) -> Response {
    match state.check_health(Instant::now()) {
        Ok(()) => (StatusCode::OK, "OK").into_response(),
        Err(Unhealthy::Hard(reason)) => (StatusCode::INTERNAL_SERVER_ERROR, reason).into_response(),
        Err(Unhealthy::Soft(reason)) => (StatusCode::SERVICE_UNAVAILABLE, reason).into_response(),
    }
}

async fn version() -> Json<Value> {
    Json(json!({ "name": "jitctl-focus", "version": VERSION, "os": "Linux" }))
}

async fn metrics_text(State(Site { state, rooms }): Shared, headers: HeaderMap) -> Response {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    let format = MetricFormat::negotiate(accept);
    let body = render(
        &metrics(&state, &rooms.counts().await, Instant::now()),
        PREFIX,
        format,
    );
    ([(header::CONTENT_TYPE, format.content_type())], body).into_response()
}

async fn statistics(State(Site { state, rooms }): Shared) -> Json<Value> {
    let now = Instant::now();
    let counts = BridgeCounts::of(&state, now);
    let conferences = rooms.counts().await;
    let health = state.check_health(now);
    let reason = match &health {
        Ok(()) => "OK",
        Err(Unhealthy::Hard(reason) | Unhealthy::Soft(reason)) => reason,
    };
    Json(json!({
        "version": VERSION,
        "threads": jitctl_daemon::threads(),
        "healthy": health.is_ok(),
        "health": reason,
        "conferences": conferences.conferences,
        "largest_conference": conferences.largest,
        "participants": conferences.participants,
        "total_conferences_created": conferences.created,
        "total_participants": conferences.joined,
        "endpoint_pairs": conferences.pairs,
        "conference_sizes": conferences.sizes,
        "visitors": 0,
        "conferences_with_visitors": 0,
        "bridge_failures": {
            "participants_moved": conferences.moved,
            "bridges_removed": conferences.bridges_removed,
        },
        "participant_notifications": {
            "ice_failed": conferences.ice_failed,
            "request_restart": conferences.restarts,
        },
        "bridge_selector": {
            "bridge_count": counts.all,
            "operational_bridge_count": counts.operational,
            "in_shutdown_bridge_count": counts.in_shutdown,
            "lost_bridges": counts.lost,
            "bridge_version_count": counts.versions,
        },
    }))
}

/// `GET /debug?full=true`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Depth {
    full: bool,
}

async fn debug(State(Site { state, rooms }): Shared, Query(depth): Query<Depth>) -> Json<Value> {
    let now = Instant::now();
    Json(json!({
        "version": VERSION,
        "connections": state.connections(),
        "brewery": state.config.xmpp.brewery.as_str(),
        "bridges": state.describe_bridges(now),
        "conferences": rooms.describe(None, depth.full).await,
        "resident_bytes": jitctl_daemon::resident_bytes(),
    }))
}

async fn conferences(State(Site { rooms, .. }): Shared) -> Json<Value> {
    Json(rooms.describe(None, false).await)
}

async fn conferences_full(State(Site { rooms, .. }): Shared) -> Json<Value> {
    Json(rooms.describe(None, true).await)
}

async fn capabilities(State(Site { rooms, .. }): Shared) -> Json<Value> {
    Json(rooms.describe_capabilities().await)
}

/// The meetings whose clients report statistics, by what those call the meeting.
async fn rtcstats(State(Site { rooms, .. }): Shared) -> Json<Value> {
    let all = rooms.describe(None, true).await;
    let reporting = all.as_array().into_iter().flatten().filter_map(|one| {
        let meeting = one["meeting_id"].as_str()?;
        (one["rtcstats"] == true).then(|| (meeting.to_owned(), one.clone()))
    });
    Json(reporting.collect())
}

async fn conference(State(site): Shared, Path(room): Path<String>) -> Response {
    let Some(room) = operations::room_address(&site, &room) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    match site.rooms.describe(Some(room), true).await {
        Value::Null => StatusCode::NOT_FOUND.into_response(),
        view => Json(view).into_response(),
    }
}

async fn conference_request(
    State(site): Shared,
    Json(asked): Json<HttpConferenceRequest>,
) -> Response {
    let Ok(request) = asked.into_request() else {
        return (StatusCode::BAD_REQUEST, "`room` is no address\n").into_response();
    };
    match site.rooms.request(request).await {
        Ok(reply) => Json(reply).into_response(),
        Err(refusal) => {
            let status = match refusal {
                // The word clients look for: they ask again without the login.
                Refusal::SessionInvalid | Refusal::OtherMachine => {
                    return (StatusCode::BAD_REQUEST, "invalid-session").into_response();
                }
                Refusal::BadRoom => StatusCode::BAD_REQUEST,
                Refusal::NotAuthorized => StatusCode::FORBIDDEN,
                Refusal::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            };
            (status, format!("{refusal}\n")).into_response()
        }
    }
}
