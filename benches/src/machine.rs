//! What else the machine does while something is measured: figures of a crowded minute are not worth much.

use std::fs;
use std::time::Duration;

/// Ticks a second in which the kernel counts for programs, on all systems that this runs on.
const TICKS: u64 = 100;

/// CPU time that all programs of the machine have used since it started, in ticks of 10 ms; none where it is not told.
#[must_use]
pub fn busy_time() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let busy = busy_ticks(stat.lines().next()?)?;
    Some(Duration::from_millis(busy * 1000 / TICKS))
}

/// The average number of threads that ran or wanted to in the last minute; none where it is not told.
#[must_use]
pub fn load_average() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

/// Of a line `cpu user nice system idle iowait irq softirq steal ...`: everything but the two that are idle.
fn busy_ticks(line: &str) -> Option<u64> {
    let fields: Option<Vec<u64>> =
        line.strip_prefix("cpu ")?.split_whitespace().map(|field| field.parse().ok()).collect();
    match fields?[..] {
        [user, nice, system, _idle, _iowait, irq, softirq, steal, ..] => {
            Some(user + nice + system + irq + softirq + steal)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_time_is_not_busy() {
        assert_eq!(busy_ticks("cpu  10 2 30 1000 500 4 5 6 0 0"), Some(57));
        assert_eq!(busy_ticks("cpu0 10 2 30 1000 500 4 5 6 0 0"), None);
        assert_eq!(busy_ticks("cpu  10 2 30"), None);
    }
}
