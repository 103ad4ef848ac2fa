//! A call of two: every leg once, and the first that fails by name.
//!
//! One of the two asks for the conference over XMPP and sends simulcast, the other asks over HTTP,
//! where the site has it, and sends a single layer; both speak. The call is good when each
//! heard and saw the other and a message went both ways over the bridge channel.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use crate::participant::Participant;
use crate::profile::{Profile, Video};
use crate::progress::{Leg, Progress, Trouble};
use crate::report::Report;
use crate::site::{Entry, Site};

/// How a call is made.
#[derive(Debug, Clone, Copy)]
pub struct CallOptions {
    /// Time for all legs to come about.
    pub limit: Duration,
    /// How long media must flow after that.
    pub talk: Duration,
}

impl Default for CallOptions {
    fn default() -> Self {
        Self {
            limit: Duration::from_secs(15),
            talk: Duration::from_secs(2),
        }
    }
}

/// When a leg came about for the slower of the two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LegTime {
    /// Which.
    pub leg: Leg,
    /// Milliseconds since the start; none when it did not come about.
    pub milliseconds: Option<u64>,
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CallOutcome {
    /// Name of the room.
    pub room: String,
    /// What failed, if anything.
    pub failed: Option<Trouble>,
    /// All legs, in order.
    pub legs: Vec<LegTime>,
    /// Addresses the bridge offered.
    pub bridge: Vec<String>,
    /// Packets received by both.
    pub packets: u64,
    /// Packets that never came.
    pub lost: u64,
}

impl CallOutcome {
    /// Whether every leg came about.
    pub fn is_good(&self) -> bool {
        self.failed.is_none()
    }
}

/// Makes a call in `room`, which should be one of its own, and leaves again.
pub async fn call(site: Arc<Site>, room: &str, options: CallOptions) -> CallOutcome {
    let profile = |name: &str, layers| Profile {
        name: name.to_owned(),
        speaking: true,
        video: Some(Video {
            layers,
            kilobits: 500,
        }),
        ..Profile::default()
    };
    let deadline = Instant::now() + options.limit;
    let mut first = Participant::join(site.clone(), room, profile("jitctl call 1", 3));
    let other_site = match site.entry {
        Entry::WebSocket => Arc::new(site.asked_over_http()),
        Entry::Xmpp => site,
    };
    let mut second = Participant::join(other_site, room, profile("jitctl call 2", 1));
    let left = || deadline.saturating_duration_since(Instant::now());
    let complete = |progress: &Progress| progress.missing().is_none();
    let (one, two) = tokio::join!(
        first.wait_until(left(), complete),
        second.wait_until(left(), complete)
    );
    let mut failed = [&one, &two]
        .into_iter()
        .filter_map(|result| result.as_ref().err())
        .map(|progress| failure(progress, options.limit))
        .min_by_key(|trouble| trouble.leg);
    let mut reports = [first.report().await, second.report().await];
    if failed.is_none() {
        talk(&first, &second, &reports, options.talk).await;
    }
    reports = {
        let (one, two) = tokio::join!(first.leave(), second.leave());
        [one, two]
    };
    failed = failed.or_else(|| silence(&reports));
    let progress = [one, two].map(|result| result.unwrap_or_else(|progress| progress));
    CallOutcome {
        room: room.to_owned(),
        failed: failed.map(|trouble| explained(trouble, &reports)),
        legs: Leg::ALL
            .into_iter()
            .map(|leg| LegTime {
                leg,
                milliseconds: slower(&progress, leg),
            })
            .collect(),
        bridge: reports[0].bridge.clone(),
        packets: reports.iter().map(Report::packets).sum(),
        lost: reports.iter().map(Report::lost).sum(),
    }
}

/// Media flows and a message goes each way.
async fn talk(first: &Participant, second: &Participant, reports: &[Report; 2], time: Duration) {
    first.send_message(&reports[1].endpoint, "one");
    second.send_message(&reports[0].endpoint, "two");
    tokio::time::sleep(time).await;
}

fn failure(progress: &Progress, limit: Duration) -> Trouble {
    let missing = progress.missing().unwrap_or(Leg::Signalling);
    match &progress.trouble {
        // Trouble of a later leg than what is missing only follows from it.
        Some(trouble) if trouble.leg <= missing => trouble.clone(),
        _ => {
            let what = match missing {
                Leg::Signalling if progress.joined.is_some() => "the focus offered no session",
                Leg::Signalling => "the room was not joined",
                Leg::Ice => "no path to the bridge",
                Leg::Dtls => "no keys were agreed on with the bridge",
                Leg::Srtp => "nothing authentic came from the bridge",
                Leg::Forwarding => "the bridge forwards no media of the other",
                Leg::DataChannel => "the bridge does not answer on its channel",
            };
            Trouble::new(missing, format!("{what} within {} s", limit.as_secs()))
        }
    }
}

/// What is wrong with a call whose legs all came about.
fn silence(reports: &[Report; 2]) -> Option<Trouble> {
    let all = |test: fn(&Report) -> bool| reports.iter().all(test);
    let has = |report: &Report, kind: &str| {
        let of_kind = |source: &&crate::report::SourceReport| source.kind == kind;
        report.sources.iter().filter(of_kind).any(|s| s.packets > 0)
    };
    if !reports.iter().all(|report| has(report, "audio")) {
        return Some(Trouble::new(Leg::Forwarding, "no audio of the other came"));
    }
    if !reports.iter().all(|report| has(report, "video")) {
        return Some(Trouble::new(Leg::Forwarding, "no video of the other came"));
    }
    if !all(|report| report.sources.iter().any(|s| s.key_frames > 0)) {
        return Some(Trouble::new(
            Leg::Forwarding,
            "video came, but no key frame to begin with",
        ));
    }
    if !all(|report| !report.endpoint_messages.is_empty()) {
        return Some(Trouble::new(
            Leg::DataChannel,
            "a message to the other did not arrive",
        ));
    }
    None
}

/// Adds what an operator needs to know to act.
fn explained(mut trouble: Trouble, reports: &[Report; 2]) -> Trouble {
    if trouble.leg == Leg::Ice {
        let addresses = reports
            .iter()
            .find(|report| !report.bridge.is_empty())
            .map(|report| report.bridge.join(", "));
        if let Some(addresses) = addresses {
            trouble.reason = format!("{}; the bridge offers {addresses}", trouble.reason);
        }
    }
    trouble
}

fn slower(progress: &[Progress; 2], leg: Leg) -> Option<u64> {
    let [one, two] = progress;
    let slower = one.leg(leg)?.max(two.leg(leg)?);
    Some(u64::try_from(slower.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_leg_that_is_missing_is_named_and_what_follows_from_it_is_not() {
        let second = Some(Duration::from_secs(1));
        let mut progress = Progress {
            joined: second,
            signalling: second,
            ice: second,
            ..Progress::default()
        };
        progress.trouble = Some(Trouble::new(Leg::DataChannel, "closed"));
        let limit = Duration::from_secs(15);
        assert_eq!(failure(&progress, limit).leg, Leg::Dtls);
        progress.trouble = Some(Trouble::new(Leg::Ice, "lost"));
        assert_eq!(failure(&progress, limit).reason, "lost");
    }

    #[test]
    fn a_call_in_which_nothing_is_heard_is_not_good() {
        let reports = [Report::default(), Report::default()];
        assert_eq!(silence(&reports).unwrap().leg, Leg::Forwarding);
    }
}
