//! Sessions: what is kept for a client from request to request.
//!
//! The idea: a handler asks for the session when it needs it, and what it has changed is kept when it has returned,
//! before anything of the response is sent. A request that does not ask costs neither store nor cookie.
//!
//! The files: what is said (`builder`, `policy`), what handlers see (`session`, `json`, `error`), how a session is
//! found (`finding`) and kept (`keeping`, `record`, `id`), where (`store`, `memory`), and who is told (`mark`).
//!
//! The rules: a number that was not given out here is never used. What was ended stays so, whoever still works with it.
//! A panic keeps nothing.
//!
//! Source: RFC 6265bis for cookies; OWASP's sheet on session management for numbers, times and renewal.

mod builder;
mod error;
mod finding;
mod id;
#[cfg(feature = "json")]
mod json;
mod keeping;
mod mark;
mod memory;
mod policy;
mod record;
mod session;
mod store;

pub use builder::SessionsBuilder;
pub use error::SessionError;
pub use memory::MemoryStore;
pub use policy::Sessions;
pub(super) use session::CSRF_SECRET;
pub use session::Session;
pub use store::{SessionKey, SessionStore, StoredSession};

use crate::ctx::{Handler, RequestCtx, SessionPlace};
use policy::SessionPolicy;
use std::sync::Arc;

/// Gives `handler` sessions: [`RequestCtx::session`].
///
/// - A request that does not ask for its session costs no look into the store, and its response has no cookie. One that
///   asks and changes nothing saves nothing, but that it was used, a few times in its
///   [idle time](SessionsBuilder::idle_timeout).
/// - What was changed is saved when the handler has returned, whatever it answers, errors as well, and before anything
///   of the response is sent. What a body's writer or reader does afterwards has no session. When it cannot be saved
///   the response is a 500.
/// - A panic saves nothing; nor does a handler that a [`timeout`](crate::timeout()) inside of this did not wait for.
/// - Of requests of one session that run at the same time each changes the values that it has set or taken; of two that
///   set the same, the last to be saved stays. A session that one of them has [ended](Session::end) or
///   [renewed](Session::renew) is not brought back by the others: what they have changed is lost.
/// - A response that depends on a session says `Vary: Cookie` and, if it does not say more, `Cache-Control: private`.
///   One that gives a client a number is never `public`. Pages that must be gone after a logout say `no-store`.
///
/// ```
/// use anthill_http::middleware::{MemoryStore, SessionError, Sessions, sessions};
/// use anthill_http::{RequestCtx, Router, Server};
///
/// fn login(ctx: &mut RequestCtx) -> Result<(), SessionError> {
///     let session = ctx.session()?; // behind a look at the password
///     session.renew();
///     session.set("user", "ann");
///     ctx.redirect("/", 303);
///     Ok(())
/// }
/// fn home(ctx: &mut RequestCtx) -> Result<(), SessionError> {
///     let user = ctx.session()?.get("user").unwrap_or("stranger").to_owned();
///     ctx.set_body(format!("hello {user}"));
///     Ok(())
/// }
/// let kept = Sessions::builder(MemoryStore::new(100_000)).build()?;
/// let router = Router::new().wrap(|next| sessions(next, kept)).post("/login", login).get("/", home);
/// let server = Server::builder().build_router(router)?;
/// # let _ = server;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Sessions protect from numbers that are made up (256 random bits), planted (only those given out here count, and
/// [`renew`](Session::renew)), read from the store (it has hashes), used for ever (two timeouts), read by scripts
/// (`HttpOnly`) or on the way (`Secure`). They do not protect from pages of others that have a browser send requests:
/// `SameSite=Lax` stops most, [`csrf`](crate::middleware::csrf()) all; and not from whoever has got hold of a cookie.
pub fn sessions(handler: impl Handler, sessions: Sessions) -> impl Handler {
    SessionHandler { handler, policy: sessions.0 }
}

struct SessionHandler<H> {
    handler: H,
    policy: Arc<SessionPolicy>,
}

impl<H: Handler> Handler for SessionHandler<H> {
    fn handle(&self, ctx: &mut RequestCtx) {
        let outer = ctx.put_session_place(Some(SessionPlace { maker: self.policy.clone(), session: None }));
        self.handler.handle(ctx);
        // Another one, or none, where the handler has put another context there, or was not waited for.
        let place = ctx.put_session_place(outer);
        let own =
            place.filter(|place| std::ptr::addr_eq(Arc::as_ptr(&place.maker), Arc::as_ptr(&self.policy)));
        let session = own.and_then(|place| place.session?.downcast::<Session>().ok());
        if let Some(session) = session {
            self.policy.settle(ctx, &session);
        }
    }
}

impl RequestCtx {
    /// The session of the request's client, which is looked for when this is called first; an empty one when there is
    /// none. It is kept when something is in it; see [`sessions`](crate::middleware::sessions()), which has to be
    /// around the handler. It takes all of the context: make what it gives your own before you answer.
    ///
    /// ```
    /// use anthill_http::RequestCtx;
    /// use anthill_http::middleware::SessionError;
    /// fn logout(ctx: &mut RequestCtx) -> Result<(), SessionError> {
    ///     ctx.session()?.end();
    ///     ctx.redirect("/", 303);
    ///     Ok(())
    /// }
    /// let error = logout(&mut RequestCtx::default()).unwrap_err();
    /// assert_eq!(error.to_string(), "there are no sessions: put `sessions` around this handler");
    /// ```
    ///
    /// # Errors
    /// [`SessionError::NoSessions`], and [`SessionError::Store`] when it cannot be looked for.
    pub fn session(&mut self) -> Result<&mut Session, SessionError> {
        let place = self.session_place().ok_or(SessionError::NoSessions)?;
        if place.session.is_none() {
            let policy = place.maker.clone().downcast::<SessionPolicy>();
            let found = policy.map_err(|_| SessionError::NoSessions)?.find(self)?;
            if let Some(place) = self.session_place() {
                place.session = Some(Box::new(found));
            }
        }
        let session = self.session_place().and_then(|place| place.session.as_mut()?.downcast_mut());
        session.ok_or(SessionError::NoSessions)
    }
}
