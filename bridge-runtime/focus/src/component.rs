//! The component's connection: where clients ask for conferences.

use std::sync::Arc;

use jitctl_xmpp::{Client, ClientConfig, ClientEvent};
use tokio::sync::watch;

use crate::requests::{Conferences, answer};
use crate::run::stopped;
use crate::state::FocusState;

/// Runs until `stopping` holds.
pub(crate) async fn run(
    state: Arc<FocusState>,
    conferences: Arc<dyn Conferences>,
    config: ClientConfig,
    mut stopping: watch::Receiver<bool>,
) {
    let (client, mut events) = Client::connect(config);
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            () = stopped(&mut stopping) => return client.close().await,
        };
        match event {
            None => return,
            Some(ClientEvent::Online { jid, .. }) => {
                tracing::info!(component = %jid, "component connected");
                state.update_connections(|connections| {
                    connections.component.jid = Some(jid.to_string());
                    connections.component.trouble = None;
                });
            }
            Some(ClientEvent::Offline {
                failure, retry_in, ..
            }) => {
                tracing::warn!(
                    cause = %failure,
                    retry_seconds = format_args!("{:.1}", retry_in.as_secs_f64()),
                    "component not connected"
                );
                state.update_connections(|connections| {
                    let component = &mut connections.component;
                    component.disconnects += u64::from(component.jid.is_some());
                    component.jid = None;
                    component.trouble = Some(failure.to_string());
                });
            }
            Some(ClientEvent::Request(iq)) => answer(conferences.as_ref(), &client, iq),
            Some(ClientEvent::Stanza(_) | ClientEvent::Checkpoint(_)) => {}
        }
    }
}
