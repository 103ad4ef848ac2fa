//! The site from the operator's machine, past ssh: the name as this machine resolves it, and
//! whether MAIN's web server can be reached from here at all. Only if it can does silence of
//! another port mean anything: behind a jump host everything is silent.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;
use jitctl_inventory::model::{Inventory, Role};
use tokio::net::TcpStream;

use super::reach::Board;
use super::web::{secure_over, within};
use crate::observe::Certificate;
use crate::observe::host::NameAnswer;
use crate::observe::probe::Outside;

/// How long everything here may take: a connection and a handshake around the world.
const PATIENCE: Duration = Duration::from_millis(1500);
/// How long this machine's name server may take.
const NAME_PATIENCE: Duration = Duration::from_secs(3);

pub(super) async fn look(inventory: &Inventory, board: &Board) -> Outside {
    let domain = inventory.site.domain.as_str();
    let addresses: Vec<IpAddr> = inventory
        .hosts_with(Role::Main)
        .flat_map(|(_, host)| match host.address.public.as_slice() {
            [] => host.address.private.iter(),
            _ => host.address.public.iter(),
        })
        .copied()
        .collect();
    let calls = addresses.into_iter().map(|ip| async move {
        let call = async {
            let stream = TcpStream::connect(SocketAddr::new(ip, 443)).await;
            let stream = stream.map_err(|error| error.to_string())?;
            let (_, chain) = secure_over(stream, domain, 443).await?;
            Ok(chain)
        };
        within(PATIENCE, call).await.ok()
    });
    let leaves = async {
        let chains = join_all(calls).await.into_iter().flatten();
        let leaves: Vec<Certificate> = chains
            .filter_map(|chain| chain.into_iter().next())
            .collect();
        board.tell_directness(!leaves.is_empty());
        leaves
    };
    let (leaves, name) = tokio::join!(leaves, resolve(domain));
    Outside { leaves, name }
}

async fn resolve(domain: &str) -> NameAnswer {
    let found = tokio::net::lookup_host((domain, 443));
    match tokio::time::timeout(NAME_PATIENCE, found).await {
        Err(_) => NameAnswer::Silent,
        Ok(Err(_)) => NameAnswer::Unknown,
        Ok(Ok(found)) => {
            let mut found: Vec<IpAddr> = found.map(|one| one.ip()).collect();
            found.sort_unstable();
            found.dedup();
            NameAnswer::Found(found)
        }
    }
}
