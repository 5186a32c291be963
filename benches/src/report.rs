//! Tables and medians on standard output, and what one must know to read them: the machine and the versions.

use crate::versions;
use std::fs;
use std::io::{self, Write};
use std::process;
use std::thread;
use std::time::Duration;

/// Prints the head of a benchmark: its question, the machine, and the versions of the packages compared.
pub fn headline(question: &str, packages: &[&str], quick: bool) {
    let versions: Vec<_> = packages.iter().map(|name| format!("{name} {}", versions::of(name))).collect();
    say(&format!("\n{question}\n{}\n{}", machine(), versions.join(", ")));
    if quick {
        say("smoke mode: the answers are checked, the figures mean nothing");
    }
}

/// Prints one line (or several) on standard output.
pub fn say(text: &str) {
    // A closed pipe (as of `| head`) must not turn a finished measurement into a panic.
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// Prints a line on standard error: what went wrong, and what to do.
pub fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Ends the process: there is nothing to measure, for this reason.
pub fn fail(reason: &str) -> ! {
    complain(reason);
    process::exit(1)
}

/// A table whose first column is left-aligned and all others right-aligned.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these column titles.
    #[must_use]
    pub fn new(titles: &[&str]) -> Self {
        Self { rows: vec![titles.iter().map(ToString::to_string).collect()] }
    }

    /// Adds a row of cells, as many as there are titles.
    pub fn row(&mut self, cells: Vec<String>) {
        debug_assert_eq!(cells.len(), self.rows[0].len());
        self.rows.push(cells);
    }

    /// Prints the table as Markdown that is also aligned for the terminal.
    pub fn print(&self) {
        say(&self.to_text());
    }

    fn to_text(&self) -> String {
        let width =
            |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<_> = (0..self.rows[0].len()).map(width).collect();
        let mut lines: Vec<_> = self.rows.iter().map(|row| line(row, &widths)).collect();
        let rule = widths.iter().enumerate().map(|(column, width)| match column {
            0 => "-".repeat(width + 2),
            _ => "-".repeat(width + 1) + ":",
        });
        lines.insert(1, format!("|{}|", rule.collect::<Vec<_>>().join("|")));
        lines.join("\n")
    }
}

fn line(cells: &[String], widths: &[usize]) -> String {
    let aligned = cells.iter().zip(widths).enumerate().map(|(column, (cell, &width))| match column {
        0 => format!(" {cell:<width$} "),
        _ => format!(" {cell:>width$} "),
    });
    format!("|{}|", aligned.collect::<Vec<_>>().join("|"))
}

/// The middle of some values (the mean of the two middle ones when their number is even); not a number when empty.
#[must_use]
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    match (values.len(), values.len() / 2) {
        (0, _) => f64::NAN,
        (count, middle) if count % 2 == 1 => values[middle],
        (_, middle) => values[middle - 1].midpoint(values[middle]),
    }
}

/// A quarter, half and three quarters of the way through some values, between neighbours where it falls between them;
/// not numbers when empty.
#[must_use]
pub fn quartiles(values: impl IntoIterator<Item = f64>) -> [f64; 3] {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    [0.25, 0.5, 0.75].map(|share| {
        let place = share * values.len().saturating_sub(1) as f64;
        let (below, above) = (place.floor() as usize, place.ceil() as usize);
        match (values.get(below), values.get(above)) {
            (Some(low), Some(high)) => low + (high - low) * place.fract(),
            _ => f64::NAN,
        }
    })
}

/// The median of some ratios, and in brackets how far their middle half reaches.
#[must_use]
pub fn middle_half(values: impl IntoIterator<Item = f64>) -> String {
    let [low, middle, high] = quartiles(values);
    format!("{middle:.2} ({low:.2}-{high:.2})")
}

/// How far the values lie apart, in per cent of their median: the noise to read the table with.
#[must_use]
pub fn spread(values: impl IntoIterator<Item = f64> + Clone) -> f64 {
    let highest = values.clone().into_iter().fold(f64::MIN, f64::max);
    let lowest = values.clone().into_iter().fold(f64::MAX, f64::min);
    (highest - lowest) / median(values) * 100.0
}

/// A duration in microseconds.
#[must_use]
pub fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

pub(crate) fn machine() -> String {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let (_, model) = model.unwrap_or(("", "unknown CPU"));
    format!("{cores} cores of {model}, kernel {}", kernel.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_and_spread() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median([]).is_nan());
        assert_eq!(spread([9.0, 10.0, 12.0]), 30.0);
        assert_eq!(quartiles([5.0, 1.0, 3.0, 2.0, 4.0]), [2.0, 3.0, 4.0]);
        assert_eq!(quartiles([1.0, 2.0]), [1.25, 1.5, 1.75]);
        assert!(quartiles([])[1].is_nan());
        assert_eq!(middle_half([1.0]), "1.00 (1.00-1.00)");
    }

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new(&["server", "requests/s"]);
        table.row(vec!["ours".into(), "7".into()]);
        assert_eq!(
            table.to_text(),
            "| server | requests/s |\n|--------|-----------:|\n| ours   |          7 |"
        );
    }
}
