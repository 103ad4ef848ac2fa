//! Who may open a room, and what a refusal looks like.

use jitctl_wire::conference_request::ConferenceRequest;
use jitctl_wire::namespace::FOCUS;
use jitctl_wire::{Condition, Element, StanzaError};

/// Why a conference request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The address is no room of ours.
    #[error("not a room of this site")]
    BadRoom,
    /// Only people with an account open rooms.
    #[error("only people with an account open rooms; guests wait for them")]
    NotAuthorized,
    /// The login shown is not known or over.
    #[error("the login is not known or over: log in again")]
    SessionInvalid,
    /// The login shown belongs to another browser.
    #[error("the login belongs to another browser")]
    OtherMachine,
    /// The focus gave the room up before it was in it, or is about to stop.
    #[error("the focus could not open the room")]
    Unavailable,
}

impl Refusal {
    /// As the error of an IQ.
    pub fn to_stanza_error(self) -> StanzaError {
        let condition = match self {
            Self::BadRoom => Condition::BadRequest,
            Self::NotAuthorized => Condition::NotAuthorized,
            Self::SessionInvalid | Self::OtherMachine => Condition::NotAcceptable,
            Self::Unavailable => Condition::ServiceUnavailable,
        };
        let error = StanzaError::new(condition).with_text(self.to_string());
        if self == Self::SessionInvalid {
            return error.with_application(Element::new("session-invalid", FOCUS));
        }
        error
    }
}

/// The rule of a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// Host of the conference rooms.
    pub conference_service: String,
    /// In a secure domain: the host whose accounts open rooms.
    pub authenticated_domain: Option<String>,
}

impl Admission {
    /// Whether the address is a room of ours.
    ///
    /// # Errors
    /// It is not.
    pub fn check_room(&self, request: &ConferenceRequest) -> Result<(), Refusal> {
        let room = &request.room;
        if room.domain() == self.conference_service && room.local().is_some() && room.is_bare() {
            Ok(())
        } else {
            Err(Refusal::BadRoom)
        }
    }

    /// Whether somebody may open or enter a room: `known` says whether they have an account,
    /// `exists` whether it is open.
    ///
    /// # Errors
    /// They have to wait for somebody with an account.
    pub fn judge(&self, known: bool, exists: bool) -> Result<(), Refusal> {
        if self.authenticated_domain.is_none() || known || exists {
            Ok(())
        } else {
            Err(Refusal::NotAuthorized)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn request(room: &str) -> ConferenceRequest {
        ConferenceRequest {
            room: room.parse().unwrap(),
            machine_uid: None,
            session_id: None,
            properties: BTreeMap::new(),
        }
    }

    fn site(authenticated_domain: Option<&str>) -> Admission {
        Admission {
            conference_service: "conference.meet.test".to_owned(),
            authenticated_domain: authenticated_domain.map(str::to_owned),
        }
    }

    #[test]
    fn only_rooms_of_the_site_are_opened() {
        let open = site(None);
        for room in [
            "x@other.test",
            "conference.meet.test",
            "x@conference.meet.test/nick",
        ] {
            assert_eq!(open.check_room(&request(room)), Err(Refusal::BadRoom));
        }
        assert_eq!(open.check_room(&request("x@conference.meet.test")), Ok(()));
    }

    #[test]
    fn guests_wait_for_somebody_with_an_account() {
        let secure = site(Some("meet.test"));
        assert_eq!(secure.judge(false, false), Err(Refusal::NotAuthorized));
        assert_eq!(secure.judge(true, false), Ok(()));
        assert_eq!(secure.judge(false, true), Ok(()));
        assert_eq!(site(None).judge(false, false), Ok(()));
    }
}
