//! Why datagrams were dropped, and how often.

use super::ice::CheckError;
use crate::srtp::SrtpError;

macro_rules! drops {
    ($($(#[$documentation:meta])* $name:ident => $text:literal,)+) => {
        /// A reason to drop a datagram or a packet. Each is counted under its name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Drop {
            $($(#[$documentation])* $name,)+
        }

        impl Drop {
            /// All reasons.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The name in statistics.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

drops! {
    /// First byte of no known protocol.
    NotMedia => "not_media",
    /// Media, DTLS or a STUN answer from an address that belongs to nobody.
    UnknownAddress => "unknown_address",
    /// A STUN request for a fragment that belongs to nobody.
    UnknownFragment => "unknown_fragment",
    /// Not a STUN message after all, or one with a wrong FINGERPRINT.
    MalformedStun => "malformed_stun",
    /// STUN without or with a wrong MESSAGE-INTEGRITY.
    StunIntegrity => "stun_integrity",
    /// A STUN answer nobody waits for.
    UnexpectedAnswer => "unexpected_stun_answer",
    /// A STUN request with an unknown attribute that must be understood.
    UnknownAttribute => "unknown_stun_attribute",
    /// DTLS before its time and beyond the queue, or after the end.
    DtlsQueueFull => "dtls_queue_full",
    /// A DTLS record that changed nothing once the association stood: forged, damaged, repeated or
    /// of the time before the keys.
    DtlsIgnored => "dtls_ignored",
    /// Application data on a transport without data channel.
    UnexpectedData => "unexpected_data",
    /// RTP or RTCP before DTLS was done.
    BeforeKeys => "before_keys",
    /// Not an RTP packet.
    MalformedRtp => "malformed_rtp",
    /// Too short for the profile.
    MalformedSrtp => "malformed_srtp",
    /// The authentication tag is wrong.
    SrtpAuthentication => "srtp_authentication",
    /// Seen before, or too old.
    Replayed => "replayed",
    /// RTCP without encryption.
    NotEncrypted => "srtcp_not_encrypted",
    /// More sources than one peer may have.
    TooManyStreams => "too_many_ssrcs",
    /// Longer than a datagram may be here.
    TooLong => "too_long",
    /// Could not be protected on the way out.
    Unprotectable => "unprotectable",
    /// The receiver has no path.
    NoRoute => "no_route",
    /// An SCTP packet that is not of this association, or has a wrong checksum.
    MalformedSctp => "malformed_sctp",
    /// A message over SCTP that is binary, no UTF-8, or not on the stream of the channel.
    UnexpectedMessage => "unexpected_message",
    /// A message over SCTP that is too long.
    MessageTooLong => "message_too_long",
    /// A data channel beyond the first.
    ExtraChannel => "extra_channel",
    /// The receiver of a message does not read: dropped.
    SlowChannel => "slow_channel",
    /// A message on a bridge channel that is none.
    RefusedMessage => "refused_message",
    /// The random generator or a key failed.
    Internal => "internal",
}

impl Drop {
    pub(super) fn from_srtp(error: SrtpError) -> Self {
        match error {
            SrtpError::Authentication => Self::SrtpAuthentication,
            SrtpError::Replayed => Self::Replayed,
            SrtpError::NotEncrypted => Self::NotEncrypted,
            SrtpError::TooManyStreams => Self::TooManyStreams,
            _ => Self::MalformedSrtp,
        }
    }

    pub(super) fn from_check(error: CheckError) -> Self {
        match error {
            CheckError::Username => Self::UnknownFragment,
            CheckError::Integrity => Self::StunIntegrity,
            CheckError::UnexpectedAnswer => Self::UnexpectedAnswer,
            CheckError::UnknownAttribute => Self::UnknownAttribute,
            CheckError::Key | CheckError::Random(_) => Self::Internal,
        }
    }
}

/// How often each [`Drop`] happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropCounters([u64; Drop::ALL.len()]);

impl Default for DropCounters {
    fn default() -> Self {
        Self([0; Drop::ALL.len()])
    }
}

impl DropCounters {
    /// Counts one.
    #[inline]
    pub fn count(&mut self, reason: Drop) {
        self.0[reason as usize] += 1;
    }

    /// How often `reason` happened.
    #[must_use]
    pub fn get(&self, reason: Drop) -> u64 {
        self.0[reason as usize]
    }

    /// Reasons that happened at all, with their count.
    pub fn iter(&self) -> impl Iterator<Item = (Drop, u64)> + '_ {
        Drop::ALL
            .iter()
            .map(|reason| (*reason, self.get(*reason)))
            .filter(|(_, count)| *count > 0)
    }

    /// Adds another's counts.
    pub fn add(&mut self, other: &Self) {
        for (sum, count) in self.0.iter_mut().zip(other.0) {
            *sum += count;
        }
    }
}
