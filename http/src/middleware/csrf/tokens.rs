//! Tokens in forms, for browsers that do not say where a request is from.
//!
//! The idea: a page of somebody else can send a form, but cannot read one. So a form has a text in it that only a page
//! of ours can have read: a secret of the session, masked by random bytes, so that it is another text each time and
//! cannot be guessed bit by bit from how well pages compress (BREACH).
//!
//! Source: OWASP's sheet on the prevention of CSRF.

use crate::ctx::{Handler, RequestCtx};
use crate::middleware::auth::same_secret;
use crate::middleware::sessions::{CSRF_SECRET, Session, SessionError};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use std::borrow::Cow;

const FIELD: &str = "csrf_token";
const HEADER: &str = "X-CSRF-Token";
const SECRET_BYTES: usize = 32;

/// Lets requests that change something pass to `handler` if they have a [token](Session::csrf_token) of their session,
/// in the field `csrf_token` of a form or in the header field `X-CSRF-Token`; others are answered 403. `GET`, `HEAD`
/// and `OPTIONS` pass. It has to be inside of [`sessions`](crate::middleware::sessions()).
///
/// [`csrf`](crate::middleware::csrf()) does the same without anything in forms, for all browsers of these years. This
/// is for older ones as well, and refuses programs without a token.
///
/// A form is read to find the token in it, so bodies that are [streamed](crate::ServerBuilder::stream_request_body) are
/// collected, unless the header field is there.
///
/// ```
/// use anthill_http::middleware::{MemoryStore, SessionError, Sessions, csrf_tokens, sessions};
/// use anthill_http::{RequestCtx, Router, Server};
///
/// fn form(ctx: &mut RequestCtx) -> Result<(), SessionError> {
///     let token = ctx.session()?.csrf_token()?;
///     ctx.success("text/html", format!(r#"<form method=post><input type=hidden name=csrf_token value="{token}">"#));
///     Ok(())
/// }
/// let kept = Sessions::builder(MemoryStore::new(1000)).build()?;
/// let router = Router::new()
///     .wrap(|next| sessions(next, kept))
///     .wrap(csrf_tokens)
///     .get("/order", form)
///     .post("/order", |ctx: &mut RequestCtx| ctx.set_body("ordered"));
/// let server = Server::builder().build_router(router)?;
///
/// let page = server.call(&anthill_http::Request::new("GET", "/order")?)?;
/// let token = page.body().split(|&byte| byte == b'"').nth(1).expect("a value").to_vec();
/// let mut order = anthill_http::Request::new("POST", "/order")?;
/// order.set_cookie("session", page.cookie("session").expect("it is set")?.value());
/// assert_eq!(server.call(&order)?.status_code(), 403);
/// order.set_content_type("application/x-www-form-urlencoded");
/// order.set_body([b"csrf_token=", &token[..]].concat());
/// assert_eq!(server.call(&order)?.body(), b"ordered");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn csrf_tokens(handler: impl Handler) -> impl Handler {
    move |ctx: &mut RequestCtx| -> Result<(), SessionError> {
        let is_safe = matches!(ctx.method(), "GET" | "HEAD" | "OPTIONS");
        if is_safe || has_token(ctx)? {
            handler.handle(ctx);
        } else {
            ctx.error(REFUSAL, 403);
        }
        Ok(())
    }
}

const REFUSAL: &str =
    "Forbidden: this form is too old, or not of this page. Open the page anew and try again.";

fn has_token(ctx: &mut RequestCtx) -> Result<bool, SessionError> {
    let token = match ctx.header(HEADER) {
        Some(token) => Some(token.to_vec()),
        // Not of the query, which ends up in logs and in `Referer`.
        None => ctx.body_value(FIELD).map(Cow::into_owned),
    };
    match token {
        Some(token) => Ok(ctx.session()?.has_csrf_token(token)),
        None => Ok(false),
    }
}

/// Tokens against forged requests.
impl Session {
    /// A token of this session, another text each time, for [`csrf_tokens`](crate::middleware::csrf_tokens()). All that
    /// were given out are good until the session ends or is [renewed](Session::renew); where requests that run at once
    /// are each the first to ask for one, only those of the last to be saved.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn csrf_token(&mut self) -> Result<String, SessionError> {
        let mut mask = [0; SECRET_BYTES];
        getrandom::fill(&mut mask).map_err(|_| SessionError::NoRandomness)?;
        let secret = match self.csrf_secret() {
            Some(secret) => secret,
            None => {
                let mut secret = [0; SECRET_BYTES];
                getrandom::fill(&mut secret).map_err(|_| SessionError::NoRandomness)?;
                self.set(CSRF_SECRET, BASE64.encode(secret));
                secret
            }
        };
        let masked = unmask(&mask, &secret);
        Ok(BASE64.encode([mask, masked].concat()))
    }

    /// Whether `token` is one of this session's; for whoever gets it by other ways than a form or a header field.
    pub fn has_csrf_token(&self, token: impl AsRef<[u8]>) -> bool {
        let (Some(secret), Ok(token)) = (self.csrf_secret(), BASE64.decode(token)) else { return false };
        match token.split_first_chunk::<SECRET_BYTES>() {
            Some((mask, masked)) if masked.len() == SECRET_BYTES => same_secret(unmask(mask, masked), secret),
            _ => false,
        }
    }

    fn csrf_secret(&self) -> Option<[u8; SECRET_BYTES]> {
        BASE64.decode(self.get(CSRF_SECRET)?).ok()?.try_into().ok()
    }
}

fn unmask(mask: &[u8; SECRET_BYTES], masked: &[u8]) -> [u8; SECRET_BYTES] {
    let mut bytes = *mask;
    bytes.iter_mut().zip(masked).for_each(|(byte, other)| *byte ^= other);
    bytes
}
