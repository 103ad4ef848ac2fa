//! The seam between colibri2 and media.
//!
//! [`ConferenceQueue`] keeps the order the protocol demands: requests of one meeting one after
//! another, different meetings side by side, and nobody waits in between. What a request does is
//! up to a [`ConferenceService`].

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use jitctl_wire::brewery::BridgeStats;
use jitctl_wire::colibri2::{ColibriError, ConferenceModified, ConferenceModify};

/// What came of a request.
pub type ConferenceResult = Result<ConferenceModified, ColibriError>;

/// A request being served.
pub type ConferenceFuture<'s> = Pin<Box<dyn Future<Output = ConferenceResult> + Send + 's>>;

/// A description being made.
pub type DescriptionFuture<'s> = Pin<Box<dyn Future<Output = serde_json::Value> + Send + 's>>;

/// Serves conferences.
pub trait ConferenceService: Send + Sync + 'static {
    /// Serves one request. The next request of the same meeting is handed over only after the
    /// future is done, so keep it short; those of other meetings may run at the same time.
    /// Whether new conferences are refused (`graceful_shutdown`) is decided before this call.
    fn modify(&self, request: ConferenceModify) -> ConferenceFuture<'_>;

    /// Fills in what it knows of conferences, endpoints, traffic and totals; identity, state and
    /// load of the process are the caller's. `stress_level` may be set to a load of its own: the
    /// larger of that and the processor's counts.
    fn fill_statistics(&self, statistics: &mut BridgeStats);

    /// What was dropped or refused since the start, by reason.
    fn dropped(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }

    /// All conferences in brief, or one, by its id here or its meeting's, with everything in it:
    /// JSON for people.
    fn describe(&self, _conference: Option<String>) -> DescriptionFuture<'_> {
        Box::pin(async { serde_json::Value::Null })
    }

    /// Checks itself: sockets bound, loops turning. Called every few seconds; must not block.
    ///
    /// # Errors
    /// What is wrong, in words that are shown to operators.
    fn check_health(&self) -> Result<(), String>;
}

/// Stands in where media is not part of the build: says so to every request.
#[derive(Debug, Default)]
pub struct NoMedia;

impl ConferenceService for NoMedia {
    fn modify(&self, _request: ConferenceModify) -> ConferenceFuture<'_> {
        Box::pin(async {
            Err(ColibriError::feature_not_implemented(
                "media is not available in this build",
            ))
        })
    }

    fn fill_statistics(&self, _statistics: &mut BridgeStats) {}

    fn check_health(&self) -> Result<(), String> {
        Ok(())
    }
}

type Answer = Box<dyn FnOnce(ConferenceResult) + Send>;
type Waiting = HashMap<String, VecDeque<(ConferenceModify, Answer)>>;

/// Requests in order, meeting by meeting.
#[derive(Clone)]
pub struct ConferenceQueue {
    service: Arc<dyn ConferenceService>,
    /// Meetings with a running worker, and what waits for it.
    waiting: Arc<Mutex<Waiting>>,
}

impl std::fmt::Debug for ConferenceQueue {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("ConferenceQueue")
    }
}

impl ConferenceQueue {
    /// A queue in front of a service.
    pub fn new(service: Arc<dyn ConferenceService>) -> Self {
        Self {
            service,
            waiting: Arc::default(),
        }
    }

    /// Queues a request and returns at once; `answer` is called when it is done. Needs a tokio
    /// runtime.
    pub fn submit(&self, request: ConferenceModify, answer: Answer) {
        let meeting = request.meeting_id.clone();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = waiting.get_mut(&meeting) {
            queue.push_back((request, answer));
            return;
        }
        waiting.insert(meeting.clone(), VecDeque::from([(request, answer)]));
        drop(waiting);
        tokio::spawn(self.clone().work(meeting));
    }

    async fn work(self, meeting: String) {
        while let Some((request, answer)) = self.take(&meeting) {
            // A task of its own, so that a bug in one request is answered and the next one runs.
            let service = self.service.clone();
            let served = tokio::spawn(async move { service.modify(request).await }).await;
            answer(served.unwrap_or_else(|error| {
                tracing::error!(%error, meeting, "a conference request failed inside");
                Err(ColibriError::new(
                    jitctl_wire::Condition::InternalServerError,
                    "the request failed inside the bridge",
                ))
            }));
        }
    }

    /// The next request, or the end of the worker, decided under one lock.
    fn take(&self, meeting: &str) -> Option<(ConferenceModify, Answer)> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let next = waiting.get_mut(meeting)?.pop_front();
        if next.is_none() {
            waiting.remove(meeting);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use tokio::sync::mpsc;

    use super::*;

    /// Takes longer for earlier requests, and panics on one.
    #[derive(Default)]
    struct Slow {
        running: AtomicUsize,
        most: AtomicUsize,
    }

    impl ConferenceService for Slow {
        fn modify(&self, request: ConferenceModify) -> ConferenceFuture<'_> {
            Box::pin(async move {
                let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
                self.most.fetch_max(running, Ordering::SeqCst);
                let number: u64 = request.endpoints[0].id.parse().unwrap();
                tokio::time::sleep(Duration::from_millis(20 - number)).await;
                self.running.fetch_sub(1, Ordering::SeqCst);
                assert!(number != 3, "a bug");
                Ok(ConferenceModified {
                    endpoints: request.endpoints,
                    ..Default::default()
                })
            })
        }

        fn fill_statistics(&self, _statistics: &mut BridgeStats) {}

        fn check_health(&self) -> Result<(), String> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn one_meeting_is_served_in_order_others_beside_it_and_a_bug_is_answered() {
        let service = Arc::new(Slow::default());
        let queue = ConferenceQueue::new(service.clone());
        let (sender, mut receiver) = mpsc::unbounded_channel();
        for number in 0..10 {
            for meeting in ["a", "b"] {
                let mut request = ConferenceModify::new(meeting);
                request
                    .endpoints
                    .push(jitctl_wire::colibri2::Endpoint::new(number.to_string()));
                let sender = sender.clone();
                queue.submit(
                    request,
                    Box::new(move |result| {
                        let _ = sender.send((meeting, number, result.is_ok()));
                    }),
                );
            }
        }
        drop(sender);
        let mut order: HashMap<&str, Vec<(u64, bool)>> = HashMap::new();
        for _ in 0..20 {
            let (meeting, number, fine) = receiver.recv().await.unwrap();
            order.entry(meeting).or_default().push((number, fine));
        }
        let expected: Vec<(u64, bool)> = (0..10).map(|number| (number, number != 3)).collect();
        assert_eq!(order["a"], expected);
        assert_eq!(order["b"], expected);
        assert_eq!(service.most.load(Ordering::SeqCst), 2);
        while !queue.waiting.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    }
}
