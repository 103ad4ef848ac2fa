//! Whether the application sends less than it may (ALR).

/// Share of the estimate below which sending counts as idle.
const SHARE: u64 = 65;
const START: i64 = 80;
const STOP: i64 = 50;
/// Budget window, microseconds.
const WINDOW: i64 = 500_000;

#[derive(Debug)]
pub(super) struct IdleDetector {
    /// Unused budget in bits.
    budget: i64,
    last: Option<i64>,
    is_idle: bool,
}

impl IdleDetector {
    pub(super) const fn new() -> Self {
        Self {
            budget: 0,
            last: None,
            is_idle: false,
        }
    }

    pub(super) fn sent(&mut self, time: i64, length: usize, estimate: u64) {
        let elapsed = time - *self.last.get_or_insert(time);
        self.last = Some(time);
        let rate = (estimate * SHARE / 100) as i64;
        let largest = rate * (WINDOW / 1000) / 1000;
        let gained = rate * elapsed.clamp(0, WINDOW) / 1_000_000;
        self.budget = (self.budget + gained - length as i64 * 8).clamp(-largest, largest);
        let share = self.budget * 100 / largest.max(1);
        if share > START {
            self.is_idle = true;
        } else if share < STOP {
            self.is_idle = false;
        }
    }

    pub(super) const fn is_idle(&self) -> bool {
        self.is_idle
    }
}
