//! Multi-user chat as far as bridges and focus use it (XEP-0045).
//!
//! Several `<item jid>` in one presence mean that several connections share one nickname: a
//! server that allows this for one account shows a cloned host only there.

use crate::jid::Jid;
use crate::namespace;
use crate::parse::{ParseError, expect};
use crate::stanza::Presence;
use crate::xml::Element;

/// The room's own presence for us (XEP-0045 status 110).
pub const STATUS_SELF: u16 = 110;
/// The room was created by this join (status 201).
pub const STATUS_CREATED: u16 = 201;
/// The occupant was kicked (status 307).
pub const STATUS_KICKED: u16 = 307;

/// One `<item>`: what the room says of a connection behind an occupant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Item {
    /// Long-lived standing: `owner`, `admin`, `member`, `none`, `outcast`.
    pub affiliation: String,
    /// Standing while present: `moderator`, `participant`, `visitor`, `none`.
    pub role: String,
    /// The real address, when the room shows it.
    pub jid: Option<Jid>,
    /// New nickname on a change of nickname.
    pub nick: Option<String>,
    /// Reason given.
    pub reason: Option<String>,
}

/// The `muc#user` part of a presence.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Occupancy {
    /// Status codes.
    pub statuses: Vec<u16>,
    /// One item a connection; more than one means a shared nickname.
    pub items: Vec<Item>,
    /// Whether the room is being destroyed.
    pub destroyed: bool,
}

impl Occupancy {
    /// Reads the `muc#user` part of a presence, if there is one.
    pub fn of(presence: &Presence) -> Option<Self> {
        Self::parse(presence.child("x", namespace::MUC_USER)?).ok()
    }

    /// Reads an `<x xmlns='…muc#user'>`.
    ///
    /// # Errors
    /// Another element.
    pub fn parse(element: &Element) -> Result<Self, ParseError> {
        expect(element, "x", namespace::MUC_USER)?;
        let text = |child: &Element, name| child.attribute(name).unwrap_or_default().to_owned();
        Ok(Self {
            statuses: element
                .children_named("status", namespace::MUC_USER)
                .filter_map(|status| status.attribute("code")?.parse().ok())
                .collect(),
            items: element
                .children_named("item", namespace::MUC_USER)
                .map(|item| Item {
                    affiliation: text(item, "affiliation"),
                    role: text(item, "role"),
                    jid: item.attribute("jid").and_then(|jid| jid.parse().ok()),
                    nick: item.attribute("nick").map(str::to_owned),
                    reason: item.child("reason", namespace::MUC_USER).map(Element::text),
                })
                .collect(),
            destroyed: element.child("destroy", namespace::MUC_USER).is_some(),
        })
    }

    /// Whether a status code is present.
    pub fn has(&self, status: u16) -> bool {
        self.statuses.contains(&status)
    }

    /// The real addresses behind the occupant, each once, in order.
    pub fn real_addresses(&self) -> Vec<Jid> {
        let mut addresses: Vec<Jid> = Vec::new();
        for jid in self.items.iter().filter_map(|item| item.jid.as_ref()) {
            if !addresses.contains(jid) {
                addresses.push(jid.clone());
            }
        }
        addresses
    }
}

/// The `<x>` that makes a presence a join, without history.
pub fn join_request(password: Option<&str>) -> Element {
    let history = Element::new("history", namespace::MUC).with("maxstanzas", "0");
    let password = password
        .map(|password| Element::new("password", namespace::MUC).with_text(password.to_owned()));
    Element::new("x", namespace::MUC)
        .with_child(history)
        .with_children(password)
}

/// The owner's form that shows everybody real addresses; an IQ of kind `set` to the room.
pub fn show_addresses_form() -> Element {
    submit_room_form(&[("muc#roomconfig_whois", "anyone")])
}

/// The owner's form with these fields; an IQ of kind `set` to the room.
pub fn submit_room_form(fields: &[(&str, &str)]) -> Element {
    let field = |name: &str, value: &str| {
        Element::new("field", namespace::DATA_FORMS)
            .with("var", name)
            .with_child(Element::new("value", namespace::DATA_FORMS).with_text(value))
    };
    let form = Element::new("x", namespace::DATA_FORMS)
        .with("type", "submit")
        .with_child(field("FORM_TYPE", namespace::MUC_ROOM_CONFIG))
        .with_children(fields.iter().map(|(name, value)| field(name, value)));
    Element::new("query", namespace::MUC_OWNER).with_child(form)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_items_give_two_real_addresses() {
        let element = Element::parse(
            "<x xmlns='http://jabber.org/protocol/muc#user'>\
             <item affiliation='owner' role='moderator' jid='jvb@auth.meet.test/a'/>\
             <item affiliation='owner' role='moderator' jid='jvb@auth.meet.test/b'/>\
             <item affiliation='owner' role='moderator' jid='jvb@auth.meet.test/b'/>\
             <status code='110'/></x>",
        )
        .unwrap();
        let occupancy = Occupancy::parse(&element).unwrap();
        assert!(occupancy.has(STATUS_SELF));
        let addresses: Vec<String> = occupancy
            .real_addresses()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(addresses, ["jvb@auth.meet.test/a", "jvb@auth.meet.test/b"]);
    }
}
