//! Looking at all hosts at once: one script each, then the probes that need its answer.

mod arrival;
mod expected;
mod guest;
mod login;
mod outside;
mod private_http;
mod reach;
mod stun;
mod turn;
mod web;
mod websocket;

pub(crate) use reach::ask_from;
pub(crate) use web::{certificate as examine_certificate, secure};

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use jitctl_inventory::model::{AuthenticationMode, BridgeChannel, Inventory, Role, Tls};
use jitctl_inventory::names::HostName;
use jitctl_templates::desired::DesiredHost;
use jitctl_transport::{Remote, RemoteError, Script};

use crate::discovery;
use crate::foreign::examine_foreign;
use crate::observe::host::ISSUANCE_JOBS;
use crate::observe::probe::Reach;
use crate::observe::{GuestVisit, HostFacts, HostSight, LOOK, Observation, TurnView, parse};
use arrival::Arrivals;
use reach::Board;

/// How long one probe may take.
const PROBE: Duration = Duration::from_secs(3);
/// When the probes are to be over, so that the verdict comes within five seconds.
const VERDICT: Duration = Duration::from_millis(4500);
/// How long one probe may take on a host so busy that the script alone took long.
const SLOW_PROBE: Duration = Duration::from_secs(8);

/// So many bridges are tried as peers of the TURN server.
const RELAYED_BRIDGES: usize = 8;

/// What is needed to look at one host.
#[derive(Debug)]
pub struct Patient {
    /// How to reach it.
    pub remote: Arc<dyn Remote>,
    /// What it should look like; units and credentials are read from it.
    pub desired: DesiredHost,
}

/// How far the look at a host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Connecting.
    Connect,
    /// The script runs.
    Look,
    /// The probes run.
    Probe,
    /// All is seen.
    Done,
    /// It could not be looked into.
    Away,
}

/// Told whenever a host comes to another stage.
pub type Watcher<'s> = &'s (dyn Fn(&HostName, Stage) + Send + Sync);

/// What is looked at.
pub struct Examination<'s> {
    /// The site.
    pub inventory: &'s Inventory,
    /// The hosts to look at.
    pub patients: Vec<Patient>,
    /// Who wants to know how far it is.
    pub watcher: Watcher<'s>,
}

impl std::fmt::Debug for Examination<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Examination")
            .field("patients", &self.patients)
            .finish_non_exhaustive()
    }
}

/// Looks at every host once. A host that does not answer holds up no other.
pub async fn examine(examination: &Examination<'_>) -> Observation {
    let started = Instant::now();
    let board = &Board::new(examination.patients.len());
    let arrivals = &Arrivals::new();
    let sights = examination.patients.iter().map(|patient| async {
        let name = patient.desired.host.clone();
        let (sight, reached) = Box::pin(look(examination, patient, board, arrivals)).await;
        let stage = match &sight.facts {
            Ok(_) => Stage::Done,
            Err(_) => Stage::Away,
        };
        (examination.watcher)(&name, stage);
        (name, sight, reached)
    });
    let (sights, outside) = tokio::join!(
        join_all(sights),
        outside::look(examination.inventory, board)
    );
    let mut hosts = BTreeMap::new();
    let mut reaches = Vec::new();
    for (name, sight, reached) in sights {
        hosts.insert(name, sight);
        reaches.extend(reached);
    }
    deal_out(&mut hosts, &reaches);
    let mut observation = Observation {
        domain: examination.inventory.site.domain.clone(),
        now: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs()),
        hosts,
        outside,
        elapsed: Duration::ZERO,
    };
    if observation.looks_from_outside() {
        count_silence(examination, &mut observation.hosts).await;
    }
    observation.elapsed = started.elapsed();
    observation
}

/// Gives each bridge what others got from its addresses.
fn deal_out(hosts: &mut BTreeMap<HostName, HostSight>, reaches: &[Reach]) {
    for port in hosts.values_mut().filter_map(|sight| sight.media.as_mut()) {
        let own = reaches.iter().filter(|reach| port.has(reach.address));
        port.reaches.extend(own.cloned().collect::<Vec<_>>());
    }
}

/// Where this machine got no answer, the bridge's host counts how far more datagrams come.
async fn count_silence(examination: &Examination<'_>, hosts: &mut BTreeMap<HostName, HostSight>) {
    let counts = examination.patients.iter().map(|patient| {
        let sight = hosts.get(&patient.desired.host);
        let silent = sight
            .filter(|sight| sight.facts.is_ok())
            .and_then(|sight| sight.media.as_ref()?.silent_from_here());
        async move {
            let counted = reach::count(patient.remote.as_ref(), silent?).await?;
            Some((patient.desired.host.clone(), counted))
        }
    });
    let counts: Vec<_> = join_all(counts).await;
    for (name, counted) in counts.into_iter().flatten() {
        if let Some(port) = hosts.get_mut(&name).and_then(|sight| sight.media.as_mut()) {
            port.counted = Some(counted);
        }
    }
}

async fn look(
    examination: &Examination<'_>,
    patient: &Patient,
    board: &Board,
    arrivals: &Arrivals,
) -> (HostSight, Vec<Reach>) {
    let inventory = examination.inventory;
    let desired = &patient.desired;
    let host = inventory.hosts.get(&desired.host);
    let remote = patient.remote.as_ref();
    let expected = expected::of(desired);
    let watch = |stage| (examination.watcher)(&desired.host, stage);
    let facts = ask(inventory, patient, &expected, arrivals, &watch).await;
    let bridge = host.filter(|host| host.roles.contains(&Role::Bridge));
    let mut sight = HostSight {
        roles: desired.roles.iter().copied().collect(),
        nickname: bridge.map(|host| host.muc_nick(&desired.host).to_string()),
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
        public_addresses: host.map_or_else(Vec::new, |host| host.address.public.clone()),
        expected,
        media: facts
            .as_ref()
            .ok()
            .filter(|_| bridge.is_some())
            .and_then(reach::advertised),
        guest: None,
        turn: None,
        facts,
        bridge_logins: Vec::new(),
        focus_login: None,
        web: None,
        focus: None,
        bridge_health: None,
        rooms: None,
        foreign: None,
        channels: Vec::new(),
    };
    board.tell(&desired.host, sight.media.as_ref());
    let Ok(facts) = &sight.facts else {
        return (sight, Vec::new());
    };
    watch(Stage::Probe);
    let limit = patience(facts.round_trip, arrivals.elapsed());
    let domain = inventory.site.domain.as_str();
    let main = sight.roles.contains(&Role::Main) && !desired.foreign;
    let kept_by_others = inventory.foreign_main();
    let (
        bridge_logins,
        focus_login,
        web,
        channels,
        focus,
        bridge_health,
        rooms,
        from_here,
        from_host,
        discovered,
        guest,
        foreign,
    ) = tokio::join!(
        login::bridge(remote, facts, limit),
        login::focus(remote, facts, limit),
        only_if(main, web::look(remote, domain, limit)),
        only_if(
            main && inventory.site.bridge_channel == BridgeChannel::Websocket,
            web::channels(remote, domain, bridges(inventory), limit)
        ),
        only_if(
            main,
            private_http::focus(remote, login::focus_brewery(facts), limit)
        ),
        only_if(bridge.is_some(), private_http::bridge(remote, limit)),
        only_if(
            bridge.is_some() && kept_by_others.is_some(),
            private_http::rooms(remote, limit)
        ),
        async {
            match &sight.media {
                Some(port) => reach::from_here(port, board).await,
                None => Vec::new(),
            }
        },
        reach::from_host(remote, board),
        discovery::ask(
            remote,
            sight.media.as_ref().map_or(&[], |port| &port.servers)
        ),
        only_if(main, visit(inventory, remote, limit)),
        only_if(
            desired.foreign,
            examine_foreign(
                remote,
                kept_by_others.and_then(|(_, foreign)| foreign.folder.as_deref())
            )
        ),
    );
    sight.bridge_logins = bridge_logins;
    sight.focus_login = focus_login;
    sight.web = web;
    sight.channels = channels.unwrap_or_default();
    sight.focus = focus;
    sight.bridge_health = bridge_health;
    sight.rooms = rooms.and_then(Result::ok);
    sight.foreign = foreign.and_then(Result::ok);
    if let Some(port) = &mut sight.media {
        port.reaches.extend(from_here);
        port.discovered = discovered;
    }
    if let Some((guest, turn)) = guest {
        sight.guest = Some(guest);
        sight.turn = turn;
    }
    (sight, from_host)
}

/// The bridges of the site with their nicknames.
fn bridges(inventory: &Inventory) -> Vec<(HostName, String)> {
    inventory
        .hosts_with(Role::Bridge)
        .map(|(name, host)| (name.clone(), host.muc_nick(name).to_string()))
        .collect()
}

/// A guest's visit, and the TURN server with the credentials that the guest got.
async fn visit(
    inventory: &Inventory,
    remote: &dyn Remote,
    limit: Duration,
) -> (GuestVisit, Option<TurnView>) {
    let site = &inventory.site;
    let domain = site.domain.as_str();
    let guests = match site.authentication.mode {
        AuthenticationMode::Open => domain.to_owned(),
        AuthenticationMode::SecureDomain => format!("guest.{domain}"),
    };
    let place = guest::Site {
        domain,
        guests: &guests,
        limit,
    };
    let visit = Box::pin(guest::visit(remote, &place)).await;
    if !site.turn.enabled {
        return (visit, None);
    }
    let bridges: Vec<IpAddr> = inventory
        .hosts_with(Role::Bridge)
        .flat_map(|(_, host)| match host.address.public.as_slice() {
            [] => host.address.private.iter(),
            _ => host.address.public.iter(),
        })
        .copied()
        .take(RELAYED_BRIDGES)
        .collect();
    let turn = Box::pin(turn::look(remote, domain, &visit.turn, &bridges, limit)).await;
    (visit, Some(turn))
}

/// What is left until the verdict; but a host that is slow at everything must not look broken, and
/// the script is more work than any probe.
pub(crate) fn patience(script: Duration, elapsed: Duration) -> Duration {
    let left = VERDICT.saturating_sub(elapsed).min(PROBE);
    left.max(script * 3).min(SLOW_PROBE)
}

async fn only_if<T>(wanted: bool, work: impl Future<Output = T>) -> Option<T> {
    if wanted {
        Some(Box::pin(work).await)
    } else {
        None
    }
}

/// Runs the script.
async fn ask(
    inventory: &Inventory,
    patient: &Patient,
    expected: &crate::observe::Expected,
    arrivals: &Arrivals,
    watch: &(dyn Fn(Stage) + Sync),
) -> Result<HostFacts, RemoteError> {
    let (remote, desired) = (patient.remote.as_ref(), &patient.desired);
    let domain = &inventory.site.domain;
    let mut questions: BTreeSet<String> = BTreeSet::new();
    questions.insert(format!("name\t{domain}"));
    for service in &desired.services {
        questions.insert(format!("unit\t{}", service.unit));
    }
    for path in login::CREDENTIALS {
        questions.insert(format!("credential\t{path}"));
    }
    for path in expected.private.keys() {
        questions.insert(format!("private\t{path}"));
    }
    if desired.roles.contains(&Role::Main) {
        questions.insert("prosody\t/etc/prosody/conf.d/jitctl.cfg.lua".to_owned());
        if let Tls::Acme { .. } = inventory.site.tls {
            questions.extend(ISSUANCE_JOBS.map(|unit| format!("job\t{unit}")));
        }
    }
    let mut input = questions
        .into_iter()
        .collect::<Vec<_>>()
        .join("\n")
        .into_bytes();
    input.push(b'\n');
    let script = Script::new("look at the host", LOOK, Duration::from_secs(15)).with_input(input);
    watch(Stage::Connect);
    // The connection is made first, so that only the script itself counts for the clock.
    let connect = Script::new("connect", "exit 0", Duration::from_secs(5));
    arrivals.within(remote.host(), remote.run(connect)).await?;
    watch(Stage::Look);
    let asked = Instant::now();
    let output = remote.run(script).await?;
    tracing::debug!(elapsed = ?asked.elapsed(), "looked");
    let facts = parse(&output.text(), SystemTime::now(), asked.elapsed());
    if facts.came_to_its_end {
        return Ok(facts);
    }
    // What an answer lacks would be taken for lacking on the host.
    Err(RemoteError::Lost {
        host: remote.host().clone(),
        title: "look at the host".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_end_with_the_verdict_unless_the_host_is_slow_at_everything() {
        let at = |script, elapsed| {
            let millis = Duration::from_millis;
            patience(millis(script), millis(elapsed)).as_millis()
        };
        assert_eq!(at(200, 400), 3000);
        assert_eq!(at(800, 2000), 2500);
        assert_eq!(at(2000, 4000), 6000);
        assert_eq!(at(9000, 12_000), 8000);
    }
}
