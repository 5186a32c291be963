//! What a router has found for a request: which of its routes, and the values of that one's parameters.
//!
//! The rule: values are copies, in memory that is used again. So what handlers change in the request does not change
//! them, and a request costs no memory.

use super::RequestCtx;
use super::route_urls::{RouteUrls, UrlError};
use crate::message::request::Request;
use std::mem;
use std::ops::Range;
use std::sync::Arc;

/// Texts whose memory is worth keeping.
const KEPT_TEXT_MAX: usize = 4096;

/// What a router has found.
#[derive(Clone, Debug, Default)]
pub(crate) struct RouteMatch {
    /// A router is answering the request right now.
    is_answering: bool,
    /// The number of the route in its router.
    pub(crate) number: u32,
    /// What the router is to answer itself.
    pub(crate) own_answer: OwnAnswer,
    /// What `Allow` says then, or where a redirect leads.
    pub(crate) text: String,
    params: Vec<(&'static str, Range<usize>)>,
    values: String,
    urls: Option<Arc<RouteUrls>>,
    /// Room for a path in another form.
    pub(crate) room: String,
}

/// What a router answers itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum OwnAnswer {
    /// That nothing is there.
    #[default]
    NotFound,
    /// That something is, for other methods.
    NotAllowed,
    /// Which methods there are.
    Options,
    /// Where it is.
    Redirect,
}

impl RouteMatch {
    pub(super) fn clear(&mut self) {
        self.is_answering = false;
        self.number = 0;
        self.own_answer = OwnAnswer::NotFound;
        self.params.clear();
        for text in [&mut self.text, &mut self.values, &mut self.room] {
            if text.capacity() > KEPT_TEXT_MAX {
                *text = String::new();
            }
            text.clear();
        }
    }

    /// Adds a parameter.
    #[inline]
    pub(crate) fn push(&mut self, name: &'static str, value: &str) {
        let start = self.values.len();
        self.values.push_str(value);
        self.params.push((name, start..self.values.len()));
    }

    /// Adds one whose case does not matter.
    pub(crate) fn push_lowercase(&mut self, name: &'static str, value: &str) {
        self.push(name, value);
        if let Some((_, place)) = self.params.last() {
            if let Some(value) = self.values.get_mut(place.clone()) {
                value.make_ascii_lowercase();
            }
        }
    }

    fn value(&self, name: &str) -> Option<&str> {
        let (_, place) = self.params.iter().find(|(known, _)| *known == name)?;
        self.values.get(place.clone())
    }
}

/// The route that a [`Router`](crate::Router) has found.
impl RequestCtx {
    /// The value of the parameter `name` of the request's route, decoded; `None` when it has no such parameter. What it
    /// may be says the [module](crate::router#parameters).
    ///
    /// ```
    /// use anthill_http::{Handler, Request, RequestCtx, Router};
    ///
    /// fn show(ctx: &mut RequestCtx) {
    ///     let (user, file) = (ctx.param("user"), ctx.param("file"));
    ///     let text = format!("file {} of {}", file.unwrap_or_default(), user.unwrap_or_default());
    ///     ctx.set_body(text);
    /// }
    /// let routes = Router::new().get("/{user}/files/{*file}", show).build()?;
    /// let mut ctx = RequestCtx::for_request(Request::new("GET", "/ann%20b/files/a/b.txt")?, None);
    /// routes.handle(&mut ctx);
    /// assert_eq!(ctx.response.body(), b"file a/b.txt of ann b");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn param(&self, name: &str) -> Option<&str> {
        self.routed.found.value(name)
    }

    /// The parameters of the request's route in the order in which they stand in it, the host's first.
    pub fn params(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let found = &self.routed.found;
        found.params.iter().map(|(name, place)| (*name, found.values.get(place.clone()).unwrap_or_default()))
    }

    /// The URL of the route that is called `name` in the router that answers the request, with these values for its
    /// parameters, encoded: a path; of a route with a [host](crate::Router::host) two slashes, the host, and the path.
    ///
    /// ```
    /// use anthill_http::router::{Route, UrlError};
    /// use anthill_http::{Handler, Request, RequestCtx, Router};
    ///
    /// fn show(ctx: &mut RequestCtx) -> Result<(), UrlError> {
    ///     let url = ctx.url_for("user", &[("id", "a b")])?;
    ///     ctx.set_body(url);
    ///     Ok(())
    /// }
    /// let routes = Router::new().route(Route::get("/users/{id}", show).name("user")).build()?;
    /// let mut ctx = RequestCtx::for_request(Request::new("GET", "/users/7")?, None);
    /// routes.handle(&mut ctx);
    /// assert_eq!(ctx.response.body(), b"/users/a%20b");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When there is no such route, a value is missing, there is one too many, or one cannot stand in a path.
    pub fn url_for(&self, name: &str, values: &[(&str, &str)]) -> Result<String, UrlError> {
        let found = &self.routed.found;
        match &found.urls {
            Some(urls) if found.is_answering => urls.make(name, values),
            _ => Err(UrlError::UnknownName(name.to_owned())),
        }
    }
}

/// For tests.
#[cfg(feature = "testing")]
impl RequestCtx {
    /// Adds a parameter as a router would have found it.
    pub(crate) fn push_param(&mut self, name: &str, value: &str) {
        self.routed.found.push(crate::util::intern::intern(name), value);
    }
}

/// For routers.
impl RequestCtx {
    /// A router begins. What another one has found that is answering already is given back, to be put back.
    #[inline]
    pub(crate) fn begin_routing(&mut self, urls: &Arc<RouteUrls>) -> Option<Box<RouteMatch>> {
        let found = &mut self.routed.found;
        let outer = found.is_answering.then(|| Box::new(mem::take(found)));
        found.clear();
        found.is_answering = true;
        if !found.urls.as_ref().is_some_and(|known| Arc::ptr_eq(known, urls)) {
            found.urls = Some(urls.clone());
        }
        outer
    }

    /// It has answered.
    #[inline]
    pub(crate) fn end_routing(&mut self, outer: Option<Box<RouteMatch>>) {
        match outer {
            Some(outer) => self.routed.found = *outer,
            None => self.routed.found.is_answering = false,
        }
    }

    /// What it has found, to be filled in.
    pub(crate) fn request_and_match(&mut self) -> (&Request, &mut RouteMatch) {
        (&self.request, &mut self.routed.found)
    }

    /// What it has found.
    #[inline]
    pub(crate) fn route_match(&self) -> &RouteMatch {
        &self.routed.found
    }
}
