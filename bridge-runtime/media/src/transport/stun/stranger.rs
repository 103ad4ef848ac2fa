//! Plain Binding requests from people who belong to no conference (RFC 8489 section 2).
//!
//! The answer says under which address a request arrived: an operator's probe of the media port
//! is told apart from a blocked port by it. It needs no state, and it is never longer than the
//! request, so that nobody can be flooded through it: a prober pads its request.

use std::net::SocketAddr;

use super::{Builder, Class, Message};

/// The answer to a Binding request without USERNAME; nothing when it would be longer than the
/// request, or when the request is one of ICE.
#[must_use]
pub fn answer_to_stranger(datagram: &[u8], remote: SocketAddr) -> Option<Vec<u8>> {
    let message = Message::parse(datagram).ok()?;
    if message.class != Class::Request || message.username.is_some() || message.unknown_required {
        return None;
    }
    let mut answer = Builder::new(Class::Success, &message.transaction_id);
    answer.xor_mapped_address(remote);
    let answer = answer.finish_unsigned();
    (answer.len() <= datagram.len()).then_some(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRANSACTION: [u8; 12] = [7; 12];

    fn remote() -> SocketAddr {
        "203.0.113.9:4242".parse().unwrap()
    }

    fn request(padding: usize) -> Vec<u8> {
        let mut builder = Builder::new(Class::Request, &TRANSACTION);
        if padding > 0 {
            // Comprehension-optional, skipped by everybody.
            builder.software(&"x".repeat(padding));
        }
        builder.finish_unsigned()
    }

    #[test]
    fn a_padded_request_is_answered_with_the_address_it_came_from() {
        let answer = answer_to_stranger(&request(16), remote()).unwrap();
        let message = Message::parse(&answer).unwrap();
        assert_eq!(message.class, Class::Success);
        assert_eq!(message.transaction_id, TRANSACTION);
        assert_eq!(message.mapped_address, Some(remote()));
    }

    #[test]
    fn no_answer_is_longer_than_its_request() {
        assert!(answer_to_stranger(&request(0), remote()).is_none());
        let far = "[2001:db8::1]:4242".parse().unwrap();
        assert!(answer_to_stranger(&request(8), far).is_none());
    }

    #[test]
    fn checks_of_clients_and_answers_are_left_alone() {
        let mut check = Builder::new(Class::Request, &TRANSACTION);
        check
            .username("receiver", "sender")
            .software("some padding");
        assert!(answer_to_stranger(&check.finish_unsigned(), remote()).is_none());
        let mut answer = Builder::new(Class::Success, &TRANSACTION);
        answer.software("some padding, and then some");
        assert!(answer_to_stranger(&answer.finish_unsigned(), remote()).is_none());
        assert!(answer_to_stranger(b"nothing of the kind", remote()).is_none());
    }
}
