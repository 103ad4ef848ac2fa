//! Counting stanzas both ways, so that a lost connection loses none of them (XEP-0198).

use std::collections::VecDeque;

use jitctl_wire::{Element, Jid, namespace};

/// Stanzas kept for a resumption at most; a server that acknowledges none of so many is broken.
const MAXIMUM_UNACKNOWLEDGED: usize = 10_000;
/// An acknowledgement is asked for after so many stanzas.
const ASK_EVERY: u32 = 5;

/// A session that another process may go on with.
///
/// It is worth nothing without the account's password, but holds what is in flight: keep it as
/// private as the connection was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedSession {
    /// The server's identifier of the session.
    pub id: String,
    /// Our address.
    pub jid: Jid,
    /// Stanzas received (modulo 2^32).
    pub received: u32,
    /// Stanzas the server acknowledged (modulo 2^32).
    pub acknowledged: u32,
    /// Stanzas sent since then, and those that still have to be.
    pub unacknowledged: Vec<Element>,
}

impl From<SavedSession> for Resumption {
    fn from(saved: SavedSession) -> Self {
        Self {
            id: saved.id,
            jid: saved.jid,
            received: saved.received,
            acknowledged: saved.acknowledged,
            unacknowledged: saved.unacknowledged.into(),
            since_asked: 0,
            confirmed: None,
            inherited: true,
        }
    }
}

impl From<&Resumption> for SavedSession {
    fn from(resumption: &Resumption) -> Self {
        Self {
            id: resumption.id.clone(),
            jid: resumption.jid.clone(),
            received: resumption.received,
            acknowledged: resumption.acknowledged,
            unacknowledged: resumption.unacknowledged.iter().cloned().collect(),
        }
    }
}

/// What is needed to go on over another connection.
#[derive(Debug, Clone)]
pub struct Resumption {
    id: String,
    jid: Jid,
    /// Stanzas received (modulo 2^32).
    received: u32,
    /// Stanzas the server acknowledged (modulo 2^32).
    acknowledged: u32,
    unacknowledged: VecDeque<Element>,
    since_asked: u32,
    /// Of the stanzas received, those that are safe; `None` when all are as soon as they are here.
    confirmed: Option<u32>,
    /// It was another process's, which may have sent more than it could write down.
    inherited: bool,
}

impl Resumption {
    pub(super) fn new(id: String, jid: Jid) -> Self {
        Self {
            id,
            jid,
            received: 0,
            acknowledged: 0,
            unacknowledged: VecDeque::new(),
            since_asked: 0,
            confirmed: None,
            inherited: false,
        }
    }

    /// Whether the server gave an id to come back with.
    pub(super) fn can_resume(&self) -> bool {
        !self.id.is_empty()
    }

    /// The address of the session.
    pub fn jid(&self) -> &Jid {
        &self.jid
    }

    /// From now on only what is confirmed is acknowledged to the server.
    pub(super) fn acknowledge_confirmed_only(&mut self) {
        self.confirmed.get_or_insert(self.received);
    }

    /// So many stanzas of the session of this identifier are safe.
    pub(super) fn confirm(&mut self, id: &str, received: u32) {
        if let Some(confirmed) = self.confirmed.as_mut().filter(|_| self.id == id) {
            *confirmed = received;
        }
    }

    /// Notes a stanza about to be sent; says whether to ask for an acknowledgement.
    pub(super) fn sent(&mut self, stanza: Element) -> bool {
        self.unacknowledged.push_back(stanza);
        self.since_asked += 1;
        if self.since_asked < ASK_EVERY {
            return false;
        }
        self.since_asked = 0;
        true
    }

    pub(super) fn is_full(&self) -> bool {
        self.unacknowledged.len() >= MAXIMUM_UNACKNOWLEDGED
    }

    pub(super) fn count_received(&mut self) {
        self.received = self.received.wrapping_add(1);
    }

    /// The server has handled so many; `false` when it claims more than we sent.
    pub(super) fn acknowledge(&mut self, handled: u32) -> bool {
        let newly = handled.wrapping_sub(self.acknowledged) as usize;
        if newly > self.unacknowledged.len() {
            return false;
        }
        self.unacknowledged.drain(..newly);
        self.acknowledged = handled;
        true
    }

    /// The server goes on with the session and has handled so many; `false` when that cannot be.
    pub(super) fn resume(&mut self, handled: u32) -> bool {
        if !std::mem::take(&mut self.inherited) {
            return self.acknowledge(handled);
        }
        let newly = handled.wrapping_sub(self.acknowledged) as usize;
        let known = newly.min(self.unacknowledged.len());
        self.unacknowledged.drain(..known);
        self.acknowledged = handled;
        true
    }

    pub(super) fn resume_request(&self) -> Element {
        element("resume")
            .with("previd", self.id.clone())
            .with("h", self.received.to_string())
    }

    pub(super) fn answer(&self) -> Element {
        let handled = self.confirmed.unwrap_or(self.received);
        element("a").with("h", handled.to_string())
    }

    pub(super) fn unacknowledged(&self) -> impl Iterator<Item = &Element> {
        self.unacknowledged.iter()
    }
}

pub(super) fn element(name: &'static str) -> Element {
    Element::new(name, namespace::STREAM_MANAGEMENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acknowledged_stanzas_are_dropped_and_impossible_counts_refused() {
        let jid: Jid = "a@b/c".parse().unwrap();
        let mut resumption = Resumption::new(String::from("x"), jid);
        resumption.acknowledged = u32::MAX - 1;
        let asked: Vec<bool> = (0..6)
            .map(|_| resumption.sent(Element::new("iq", namespace::CLIENT)))
            .collect();
        assert_eq!(asked, [false, false, false, false, true, false]);
        assert!(resumption.acknowledge(1));
        assert_eq!(resumption.unacknowledged().count(), 3);
        assert!(!resumption.acknowledge(100));
        assert!(!resumption.acknowledge(0));
    }

    fn inherited() -> Resumption {
        Resumption::from(SavedSession {
            id: String::from("x"),
            jid: "a@b/c".parse().unwrap(),
            received: 7,
            acknowledged: 5,
            unacknowledged: vec![Element::new("iq", namespace::CLIENT); 2],
        })
    }

    #[test]
    fn only_what_is_confirmed_is_acknowledged_once_that_is_wanted() {
        let mut resumption = inherited();
        resumption.acknowledge_confirmed_only();
        resumption.count_received();
        resumption.count_received();
        assert_eq!(resumption.answer().attribute("h"), Some("7"));
        resumption.confirm("another", 9);
        resumption.confirm("x", 8);
        assert_eq!(resumption.answer().attribute("h"), Some("8"));
        assert_eq!(resumption.resume_request().attribute("h"), Some("9"));
    }

    #[test]
    fn a_killed_process_may_have_sent_more_than_it_wrote_down_but_only_that_one() {
        let mut resumption = inherited();
        assert!(resumption.resume(6));
        assert_eq!(resumption.unacknowledged().count(), 1);
        assert!(!resumption.resume(9));
        let mut resumption = inherited();
        assert!(resumption.resume(9));
        assert_eq!(resumption.unacknowledged().count(), 0);
        resumption.sent(Element::new("iq", namespace::CLIENT));
        assert!(resumption.acknowledge(10));
    }
}
