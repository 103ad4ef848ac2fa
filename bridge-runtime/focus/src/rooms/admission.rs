//! Who may open a room, and what a refusal looks like.

use jitctl_wire::conference_request::ConferenceRequest;
use jitctl_wire::{Condition, Jid, StanzaError};

/// Why a conference request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The address is no room of ours.
    #[error("not a room of this site")]
    BadRoom,
    /// Only people with an account open rooms.
    #[error("only people with an account open rooms; guests wait for them")]
    NotAuthorized,
    /// The focus cannot serve rooms now.
    #[error("the focus is not connected to its XMPP server")]
    Unavailable,
}

impl Refusal {
    /// As the error of an IQ.
    pub fn to_stanza_error(self) -> StanzaError {
        let condition = match self {
            Self::BadRoom => Condition::BadRequest,
            Self::NotAuthorized => Condition::NotAuthorized,
            Self::Unavailable => Condition::ServiceUnavailable,
        };
        StanzaError::new(condition).with_text(self.to_string())
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
    /// Whether `from` may open or enter the room; `exists` says whether it is open.
    ///
    /// # Errors
    /// The refusal to be told.
    pub fn judge(
        &self,
        request: &ConferenceRequest,
        from: Option<&Jid>,
        exists: bool,
    ) -> Result<(), Refusal> {
        let room = &request.room;
        if room.domain() != self.conference_service || room.local().is_none() || !room.is_bare() {
            return Err(Refusal::BadRoom);
        }
        let Some(domain) = &self.authenticated_domain else {
            return Ok(());
        };
        let authenticated = from.is_some_and(|from| from.domain() == domain);
        if authenticated || exists {
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
            assert_eq!(
                open.judge(&request(room), None, false),
                Err(Refusal::BadRoom)
            );
        }
        assert_eq!(
            open.judge(&request("x@conference.meet.test"), None, false),
            Ok(())
        );
    }

    #[test]
    fn guests_wait_for_somebody_with_an_account() {
        let secure = site(Some("meet.test"));
        let room = request("x@conference.meet.test");
        let guest: Jid = "a@guest.meet.test/r".parse().unwrap();
        let host: Jid = "host@meet.test/r".parse().unwrap();
        assert_eq!(
            secure.judge(&room, Some(&guest), false),
            Err(Refusal::NotAuthorized)
        );
        assert_eq!(secure.judge(&room, Some(&host), false), Ok(()));
        assert_eq!(secure.judge(&room, Some(&guest), true), Ok(()));
    }
}
