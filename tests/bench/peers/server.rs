//! A process's processor time and memory, from /proc.

use std::fs;
use std::time::Duration;

use crate::Failure;

/// What a process used so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) cpu: Duration,
    /// Ticks in the program itself and in the kernel.
    user: u64,
    kernel: u64,
    pub(crate) resident_kib: u64,
}

impl Sample {
    /// Of this process.
    pub(crate) fn own() -> Result<Self, Failure> {
        Self::take(std::process::id())
    }

    /// Of all threads of `pid`, as the scheduler counts.
    pub(crate) fn take(pid: u32) -> Result<Self, Failure> {
        let mut nanoseconds = 0;
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            // A thread may end in between.
            let text = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
            let first = text.split_whitespace().next();
            nanoseconds += first.and_then(|first| first.parse().ok()).unwrap_or(0);
        }
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The name in parentheses may hold anything.
        let (_, numbers) = stat.rsplit_once(')').ok_or("no stat")?;
        let ticks = |place: usize| {
            let number = numbers.split_whitespace().nth(place);
            number.and_then(|number| number.parse().ok()).unwrap_or(0)
        };
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let resident_kib = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.split_whitespace().next())
            .and_then(|number| number.parse().ok())
            .ok_or("no VmRSS")?;
        Ok(Self {
            cpu: Duration::from_nanos(nanoseconds),
            user: ticks(11),
            kernel: ticks(12),
            resident_kib,
        })
    }

    /// Of the processor time since `earlier`, how much was spent in the kernel: 0 to 1.
    pub(crate) fn kernel_share(&self, earlier: &Self) -> f64 {
        let kernel = self.kernel.saturating_sub(earlier.kernel) as f64;
        let user = self.user.saturating_sub(earlier.user) as f64;
        kernel / (kernel + user).max(1.0)
    }
}
