//! The ICE-UDP transport with fingerprints and bridge channel addresses (XEP-0176, XEP-0320).
//!
//! Shared by colibri2 and Jingle. Addresses of candidates stay text: browsers send names ending
//! in `.local`.

use crate::namespace::{COLIBRI, DTLS, ICE_UDP};
use crate::parse::{ParseError, bad, boolean, expect, optional, required, required_as};
use crate::xml::Element;

/// Which side opens the DTLS handshake (RFC 4145).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setup {
    /// DTLS client.
    Active,
    /// DTLS server.
    Passive,
    /// Either; the answer decides.
    Actpass,
    /// Not now.
    Holdconn,
}

impl Setup {
    /// The attribute value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::Actpass => "actpass",
            Self::Holdconn => "holdconn",
        }
    }

    fn of(element: &Element) -> Result<Option<Self>, ParseError> {
        let Some(value) = element.attribute("setup") else {
            return Ok(None);
        };
        [Self::Active, Self::Passive, Self::Actpass, Self::Holdconn]
            .into_iter()
            .find(|setup| setup.name() == value)
            .map(Some)
            .ok_or_else(|| bad(element, "setup", value, "a role of RFC 4145"))
    }
}

/// Hash of a DTLS certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// Hash function, such as `sha-256`.
    pub hash: String,
    /// Colon-separated hexadecimal bytes.
    pub value: String,
    /// Role in the handshake.
    pub setup: Option<Setup>,
    /// Header extensions may be encrypted (RFC 9335).
    pub cryptex: bool,
}

/// A candidate (RFC 8445).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Candidate {
    /// Component; 1 is RTP.
    pub component: u16,
    /// Groups candidates of one base and kind.
    pub foundation: String,
    /// Generation of the agent it belongs to.
    pub generation: Option<u32>,
    /// Identifier within the session.
    pub id: Option<String>,
    /// Index of the network interface.
    pub network: Option<u32>,
    /// `udp` or `tcp`.
    pub protocol: String,
    /// `host`, `srflx`, `prflx`, `relay`.
    pub kind: String,
    /// Address; may be a name.
    pub ip: String,
    /// Port.
    pub port: u16,
    /// Priority.
    pub priority: u32,
    /// Base address of a reflexive or relayed candidate.
    pub related_address: Option<String>,
    /// Base port of a reflexive or relayed candidate.
    pub related_port: Option<u16>,
    /// `active`, `passive` or `so` of a TCP candidate (RFC 6544).
    pub tcp_type: Option<String>,
}

impl Candidate {
    /// Reads a `<candidate>`.
    ///
    /// # Errors
    /// Another element, or a missing or impossible value.
    pub fn parse(element: &Element) -> Result<Self, ParseError> {
        expect(element, "candidate", ICE_UDP)?;
        Ok(Self {
            component: required_as(element, "component", "a number")?,
            foundation: required(element, "foundation")?.to_owned(),
            generation: optional(element, "generation", "a number")?,
            id: element.attribute("id").map(str::to_owned),
            network: optional(element, "network", "a number")?,
            protocol: required(element, "protocol")?.to_owned(),
            kind: required(element, "type")?.to_owned(),
            ip: required(element, "ip")?.to_owned(),
            port: required_as(element, "port", "a port")?,
            priority: required_as(element, "priority", "a 32 bit number")?,
            related_address: element.attribute("rel-addr").map(str::to_owned),
            related_port: optional(element, "rel-port", "a port")?,
            tcp_type: element.attribute("tcptype").map(str::to_owned),
        })
    }

    /// Builds the `<candidate>`.
    pub fn to_element(&self) -> Element {
        Element::new("candidate", ICE_UDP)
            .with("component", self.component.to_string())
            .with("foundation", self.foundation.clone())
            .with_some("generation", self.generation)
            .with_some("id", self.id.as_ref())
            .with_some("network", self.network)
            .with("protocol", self.protocol.clone())
            .with("type", self.kind.clone())
            .with("ip", self.ip.clone())
            .with("port", self.port.to_string())
            .with("priority", self.priority.to_string())
            .with_some("rel-addr", self.related_address.as_ref())
            .with_some("rel-port", self.related_port)
            .with_some("tcptype", self.tcp_type.as_ref())
    }
}

/// Address of a bridge channel over WebSocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebSocketAddress {
    /// `wss://…`.
    pub url: String,
    /// Whether the recipient is to dial it at once (relays).
    pub active: bool,
}

/// An ICE-UDP `<transport>`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IceUdpTransport {
    /// User name fragment.
    pub ufrag: Option<String>,
    /// Password.
    pub pwd: Option<String>,
    /// Which restart these credentials belong to; absent for the first agent.
    pub ice_generation: Option<u32>,
    /// RTP and RTCP share a port.
    pub rtcp_mux: bool,
    /// Certificates that may appear.
    pub fingerprints: Vec<Fingerprint>,
    /// Bridge channel addresses.
    pub web_sockets: Vec<WebSocketAddress>,
    /// Candidates.
    pub candidates: Vec<Candidate>,
}

impl IceUdpTransport {
    /// Reads a `<transport>`; other children are ignored.
    ///
    /// # Errors
    /// Another element, or a child with a missing or impossible value.
    pub fn parse(element: &Element) -> Result<Self, ParseError> {
        expect(element, "transport", ICE_UDP)?;
        let mut transport = Self {
            ufrag: element.attribute("ufrag").map(str::to_owned),
            pwd: element.attribute("pwd").map(str::to_owned),
            ice_generation: optional(element, "ice-generation", "a number")?,
            ..Self::default()
        };
        for child in element.children() {
            if child.is("rtcp-mux", ICE_UDP) {
                transport.rtcp_mux = true;
            } else if child.is("candidate", ICE_UDP) {
                transport.candidates.push(Candidate::parse(child)?);
            } else if child.is("fingerprint", DTLS) {
                transport.fingerprints.push(Fingerprint {
                    hash: required(child, "hash")?.to_owned(),
                    value: child.text().trim().to_owned(),
                    setup: Setup::of(child)?,
                    cryptex: boolean(child, "cryptex", false)?,
                });
            } else if child.is("web-socket", COLIBRI) {
                transport.web_sockets.push(WebSocketAddress {
                    url: required(child, "url")?.to_owned(),
                    active: boolean(child, "active", false)?,
                });
            }
        }
        Ok(transport)
    }

    /// Builds the `<transport>`.
    pub fn to_element(&self) -> Element {
        Element::new("transport", ICE_UDP)
            .with_some("ufrag", self.ufrag.as_ref())
            .with_some("pwd", self.pwd.as_ref())
            .with_some("ice-generation", self.ice_generation)
            .with_children(self.rtcp_mux.then(|| Element::new("rtcp-mux", ICE_UDP)))
            .with_children(self.fingerprints.iter().map(|fingerprint| {
                Element::new("fingerprint", DTLS)
                    .with("hash", fingerprint.hash.clone())
                    .with_some("setup", fingerprint.setup.map(Setup::name))
                    .with_flag("cryptex", fingerprint.cryptex)
                    .with_text(fingerprint.value.clone())
            }))
            .with_children(self.web_sockets.iter().map(|address| {
                Element::new("web-socket", COLIBRI)
                    .with("url", address.url.clone())
                    .with_flag("active", address.active)
            }))
            .with_children(self.candidates.iter().map(Candidate::to_element))
    }
}
