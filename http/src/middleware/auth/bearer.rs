//! Clients who show a token (`Authorization: Bearer`).
//!
//! Source: RFC 6750 sections 2.1 and 3; tokens in forms and queries, which end up in logs, are not read.

use super::bearer_error::BearerError;
use super::challenge::{AuthField, credentials, quoted};
use crate::ctx::{Handler, RequestCtx};
use crate::values::status;
use std::any::Any;

const IDENTITY: &str = "anthill.identity";

/// Lets in to `handler` whose token `verify` finds good, and gives the handler what `verify` has made of it, a value of
/// a type of yours: [`RequestCtx::identity`].
///
/// Answered are 401 without a token; 401 with `error="invalid_token"` for one that is unknown, has run out or was
/// revoked; 403 with `error="insufficient_scope"` for one that is good for other things; 400 with
/// `error="invalid_request"` for what is no token; 500 when `verify` [failed](BearerError::Failed), which any error
/// that is given to `?` says.
///
/// ```
/// use anthill_http::middleware::{BearerError, bearer_auth, same_secret};
/// use anthill_http::{Request, RequestCtx, Router, Server};
///
/// struct Customer(u32);
///
/// fn customer(token: &str, ctx: &mut RequestCtx) -> Result<Customer, BearerError> {
///     if !same_secret(token, "mF_9.B5f-4.1JqM") {
///         return Err(BearerError::InvalidToken);
///     }
///     if ctx.method() != "GET" {
///         return Err(BearerError::InsufficientScope("orders:write".into()));
///     }
///     Ok(Customer(7))
/// }
/// let router = Router::new()
///     .wrap(|next| bearer_auth(next, "orders", customer))
///     .any("/", |ctx: &mut RequestCtx| {
///         let number = ctx.identity::<Customer>().map_or(0, |customer| customer.0);
///         ctx.set_body(format!("orders of {number}"));
///     });
/// let server = Server::builder().build_router(router)?;
///
/// let mut request = Request::new("GET", "/")?;
/// assert_eq!(server.call(&request)?.header_str("www-authenticate"), Some(r#"Bearer realm="orders""#));
/// request.set_header("Authorization", "Bearer mF_9.B5f-4.1JqM");
/// assert_eq!(server.call(&request)?.body(), b"orders of 7");
/// request.set_method("DELETE");
/// assert_eq!(server.call(&request)?.status_code(), 403);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It protects from whoever has no token; not tokens from being read on the way without HTTPS, and not from whoever has
/// got hold of one, for which they should run out soon. Pages of other origins cannot send one along, so there is no
/// need for protection against [forged requests](crate::middleware::csrf()). Requests of browsers that ask ahead
/// (`OPTIONS` of CORS) have no token: what answers those has to stand around this.
pub fn bearer_auth<T: Any + Send>(
    handler: impl Handler,
    realm: impl AsRef<str>,
    verify: impl Fn(&str, &mut RequestCtx) -> Result<T, BearerError> + Send + Sync + 'static,
) -> impl Handler {
    BearerHandler { handler, challenge: format!("Bearer realm={}", quoted(realm.as_ref())), verify }
}

struct BearerHandler<H, F> {
    handler: H,
    challenge: String,
    verify: F,
}

impl<H: Handler, F, T: Any + Send> Handler for BearerHandler<H, F>
where
    F: Fn(&str, &mut RequestCtx) -> Result<T, BearerError> + Send + Sync + 'static,
{
    fn handle(&self, ctx: &mut RequestCtx) {
        let refuse = |ctx: &mut RequestCtx, status: u16, why: &str| {
            ctx.error(status::reason(status), status);
            ctx.response.set_header("WWW-Authenticate", format!("{}{why}", self.challenge));
        };
        let token = match credentials(ctx, "Bearer") {
            AuthField::Nothing => return refuse(ctx, 401, ""),
            AuthField::Once(text) => read(text),
            AuthField::More => None,
        };
        let Some(token) = token else { return refuse(ctx, 400, ", error=\"invalid_request\"") };
        match (self.verify)(&token, ctx) {
            Ok(identity) => {
                ctx.set_user_value(IDENTITY, identity);
                self.handler.handle(ctx);
            }
            Err(BearerError::InvalidToken) => refuse(ctx, 401, ", error=\"invalid_token\""),
            Err(BearerError::InsufficientScope(scope)) => {
                refuse(ctx, 403, &format!(", error=\"insufficient_scope\", scope={}", quoted(&scope)));
            }
            Err(BearerError::Failed(error)) => {
                ctx.answer_error_of("look-up of a token", &error);
            }
        }
    }
}

/// The token, if it has no other bytes than tokens have (`b64token`, RFC 6750 section 2.1).
fn read(text: &[u8]) -> Option<String> {
    let end = text.iter().rposition(|&byte| byte != b'=')? + 1;
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte);
    let is_token = text[..end].iter().all(is_plain);
    std::str::from_utf8(text).ok().filter(|_| is_token).map(str::to_owned)
}

impl RequestCtx {
    /// What the function of [`bearer_auth`](crate::middleware::bearer_auth) has made of the token; `None` when it is
    /// not around the handler, and when it is of another type.
    pub fn identity<T: Any>(&self) -> Option<&T> {
        self.user_value(IDENTITY)
    }
}
