//! The functions of the user's that requests are given to, as types.

use crate::config::request_config::RequestConfig;
use crate::ctx::{ConnInfo, Handler, RequestCtx};
use crate::message::request::Request;
use crate::observe::ConnState;
use crate::observe::completed::CompletedRequest;
use crate::proto::ProtoError;
use std::fmt;
use std::sync::Arc;

/// A request handler as the server keeps it.
pub(crate) type BoxedHandler = Box<dyn Handler>;

/// Decides on a request that expects to be asked for its body: 100 to ask for it, else the status to answer with.
pub(crate) type Expectation<'a> = dyn Fn(&mut RequestCtx) -> u16 + 'a;

/// Decides what is different for a request of which only the head is there.
pub(crate) type HeaderReceived<'a> = dyn Fn(&Request) -> RequestConfig + 'a;

/// The same, by its route.
pub(crate) type RouteConfig = dyn Fn(&mut RequestCtx) -> RequestConfig + Send + Sync;

/// The number of a request's route.
#[cfg(feature = "router")]
pub(crate) type RouteKey = dyn Fn(&mut RequestCtx) -> Option<u32> + Send + Sync;

/// What a request's route is called.
#[cfg(feature = "router")]
pub(crate) type RouteLabel = dyn Fn(&mut RequestCtx) -> Option<&'static str> + Send + Sync;

/// What a router says of requests before they are handled. None of it is code of the user's.
#[cfg(feature = "router")]
#[derive(Clone)]
pub(crate) struct RouteHooks {
    /// The number of the route, if that tells those apart that block.
    pub(crate) key: Arc<RouteKey>,
    /// What the route is called in records.
    pub(crate) label: Arc<RouteLabel>,
    /// What is different for its requests, if there is such a route.
    pub(crate) config: Option<Arc<RouteConfig>>,
}

/// What is called when the head of a request has arrived, before its body.
#[derive(Clone, Copy, Default)]
pub(crate) struct HeadHooks<'a> {
    pub(crate) header_received: Option<&'a HeaderReceived<'a>>,
    pub(crate) route_config: Option<&'a RouteConfig>,
    pub(crate) expectation: Option<&'a Expectation<'a>>,
}

/// Decides on `Expect: 100-continue`.
#[derive(Clone)]
pub(crate) struct ExpectHandler(pub(crate) Arc<dyn Fn(&mut RequestCtx) -> u16 + Send + Sync>);

/// Decides what is different for a request.
#[derive(Clone)]
pub(crate) struct HeaderHook(pub(crate) Arc<dyn Fn(&Request) -> RequestConfig + Send + Sync>);

/// Answers what is refused before it reaches a handler.
pub(crate) type ErrorHandlerFn = dyn Fn(&mut RequestCtx, ProtoError) + Send + Sync;

/// The same, as the server keeps it.
#[derive(Clone)]
pub(crate) struct ErrorHandler(pub(crate) Arc<ErrorHandlerFn>);

impl fmt::Debug for ErrorHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ErrorHandler")
    }
}

/// Is told of requests that are over.
pub(crate) type OnComplete = Arc<dyn Fn(&CompletedRequest) + Send + Sync>;

/// Is told what connections are doing.
pub(crate) type OnConnState = Arc<dyn Fn(&ConnInfo, ConnState) + Send + Sync>;

/// What is told of what happens, and asked for nothing.
#[derive(Clone, Default)]
pub(crate) struct Observers {
    pub(crate) completed: Vec<OnComplete>,
    pub(crate) conn_state: Option<OnConnState>,
    /// Whether there are any.
    pub(crate) are_any: bool,
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("Observers");
        text.field("completed", &self.completed.len())
            .field("conn_state", &self.conn_state.is_some())
            .finish()
    }
}

#[cfg(feature = "router")]
impl fmt::Debug for RouteHooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RouteHooks")
    }
}

impl fmt::Debug for ExpectHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExpectHandler")
    }
}

impl fmt::Debug for HeaderHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HeaderHook")
    }
}
