//! A host for tests: answers by a function or from a record, and keeps what it was asked.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use jitctl_inventory::names::HostName;
use serde::{Deserialize, Serialize};

use crate::remote::{Output, Remote, RemoteError, RemoteFuture, Script};

type Answer = dyn Fn(&Script) -> Result<Output, RemoteError> + Send + Sync;

/// One script and what came back. The input is left out: it may hold secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// Title of the script.
    pub title: String,
    /// Its text.
    pub text: String,
    /// The answer.
    pub output: Output,
}

/// A host that exists only in a test.
#[derive(Clone)]
pub struct FakeRemote {
    host: HostName,
    answer: Arc<Answer>,
    calls: Arc<Mutex<Vec<Script>>>,
}

impl FakeRemote {
    /// A host that answers by a function.
    pub fn answering(
        host: impl Into<HostName>,
        answer: impl Fn(&Script) -> Result<Output, RemoteError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            host: host.into(),
            answer: Arc::new(answer),
            calls: Arc::default(),
        }
    }

    /// A host that answers what it answered when it was recorded, in the same order; a script that
    /// differs from the recorded one ends with status 99 and says so.
    pub fn replaying(host: impl Into<HostName>, record: Vec<Exchange>) -> Self {
        let left = Mutex::new(VecDeque::from(record));
        Self::answering(host, move |script| {
            let next = left
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop_front();
            Ok(match next {
                Some(exchange) if exchange.text == script.text => exchange.output,
                Some(exchange) => mismatch(&format!(
                    "recorded: {}, asked: {}",
                    exchange.title, script.title
                )),
                None => mismatch(&format!("nothing recorded for: {}", script.title)),
            })
        })
    }

    /// All scripts so far.
    pub fn calls(&self) -> Vec<Script> {
        self.calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The titles of all scripts so far.
    pub fn titles(&self) -> Vec<String> {
        self.calls()
            .into_iter()
            .map(|script| script.title)
            .collect()
    }
}

fn mismatch(why: &str) -> Output {
    Output {
        status: Some(99),
        stdout: Vec::new(),
        stderr: format!("the record does not fit: {why}"),
    }
}

impl fmt::Debug for FakeRemote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeRemote")
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

impl Remote for FakeRemote {
    fn host(&self) -> &HostName {
        &self.host
    }

    fn run(&self, script: Script) -> RemoteFuture<'_> {
        let result = (self.answer)(&script);
        self.calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(script);
        Box::pin(async move { result })
    }
}

/// Another remote whose exchanges are kept, to be replayed later.
#[derive(Debug)]
pub struct RecordingRemote<R> {
    inner: R,
    record: Mutex<Vec<Exchange>>,
}

impl<R: Remote> RecordingRemote<R> {
    /// Records what goes through `inner`.
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            record: Mutex::default(),
        }
    }

    /// What was recorded so far.
    pub fn record(&self) -> Vec<Exchange> {
        self.record
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl<R: Remote> Remote for RecordingRemote<R> {
    fn host(&self) -> &HostName {
        self.inner.host()
    }

    fn run(&self, script: Script) -> RemoteFuture<'_> {
        Box::pin(async move {
            let (title, text) = (script.title.clone(), script.text.clone());
            let output = self.inner.run(script).await?;
            self.record
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(Exchange {
                    title,
                    text,
                    output: output.clone(),
                });
            Ok(output)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::LocalRemote;

    #[tokio::test]
    async fn a_record_is_replayed_and_a_changed_script_is_noticed() {
        let real = RecordingRemote::new(LocalRemote::new("h".into()));
        let script = |text: &str| Script::new("say", text, Duration::from_secs(20));
        real.run(script("echo hello")).await.unwrap();
        let fake = FakeRemote::replaying("h", real.record());
        assert_eq!(
            fake.run(script("echo hello")).await.unwrap().stdout,
            b"hello\n"
        );
        let other = FakeRemote::replaying("h", real.record());
        assert_eq!(
            other.run(script("echo bye")).await.unwrap().status,
            Some(99)
        );
    }
}
