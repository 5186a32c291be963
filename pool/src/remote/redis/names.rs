//! What the keys of a queue are called, and what a receipt says.

use crate::core::Priority;
use crate::remote::job::{JobId, LEVELS, Receipt};

/// The one group of each stream.
pub(super) const GROUP: &str = "workers";

/// The keys of one queue. The braces keep them together in a cluster.
#[derive(Debug)]
pub(super) struct Keys {
    /// The streams, the most urgent first.
    pub(super) streams: [String; 3],
    /// Jobs by the time at which they are due.
    pub(super) delayed: String,
    /// The ids of dead letters by their time.
    pub(super) dead: String,
    /// Dead letters by id.
    pub(super) letters: String,
    prefix: String,
}

impl Keys {
    pub(super) fn of(queue: &str) -> Self {
        let prefix = format!("{{anthill:{queue}}}");
        Keys {
            streams: ["high", "normal", "low"].map(|level| format!("{prefix}:{level}")),
            delayed: format!("{prefix}:delayed"),
            dead: format!("{prefix}:dead"),
            letters: format!("{prefix}:letters"),
            prefix,
        }
    }

    /// Where it is noted that a key against doubles was used.
    pub(super) fn of_double(&self, key: &str) -> String {
        format!("{}:key:{key}", self.prefix)
    }

    /// The stream of this urgency.
    pub(super) fn stream(&self, priority: Priority) -> &str {
        &self.streams[level_of(priority)]
    }
}

/// The number of a level among the streams.
pub(super) fn level_of(priority: Priority) -> usize {
    LEVELS.iter().position(|level| *level == priority).expect("every priority is a level")
}

/// The head of a job that is sent.
pub(super) fn head(id: &JobId, version: u32) -> String {
    format!("{id} {version} 0")
}

/// What a receipt says: which entry of which stream, and in which of its deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leaf<'a> {
    pub(super) level: usize,
    /// As the server counts, see [`BEGUN`](super::scripts::BEGUN).
    pub(super) count: u64,
    pub(super) entry: &'a str,
}

impl<'a> Leaf<'a> {
    pub(super) fn write(self) -> Receipt {
        Receipt::new(format!("{}/{}/{}", self.level, self.count, self.entry))
    }

    /// None for a receipt that is not from here.
    pub(super) fn read(receipt: &'a Receipt) -> Option<Self> {
        let mut parts = receipt.as_str().splitn(3, '/');
        let level = parts.next()?.parse().ok().filter(|level| *level < LEVELS.len())?;
        Some(Leaf { level, count: parts.next()?.parse().ok()?, entry: parts.next()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_is_read_as_it_was_written() {
        let leaf = Leaf { level: 2, count: 7, entry: "1526919030474-55" };
        assert_eq!(Leaf::read(&leaf.write()), Some(leaf));
        for foreign in ["", "1", "3/1/1-0", "x/1/1-0", "1/x/1-0", "1/1"] {
            assert_eq!(Leaf::read(&Receipt::new(foreign)), None, "{foreign}");
        }
    }
}
