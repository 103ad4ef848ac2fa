//! Logins that go on after their connection, in a secure domain.
//!
//! A person logs in over a second connection with an account and asks for a room there: the focus
//! gives out a session identifier, bound to the browser. The guest's connection shows it with its
//! own requests and counts as that person from then on.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jitctl_wire::Jid;
use jitctl_wire::conference_request::ConferenceRequest;
use serde::{Deserialize, Serialize};

use super::Refusal;

/// How long a login counts.
const LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// One login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Login {
    /// Bare address of the account.
    person: String,
    /// The browser.
    machine: String,
    /// Seconds since 1970.
    expires: u64,
}

/// Who asks, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Asker {
    /// Bare address of the account.
    pub(super) identity: Option<String>,
    /// What to show with later requests.
    pub(super) session: Option<String>,
}

/// All logins by identifier.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Logins {
    sessions: BTreeMap<String, Login>,
}

impl Logins {
    /// Who asks. People with an account of `domain` get a login, others may show one.
    ///
    /// # Errors
    /// The login shown is not known, has expired, or belongs to another browser.
    pub(super) fn identify(
        &mut self,
        request: &ConferenceRequest,
        from: Option<&Jid>,
        domain: &str,
        now: SystemTime,
    ) -> Result<Asker, Refusal> {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        self.sessions.retain(|_, login| login.expires > now);
        if let Some(person) = from.filter(|from| from.domain() == domain) {
            return Ok(self.log_in(request, person.bare(), now));
        }
        let Some(session) = &request.session_id else {
            return Ok(Asker::default());
        };
        let login = self.sessions.get(session).ok_or(Refusal::SessionInvalid)?;
        if request.machine_uid.as_deref() != Some(login.machine.as_str()) {
            return Err(Refusal::OtherMachine);
        }
        Ok(Asker {
            identity: Some(login.person.clone()),
            session: Some(session.clone()),
        })
    }

    fn log_in(&mut self, request: &ConferenceRequest, person: &str, now: u64) -> Asker {
        let identity = Some(person.to_owned());
        let Some(machine) = &request.machine_uid else {
            // Without a browser to bind it to there is no login for later.
            return Asker {
                identity,
                session: None,
            };
        };
        let known = self
            .sessions
            .iter()
            .find(|(_, login)| login.person == person && login.machine == *machine)
            .map(|(session, _)| session.clone());
        let session = known.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        let login = Login {
            person: person.to_owned(),
            machine: machine.clone(),
            expires: now + LIFETIME.as_secs(),
        };
        self.sessions.insert(session.clone(), login);
        Asker {
            identity,
            session: Some(session),
        }
    }

    /// Forgets a login; says whether there was one.
    pub(super) fn log_out(&mut self, session: &str) -> bool {
        self.sessions.remove(session).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(machine: Option<&str>, session: Option<&str>) -> ConferenceRequest {
        ConferenceRequest {
            room: "x@conference.meet.test".parse().unwrap(),
            machine_uid: machine.map(str::to_owned),
            session_id: session.map(str::to_owned),
            properties: BTreeMap::new(),
        }
    }

    #[test]
    fn a_login_is_shown_by_a_guest_of_the_same_browser_until_it_expires() {
        let mut logins = Logins::default();
        let host: Jid = "host@meet.test/r".parse().unwrap();
        let guest: Jid = "x1@guest.meet.test/r".parse().unwrap();
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let mut ask = |request: &ConferenceRequest, from, at| {
            logins.identify(request, Some(from), "meet.test", at)
        };
        let asker = ask(&request(Some("m1"), None), &host, now).unwrap();
        assert_eq!(asker.identity.as_deref(), Some("host@meet.test"));
        let session = asker.session.clone().unwrap();
        assert_eq!(ask(&request(Some("m1"), None), &host, now).unwrap(), asker);

        let shown = request(Some("m1"), Some(&session));
        assert_eq!(ask(&shown, &guest, now).unwrap(), asker);
        assert_eq!(
            ask(&request(Some("m2"), Some(&session)), &guest, now),
            Err(Refusal::OtherMachine)
        );
        assert_eq!(
            ask(&request(Some("m1"), None), &guest, now),
            Ok(Asker::default())
        );
        assert_eq!(
            ask(&shown, &guest, now + LIFETIME),
            Err(Refusal::SessionInvalid)
        );
    }

    #[test]
    fn who_logs_out_is_a_guest_again() {
        let mut logins = Logins::default();
        let host: Jid = "host@meet.test/r".parse().unwrap();
        let login = request(Some("m1"), None);
        let asker = logins.identify(&login, Some(&host), "meet.test", UNIX_EPOCH);
        let session = asker.unwrap().session.unwrap();
        assert!(logins.log_out(&session));
        assert!(!logins.log_out(&session));
        let shown = request(Some("m1"), Some(&session));
        let asker = logins.identify(&shown, None, "meet.test", UNIX_EPOCH);
        assert_eq!(asker, Err(Refusal::SessionInvalid));
    }
}
