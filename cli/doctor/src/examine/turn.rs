//! A TURN server, asked over TCP from its own host with the credentials that people get.
//!
//! Nothing is relayed: a permission for an address is granted or refused before any datagram.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use jitctl_transport::{Remote, Stream};
use secrecy::ExposeSecret as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::stun::{self, Answer, Login, Request};
use super::web::{self, within};
use crate::observe::probe::{TurnOffer, TurnView};

/// Looks at the server behind `offers`; `bridges` are addresses that it must relay to.
pub(super) async fn look(
    remote: &dyn Remote,
    domain: &str,
    offers: &[TurnOffer],
    bridges: &[IpAddr],
    limit: Duration,
) -> TurnView {
    let tls_port = jitctl_templates::ports::TURN_TLS.number;
    let (secure, relay) = tokio::join!(
        web::secure_on(remote, domain, tls_port),
        within(limit, relay(remote, offers, bridges)),
    );
    let mut view = TurnView::default();
    match secure {
        Ok((_, chain)) => view.certificate = chain.into_iter().next(),
        Err(words) => view.tls_error = Some(words),
    }
    match relay {
        Ok(relay) => {
            view.allocated = Some(relay.allocated);
            view.relays_to_itself = relay.relays_to_itself;
            view.refused_bridges = relay.refused_bridges;
        }
        Err(words) => view.trouble = Some(words),
    }
    view
}

struct Relay {
    allocated: Result<(), String>,
    relays_to_itself: bool,
    refused_bridges: Vec<IpAddr>,
}

async fn relay(
    remote: &dyn Remote,
    offers: &[TurnOffer],
    bridges: &[IpAddr],
) -> Result<Relay, String> {
    let mut plain = offers.iter().filter(|offer| offer.kind == "turn");
    let Some(offer) = plain.find(|offer| !offer.username.is_empty()) else {
        return Err("Prosody hands out no TURN credentials".to_owned());
    };
    // coturn takes TCP on the port that people are told for UDP.
    let tunnel = remote.open_tunnel("127.0.0.1", offer.port).await;
    let mut stream = tunnel.map_err(|error| error.to_string())?.into_inner();
    let mut relay = Relay {
        allocated: Ok(()),
        relays_to_itself: false,
        refused_bridges: Vec::new(),
    };
    // The first request is refused with realm and nonce, the second one counts.
    let id = stun::transaction_id();
    let first = Request::new(stun::ALLOCATE, id).for_udp().into_bytes();
    let challenge = ask(&mut stream, &first, id).await?;
    let mut login = Login {
        username: &offer.username,
        password: offer.password.expose_secret(),
        realm: challenge.realm.unwrap_or_default(),
        nonce: challenge.nonce,
    };
    let id = stun::transaction_id();
    let second = Request::new(stun::ALLOCATE, id).for_udp().signed(&login);
    let answer = ask(&mut stream, &second, id).await?;
    if let Some((code, words)) = answer.error {
        relay.allocated = Err(format!("Allocate answered {code} {words}"));
        return Ok(relay);
    }
    let itself = IpAddr::V4(Ipv4Addr::LOCALHOST);
    relay.relays_to_itself = permits(&mut stream, &mut login, itself).await?;
    for bridge in bridges.iter().filter(|one| one.is_ipv4()) {
        if !permits(&mut stream, &mut login, *bridge).await? {
            relay.refused_bridges.push(*bridge);
        }
    }
    let id = stun::transaction_id();
    let end = Request::new(stun::REFRESH, id).ending().signed(&login);
    // Without it the relay would end by itself after ten minutes.
    let _ = ask(&mut stream, &end, id).await;
    Ok(relay)
}

/// Whether the server grants a permission for this address.
async fn permits<S: Stream>(
    stream: &mut S,
    login: &mut Login<'_>,
    peer: IpAddr,
) -> Result<bool, String> {
    for _ in 0..2 {
        let id = stun::transaction_id();
        let request = Request::new(stun::CREATE_PERMISSION, id).for_peer(peer);
        let answer = ask(stream, &request.signed(login), id).await?;
        match answer.error {
            None => return Ok(true),
            // Stale Nonce (RFC 8489 18.4): once more with the new one.
            Some((438, _)) => login.nonce = answer.nonce,
            Some(_) => return Ok(false),
        }
    }
    Ok(false)
}

async fn ask<S: Stream>(
    stream: &mut S,
    request: &[u8],
    id: stun::TransactionId,
) -> Result<Answer, String> {
    let failed = |error: std::io::Error| format!("the connection to coturn broke: {error}");
    stream.write_all(request).await.map_err(failed)?;
    stream.flush().await.map_err(failed)?;
    let mut bytes = Vec::new();
    let mut buffer = [0; 2048];
    loop {
        let count = stream.read(&mut buffer).await.map_err(failed)?;
        if count == 0 {
            return Err("coturn ended the connection".to_owned());
        }
        bytes.extend_from_slice(buffer.get(..count).unwrap_or_default());
        while let Some(length) = stun::length(&bytes).filter(|length| *length <= bytes.len()) {
            let message: Vec<u8> = bytes.drain(..length).collect();
            if let Some(answer) = Answer::parse(&message, &id) {
                return Ok(answer);
            }
        }
    }
}
