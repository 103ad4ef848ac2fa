//! What each host is doing: a bar per host on a terminal, plain lines elsewhere.
//!
//! It also remembers what is unfinished, for Ctrl-C.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::{Mask, to_stderr};

/// Shared state; clones show on the same screen.
#[derive(Clone)]
pub(crate) struct Progress {
    inner: Arc<Inner>,
}

struct Inner {
    screen: Option<MultiProgress>,
    json: bool,
    mask: Mask,
    hosts: Mutex<BTreeMap<String, HostProgress>>,
    live: Mutex<Option<ProgressBar>>,
}

struct HostProgress {
    bar: Option<ProgressBar>,
    step: Option<String>,
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progress")
            .field("bars", &self.inner.screen.is_some())
            .finish_non_exhaustive()
    }
}

impl Progress {
    pub(super) fn new(bars: bool, json: bool, mask: Mask) -> Self {
        Self {
            inner: Arc::new(Inner {
                screen: bars.then(MultiProgress::new),
                json,
                mask,
                hosts: Mutex::default(),
                live: Mutex::default(),
            }),
        }
    }

    /// A host begins a step: `position` of `length` steps are behind it.
    pub(crate) fn step(&self, host: &str, position: u64, length: u64, step: &str) {
        let step = self.inner.mask.apply(step).into_owned();
        let mut hosts = self.hosts();
        let entry = hosts
            .entry(host.to_owned())
            .or_insert_with(|| HostProgress {
                bar: self.new_bar(host),
                step: None,
            });
        if entry.step.as_deref() == Some(step.as_str()) {
            return;
        }
        match &entry.bar {
            Some(bar) => {
                bar.set_length(length);
                bar.set_position(position);
                bar.set_message(step.clone());
            }
            None => self.plain(host, &step),
        }
        entry.step = Some(step);
    }

    /// A host is done, well or not.
    pub(crate) fn finish(&self, host: &str, outcome: &str) {
        let outcome = self.inner.mask.apply(outcome).into_owned();
        let mut hosts = self.hosts();
        let entry = hosts
            .entry(host.to_owned())
            .or_insert_with(|| HostProgress {
                bar: self.new_bar(host),
                step: None,
            });
        entry.step = None;
        match entry.bar.take() {
            Some(bar) => {
                bar.set_position(bar.length().unwrap_or_default());
                bar.finish_with_message(outcome);
            }
            None => self.plain(host, &outcome),
        }
    }

    /// A text that replaces the one before, such as a table of where things stand; on a terminal
    /// only.
    pub(crate) fn live(&self, text: &str) {
        let Some(screen) = &self.inner.screen else {
            return;
        };
        let mut live = self.live_text();
        let shown = live.get_or_insert_with(|| {
            let shown = screen.add(ProgressBar::new(0));
            if let Ok(style) = ProgressStyle::with_template("{msg}") {
                shown.set_style(style);
            }
            shown
        });
        shown.set_message(self.inner.mask.apply(text).into_owned());
        shown.tick();
    }

    /// The same in words, where there is no terminal.
    pub(crate) fn plain_state(&self, text: &str) {
        if self.inner.screen.is_none() {
            self.plain("load", text);
        }
    }

    /// Runs `print` without tearing the bars.
    pub(crate) fn suspend(&self, print: impl FnOnce()) {
        match &self.inner.screen {
            Some(screen) => screen.suspend(print),
            None => print(),
        }
    }

    /// Takes the bars away.
    pub(crate) fn clear(&self) {
        if let Some(live) = self.live_text().take() {
            live.finish_and_clear();
        }
        if let Some(screen) = &self.inner.screen {
            // A terminal that is gone needs no clearing.
            let _ = screen.clear();
        }
    }

    pub(super) fn unfinished(&self) -> Vec<(String, String)> {
        self.hosts()
            .iter()
            .filter_map(|(host, progress)| Some((host.clone(), progress.step.clone()?)))
            .collect()
    }

    fn hosts(&self) -> MutexGuard<'_, BTreeMap<String, HostProgress>> {
        self.inner
            .hosts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn live_text(&self) -> MutexGuard<'_, Option<ProgressBar>> {
        self.inner
            .live
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn new_bar(&self, host: &str) -> Option<ProgressBar> {
        let screen = self.inner.screen.as_ref()?;
        let bar = screen.add(ProgressBar::new(0));
        if let Ok(style) =
            ProgressStyle::with_template("{prefix:>12} {bar:20} {pos:>2}/{len} {wide_msg}")
        {
            bar.set_style(style.progress_chars("━╸─"));
        }
        bar.set_prefix(host.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        Some(bar)
    }

    fn plain(&self, host: &str, text: &str) {
        if self.inner.json {
            to_stderr(&format!(
                "{}\n",
                serde_json::json!({ "host": host, "step": text })
            ));
        } else {
            to_stderr(&format!("{host}: {text}\n"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Mask, Progress};

    #[test]
    fn only_hosts_in_the_middle_of_a_step_are_unfinished() {
        let progress = Progress::new(false, false, Mask::default());
        progress.step("m1", 0, 2, "install packages");
        progress.step("b1", 1, 2, "switch files");
        progress.finish("m1", "done");
        assert_eq!(
            progress.unfinished(),
            [("b1".to_owned(), "switch files".to_owned())]
        );
    }
}
