//! What a switched host waits for: its own gates, and bridges that a restart of signalling sent
//! away.

use std::time::Instant;

use jitctl_inventory::model::Role;
use jitctl_templates::desired::Gate;
use jitctl_transport::Remote;

use super::Event;
use super::host::{Run, Stop};
use crate::gates;
use crate::proof::concerns_calls;
use crate::steps::Phase;

impl Run<'_> {
    pub(super) async fn wait_for_gates(&mut self) -> Result<(), Stop> {
        let gates = &self.context.host.desired.gates;
        let limit = self.options.gate_limit;
        let prologue = self.context.prologue(Phase::Gates, limit * 2);
        let disturbed: Vec<&str> = gates
            .iter()
            .filter_map(|gate| match gate {
                Gate::UnitActive(unit) if self.context.plan.disturbs(unit) => Some(unit.as_str()),
                _ => None,
            })
            .collect();
        if let Some(script) = gates::script(gates, &disturbed, &prologue, limit) {
            self.phase(Phase::Gates, Some(script)).await?;
        }
        for gate in gates {
            let Gate::BridgeCounted(nick) = gate else {
                continue;
            };
            for main in self.mains() {
                gates::wait_counted(main, nick, true, limit)
                    .await?
                    .map_err(Stop::Red)?;
            }
        }
        Ok(())
    }

    /// The bridges that the focus counts and that will have to come back, because signalling
    /// restarts.
    pub(super) async fn disturbed_bridges(&self) -> Vec<String> {
        let restarts = self.context.plan.interruptions.iter();
        let signalling = ["prosody.service", "jitctl-focus.service"];
        if !restarts
            .into_iter()
            .any(|one| signalling.contains(&one.unit.as_str()))
        {
            return Vec::new();
        }
        gates::counted_now(self.remote).await.unwrap_or_default()
    }

    /// Waits until they are back. One that does not come back is said but takes nothing back: the
    /// cause may well be its own.
    pub(super) async fn wait_for_bridges(&mut self, nicknames: &[String]) {
        if nicknames.is_empty() {
            return;
        }
        self.send(Event::Started {
            host: self.name(),
            phase: Phase::Gates,
            title: "wait for the bridges to come back",
            done: self.done,
            total: self.total.max(self.done + 1),
        });
        let end = Instant::now() + self.options.gate_limit;
        for nickname in nicknames {
            let limit = end.saturating_duration_since(Instant::now());
            let back = gates::wait_counted(self.remote, nickname, true, limit).await;
            if !matches!(back, Ok(Ok(_))) {
                self.send(Event::Warning {
                    host: self.name(),
                    text: format!(
                        "bridge `{nickname}` did not come back after the restart; `jitctl doctor` \
                         says why"
                    ),
                });
            }
        }
    }

    /// The last gate, by people's own way, where they may feel the change.
    pub(super) async fn prove(&mut self) -> Result<(), Stop> {
        let concerned = concerns_calls(self.context.plan);
        let Some(proof) = self.site.proof.filter(|_| concerned) else {
            return Ok(());
        };
        let host = self.name();
        self.send(Event::Started {
            host: host.clone(),
            phase: Phase::Gates,
            title: "make a call",
            done: self.done,
            total: self.total.max(self.done + 1),
        });
        match proof.red(&host).await {
            None => Ok(()),
            Some(gate) => Err(Stop::Red(gate)),
        }
    }

    /// The MAIN hosts of the site.
    fn mains(&self) -> Vec<&dyn Remote> {
        let mains = self.site.hosts.iter().filter(|host| {
            let roles = &host.desired.roles;
            roles.contains(&Role::Main)
        });
        mains
            .filter_map(|host| self.site.remotes.get(&host.desired.host))
            .map(AsRef::as_ref)
            .collect()
    }
}
