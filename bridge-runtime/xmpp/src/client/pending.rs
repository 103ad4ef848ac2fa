//! Requests that wait for an answer.
//!
//! An answer counts only from the address asked, so that nobody else in a room can answer.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use jitctl_wire::{Condition, Element, Iq, IqKind, Jid, StanzaError};
use tokio::sync::oneshot;

use super::IqError;

type Answer = oneshot::Sender<Result<Option<Element>, IqError>>;

#[derive(Debug)]
struct Waiting {
    to: Option<Jid>,
    answer: Answer,
    expires: Instant,
}

#[derive(Debug)]
pub(super) struct Pending {
    prefix: String,
    counter: u64,
    waiting: HashMap<String, Waiting>,
}

impl Pending {
    pub(super) fn new() -> Self {
        // Without randomness ids are still unique within the connection.
        let prefix = crate::random_hex(8).unwrap_or_default();
        Self {
            prefix,
            counter: 0,
            waiting: HashMap::new(),
        }
    }

    /// Gives the request an id and keeps its place.
    pub(super) fn add(&mut self, mut iq: Iq, timeout: Duration, answer: Answer) -> Element {
        self.counter += 1;
        if self.counter.is_multiple_of(256) {
            let now = Instant::now();
            self.waiting.retain(|_, waiting| waiting.expires > now);
        }
        iq.id = format!("{}-{}", self.prefix, self.counter);
        let expires = Instant::now() + timeout;
        self.waiting.insert(
            iq.id.clone(),
            Waiting {
                to: iq.to.clone(),
                answer,
                expires,
            },
        );
        iq.to_element()
    }

    /// Hands an answer to whoever waits for it.
    pub(super) fn handle_answer(&mut self, iq: Iq, own: Option<&Jid>) {
        let Some(waiting) = self.waiting.get(&iq.id) else {
            return;
        };
        if !answers(iq.from.as_ref(), waiting.to.as_ref(), own) {
            tracing::debug!(id = iq.id, from = ?iq.from, "answer from somebody who was not asked");
            return;
        }
        let Some(waiting) = self.waiting.remove(&iq.id) else {
            return;
        };
        let result = if iq.kind == IqKind::Error {
            let error = iq
                .error
                .unwrap_or(StanzaError::new(Condition::UndefinedCondition));
            Err(IqError::Refused(error))
        } else {
            Ok(iq.payload)
        };
        // The caller may have given up.
        let _ = waiting.answer.send(result);
    }

    /// The session is over: nobody will answer.
    pub(super) fn fail_all(&mut self) {
        for (_, waiting) in self.waiting.drain() {
            let _ = waiting.answer.send(Err(IqError::Lost));
        }
    }
}

fn answers(from: Option<&Jid>, asked: Option<&Jid>, own: Option<&Jid>) -> bool {
    match (from, asked) {
        (Some(from), Some(asked)) => from == asked,
        // A server may leave out its own address (RFC 6120 8.1.2.1).
        (None, None) => true,
        (None, Some(asked)) => own.is_some_and(|own| asked.as_str() == own.bare()),
        (Some(from), None) => own.is_some_and(|own| {
            from.as_str() == own.bare() || from.as_str() == own.domain() || from == own
        }),
    }
}

#[cfg(test)]
mod tests {
    use jitctl_wire::ping;

    use super::*;

    fn jid(text: &str) -> Jid {
        text.parse().unwrap()
    }

    #[test]
    fn only_the_address_asked_can_answer() {
        let mut pending = Pending::new();
        let (sender, mut receiver) = oneshot::channel();
        let to = jid("room@muc.test/bridge");
        let request = Iq::get(Some(to.clone()), ping::ping());
        let sent = pending.add(request, Duration::from_secs(1), sender);
        let mut answer = Iq::parse(&sent).unwrap().result(None);
        answer.from = Some(jid("room@muc.test/other"));
        pending.handle_answer(answer.clone(), Some(&jid("a@b/c")));
        assert!(receiver.try_recv().is_err());
        answer.from = Some(to);
        pending.handle_answer(answer, Some(&jid("a@b/c")));
        assert_eq!(receiver.try_recv().unwrap(), Ok(None));
    }
}
