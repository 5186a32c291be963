//! Groups of routes, as they were said, before anything was looked at.

use super::trailing_slash::TrailingSlash;
use crate::config::request_config::RequestConfig;
use crate::ctx::Handler;
use std::sync::Arc;

/// What is said of routes together.
#[derive(Default)]
pub(super) struct RouteGroup {
    pub(super) items: Vec<GroupItem>,
    pub(super) wraps: Vec<Wrap>,
    /// What answers where there is no route.
    pub(super) fallback: Option<Arc<dyn Handler>>,
    /// What answers where there is one for other methods.
    pub(super) method_not_allowed: Option<Arc<dyn Handler>>,
    pub(super) config: RequestConfig,
    pub(super) trailing_slash: Option<TrailingSlash>,
    /// What was said more than once, of what can be so once.
    pub(super) said_twice: Vec<&'static str>,
}

/// What is in a group.
pub(super) enum GroupItem {
    Route(RouteItem),
    Mount { prefix: String, handler: Arc<dyn Handler> },
    Group { prefix: String, host: Option<String>, group: RouteGroup },
}

/// A route.
pub(super) struct RouteItem {
    /// A list of them; `None`: any.
    pub(super) methods: Option<String>,
    pub(super) pattern: String,
    pub(super) handler: Arc<dyn Handler>,
    pub(super) name: Option<String>,
    pub(super) config: RequestConfig,
}

type WrapFn = dyn FnOnce(Arc<dyn Handler>) -> Arc<dyn Handler> + Send;

/// A function that takes a handler and gives one.
pub(super) struct Wrap(Box<WrapFn>);

impl Wrap {
    pub(super) fn new<H: Handler>(wrapper: impl FnOnce(Arc<dyn Handler>) -> H + Send + 'static) -> Self {
        Self(Box::new(move |handler| -> Arc<dyn Handler> { Arc::new(wrapper(handler)) }))
    }
}

/// `handler` in all of these, the first outermost.
pub(super) fn wrap_all(handler: Arc<dyn Handler>, wraps: Vec<Wrap>) -> Arc<dyn Handler> {
    wraps.into_iter().rev().fold(handler, |handler, Wrap(wrapper)| wrapper(handler))
}
