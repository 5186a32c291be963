//! What the libraries tell the log, for tests that look for it.

use std::sync::{Mutex, Once, PoisonError};

use log::{Level, LevelFilter, Log, Metadata, Record};

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// How serious it is.
    pub level: Level,
    /// Who says it.
    pub target: String,
    /// What.
    pub text: String,
}

static LINES: Mutex<Vec<Line>> = Mutex::new(Vec::new());

struct Collector;

impl Log for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("anthill_http")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let (level, target, text) =
                (record.level(), record.target().to_owned(), record.args().to_string());
            LINES.lock().unwrap_or_else(PoisonError::into_inner).push(Line { level, target, text });
        }
    }

    fn flush(&self) {}
}

/// Keeps what is logged from now on.
///
/// # Panics
/// When there is another logger.
pub fn collect() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Collector).expect("no other logger");
        log::set_max_level(LevelFilter::Debug);
    });
}

/// The lines of `target` that have `part` in them, which should be something that no other test says.
pub fn with(target: &str, part: &str) -> Vec<Line> {
    let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    lines.iter().filter(|line| line.target == target && line.text.contains(part)).cloned().collect()
}
