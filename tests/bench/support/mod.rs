//! What measurements need: options, a counting allocator, processor time, memory.
#![expect(
    unsafe_code,
    reason = "a global allocator that counts cannot be written without"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fmt;
use std::time::Duration;

use jitctl_bridge::media::SendCounters;
use jitctl_media::engine::Traffic;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, counting per thread.
pub(crate) struct Counted;

// SAFETY: every call is passed on unchanged to the system's allocator; counting touches a
// thread-local cell without destructor and allocates nothing.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `alloc` above, that is from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Counters of the worker at one moment, or over a window.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) cpu: Duration,
    pub(crate) allocations: u64,
    pub(crate) packets_out: u64,
    pub(crate) calls: u64,
    pub(crate) refused: u64,
}

impl Sample {
    /// Call on the worker's thread.
    pub(crate) fn of_this_thread(traffic: Traffic, sends: SendCounters) -> Self {
        let _ = sends;
        Self {
            cpu: thread_cpu(),
            allocations: ALLOCATIONS.with(Cell::get),
            packets_out: traffic.packets_out,
            calls: sends.calls.max(traffic.runs_out),
            refused: sends.refused + sends.full,
        }
    }

    pub(crate) fn since(&self, start: &Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(start.cpu),
            allocations: self.allocations - start.allocations,
            packets_out: self.packets_out - start.packets_out,
            calls: self.calls - start.calls,
            refused: self.refused - start.refused,
        }
    }
}

/// Time this thread spent on a processor, from the scheduler.
fn thread_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text
        .split_whitespace()
        .next()
        .and_then(|first| first.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or(0))
}

/// Resident memory of the process.
pub(crate) fn resident_kib() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

/// Keeps this thread on one processor, if there is such a one.
pub(crate) fn pin(processor: usize) {
    let mut set = CpuSet::new();
    if set.set(processor).is_ok() {
        let _ = sched_setaffinity(Pid::from_raw(0), &set);
    }
}

/// What to measure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    pub(crate) receivers: u32,
    pub(crate) kilobits_per_second: u32,
    pub(crate) duration: Duration,
    pub(crate) coalesce: Duration,
    pub(crate) without_segmentation: bool,
}

impl Options {
    pub(crate) fn from_arguments() -> Result<Self, String> {
        let mut options = Self {
            receivers: 99,
            kilobits_per_second: 1500,
            duration: Duration::from_secs(5),
            coalesce: Duration::ZERO,
            without_segmentation: false,
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            if name == "--without-segmentation" {
                options.without_segmentation = true;
                continue;
            }
            let value: u32 = arguments
                .next()
                .and_then(|value| value.parse().ok())
                .ok_or_else(|| format!("`{name}` needs a number"))?;
            match name.as_str() {
                "--receivers" => options.receivers = value,
                "--kbps" => options.kilobits_per_second = value,
                "--seconds" => options.duration = Duration::from_secs(u64::from(value)),
                "--coalesce-us" => options.coalesce = Duration::from_micros(u64::from(value)),
                _ => return Err(format!("`{name}` is not known")),
            }
        }
        Ok(options)
    }
}

impl fmt::Display for Options {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "1 -> {} at {} kbit/s for {} s, coalesce {} us, segmentation {}",
            self.receivers,
            self.kilobits_per_second,
            self.duration.as_secs(),
            self.coalesce.as_micros(),
            if self.without_segmentation {
                "off"
            } else {
                "on"
            },
        )
    }
}
