//! What a person without an account meets: an anonymous login through the web server, a
//! conference request, and the TURN credentials that the server hands out.

use std::time::Duration;

use jitctl_transport::{Remote, Stream};
use jitctl_wire::conference_request::{ConferenceReply, ConferenceRequest};
use jitctl_wire::{Element, StanzaError};
use secrecy::SecretString;

use super::web::{self, within};
use super::websocket::Socket;
use crate::observe::probe::{Asked, GuestVisit, TurnOffer};

const FRAMING: &str = "urn:ietf:params:xml:ns:xmpp-framing";
const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
const BIND: &str = "urn:ietf:params:xml:ns:xmpp-bind";
const SERVICES: &str = "urn:xmpp:extdisco:2";

/// The room that is asked for; always the same one, so that looks leave at most one behind.
const ROOM: &str = "jitctl-doctor";

/// Where a guest goes.
pub(super) struct Site<'s> {
    /// The name people open.
    pub(super) domain: &'s str,
    /// The XMPP host that takes them in.
    pub(super) guests: &'s str,
    /// How long each part of the visit may take.
    pub(super) limit: Duration,
}

/// One visit from the web server's own host.
pub(super) async fn visit(remote: &dyn Remote, site: &Site<'_>) -> GuestVisit {
    let mut visit = GuestVisit::default();
    let session = async {
        let (stream, _) = web::secure(remote, site.domain).await?;
        let mut socket = Socket::open(stream, site.domain).await?;
        log_in(&mut socket, site.guests).await?;
        visit.logged_in = true;
        visit.turn = services(&mut socket, site).await.unwrap_or_default();
        visit.conference = Some(request_conference(&mut socket, site).await);
        let close = Element::new("close", FRAMING);
        socket.send(&close.to_xml()).await
    };
    let (session, over_http) = tokio::join!(within(site.limit, session), over_http(remote, site));
    visit.trouble = session.err();
    visit.over_http = Some(over_http);
    visit
}

async fn open<S: Stream>(socket: &mut Socket<S>, host: &str) -> Result<Element, String> {
    let open = Element::new("open", FRAMING)
        .with("to", host)
        .with("version", "1.0");
    socket.send(&open.to_xml()).await?;
    let opened = socket.receive().await?;
    if opened.name() != "open" {
        return Err(trouble(&opened));
    }
    socket.receive().await
}

async fn log_in<S: Stream>(socket: &mut Socket<S>, host: &str) -> Result<(), String> {
    let features = open(socket, host).await?;
    let offered: Vec<String> = features
        .child("mechanisms", SASL)
        .into_iter()
        .flat_map(Element::children)
        .map(Element::text)
        .collect();
    if !offered.iter().any(|one| one == "ANONYMOUS") {
        return Err(format!(
            "`{host}` takes no guests: it offers {}",
            offered.join(", ")
        ));
    }
    let auth = Element::new("auth", SASL).with("mechanism", "ANONYMOUS");
    socket.send(&auth.to_xml()).await?;
    let answer = socket.receive().await?;
    if answer.name() != "success" {
        return Err(trouble(&answer));
    }
    open(socket, host).await?;
    let bind = iq("set", None, "bind", Element::new("bind", BIND));
    let answer = ask(socket, "bind", &bind).await?;
    answer.map(drop)
}

async fn request_conference<S: Stream>(
    socket: &mut Socket<S>,
    site: &Site<'_>,
) -> Result<Asked, String> {
    let room = format!("{ROOM}@conference.{}", site.domain);
    let request = ConferenceRequest {
        room: room
            .parse()
            .map_err(|_| format!("`{room}` is no address"))?,
        machine_uid: Some(ROOM.to_owned()),
        session_id: None,
        properties: std::collections::BTreeMap::new(),
    };
    let focus = format!("focus.{}", site.domain);
    let iq = iq("set", Some(&focus), "conference", request.to_element());
    let answer = ask(socket, "conference", &iq).await?;
    Ok(match answer {
        Ok(answer) => {
            let reply = answer.first_child().map(ConferenceReply::parse);
            match reply {
                Some(Ok(reply)) => Asked::Granted { ready: reply.ready },
                _ => return Err("the answer carries no conference".to_owned()),
            }
        }
        Err(words) if words.starts_with("not-authorized") => Asked::LoginWanted,
        Err(words) => Asked::Refused(words),
    })
}

async fn services<S: Stream>(
    socket: &mut Socket<S>,
    site: &Site<'_>,
) -> Result<Vec<TurnOffer>, String> {
    let query = Element::new("services", SERVICES);
    let iq = iq("get", Some(site.guests), "services", query);
    let answer = match ask(socket, "services", &iq).await? {
        Ok(answer) => answer,
        Err(words) => return Err(words),
    };
    let services = answer.child("services", SERVICES).into_iter();
    Ok(services
        .flat_map(Element::children)
        .filter_map(|service| {
            let text = |name| service.attribute(name).map(str::to_owned);
            Some(TurnOffer {
                kind: text("type")?,
                host: text("host")?,
                port: service.attribute("port")?.parse().ok()?,
                transport: text("transport").unwrap_or_default(),
                username: text("username").unwrap_or_default(),
                password: SecretString::from(text("password").unwrap_or_default()),
            })
        })
        .collect())
}

fn iq(kind: &str, to: Option<&str>, id: &str, payload: Element) -> Element {
    Element::new("iq", "jabber:client")
        .with("type", kind)
        .with("id", id)
        .with_some("to", to)
        .with_child(payload)
}

/// The answer to an iq: its element, or the words of its error.
async fn ask<S: Stream>(
    socket: &mut Socket<S>,
    id: &str,
    iq: &Element,
) -> Result<Result<Element, String>, String> {
    socket.send(&iq.to_xml()).await?;
    loop {
        let answer = socket.receive().await?;
        if answer.name() != "iq" || answer.attribute("id") != Some(id) {
            continue;
        }
        if answer.attribute("type") == Some("result") {
            return Ok(Ok(answer));
        }
        let error = answer.child("error", "jabber:client");
        return Ok(Err(
            error.map_or_else(|| "an error without a reason".to_owned(), words_of)
        ));
    }
}

fn words_of(error: &Element) -> String {
    StanzaError::parse(error).map_or_else(
        |_| "an error without a reason".to_owned(),
        |error| error.to_string(),
    )
}

/// A stream error or a SASL failure in one line.
fn trouble(element: &Element) -> String {
    let condition = element
        .first_child()
        .map_or_else(|| element.name().to_owned(), |one| one.name().to_owned());
    let text = element
        .children()
        .find(|one| one.name() == "text")
        .map(|text| format!(" ({})", text.text()))
        .unwrap_or_default();
    format!("the server says {condition}{text}")
}

/// The same request in its other form; the status, or why there is none.
async fn over_http(remote: &dyn Remote, site: &Site<'_>) -> Result<u16, String> {
    let domain = site.domain;
    let body = format!("{{\"room\":\"{ROOM}@conference.{domain}\",\"properties\":{{}}}}");
    let request = format!(
        "POST /conference-request/v1 HTTP/1.1\r\nHost: {domain}\r\nUser-Agent: jitctl-doctor\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let exchange = async {
        let (mut stream, _) = web::secure(remote, domain).await?;
        let head = web::exchange(&mut stream, request.as_bytes(), web::Until::EndOfHead).await?;
        web::status_line(&head)
    };
    within(site.limit, exchange).await
}
