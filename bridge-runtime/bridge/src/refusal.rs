//! What bridge channels over WebSocket refused, counted by reason.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! refusals {
    ($($(#[$documentation:meta])* $name:ident => $text:literal,)+) => {
        /// Why a WebSocket was refused or ended by the bridge.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Refusal {
            $($(#[$documentation])* $name,)+
        }

        impl Refusal {
            const ALL: &'static [Self] = &[$(Self::$name,)+];

            const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

refusals! {
    /// A connection that does not say what it wants in time.
    SlowRequest => "websocket_slow_request",
    /// Not a request for a WebSocket.
    NoUpgrade => "websocket_no_upgrade",
    /// Another bridge's name, an unknown conference or endpoint, or a wrong password.
    NotAdmitted => "websocket_not_admitted",
    /// A message or frame that is too long.
    TooLong => "websocket_too_long",
    /// A binary message.
    Binary => "websocket_binary",
    /// Frames that contradict RFC 6455.
    Protocol => "websocket_protocol",
    /// The client did not take a message in time.
    Slow => "websocket_slow",
    /// The client is silent, pongs included.
    Silent => "websocket_silent",
}

/// How often each [`Refusal`] happened.
#[derive(Debug, Default)]
pub(crate) struct RefusalCounters([AtomicU64; Refusal::ALL.len()]);

impl RefusalCounters {
    /// Counts one.
    pub(crate) fn count(&self, refusal: Refusal) {
        self.0[refusal as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// All reasons with their count.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Refusal::ALL.iter().map(|refusal| {
            let count = self.0[*refusal as usize].load(Ordering::Relaxed);
            (refusal.name(), count)
        })
    }
}
