//! colibri2 over HTTP: the requests of the XMPP side as JSON, on the private address.
//!
//! For tools and load generators; a focus never uses it. Requests take their place in the same
//! queue as those that come over XMPP, so the order within a meeting holds across both.

mod json;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use jitctl_wire::Condition;
use jitctl_wire::colibri2::{ColibriError, ConferenceModify};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::oneshot;

use crate::conference::{ConferenceQueue, ConferenceResult};
use crate::dispatch::admit;
use crate::state::BridgeState;

/// Stands for a meeting that the body does not name.
const UNNAMED: &str = "-";

/// What the handlers share.
pub(crate) type Desk = State<(Arc<BridgeState>, ConferenceQueue)>;

/// `POST /colibri/v2/conferences`: creates a conference.
pub(crate) async fn create(desk: Desk, body: String) -> Response {
    serve(desk, &body, |request| request.create = true).await
}

/// `PATCH /colibri/v2/conferences/MEETING`: changes one.
pub(crate) async fn change(desk: Desk, Path(meeting): Path<String>, body: String) -> Response {
    serve(desk, &body, |request| {
        request.meeting_id = meeting;
        request.create = false;
    })
    .await
}

/// `GET /colibri/v2/conferences`: all of them in brief.
pub(crate) async fn list(State((state, _)): Desk) -> Json<Value> {
    Json(state.service.describe(None).await)
}

/// `GET /colibri/v2/conferences/ID`: one with everything in it.
pub(crate) async fn show(State((state, _)): Desk, Path(id): Path<String>) -> Response {
    match state.service.describe(Some(id)).await {
        Value::Object(found) if !found.is_empty() => Json(Value::Object(found)).into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn serve(
    State((state, queue)): Desk,
    body: &str,
    complete: impl FnOnce(&mut ConferenceModify),
) -> Response {
    let mut request = match read(body) {
        Ok(request) => request,
        Err(error) => return refuse(&state, &error),
    };
    complete(&mut request);
    if request.meeting_id == UNNAMED {
        let error = ColibriError::bad_request("`meeting-id` is missing");
        return refuse(&state, &error);
    }
    if let Err(error) = admit(&state, &request) {
        return refuse(&state, &error);
    }
    let (sender, receiver) = oneshot::channel::<ConferenceResult>();
    queue.submit(
        request,
        Box::new(move |result| {
            let _ = sender.send(result);
        }),
    );
    match receiver.await {
        Ok(Ok(answer)) => Json(json::answer(&answer)).into_response(),
        Ok(Err(error)) => refuse(&state, &error),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Reads the body of a request; without a `meeting-id` it is for [`UNNAMED`].
///
/// # Errors
/// What an XMPP stanza of the same content would be refused with.
pub fn read(body: &str) -> Result<ConferenceModify, ColibriError> {
    let mut value: Value =
        serde_json::from_str(body).map_err(|error| ColibriError::bad_request(error.to_string()))?;
    // The path names it when the body does not.
    if let Some(object) = value.as_object_mut() {
        object.entry("meeting-id").or_insert_with(|| json!(UNNAMED));
    }
    json::request(&value)
}

fn refuse(state: &BridgeState, error: &ColibriError) -> Response {
    state.count_refused_request();
    let status = match error.condition {
        Condition::BadRequest => StatusCode::BAD_REQUEST,
        Condition::ItemNotFound => StatusCode::NOT_FOUND,
        Condition::Conflict => StatusCode::CONFLICT,
        Condition::ServiceUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        Condition::FeatureNotImplemented => StatusCode::NOT_IMPLEMENTED,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let body = json!({
        "condition": error.condition.name(),
        "reason": error.reason.map(jitctl_wire::colibri2::Reason::name),
        "endpoint": error.endpoint,
        "text": error.text,
    });
    (status, Json(body)).into_response()
}
