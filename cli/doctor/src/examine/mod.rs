//! Looking at all hosts at once: one script each, then the probes that need its answer.

mod focus;
mod login;
mod web;

pub(crate) use web::certificate as examine_certificate;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use jitctl_inventory::model::{Inventory, Role};
use jitctl_inventory::names::HostName;
use jitctl_templates::desired::DesiredHost;
use jitctl_transport::{Remote, RemoteError, Script};

use crate::observe::{HostFacts, HostSight, LOOK, Observation, parse};

/// How long one probe may take.
const PROBE: Duration = Duration::from_secs(4);

/// What is needed to look at one host.
#[derive(Debug)]
pub struct Patient {
    /// How to reach it.
    pub remote: Arc<dyn Remote>,
    /// What it should look like; units and credentials are read from it.
    pub desired: DesiredHost,
}

/// What is looked at.
#[derive(Debug)]
pub struct Examination<'s> {
    /// The site.
    pub inventory: &'s Inventory,
    /// The hosts to look at.
    pub patients: Vec<Patient>,
}

/// Looks at every host once. A host that does not answer holds up no other.
pub async fn examine(examination: &Examination<'_>) -> Observation {
    let started = Instant::now();
    let sights = examination.patients.iter().map(|patient| async {
        let name = patient.desired.host.clone();
        let sight = Box::pin(look(examination.inventory, patient)).await;
        (name, sight)
    });
    let hosts: BTreeMap<HostName, HostSight> = join_all(sights).await.into_iter().collect();
    Observation {
        domain: examination.inventory.site.domain.clone(),
        now: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs()),
        hosts,
        elapsed: started.elapsed(),
    }
}

async fn look(inventory: &Inventory, patient: &Patient) -> HostSight {
    let desired = &patient.desired;
    let host = inventory.hosts.get(&desired.host);
    let remote = patient.remote.as_ref();
    let facts = ask(inventory, remote, desired).await;
    let mut sight = HostSight {
        roles: desired.roles.iter().copied().collect(),
        nickname: host
            .filter(|host| host.roles.contains(&Role::Bridge))
            .map(|host| host.muc_nick(&desired.host).to_string()),
        addresses: host
            .map(|host| {
                host.address
                    .public
                    .iter()
                    .chain(&host.address.private)
                    .copied()
                    .collect()
            })
            .unwrap_or_default(),
        facts,
        bridge_logins: Vec::new(),
        focus_login: None,
        web: None,
        focus: None,
    };
    if let Ok(facts) = &sight.facts {
        let domain = inventory.site.domain.as_str();
        let main = sight.roles.contains(&Role::Main);
        let (bridge_logins, focus_login, web, focus) = tokio::join!(
            login::bridge(remote, facts),
            login::focus(remote, facts),
            async {
                if main {
                    Some(Box::pin(web::look(remote, domain)).await)
                } else {
                    None
                }
            },
            async {
                if main {
                    Some(focus::look(remote).await)
                } else {
                    None
                }
            },
        );
        sight.bridge_logins = bridge_logins;
        sight.focus_login = focus_login;
        sight.web = web;
        sight.focus = focus;
    }
    sight
}

/// Runs the script.
async fn ask(
    inventory: &Inventory,
    remote: &dyn Remote,
    desired: &DesiredHost,
) -> Result<HostFacts, RemoteError> {
    let mut questions: BTreeSet<String> = BTreeSet::new();
    questions.insert(format!("name\t{}", inventory.site.domain));
    questions.extend(
        desired
            .services
            .iter()
            .map(|service| format!("unit\t{}", service.unit)),
    );
    for name in login::CREDENTIALS {
        questions.insert(format!("credential\t{name}"));
    }
    let mut input = questions
        .into_iter()
        .collect::<Vec<_>>()
        .join("\n")
        .into_bytes();
    input.push(b'\n');
    let script = Script::new("look at the host", LOOK, Duration::from_secs(15)).with_input(input);
    let started = Instant::now();
    // The connection is made first, so that only the script itself counts for the clock.
    remote
        .run(Script::new("connect", "exit 0", Duration::from_secs(5)))
        .await?;
    let asked = Instant::now();
    let output = remote.run(script).await?;
    tracing::debug!(host = %desired.host, elapsed = ?started.elapsed(), "looked");
    Ok(parse(&output.text(), SystemTime::now(), asked.elapsed()))
}
