//! What the kernel says of this process.

use std::fs;
use std::time::{Duration, Instant};

/// Kernel ticks a second: fixed at 100 towards user space on Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// Over less than this, one tick more or less would look like a load.
const SHORTEST_SPAN: Duration = Duration::from_secs(1);

/// Bytes of memory in use (resident set); 0 when the kernel does not tell.
pub fn resident_bytes() -> u64 {
    status_field("VmRSS:").unwrap_or(0) * 1024
}

/// Threads; 0 when the kernel does not tell.
pub fn threads() -> u64 {
    status_field("Threads:").unwrap_or(0)
}

fn status_field(name: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Measures how much of the processors this process may use it does use.
#[derive(Debug)]
pub struct CpuMeter {
    last: Option<(Instant, f64)>,
    processors: f64,
}

impl Default for CpuMeter {
    fn default() -> Self {
        // Respects affinity and control group quotas.
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let processors = u32::try_from(processors).map_or(1.0, f64::from);
        Self {
            last: None,
            processors,
        }
    }
}

impl CpuMeter {
    /// Share since the last measurement, 1.0 being all processors; `None` the first time, and less
    /// than a second after the last one, which stays the beginning of the next.
    pub fn measure(&mut self, now: Instant) -> Option<f64> {
        self.measure_used(now, cpu_seconds()?)
    }

    fn measure_used(&mut self, now: Instant, used: f64) -> Option<f64> {
        let Some((then, used_then)) = self.last else {
            self.last = Some((now, used));
            return None;
        };
        let elapsed = now.saturating_duration_since(then);
        if elapsed < SHORTEST_SPAN {
            return None;
        }
        self.last = Some((now, used));
        Some(((used - used_then) / elapsed.as_secs_f64() / self.processors).clamp(0.0, 1.0))
    }
}

fn cpu_seconds() -> Option<f64> {
    parse_cpu_seconds(&fs::read_to_string("/proc/self/stat").ok()?)
}

/// User and system time are fields 14 and 15; the name before may hold spaces and parentheses.
fn parse_cpu_seconds(stat: &str) -> Option<f64> {
    let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_whitespace();
    let user: f64 = fields.nth(11)?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "1 (a) b) S 2 3 4 5 6 7 8 9 10 11 250 50 0 0 20";
        assert_eq!(parse_cpu_seconds(stat), Some(3.0));
        assert_eq!(parse_cpu_seconds("garbage"), None);
    }

    #[test]
    fn a_short_span_is_no_measurement_and_belongs_to_the_next() {
        let mut meter = CpuMeter {
            last: None,
            processors: 2.0,
        };
        let start = Instant::now();
        assert_eq!(meter.measure_used(start, 1.0), None);
        let soon = start + Duration::from_millis(1);
        assert_eq!(meter.measure_used(soon, 1.01), None, "one tick is no load");
        let later = start + Duration::from_secs(5);
        assert_eq!(meter.measure_used(later, 2.0), Some(0.1));
    }

    #[test]
    fn this_process_has_memory_and_threads() {
        assert!(resident_bytes() > 0);
        assert!(threads() > 0);
        let mut meter = CpuMeter::default();
        assert_eq!(meter.measure(Instant::now()), None);
    }
}
