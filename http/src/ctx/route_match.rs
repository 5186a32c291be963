//! What a router has found for a request: which of its routes, and the values of that one's parameters.
//!
//! The rule: values are places in a copy of the path, in memory that is used again. So what handlers change in the
//! request does not change them, and a request costs no memory.

use super::RequestCtx;
use super::route_urls::{RouteUrls, UrlError};
use crate::message::request::Request;
use crate::util::segments::Segments;
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
    /// Something was put in here since it was cleared.
    is_used: bool,
    /// The number of the route in its router.
    pub(crate) number: u32,
    /// What the router is to answer itself.
    pub(crate) own_answer: OwnAnswer,
    /// What `Allow` says then, or where a redirect leads.
    pub(crate) text: String,
    /// Names, and where the values are in what `path` keeps.
    params: Vec<(&'static str, Range<usize>)>,
    /// The path, if there are values in it, and the value of a host's parameter behind it.
    pub(crate) path: Segments,
    urls: Option<Arc<RouteUrls>>,
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
    #[inline]
    pub(super) fn clear(&mut self) {
        if self.is_used {
            self.forget();
        }
    }

    #[cold]
    fn forget(&mut self) {
        self.is_answering = false;
        self.is_used = false;
        self.number = 0;
        self.own_answer = OwnAnswer::NotFound;
        self.params.clear();
        if self.text.capacity() > KEPT_TEXT_MAX {
            self.text = String::new();
        }
        self.text.clear();
        self.path.clear();
    }

    #[cold]
    fn set_aside(&mut self) -> Box<Self> {
        Box::new(mem::take(self))
    }

    #[cold]
    fn know_urls(&mut self, urls: &Arc<RouteUrls>) {
        self.urls = Some(urls.clone());
    }

    /// Adds the parameters of these names whose values are in the path: `place` says where each is.
    #[inline]
    pub(crate) fn push_places(
        &mut self,
        names: &[&'static str],
        place: impl Fn(&Segments, usize) -> Option<Range<usize>>,
    ) {
        for (index, name) in names.iter().enumerate() {
            let Some(place) = place(&self.path, index) else { return };
            self.params.push((name, place));
        }
    }

    /// Adds a parameter.
    fn push(&mut self, name: &'static str, value: impl IntoIterator<Item = u8>) {
        self.is_used = true;
        let place = self.path.append(value);
        self.params.push((name, place));
    }

    /// Adds one whose case does not matter.
    pub(crate) fn push_lowercase(&mut self, name: &'static str, value: &str) {
        self.push(name, value.bytes().map(|byte| byte.to_ascii_lowercase()));
    }

    fn value(&self, name: &str) -> Option<&str> {
        let (_, place) = self.params.iter().find(|(known, _)| *known == name)?;
        Some(self.text_at(place))
    }

    /// A value. Segments of text are text.
    fn text_at(&self, place: &Range<usize>) -> &str {
        std::str::from_utf8(self.path.bytes(place.clone())).unwrap_or_default()
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
        found.params.iter().map(|(name, place)| (*name, found.text_at(place)))
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
        self.routed.found.push(crate::util::intern::intern(name), value.bytes());
    }
}

/// For routers.
impl RequestCtx {
    /// A router begins. What another one has found that is answering already is given back, to be put back.
    #[inline]
    pub(crate) fn begin_routing(&mut self, urls: &Arc<RouteUrls>) -> Option<Box<RouteMatch>> {
        let found = &mut self.routed.found;
        let outer = if found.is_answering { Some(found.set_aside()) } else { None };
        found.clear();
        (found.is_answering, found.is_used) = (true, true);
        if !found.urls.as_ref().is_some_and(|known| Arc::ptr_eq(known, urls)) {
            found.know_urls(urls);
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

    /// Room for the path, for who asks what a router would find.
    pub(crate) fn request_and_room(&mut self) -> (&Request, &mut Segments) {
        let found = &mut self.routed.found;
        // What was found before had its values there.
        found.clear();
        found.is_used = true;
        (&self.request, &mut found.path)
    }

    /// What it has found, to be filled in.
    #[inline]
    pub(crate) fn request_and_match(&mut self) -> (&Request, &mut RouteMatch) {
        (&self.request, &mut self.routed.found)
    }

    /// What it has found.
    #[inline]
    pub(crate) fn route_match(&self) -> &RouteMatch {
        &self.routed.found
    }
}
