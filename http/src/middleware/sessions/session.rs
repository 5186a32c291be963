//! A session as handlers see it.
//!
//! The rule: what was changed is known by name, so that two requests that run at once change what each has changed.

use super::record::SessionRecord;
use super::store::SessionKey;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What is kept for a client from request to request: texts by name; got by
/// [`RequestCtx::session`](crate::RequestCtx::session).
///
/// ```
/// use anthill_http::middleware::{MemoryStore, SessionError, Sessions, sessions};
/// use anthill_http::{Handler, Request, RequestCtx};
///
/// fn count(ctx: &mut RequestCtx) -> Result<(), SessionError> {
///     let session = ctx.session()?;
///     let visits = session.get("visits").and_then(|visits| visits.parse().ok()).unwrap_or(0) + 1;
///     session.set("visits", visits.to_string());
///     ctx.set_body(format!("visit {visits}"));
///     Ok(())
/// }
/// let handler = sessions(count, Sessions::builder(MemoryStore::new(1000)).build()?);
///
/// let mut first = RequestCtx::for_request(Request::new("GET", "/")?, None);
/// handler.handle(&mut first);
/// let mut request = Request::new("GET", "/")?;
/// request.set_cookie("session", first.response.cookie("session").expect("it is set")?.value());
/// let mut second = RequestCtx::for_request(request, None);
/// handler.handle(&mut second);
/// assert_eq!(second.response.body(), b"visit 2");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Session {
    pub(super) values: BTreeMap<String, String>,
    pub(super) changed: BTreeSet<String>,
    /// As it was found; `None`: there was none.
    pub(super) known: Option<KnownSession>,
    pub(super) fate: SessionFate,
}

/// Under which name the session has the secret of its tokens.
pub(crate) const CSRF_SECRET: &str = "anthill.csrf";

/// What is known of a session that there was.
pub(super) struct KnownSession {
    /// Where it is in the store, and what the client knows it by; `None` for one that is in its cookie.
    pub(super) place: Option<(SessionKey, String)>,
    pub(super) version: u64,
    pub(super) begun: u64,
    pub(super) used: u64,
}

/// What is to become of the session that there was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SessionFate {
    Kept,
    Renewed,
    Ended,
}

impl Session {
    pub(super) fn new(found: Option<(SessionRecord, KnownSession)>) -> Self {
        let (values, known) = match found {
            Some((record, known)) => (record.values, Some(known)),
            None => (BTreeMap::new(), None),
        };
        Self { values, changed: BTreeSet::new(), known, fate: SessionFate::Kept }
    }

    /// The value called `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// Sets the value called `name`. It is kept when the handler has returned, in the place of what others have set it
    /// to meanwhile.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let (name, value) = (name.into(), value.into());
        if self.values.get(&name) != Some(&value) {
            self.changed.insert(name.clone());
            self.values.insert(name, value);
        }
    }

    /// Takes the value called `name` out. What is set before a redirect and taken by the page that it leads to is a
    /// message that is shown once ("flash").
    pub fn take(&mut self, name: &str) -> Option<String> {
        let value = self.values.remove(name)?;
        self.changed.insert(name.to_owned());
        Some(value)
    }

    /// The names of its values, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Whether the client had no session when the request came, or had one that is over.
    pub fn is_new(&self) -> bool {
        self.known.is_none()
    }

    /// Gives the session another number and lets its [longest time](super::SessionsBuilder::absolute_timeout) begin
    /// anew. What is in it stays; what the client had before is worth nothing.
    ///
    /// Call it whenever somebody logs in or may do more than before. Else whoever has planted a number in a browser
    /// beforehand is logged in along with its user (session fixation).
    pub fn renew(&mut self) {
        if self.fate == SessionFate::Kept {
            self.fate = SessionFate::Renewed;
        }
        // Pages of before have tokens that somebody else may have seen.
        drop(self.take(CSRF_SECRET));
    }

    /// Ends the session, as for a logout: all that is in it is forgotten, here and in the store, and its number is
    /// worth nothing. What is set afterwards begins another one. One that is kept in its cookie is forgotten by the
    /// browser; who has a copy of that has the session until its time is over.
    pub fn end(&mut self) {
        self.values.clear();
        self.changed.clear();
        self.fate = SessionFate::Ended;
    }

    /// Does to `values`, which somebody else has saved, what was done to these.
    pub(super) fn change(&self, values: &mut BTreeMap<String, String>) {
        for name in &self.changed {
            match self.values.get(name) {
                Some(value) => drop(values.insert(name.clone(), value.clone())),
                None => drop(values.remove(name)),
            }
        }
    }

    /// A renewed session has no secret of before, whoever has made it; but one that was made since.
    pub(super) fn forget_csrf_secret(&self, values: &mut BTreeMap<String, String>) {
        if !self.values.contains_key(CSRF_SECRET) {
            values.remove(CSRF_SECRET);
        }
    }
}

/// Without the values.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.names().collect();
        f.debug_struct("Session")
            .field("names", &names)
            .field("is_new", &self.is_new())
            .finish_non_exhaustive()
    }
}
