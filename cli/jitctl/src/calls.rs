//! Calls through bridges, as `call`, `doctor --call` and the gate of `apply` make them.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use jitctl_inventory::names::HostName;
use jitctl_participant::{CallOptions, CallOutcome, Leg, Site as MeetingSite, call};
use serde::Serialize;
use tokio::net::TcpStream;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::meeting::{self, Bridge};
use crate::printer::{Cell, Style, Tone, View, table};
use crate::site::Site;

/// How long the site's web server may take to accept a connection before calls are not tried.
const REACH_LIMIT: Duration = Duration::from_secs(3);

/// What came of the calls.
#[derive(Debug, Serialize)]
pub(crate) struct CallsView {
    /// The site's domain.
    pub(crate) site: String,
    /// One for each bridge.
    pub(crate) calls: Vec<BridgeCall>,
}

/// A call through one bridge.
#[derive(Debug, Serialize)]
pub(crate) struct BridgeCall {
    /// The host of the bridge.
    pub(crate) host: String,
    /// What came of it.
    #[serde(flatten)]
    pub(crate) outcome: CallOutcome,
}

/// Calls through each selected bridge, one after the other.
pub(crate) async fn through_each(
    context: &Context,
    site: &Site,
    selected: &[HostName],
    meeting: &Arc<MeetingSite>,
    limit: Duration,
) -> Result<CallsView, Failure> {
    let bridges = meeting::bridges(site);
    let chosen: Vec<&Bridge> = bridges
        .iter()
        .filter(|bridge| selected.contains(&bridge.host))
        .collect();
    if chosen.is_empty() {
        return Err(Failure::usage(
            "no bridge is selected",
            "name hosts with the role `bridge`, or leave `--on` out",
        ));
    }
    let progress = context.printer.progress();
    let mut calls = Vec::new();
    for bridge in chosen {
        progress.step(bridge.host.as_str(), 0, 1, "calling");
        let call = through(site, bridge, meeting, limit).await?;
        let good = call.outcome.is_good();
        progress.finish(bridge.host.as_str(), if good { "good" } else { "failed" });
        calls.push(call);
    }
    progress.clear();
    Ok(CallsView {
        site: meeting.domain.clone(),
        calls,
    })
}

/// A call through one bridge.
pub(crate) async fn through(
    site: &Site,
    bridge: &Bridge,
    meeting: &Arc<MeetingSite>,
    limit: Duration,
) -> Result<BridgeCall, Failure> {
    let options = CallOptions {
        limit,
        ..CallOptions::default()
    };
    let room = meeting::room_name("call");
    meeting::pin(site, &room, &bridge.nickname).await?;
    let outcome = Box::pin(call(meeting.clone(), &room, options)).await;
    // The pin ends by itself; a focus that is away now says so in the outcome already.
    if let Err(failure) = meeting::unpin(site, &room).await {
        tracing::debug!(?failure, "the pin was not taken away");
    }
    Ok(BridgeCall {
        host: bridge.host.to_string(),
        outcome,
    })
}

/// Whether the web server can be reached at all; calls would take longer to tell.
pub(crate) async fn reach(meeting: &MeetingSite) -> Result<(), String> {
    let dial = async {
        let addresses = meeting
            .address
            .resolve()
            .await
            .map_err(|failure| failure.to_string())?;
        let mut last = String::new();
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(_) => return Ok(()),
                Err(error) => last = format!("{address}: {error}"),
            }
        }
        Err(last)
    };
    tokio::time::timeout(REACH_LIMIT, dial)
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {} s", REACH_LIMIT.as_secs())))
}

impl CallsView {
    /// Success, findings, or that the site could not be reached at all.
    pub(crate) fn exit(&self) -> Exit {
        if self.calls.iter().all(|call| call.outcome.is_good()) {
            Exit::Success
        } else if self.calls.iter().all(is_unreachable) {
            Exit::Connect
        } else {
            Exit::Findings
        }
    }

    /// What is certainly wrong with the site, as opposed to with the way from here to it.
    pub(crate) fn certain(&self) -> Vec<String> {
        let blind = self.is_media_unreachable();
        self.calls
            .iter()
            .filter(|call| !is_unreachable(call) && !wants_login(call) && !blind)
            .filter_map(|call| {
                let failed = call.outcome.failed.as_ref()?;
                Some(format!("call through {}: {failed}", call.host))
            })
            .collect()
    }

    /// What cannot be told from here, in words.
    pub(crate) fn unknown(&self) -> Option<String> {
        if !self.calls.is_empty() && self.calls.iter().all(is_unreachable) {
            let reason = self.calls.first()?.outcome.failed.as_ref()?.reason.clone();
            return Some(format!(
                "no call was tried: {} cannot be reached from this machine ({reason})",
                self.site
            ));
        }
        if self.calls.iter().any(wants_login) {
            return Some(format!(
                "no call was made: {} lets nobody open a room without a login",
                self.site
            ));
        }
        self.is_media_unreachable().then(|| {
            String::from(
                "calls come no further than ICE through any bridge: from this machine the media \
                 ports may be out of reach; try `jitctl call` where people are",
            )
        })
    }

    fn is_media_unreachable(&self) -> bool {
        !self.calls.is_empty()
            && self
                .calls
                .iter()
                .all(|call| matches!(&call.outcome.failed, Some(failed) if failed.leg == Leg::Ice))
    }
}

/// Whether not even the login came about for want of a way to the web server.
fn is_unreachable(call: &BridgeCall) -> bool {
    let Some(failed) = &call.outcome.failed else {
        return false;
    };
    let words = [
        "has no address",
        "cannot be reached",
        "refuses connections",
        "no answer within",
    ];
    failed.leg == Leg::Signalling
        && failed.reason.starts_with("login")
        && words.iter().any(|word| failed.reason.contains(word))
}

/// Whether guests may not open rooms, or nobody is let in anonymously.
fn wants_login(call: &BridgeCall) -> bool {
    let words = ["not-authorized", "none of the mechanisms offered"];
    call.outcome.failed.as_ref().is_some_and(|failed| {
        failed.leg == Leg::Signalling && words.iter().any(|word| failed.reason.contains(word))
    })
}

impl View for CallsView {
    fn human(&self, style: Style) -> String {
        let rows = self
            .calls
            .iter()
            .map(|call| {
                let mut row = vec![Cell::from(call.host.clone())];
                row.push(match &call.outcome.failed {
                    None => Cell::toned("good", Tone::Good),
                    Some(failed) => Cell::toned(failed.leg.to_string(), Tone::Bad),
                });
                for leg in &call.outcome.legs {
                    let failed = call.outcome.failed.as_ref();
                    row.push(match leg.milliseconds {
                        Some(time) => format!("{time} ms").into(),
                        None if failed.is_some_and(|failed| failed.leg == leg.leg) => {
                            Cell::toned("failed", Tone::Bad)
                        }
                        None => "-".into(),
                    });
                }
                row
            })
            .collect();
        let mut header = vec!["bridge", "call"];
        let names: Vec<String> = Leg::ALL.iter().map(ToString::to_string).collect();
        header.extend(names.iter().map(String::as_str));
        let mut text = table(style, &header, rows);
        for call in &self.calls {
            if let Some(failed) = &call.outcome.failed {
                // Writing into a text cannot fail.
                let _ = write!(text, "\n{}: {failed}", call.host);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use jitctl_participant::Trouble;

    use super::*;

    fn view(failures: &[Option<(Leg, &str)>]) -> CallsView {
        let calls = failures
            .iter()
            .enumerate()
            .map(|(number, failed)| BridgeCall {
                host: format!("b{number}"),
                outcome: CallOutcome {
                    room: String::from("room"),
                    failed: failed.map(|(leg, reason)| Trouble {
                        leg,
                        reason: reason.to_owned(),
                    }),
                    legs: Vec::new(),
                    bridge: Vec::new(),
                    packets: 0,
                    lost: 0,
                },
            });
        CallsView {
            site: String::from("meet.test"),
            calls: calls.collect(),
        }
    }

    #[test]
    fn what_only_concerns_the_way_from_here_is_no_fault_of_the_site() {
        let away = Some((Leg::Signalling, "login: `meet.test` has no address: none"));
        let ice = Some((Leg::Ice, "no path to the bridge within 15 s"));
        let good = view(&[None, None]);
        assert_eq!(good.exit(), Exit::Success);
        assert!(good.certain().is_empty() && good.unknown().is_none());
        let unreachable = view(&[away, away]);
        assert_eq!(unreachable.exit(), Exit::Connect);
        assert!(unreachable.certain().is_empty() && unreachable.unknown().is_some());
        let blind = view(&[ice, ice]);
        assert_eq!(blind.exit(), Exit::Findings);
        assert!(blind.certain().is_empty() && blind.unknown().is_some());
        let one = view(&[None, ice]);
        assert_eq!(one.certain().len(), 1);
        assert!(one.unknown().is_none());
        let refused = view(&[Some((Leg::Signalling, "conference request: refused"))]);
        assert_eq!(refused.certain().len(), 1);
    }
}
