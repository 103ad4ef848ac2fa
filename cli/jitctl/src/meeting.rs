//! Joining a site's meetings from here: where it is, what to trust, which bridge a room is on.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use jitctl_inventory::model::{Role, Tls};
use jitctl_inventory::names::HostName;
use jitctl_participant::Site as MeetingSite;
use jitctl_templates::secrets::PKI_CA_CERT;
use jitctl_transport::{Remote as _, Script, quote};
use jitctl_xmpp::Trust;
use secrecy::ExposeSecret as _;

use crate::context::Context;
use crate::failure::Failure;
use crate::site::Site;
use crate::vault;

/// Room names of ours begin so, in logs and in the focus.
pub(crate) const ROOM_PREFIX: &str = "jitctl-";

/// How long a pin lasts if nobody takes it away.
const PIN_MINUTES: u32 = 5;

/// What is given on the command line about the way into a site.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Way {
    /// Certificates to trust, as a PEM file; otherwise the site's own authority or this machine's.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

impl Way {
    /// The site as browsers reach it.
    pub(crate) fn site(&self, context: &Context, site: &Site) -> Result<Arc<MeetingSite>, Failure> {
        public_site(context, site, self.ca.as_deref())
    }
}

/// The site as browsers reach it, trusted through `ca`; without it through its own authority when
/// it has one, else through those of this machine.
pub(crate) fn public_site(
    context: &Context,
    site: &Site,
    ca: Option<&Path>,
) -> Result<Arc<MeetingSite>, Failure> {
    let settings = &site.inventory().site;
    let trust = match (ca, &settings.tls) {
        (Some(path), _) => Trust::from_pem_file(path),
        (None, Tls::PrivateCa) => {
            let vault = vault::open(context)?;
            let authority = vault.value_named(PKI_CA_CERT)?;
            Trust::from_pem(authority.expose_secret().as_bytes(), Path::new(PKI_CA_CERT))
        }
        (None, _) => Trust::system(),
    };
    let trust = trust.map_err(|error| {
        Failure::usage(
            error.to_string(),
            "give the authority of the site's certificate with `--ca FILE`",
        )
    })?;
    Ok(Arc::new(MeetingSite::public(
        settings.domain.as_str(),
        trust,
    )))
}

/// A room name nobody uses.
pub(crate) fn room_name(kind: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    // Unique enough without randomness: process, time, and how many there were.
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    format!(
        "{ROOM_PREFIX}{kind}-{:x}-{:x}-{:x}",
        std::process::id(),
        now.as_millis() & 0xff_ffff,
        COUNT.fetch_add(1, Ordering::Relaxed)
    )
}

/// One bridge of the inventory.
#[derive(Clone, Debug)]
pub(crate) struct Bridge {
    /// The host.
    pub(crate) host: HostName,
    /// Its name in the brewery.
    pub(crate) nickname: String,
    addresses: Vec<String>,
}

/// All bridges of a site.
pub(crate) fn bridges(site: &Site) -> Vec<Bridge> {
    site.inventory()
        .hosts_with(Role::Bridge)
        .map(|(name, host)| Bridge {
            host: name.clone(),
            nickname: host.muc_nick(name).to_string(),
            addresses: host
                .address
                .private
                .iter()
                .chain(&host.address.public)
                .map(ToString::to_string)
                .collect(),
        })
        .collect()
}

/// The host behind the addresses that a bridge offered; the addresses themselves when unknown.
pub(crate) fn name_of(bridges: &[Bridge], offered: &str) -> String {
    let found = bridges.iter().find(|bridge| {
        offered
            .split(' ')
            .any(|address| bridge.addresses.iter().any(|known| known == address))
    });
    found.map_or_else(|| offered.to_owned(), |bridge| bridge.host.to_string())
}

/// Holds a room to a bridge, at the focus of every MAIN.
pub(crate) async fn pin(site: &Site, room: &str, nickname: &str) -> Result<(), Failure> {
    let body = serde_json::json!({
        "conferenceId": room, "bridge": nickname, "durationMinutes": PIN_MINUTES,
    });
    post(site, "/pin", &body).await
}

/// Takes the hold away again.
pub(crate) async fn unpin(site: &Site, room: &str) -> Result<(), Failure> {
    post(
        site,
        "/pin/remove",
        &serde_json::json!({ "conferenceId": room }),
    )
    .await
}

async fn post(site: &Site, path: &str, body: &serde_json::Value) -> Result<(), Failure> {
    let text = POST
        .replace("@PATH@", &quote(path))
        .replace("@BODY@", &quote(&body.to_string()));
    for remote in site.remotes(&site.own_mains()?) {
        let script = Script::new("tell the focus", &text, Duration::from_secs(15));
        remote.run(script).await?;
    }
    Ok(())
}

/// Hosts have Perl; curl they may not have.
const POST: &str = r#"
perl -MIO::Socket::INET -e '
    my ($path, $body) = @ARGV;
    my $socket = IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => 8888, Timeout => 3)
        or die "the focus does not listen on 127.0.0.1:8888\n";
    print $socket "POST $path HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\n",
        "Content-Length: ", length($body), "\r\n\r\n", $body;
    local $/; my $answer = <$socket>;
    exit 0 if $answer =~ m{^HTTP/1.. 200};
    print STDERR $answer; exit 1;' @PATH@ @BODY@
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bridge_is_known_by_any_of_its_addresses() {
        let bridges = [Bridge {
            host: HostName::new("b1"),
            nickname: "b1".to_owned(),
            addresses: vec!["10.0.0.2".to_owned(), "203.0.113.2".to_owned()],
        }];
        assert_eq!(name_of(&bridges, "198.51.100.1 203.0.113.2"), "b1");
        assert_eq!(name_of(&bridges, "198.51.100.1"), "198.51.100.1");
    }
}
