//! Giving a connection away to the user's function that takes it over.

use crate::ctx::{ConnInfo, Hijack, HijackedConn, Taker, UserValues};
use crate::serve::exchange::News;
use crate::serve::service::Service;
use crate::util::panic;
use crate::wire::transport::Transport;
use std::sync::Arc;
use std::thread;

/// A connection that the server has nothing to do with any more.
pub(crate) struct GivenAway {
    pub(crate) transport: Arc<dyn Transport>,
    /// What was received and belongs to whoever has it now.
    pub(crate) received: Vec<u8>,
    /// The function, and what handlers have kept for it.
    pub(crate) kept: UserValues,
    /// What observers are to be told before it runs.
    pub(crate) news: Option<News>,
}

/// Runs the function on a thread of its own.
pub(crate) fn give_away(given: GivenAway, info: &ConnInfo, service: &Service) {
    let GivenAway { transport, received, mut kept, news } = given;
    let Some(Hijack { taker: Taker::Function(function), place: Some(place), .. }) = kept.take_hijack() else {
        log::error!("a connection was to be taken over, and nobody does");
        return;
    };
    let (conn, permit) = HijackedConn::new(transport, received, info.clone(), service.stop.clone(), place);
    let run = move || {
        drop(news);
        // Not before: without a thread it is dropped by whoever wanted to give the connection away.
        if let Some(function) = function.into_inner() {
            if let Err(panicked) = panic::call(move || function(conn)) {
                log::error!("a function that has taken a connection over {panicked}");
            }
        }
        drop(kept);
        drop(permit);
    };
    if let Err(error) = thread::Builder::new().name("anthill-hijack".to_owned()).spawn(run) {
        log::error!("a connection is closed that was to be taken over: no thread can be had: {error}");
    }
}
