//! What every driver of a server's connections needs: the options, the handler, the counters.

use crate::config::hooks::BoxedHandler;
use crate::config::settings::Settings;
use crate::serve::counters::Counters;
use crate::serve::tally::Tallies;
use crate::stop::StopSignal;
use std::sync::Arc;

/// A server's constant part, shared by all its lives and drivers.
pub(crate) struct Service {
    pub(crate) settings: Settings,
    pub(crate) handler: BoxedHandler,
    pub(crate) counters: Counters,
    /// What tells handlers of the end.
    pub(crate) stop: StopSignal,
    pub(crate) tallies: Arc<Tallies>,
}

impl Service {
    /// One that has counted nothing yet.
    pub(crate) fn new(settings: Settings, handler: BoxedHandler) -> Self {
        let (stop, tallies) = (StopSignal::new(), Arc::default());
        Self { settings, handler, counters: Counters::default(), stop, tallies }
    }
}
