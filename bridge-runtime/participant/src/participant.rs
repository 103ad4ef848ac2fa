//! A participant: one task that joins a room, keeps its session with the focus and sends media.
//!
//! The handle is cheap; dropping it makes the participant leave. Everything between the network
//! and the logic in [`crate::signalling`] and [`crate::media`] happens here, in one task, plus the
//! tasks of the `webrtc` crate.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::profile::Profile;
use crate::progress::{Leg, Progress, Trouble};
use crate::report::Report;
use crate::room::{Room, RoomError};
use crate::seat::{Command, Seat};
use crate::site::Site;

/// How long leaving may take before it is given up.
const LEAVE_LIMIT: Duration = Duration::from_secs(3);

/// A participant.
#[derive(Debug)]
pub struct Participant {
    progress: watch::Receiver<Progress>,
    commands: mpsc::UnboundedSender<Command>,
    done: oneshot::Receiver<Report>,
}

impl Participant {
    /// Joins `room` (its name without domain) on the current tokio runtime.
    pub fn join(site: Arc<Site>, room: &str, profile: Profile) -> Self {
        let (progress_sender, progress) = watch::channel(Progress::default());
        let (commands, command_receiver) = mpsc::unbounded_channel();
        let (done_sender, done) = oneshot::channel();
        let room = room.to_owned();
        tokio::spawn(async move {
            let report = run(&site, &room, profile, progress_sender, command_receiver).await;
            // The handle may be gone.
            let _ = done_sender.send(report);
        });
        Self {
            progress,
            commands,
            done,
        }
    }

    /// How far it came.
    pub fn progress(&self) -> Progress {
        self.progress.borrow().clone()
    }

    /// Waits until `reached` holds, trouble comes, or the time is up.
    ///
    /// # Errors
    /// The progress when it failed or the time was up.
    pub async fn wait_until(
        &mut self,
        limit: Duration,
        reached: impl Fn(&Progress) -> bool,
    ) -> Result<Progress, Progress> {
        let waiting = self
            .progress
            .wait_for(|progress| reached(progress) || progress.trouble.is_some());
        let outcome = match tokio::time::timeout(limit, waiting).await {
            Ok(Ok(progress)) => Some(progress.clone()),
            Ok(Err(_)) | Err(_) => None,
        };
        match outcome {
            Some(progress) if reached(&progress) => Ok(progress),
            Some(progress) => Err(progress),
            None => Err(self.progress()),
        }
    }

    /// What it saw so far; nothing once it has left.
    pub async fn report(&self) -> Report {
        let (answer, receiver) = oneshot::channel();
        let _ = self.commands.send(Command::Report(answer));
        receiver.await.unwrap_or_default()
    }

    /// Sends an endpoint message: to everybody when `to` is empty.
    pub fn send_message(&self, to: &str, text: &str) {
        let _ = self.commands.send(Command::Message {
            to: to.to_owned(),
            text: text.to_owned(),
        });
    }

    /// Leaves in an orderly way and tells what was seen.
    pub async fn leave(self) -> Report {
        let Self { commands, done, .. } = self;
        drop(commands);
        tokio::time::timeout(LEAVE_LIMIT, done)
            .await
            .ok()
            .and_then(Result::ok)
            .unwrap_or_default()
    }
}

async fn run(
    site: &Site,
    room: &str,
    profile: Profile,
    progress: watch::Sender<Progress>,
    commands: mpsc::UnboundedReceiver<Command>,
) -> Report {
    let started = Instant::now();
    let joined = tokio::select! {
        joined = Room::join(site, room, &profile.name) => joined,
        () = progress.closed() => return Report::default(),
    };
    match joined {
        Ok(room) => {
            progress.send_modify(|progress| progress.joined = Some(started.elapsed()));
            Seat::new(room, profile, started, progress)
                .run(commands)
                .await
        }
        Err(error) => {
            progress.send_modify(|progress| progress.trouble = Some(signalling(&error)));
            Report::default()
        }
    }
}

fn signalling(error: &RoomError) -> Trouble {
    Trouble::new(Leg::Signalling, error.to_string())
}
