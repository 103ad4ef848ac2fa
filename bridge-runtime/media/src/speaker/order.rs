//! Endpoints by how recently they spoke.

use crate::identifiers::EndpointIndex;

/// Everyone, the dominant speaker first, those who never spoke in order of arrival.
#[derive(Clone, Debug, Default)]
pub struct SpeechOrder {
    order: Vec<EndpointIndex>,
    /// How many at the front have spoken.
    spoken: usize,
}

impl SpeechOrder {
    /// Adds a newcomer at the end.
    pub fn add(&mut self, endpoint: EndpointIndex) {
        if !self.order.contains(&endpoint) {
            self.order.push(endpoint);
        }
    }

    /// Removes who left.
    pub fn remove(&mut self, endpoint: EndpointIndex) {
        if let Some(position) = self.order.iter().position(|other| *other == endpoint) {
            self.order.remove(position);
            if position < self.spoken {
                self.spoken -= 1;
            }
        }
    }

    /// Moves the new dominant speaker to the front.
    pub fn spoke(&mut self, endpoint: EndpointIndex) {
        if let Some(position) = self.order.iter().position(|other| *other == endpoint) {
            self.order[..=position].rotate_right(1);
            if position >= self.spoken {
                self.spoken += 1;
            }
        }
    }

    /// The order, most recent speaker first.
    pub fn as_slice(&self) -> &[EndpointIndex] {
        &self.order
    }

    /// Up to `limit` who spoke, most recent first.
    pub fn recent(&self, limit: usize) -> &[EndpointIndex] {
        &self.order[..self.spoken.min(limit)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speakers_come_first_and_leavers_go() {
        let [a, b, c] = [0, 1, 2].map(EndpointIndex);
        let mut order = SpeechOrder::default();
        for endpoint in [a, b, c] {
            order.add(endpoint);
        }
        order.spoke(c);
        order.spoke(b);
        assert_eq!(order.as_slice(), [b, c, a]);
        assert_eq!(order.recent(10), [b, c]);
        order.remove(c);
        assert_eq!(order.recent(10), [b]);
        assert_eq!(order.as_slice(), [b, a]);
    }
}
