//! What every driver of a server's connections needs: the options, the handler, the counters.

use crate::config::hooks::BoxedHandler;
use crate::config::request_config::RequestConfig;
use crate::config::settings::Settings;
use crate::ctx::{CutTransport, Handler, TimedThreads};
use crate::serve::counters::Counters;
use crate::serve::in_flight::Places;
use crate::serve::moment::Clock;
use crate::serve::patience::Patience;
use crate::serve::tally::Tallies;
#[cfg(feature = "ws")]
use crate::sockets::SocketCounters;
use crate::stop::StopSignal;
use crate::wire::taken_over::TakenOver;
use std::sync::Arc;

/// A server's constant part, shared by all its lives and drivers.
pub(crate) struct Service {
    pub(crate) settings: Settings,
    /// With the peers of requests for which nothing else was said.
    pub(crate) patience: Patience,
    pub(crate) handler: Arc<dyn Handler>,
    /// Where handlers run that are waited for only so long.
    pub(crate) timed: TimedThreads,
    pub(crate) counters: Counters,
    /// The connections that functions of the user's have taken over.
    pub(crate) taken_over: Arc<TakenOver<CutTransport>>,
    /// What tells handlers of the end.
    pub(crate) stop: StopSignal,
    pub(crate) tallies: Arc<Tallies>,
    /// Where requests are being handled.
    pub(crate) places: Arc<Places>,
    pub(crate) clock: Clock,
    #[cfg(feature = "ws")]
    pub(crate) sockets: Arc<SocketCounters>,
}

impl Service {
    /// One that has counted nothing yet.
    pub(crate) fn new(settings: Settings, handler: BoxedHandler) -> Self {
        #[cfg(feature = "testing")]
        let clock = match &settings.ctx.watch {
            Some(watch) => Clock::start_ahead(watch.clock.clone()),
            None => Clock::start(),
        };
        #[cfg(not(feature = "testing"))]
        let clock = Clock::start();
        Self {
            patience: Patience::of(&RequestConfig::NOTHING, &settings.timeouts),
            settings,
            handler: Arc::from(handler),
            timed: TimedThreads::default(),
            counters: Counters::default(),
            taken_over: Arc::new(TakenOver::new()),
            stop: StopSignal::new(),
            tallies: Arc::default(),
            places: Arc::default(),
            clock,
            #[cfg(feature = "ws")]
            sockets: Arc::default(),
        }
    }
}
