//! `<transport>` of an endpoint or relay: ICE roles around an ICE-UDP transport, and SCTP.

use crate::ice::IceUdpTransport;
use crate::namespace::{COLIBRI2, ICE_UDP};
use crate::parse::{ParseError, bad, boolean, optional};
use crate::xml::Element;

/// Role in the SCTP association of the addressed bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SctpRole {
    /// Opens the association.
    Client,
    /// Waits for it.
    Server,
}

impl SctpRole {
    fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

/// `<sctp>`: a data channel over DTLS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sctp {
    /// Role of the addressed bridge.
    pub role: Option<SctpRole>,
    /// SCTP port.
    pub port: Option<u16>,
}

/// The outer `<transport>`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transport {
    /// The bridge is the controlling agent.
    pub ice_controlling: bool,
    /// A port of its own (relays only).
    pub use_unique_port: bool,
    /// Start an in-place ICE restart.
    pub ice_restart: bool,
    /// Credentials, fingerprints and candidates.
    pub ice_udp: Option<IceUdpTransport>,
    /// Data channel.
    pub sctp: Option<Sctp>,
}

impl Transport {
    /// The transport of an endpoint or relay entry.
    pub(super) fn of(entry: &Element) -> Result<Option<Self>, ParseError> {
        entry
            .child("transport", COLIBRI2)
            .map(Self::parse)
            .transpose()
    }

    /// Reads a `<transport>`.
    ///
    /// # Errors
    /// Anything outside its type.
    pub fn parse(element: &Element) -> Result<Self, ParseError> {
        Ok(Self {
            ice_controlling: boolean(element, "ice-controlling", false)?,
            use_unique_port: boolean(element, "use-unique-port", false)?,
            ice_restart: boolean(element, "ice-restart", false)?,
            ice_udp: element
                .child("transport", ICE_UDP)
                .map(IceUdpTransport::parse)
                .transpose()?,
            sctp: element
                .child("sctp", COLIBRI2)
                .map(parse_sctp)
                .transpose()?,
        })
    }

    /// Builds the `<transport>`.
    pub fn to_element(&self) -> Element {
        let sctp = self.sctp.map(|sctp| {
            Element::new("sctp", COLIBRI2)
                .with_some("role", sctp.role.map(SctpRole::name))
                .with_some("port", sctp.port)
        });
        Element::new("transport", COLIBRI2)
            .with_flag("ice-controlling", self.ice_controlling)
            .with_flag("use-unique-port", self.use_unique_port)
            .with_flag("ice-restart", self.ice_restart)
            .with_children(self.ice_udp.as_ref().map(IceUdpTransport::to_element))
            .with_children(sctp)
    }
}

fn parse_sctp(element: &Element) -> Result<Sctp, ParseError> {
    let role = match element.attribute("role") {
        None => None,
        Some("client") => Some(SctpRole::Client),
        Some("server") => Some(SctpRole::Server),
        Some(other) => return Err(bad(element, "role", other, "`client` or `server`")),
    };
    Ok(Sctp {
        role,
        port: optional(element, "port", "a port")?,
    })
}
