//! Candidate pairs and outstanding checks.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{CandidateKind, Route};
use crate::transport::stun::TransactionId;

/// Pairs an agent keeps; candidates beyond are ignored.
pub(super) const MAX_PAIRS: usize = 64;
/// Checks whose answers are still welcome.
const MAX_TRANSACTIONS: usize = 128;
/// After this time an answer is worth nothing.
const TRANSACTION_LIFETIME: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PairState {
    /// Not checked yet.
    Waiting,
    /// Checked, no answer yet.
    InProgress,
    /// Answered: valid.
    Succeeded,
    /// Given up, until the peer checks it.
    Failed,
}

#[derive(Debug, Clone)]
pub(super) struct Pair {
    pub(super) route: Route,
    pub(super) remote_kind: CandidateKind,
    pub(super) local_priority: u32,
    pub(super) remote_priority: u32,
    pub(super) state: PairState,
    /// Our checks carry USE-CANDIDATE.
    pub(super) nominating: bool,
    /// The peer nominated it before it was valid.
    pub(super) nominated_by_peer: bool,
    pub(super) attempts: u8,
    pub(super) next_attempt: Option<Instant>,
    pub(super) last_received: Option<Instant>,
}

impl Pair {
    /// RFC 8445 section 6.1.2.3.
    pub(super) fn priority(&self, controlling: bool) -> u64 {
        let (local, remote) = (
            u64::from(self.local_priority),
            u64::from(self.remote_priority),
        );
        let (controlling, controlled) = if controlling {
            (local, remote)
        } else {
            (remote, local)
        };
        (controlling.min(controlled) << 32)
            + 2 * controlling.max(controlled)
            + u64::from(controlling > controlled)
    }
}

/// A check that was sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Transaction {
    pub(super) id: TransactionId,
    pub(super) pair: usize,
    pub(super) sent: Instant,
    pub(super) nominating: bool,
    pub(super) controlling: bool,
}

/// The checks whose answers are awaited, oldest first, bounded.
#[derive(Debug, Default)]
pub(super) struct Transactions(VecDeque<Transaction>);

impl Transactions {
    pub(super) fn add(&mut self, transaction: Transaction) {
        while self.0.front().is_some_and(|oldest| {
            transaction.sent.saturating_duration_since(oldest.sent) > TRANSACTION_LIFETIME
        }) || self.0.len() >= MAX_TRANSACTIONS
        {
            self.0.pop_front();
        }
        self.0.push_back(transaction);
    }

    pub(super) fn take(&mut self, id: &TransactionId) -> Option<Transaction> {
        let position = self
            .0
            .iter()
            .position(|transaction| transaction.id == *id)?;
        self.0.remove(position)
    }

    pub(super) fn find(&self, id: &TransactionId) -> Option<&Transaction> {
        self.0.iter().find(|transaction| transaction.id == *id)
    }

    pub(super) fn forget_pair(&mut self, pair: usize) {
        self.0.retain(|transaction| transaction.pair != pair);
    }
}
