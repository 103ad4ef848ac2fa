//! Private HTTP: health, version, metrics, statistics, drain, shutdown, conferences.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use jitctl_daemon::VERSION;
use jitctl_daemon::metrics::{MetricFormat, render};
use serde_json::{Value, json};

use crate::conference::ConferenceQueue;
use crate::metrics::{PREFIX, metrics};
use crate::rest;
use crate::state::{BridgeState, LifeCycle};

type Shared = State<Arc<BridgeState>>;

/// All routes of the private server.
pub(crate) fn router(state: Arc<BridgeState>, queue: ConferenceQueue) -> Router {
    let conferences = if state.config.http.conferences {
        Router::new()
            .route(
                "/colibri/v2/conferences",
                get(rest::list).post(rest::create),
            )
            .route(
                "/colibri/v2/conferences/{id}",
                get(rest::show).patch(rest::change),
            )
            .with_state((state.clone(), queue))
    } else {
        Router::new()
    };
    Router::new()
        .route("/about/health", get(health))
        .route("/about/version", get(version))
        .route("/metrics", get(metrics_text))
        .route("/colibri/stats", get(statistics))
        .route("/colibri/drain", get(drain))
        .route("/colibri/drain/enable", post(enable_drain))
        .route("/colibri/drain/disable", post(disable_drain))
        .route("/colibri/shutdown", post(shutdown))
        .route("/debug", get(debug))
        .route("/debug/{conference}", get(debug_conference))
        .with_state(state)
        .merge(conferences)
}

async fn health(State(state): Shared) -> Response {
    match state.check_health(Instant::now()) {
        Ok(()) => StatusCode::OK.into_response(),
        Err(reason) => (StatusCode::INTERNAL_SERVER_ERROR, reason).into_response(),
    }
}

async fn version() -> Json<Value> {
    Json(json!({ "name": "jitctl-bridge", "version": VERSION, "os": "Linux" }))
}

async fn metrics_text(State(state): Shared, headers: HeaderMap) -> Response {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    let format = MetricFormat::negotiate(accept);
    let body = render(&metrics(&state), PREFIX, format);
    ([(header::CONTENT_TYPE, format.content_type())], body).into_response()
}

async fn statistics(State(state): Shared) -> Response {
    Json(state.statistics()).into_response()
}

async fn drain(State(state): Shared) -> Json<Value> {
    Json(json!({ "drain": state.is_draining() }))
}

async fn enable_drain(State(state): Shared) {
    state.set_drain(true);
}

async fn disable_drain(State(state): Shared) {
    state.set_drain(false);
}

/// Takes the flag as a boolean or, as stock scripts send it, as a string. Read by hand because
/// those scripts do not all set a content type.
async fn shutdown(State(state): Shared, body: String) -> Response {
    let request: Option<Value> = serde_json::from_str(&body).ok();
    let graceful = match request
        .as_ref()
        .and_then(|request| request.get("graceful-shutdown"))
    {
        Some(Value::Bool(graceful)) => *graceful,
        Some(Value::String(text)) if text == "true" => true,
        Some(Value::String(text)) if text == "false" => false,
        _ => {
            let help = "send {\"graceful-shutdown\": true} or {\"graceful-shutdown\": false}\n";
            return (StatusCode::BAD_REQUEST, help).into_response();
        }
    };
    tracing::info!(graceful, "shutdown requested over HTTP");
    state.advance(if graceful {
        LifeCycle::GracefulShutdown
    } else {
        LifeCycle::ShuttingDown
    });
    StatusCode::OK.into_response()
}

async fn debug(State(state): Shared) -> Json<Value> {
    Json(json!({
        "nickname": state.config.identity.nickname.as_str(),
        "life_cycle": state.life_cycle(),
        "drain": state.is_draining(),
        "health": state.check_health(Instant::now()).err().unwrap_or_else(|| String::from("ok")),
        "connections": state.connections(),
        "resident_bytes": jitctl_daemon::resident_bytes(),
        "conferences": state.service.describe(None).await,
    }))
}

/// One conference, by its id here or its meeting's.
async fn debug_conference(State(state): Shared, Path(conference): Path<String>) -> Response {
    match state.service.describe(Some(conference)).await {
        Value::Object(found) if !found.is_empty() => Json(Value::Object(found)).into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}
