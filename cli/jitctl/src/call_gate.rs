//! The last gate of `apply` on each host: a call of two, as people make it.
//!
//! A changed bridge is called through. A changed MAIN is proved by the calls through the bridges that
//! change with it, else by one through each bridge of the site. The calls start on this machine, so
//! what only its own way explains takes no change back.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _, join_all};
use jitctl_deploy::SitePlan;
use jitctl_deploy::gates::RedGate;
use jitctl_deploy::proof::Proof;
use jitctl_inventory::names::HostName;
use jitctl_participant::{Leg, Site as MeetingSite};
use tokio::sync::OnceCell;

use crate::calls::{self, BridgeCall, CallsView};
use crate::context::Context;
use crate::failure::Failure;
use crate::meeting::{self, Bridge};
use crate::site::Site;

/// How long a call may take to come about.
const LIMIT: Duration = Duration::from_secs(10);

/// Calls for the hosts of one apply.
#[derive(Debug)]
pub(crate) struct CallGate<'a> {
    site: &'a Site,
    meeting: Arc<MeetingSite>,
    bridges: Vec<Bridge>,
    /// Bridges change as well: calls through them follow.
    bridges_follow: bool,
    /// Why the web server cannot be reached from here, asked once it is to be there.
    unreachable: OnceCell<Option<String>>,
    good: Mutex<BTreeSet<String>>,
    notes: Mutex<BTreeSet<String>>,
}

impl<'a> CallGate<'a> {
    /// For what a plan changes.
    ///
    /// # Errors
    /// The authority of the site cannot be read.
    pub(crate) fn new(context: &Context, site: &'a Site, plan: &SitePlan) -> Result<Self, Failure> {
        let bridges = meeting::bridges(site);
        let changes = |bridge: &Bridge| {
            let mut plans = plan.hosts.iter();
            plans.any(|host| host.host == bridge.host && !host.is_empty())
        };
        Ok(Self {
            site,
            meeting: meeting::public_site(context, site, None)?,
            bridges_follow: bridges.iter().any(changes),
            bridges,
            unreachable: OnceCell::new(),
            good: Mutex::default(),
            notes: Mutex::default(),
        })
    }

    /// Says what went well and what could not be told.
    pub(crate) fn tell(&self, context: &Context) {
        let notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        for note in notes.iter() {
            context.printer.note(note);
        }
        let good = self.good.lock().unwrap_or_else(PoisonError::into_inner);
        if !good.is_empty() {
            let what = if good.len() == 1 { "a call" } else { "calls" };
            let names: Vec<&str> = good.iter().map(String::as_str).collect();
            let note = format!("{what} through {} went well", names.join(", "));
            context.printer.note(&note);
        }
    }

    fn note(&self, text: String) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        notes.insert(text);
    }

    /// Calls through bridges, side by side.
    async fn call(&self, bridges: &[&Bridge]) -> CallsView {
        let calls = bridges
            .iter()
            .map(|bridge| calls::through(self.site, bridge, &self.meeting, LIMIT));
        let mut made: Vec<BridgeCall> = Vec::new();
        for call in join_all(calls).await {
            match call {
                Ok(call) => made.push(call),
                Err(failure) => self.note(format!("a call was not tried: {failure}")),
            }
        }
        let well = made.iter().filter(|call| call.outcome.is_good());
        let mut good = self.good.lock().unwrap_or_else(PoisonError::into_inner);
        good.extend(well.map(|call| call.host.clone()));
        CallsView {
            site: self.meeting.domain.clone(),
            calls: made,
        }
    }

    async fn is_reachable(&self) -> bool {
        let ask = || async { calls::reach(&self.meeting).await.err() };
        let Some(reason) = self.unreachable.get_or_init(ask).await else {
            return true;
        };
        let domain = &self.meeting.domain;
        self.note(format!(
            "no call was tried: {domain} cannot be reached from this machine ({reason}); try \
             `jitctl call` where people are"
        ));
        false
    }

    /// A call through the bridge of a host. When it comes no further than ICE, one through another
    /// bridge tells whether the media ports can be reached from here at all.
    async fn through_host(&self, bridge: &Bridge) -> CallsView {
        let mut view = self.call(&[bridge]).await;
        let blind = view.calls.iter().any(|call| {
            let failed = call.outcome.failed.as_ref();
            failed.is_some_and(|failed| failed.leg == Leg::Ice)
        });
        let other = self.bridges.iter().find(|other| other.host != bridge.host);
        if let Some(other) = other.filter(|_| blind) {
            let second = self.call(&[other]).await;
            let good = second
                .calls
                .into_iter()
                .filter(|call| call.outcome.is_good());
            view.calls.extend(good);
        }
        view
    }

    async fn judge(&self, host: &HostName) -> Option<RedGate> {
        let own = self.bridges.iter().find(|bridge| bridge.host == *host);
        if (own.is_none() && (self.bridges_follow || self.bridges.is_empty()))
            || !self.is_reachable().await
        {
            return None;
        }
        let view = match own {
            Some(bridge) => self.through_host(bridge).await,
            None => self.call(&self.bridges.iter().collect::<Vec<_>>()).await,
        };
        if let Some(unknown) = view.unknown() {
            self.note(unknown);
            return None;
        }
        let mut certain = view.certain().into_iter();
        // One bridge that fails after MAIN changed has a cause of its own.
        let counts = own.is_some() || certain.len() == view.calls.len();
        let gate = certain.next()?;
        if !counts {
            self.note(gate);
            certain.for_each(|other| self.note(other));
            return None;
        }
        Some(RedGate {
            gate,
            evidence: certain.collect(),
        })
    }
}

impl Proof for CallGate<'_> {
    fn red<'a>(&'a self, host: &'a HostName) -> BoxFuture<'a, Option<RedGate>> {
        self.judge(host).boxed()
    }
}
