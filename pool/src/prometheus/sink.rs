//! What figures are, and where they can go: a page, or a recorder.

use crate::times::Histogram;

/// Figures that can be shown. Nobody outside can name it, so nobody else has such figures.
pub trait Shown {
    /// Gives each of them to `sink`.
    fn show(&self, sink: &mut dyn Sink);
}

/// Where figures go, each with its name and what it is.
pub trait Sink {
    /// What only grows; of those with several reasons one after the other.
    fn counter(&mut self, name: &'static str, help: &'static str, reason: Option<&'static str>, count: u64);
    /// What goes up and down.
    fn gauge(&mut self, name: &'static str, help: &'static str, value: usize);
    /// Times.
    fn histogram(&mut self, name: &'static str, help: &'static str, histogram: &Histogram);
}
