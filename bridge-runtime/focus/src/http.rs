//! Private HTTP: health, version, metrics, statistics, bridges.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use jitctl_daemon::VERSION;
use jitctl_daemon::metrics::{MetricFormat, render};
use serde_json::{Value, json};

use crate::metrics::{BridgeCounts, PREFIX, metrics};
use crate::state::{FocusState, Unhealthy};

type Shared = State<Arc<FocusState>>;

/// All routes of the private server.
pub(crate) fn router(state: Arc<FocusState>) -> Router {
    Router::new()
        .route("/about/health", get(health))
        .route("/about/version", get(version))
        .route("/metrics", get(metrics_text))
        .route("/stats", get(statistics))
        .route("/debug", get(debug))
        .route("/conference-request/v1", post(conference_request))
        .with_state(state)
}

async fn health(State(state): Shared) -> Response {
    match state.check_health(Instant::now()) {
        Ok(()) => (StatusCode::OK, "OK").into_response(),
        Err(Unhealthy::Hard(reason)) => (StatusCode::INTERNAL_SERVER_ERROR, reason).into_response(),
        Err(Unhealthy::Soft(reason)) => (StatusCode::SERVICE_UNAVAILABLE, reason).into_response(),
    }
}

async fn version() -> Json<Value> {
    Json(json!({ "name": "jitctl-focus", "version": VERSION, "os": "Linux" }))
}

async fn metrics_text(State(state): Shared, headers: HeaderMap) -> Response {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    let format = MetricFormat::negotiate(accept);
    let body = render(&metrics(&state, Instant::now()), PREFIX, format);
    ([(header::CONTENT_TYPE, format.content_type())], body).into_response()
}

async fn statistics(State(state): Shared) -> Json<Value> {
    let now = Instant::now();
    let counts = BridgeCounts::of(&state, now);
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
        "conferences": 0,
        "participants": 0,
        "bridge_selector": {
            "bridge_count": counts.all,
            "operational_bridge_count": counts.operational,
            "in_shutdown_bridge_count": counts.in_shutdown,
            "lost_bridges": counts.lost,
            "bridge_version_count": counts.versions,
        },
    }))
}

async fn debug(State(state): Shared) -> Json<Value> {
    let now = Instant::now();
    Json(json!({
        "version": VERSION,
        "connections": state.connections(),
        "bridges": state.describe_bridges(now),
        "resident_bytes": jitctl_daemon::resident_bytes(),
    }))
}

/// Conferences are not part of this build: say so, and let clients try again.
async fn conference_request() -> Response {
    (
        StatusCode::SERVICE_UNAVAILABLE,
        "conferences are not available in this build\n",
    )
        .into_response()
}
