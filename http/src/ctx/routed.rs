//! What is known of the route of a request.

#[cfg(feature = "router")]
use super::route_match::RouteMatch;

/// What is known of the route of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Routed {
    /// What it is called in records.
    pub(super) label: Option<&'static str>,
    /// What a router has found.
    #[cfg(feature = "router")]
    pub(super) found: RouteMatch,
}

impl Routed {
    /// Nothing.
    #[inline]
    pub(super) fn clear(&mut self) {
        self.label = None;
        #[cfg(feature = "router")]
        self.found.clear();
    }
}
