//! The text format: families of figures, each with its samples.

use std::fmt::{self, Write as _};
use std::mem;
use std::time::Duration;

use super::sink::Sink;
use crate::times::Histogram;

/// Times beyond this are one bucket.
const LONGEST: Duration = Duration::from_secs(68);

/// All that is on a page, in the order in which it came.
#[derive(Clone, Debug, Default)]
pub(super) struct Families(Vec<Family>);

#[derive(Clone, Debug)]
struct Family {
    name: &'static str,
    kind: Kind,
    help: &'static str,
    /// Lines of the page.
    samples: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Families {
    /// The family's samples, to be added to.
    fn samples(&mut self, name: &'static str, kind: Kind, help: &'static str) -> &mut String {
        let place = self.0.iter().position(|family| family.name == name).unwrap_or_else(|| {
            self.0.push(Family { name, kind, help, samples: String::new() });
            self.0.len() - 1
        });
        &mut self.0[place].samples
    }
}

impl fmt::Display for Families {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Family { name, kind, help, samples } in &self.0 {
            let kind = match kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram => "histogram",
            };
            write!(f, "# HELP {name} {help}\n# TYPE {name} {kind}\n{samples}")?;
        }
        Ok(())
    }
}

/// Where the figures of one pool are written.
pub(super) struct Series<'p> {
    families: &'p mut Families,
    /// `pool="mail",` for each label.
    labels: String,
}

impl<'p> Series<'p> {
    pub(super) fn new(families: &'p mut Families, labels: &[(&str, &str)]) -> Self {
        let (mut text, mut names) = (String::new(), Vec::new());
        for (name, value) in labels {
            let name = label_name(name);
            if !names.contains(&name) {
                push_label(&mut text, &name, value);
                names.push(name);
            }
        }
        Series { families, labels: text }
    }

    pub(super) fn buckets(
        &mut self,
        name: &'static str,
        help: &'static str,
        buckets: impl IntoIterator<Item = (Duration, u64)>,
        sum: Duration,
    ) {
        let samples = self.families.samples(name, Kind::Histogram, help);
        let mut seen = 0;
        for (below, count) in buckets {
            seen += count;
            let mut labels = self.labels.clone();
            if below == Duration::MAX {
                push_label(&mut labels, "le", "+Inf");
            } else {
                push_label(&mut labels, "le", &below.as_secs_f64().to_string());
            }
            push_sample(samples, &format!("{name}_bucket"), &labels, seen);
        }
        push_sample(samples, &format!("{name}_sum"), &self.labels, sum.as_secs_f64());
        push_sample(samples, &format!("{name}_count"), &self.labels, seen);
    }
}

impl Sink for Series<'_> {
    fn counter(&mut self, name: &'static str, help: &'static str, reason: Option<&'static str>, count: u64) {
        let samples = self.families.samples(name, Kind::Counter, help);
        let mut labels = self.labels.clone();
        if let Some(reason) = reason {
            push_label(&mut labels, "reason", reason);
        }
        push_sample(samples, name, &labels, count);
    }

    fn gauge(&mut self, name: &'static str, help: &'static str, value: usize) {
        let samples = self.families.samples(name, Kind::Gauge, help);
        push_sample(samples, name, &self.labels, value);
    }

    fn histogram(&mut self, name: &'static str, help: &'static str, histogram: &Histogram) {
        self.buckets(name, help, coarse(histogram), histogram.sum());
    }
}

/// Every second bucket, up to a minute: each is a series of its own to a scraper, for each pool.
fn coarse(histogram: &Histogram) -> impl Iterator<Item = (Duration, u64)> {
    let mut count = 0;
    histogram.buckets().enumerate().filter_map(move |(place, (below, in_bucket))| {
        count += in_bucket;
        let ends = (place % 2 == 0 && below <= LONGEST) || below == Duration::MAX;
        ends.then(|| (below, mem::take(&mut count)))
    })
}

fn push_sample(samples: &mut String, name: &str, labels: &str, value: impl fmt::Display) {
    let labels = labels.trim_end_matches(',');
    let _ = match labels {
        "" => writeln!(samples, "{name} {value}"),
        _ => writeln!(samples, "{name}{{{labels}}} {value}"),
    };
}

fn push_label(labels: &mut String, name: &str, value: &str) {
    labels.push_str(name);
    labels.push_str("=\"");
    for character in value.chars() {
        match character {
            '\\' => labels.push_str("\\\\"),
            '"' => labels.push_str("\\\""),
            '\n' => labels.push_str("\\n"),
            other => labels.push(other),
        }
    }
    labels.push_str("\",");
}

/// A name that the format allows and that is not used already.
fn label_name(name: &str) -> String {
    let mut allowed: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' }).collect();
    if allowed.is_empty() || allowed.starts_with(|c: char| c.is_ascii_digit()) {
        allowed.insert(0, '_');
    }
    // Names with two underscores at their head are Prometheus's own.
    let is_taken = matches!(allowed.as_str(), "le" | "reason" | "quantile") || allowed.starts_with("__");
    if is_taken { format!("exported_{}", allowed.trim_start_matches('_')) } else { allowed }
}
