//! SCRAM with what a service really logs in with, from where it really stands.

use std::path::Path;
use std::time::Duration;

use jitctl_transport::{Remote, Script};
use jitctl_xmpp::{Credentials, Failure, ServerAddress, Stage, Target, Trust, probe_login_over};
use secrecy::SecretString;
use serde::Deserialize;

use super::PROBE;
use crate::observe::{HostFacts, Login};

/// Where the services' credentials lie.
const BRIDGE_PASSWORD: &str = "/etc/jitctl/credentials/bridge-xmpp-password";
const FOCUS_PASSWORD: &str = "/etc/jitctl/credentials/focus-xmpp-password";
const COMPONENT_SECRET: &str = "/etc/jitctl/credentials/focus-component-secret";
pub(super) const CREDENTIALS: [&str; 3] = [BRIDGE_PASSWORD, FOCUS_PASSWORD, COMPONENT_SECRET];

const CONNECT: &str = r#"
    command -v bash > /dev/null 2>&1 || exit 0
    read -r host && read -r port || exit 0
    timeout 2 bash -c 'exec 3<> "/dev/tcp/$1/$2"' connect "$host" "$port" 2> /dev/null &&
        echo yes || echo no"#;

#[derive(Deserialize)]
struct BridgeFile {
    xmpp: Vec<Account>,
}

#[derive(Deserialize)]
struct FocusFile {
    xmpp: Account,
}

#[derive(Clone, Deserialize)]
struct Account {
    address: String,
    domain: String,
    username: String,
    #[serde(default)]
    brewery: Option<String>,
}

pub(super) async fn bridge(remote: &dyn Remote, facts: &HostFacts, limit: Duration) -> Vec<Login> {
    let Some(text) = &facts.bridge else {
        return Vec::new();
    };
    match toml::from_str::<BridgeFile>(text) {
        Ok(file) => {
            let logins = file
                .xmpp
                .iter()
                .map(|account| log_in(remote, facts, account, BRIDGE_PASSWORD, limit));
            futures_util::future::join_all(logins).await
        }
        Err(error) => vec![unusable(&format!("bridge.toml: {}", error.message()))],
    }
}

/// The brewery that the focus is configured for.
pub(super) fn focus_brewery(facts: &HostFacts) -> Option<String> {
    let text = facts.focus.as_ref()?;
    toml::from_str::<FocusFile>(text).ok()?.xmpp.brewery
}

pub(super) async fn focus(
    remote: &dyn Remote,
    facts: &HostFacts,
    limit: Duration,
) -> Option<Login> {
    let text = facts.focus.as_ref()?;
    Some(match toml::from_str::<FocusFile>(text) {
        Ok(file) => log_in(remote, facts, &file.xmpp, FOCUS_PASSWORD, limit).await,
        Err(error) => unusable(&format!("focus.toml: {}", error.message())),
    })
}

async fn log_in(
    remote: &dyn Remote,
    facts: &HostFacts,
    account: &Account,
    password: &'static str,
    limit: Duration,
) -> Login {
    let mut login = Login {
        address: account.address.clone(),
        account: format!("{}@{}", account.username, account.domain),
        domain: account.domain.clone(),
        brewery: account.brewery.clone(),
        credential: password,
        ended_at_once: false,
        accepts: None,
        outcome: None,
        unusable: None,
    };
    let prepared = prepare(facts, account, password);
    let (target, credentials) = match prepared {
        Ok(prepared) => prepared,
        Err(words) => {
            login.unusable = Some(words);
            return login;
        }
    };
    let tunnel = remote
        .open_tunnel(target.address.host(), target.address.port())
        .await;
    let Ok(tunnel) = tunnel else {
        login.ended_at_once = true;
        return login;
    };
    let (outcome, accepts) = tokio::join!(
        probe_login_over(Box::new(tunnel.into_inner()), &target, credentials, limit),
        accepts(remote, &target.address),
    );
    login.accepts = accepts;
    // Through a tunnel a refused connection is one that ends before the first byte.
    login.ended_at_once = match &outcome.result {
        Err(Failure::Closed { stage }) => *stage <= Stage::Open && outcome.mechanisms.is_empty(),
        _ => false,
    };
    login.outcome = Some(outcome);
    login
}

/// A tunnel is silent both when a connection is swallowed and when it is accepted by somebody
/// mute: the host itself tells them apart.
async fn accepts(remote: &dyn Remote, address: &ServerAddress) -> Option<bool> {
    let input = format!("{}\n{}\n", address.host(), address.port()).into_bytes();
    let script = Script::new("connect", CONNECT, PROBE).with_input(input);
    let output = remote.run(script).await.ok()?;
    match output.text().trim() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

fn prepare(
    facts: &HostFacts,
    account: &Account,
    password: &str,
) -> Result<(Target, Credentials), String> {
    let address: ServerAddress = account
        .address
        .parse()
        .map_err(|_| format!("`{}` is no address", account.address))?;
    let password: SecretString = facts
        .credentials
        .get(password)
        .cloned()
        .ok_or(format!("{password} is missing"))?;
    let authority = facts
        .authority
        .as_ref()
        .ok_or("/etc/jitctl/pki/ca.crt is missing")?;
    let trust = Trust::from_pem(authority.as_bytes(), Path::new("/etc/jitctl/pki/ca.crt"))
        .map_err(|error| error.to_string())?;
    let target = Target {
        address,
        domain: account.domain.clone(),
        trust: Some(trust),
    };
    let credentials = Credentials::Password {
        username: account.username.clone(),
        password,
    };
    Ok((target, credentials))
}

fn unusable(words: &str) -> Login {
    Login {
        address: String::new(),
        account: String::new(),
        domain: String::new(),
        brewery: None,
        credential: "",
        ended_at_once: false,
        accepts: None,
        outcome: None,
        unusable: Some(words.to_owned()),
    }
}
