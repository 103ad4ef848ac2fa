//! What repairs losses: packets kept for retransmission, and the search for what is missing.
//!
//! Packets are kept once per incoming stream, not once per receiver. A receiver's log says how
//! each was rewritten for it, so that a retransmission carries exactly what was sent first. All
//! memory is bounded and follows the rate of the stream and the round trips of its receivers.

mod nack;
mod sent;
mod store;

pub use nack::{Arrival, NackGenerator};
pub use sent::{NotResent, SentLog, SentPacket};
pub use store::{PacketStore, StoredPacket};

use std::time::Duration;

/// A packet may wait so long before it leaves; only then its receiver can miss it.
pub const LONGEST_WAIT: Duration = Duration::from_millis(250);

/// Times that clients ask for a packet, a round trip apart.
const ATTEMPTS: u32 = 10;

/// However long round trips are, what is older is not worth its memory.
const MOST_WANTED: Duration = Duration::from_secs(1);

/// Age that packets, and how they were sent, should reach before they make room: what was lost is missed
/// when it had its turn and the next packet comes, after a `pause` of the stream; a receiver asks within
/// a round trip of that, and again and again while what comes is lost as well.
pub fn wanted_age(round_trip: Duration, pause: Duration) -> Duration {
    (LONGEST_WAIT.max(pause) + round_trip * ATTEMPTS).min(MOST_WANTED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_kept_for_a_wait_or_pause_and_ten_round_trips_but_no_longer_than_a_second() {
        let ages = [0, 10, 50, 100].map(|milliseconds| {
            let round_trip = Duration::from_millis(milliseconds);
            [20, 400].map(|pause| wanted_age(round_trip, Duration::from_millis(pause)).as_millis())
        });
        assert_eq!(ages, [[250, 400], [350, 500], [750, 900], [1_000, 1_000]]);
    }
}
