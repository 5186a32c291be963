//! Users who say a name and a password (`Authorization: Basic`).
//!
//! The rule: whoever is not known for certain is not let in. What is malformed, twice there, or of another scheme is
//! answered like a wrong password.
//!
//! Source: RFC 7617; RFC 9110 section 11.6.

use super::challenge::{AuthField, credentials, quoted};
use super::verdict::AuthVerdict;
use crate::ctx::{Handler, RequestCtx};
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// As RFC 7617 has it; some programs leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

const USER: &str = "anthill.user";

/// Lets in to `handler` whose name and password `verify` finds right; others are answered 401, for which a browser asks
/// its user. Who it is says [`RequestCtx::auth_user`].
///
/// `verify` is given the name, the password and the request. It returns a `bool`, or a `Result` of one, whose error is
/// answered as a handler's is: 500 when the users could not be looked up. `realm` is what browsers show of what the
/// password is for. Texts are UTF-8 (`charset="UTF-8"`); a name has no colon, a password may have some.
///
/// ```
/// use anthill_http::middleware::{basic_auth, same_secret};
/// use anthill_http::{Request, RequestCtx, Router, Server};
///
/// fn is_known(user: &str, password: &str, _: &mut RequestCtx) -> bool {
///     same_secret(user, "ann") & same_secret(password, "open sesame")
/// }
/// let router = Router::new()
///     .wrap(|next| basic_auth(next, "the shop", is_known))
///     .get("/", |ctx: &mut RequestCtx| {
///         let text = format!("hello {}", ctx.auth_user().unwrap_or_default());
///         ctx.set_body(text);
///     });
/// let server = Server::builder().build_router(router)?;
///
/// let mut request = Request::new("GET", "/")?;
/// let refused = server.call(&request)?;
/// assert_eq!(refused.status_code(), 401);
/// assert_eq!(refused.header_str("www-authenticate"), Some(r#"Basic realm="the shop", charset="UTF-8""#));
///
/// request.set_header("Authorization", "Basic YW5uOm9wZW4gc2VzYW1l");
/// assert_eq!(server.call(&request)?.body(), b"hello ann");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It protects from whoever does not know a password. It does not protect the password itself, which is sent with each
/// request and can be read on the way without HTTPS; not from guessing, for which there should be a limit around this
/// one; and not from pages of others ([`csrf`](crate::middleware::csrf())), since browsers send it along by themselves.
/// Requests of browsers that ask ahead (`OPTIONS` of CORS) have no password: what answers those has to stand around
/// this.
pub fn basic_auth<V: AuthVerdict>(
    handler: impl Handler,
    realm: impl AsRef<str>,
    verify: impl Fn(&str, &str, &mut RequestCtx) -> V + Send + Sync + 'static,
) -> impl Handler {
    let challenge = format!("Basic realm={}, charset=\"UTF-8\"", quoted(realm.as_ref()));
    BasicHandler { handler, challenge, verify }
}

struct BasicHandler<H, F> {
    handler: H,
    challenge: String,
    verify: F,
}

impl<H, F, V> Handler for BasicHandler<H, F>
where
    H: Handler,
    F: Fn(&str, &str, &mut RequestCtx) -> V + Send + Sync + 'static,
    V: AuthVerdict,
{
    fn handle(&self, ctx: &mut RequestCtx) {
        let verdict = match read(ctx) {
            Some((user, password)) => match (self.verify)(&user, &password, ctx).known(ctx) {
                Some(is_known) => is_known.then_some(user),
                // Answered already.
                None => return,
            },
            None => None,
        };
        match verdict {
            Some(user) => {
                ctx.set_user_value(USER, user);
                self.handler.handle(ctx);
            }
            None => {
                ctx.error("Unauthorized", 401);
                ctx.response.set_header("WWW-Authenticate", &self.challenge);
            }
        }
    }
}

/// Name and password of the request.
fn read(ctx: &RequestCtx) -> Option<(String, String)> {
    let AuthField::Once(text) = credentials(ctx, "Basic") else { return None };
    let text = String::from_utf8(BASE64.decode(text).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    // "The user-id and password MUST NOT contain any control characters" (section 2).
    let is_text = !text.chars().any(char::is_control);
    is_text.then(|| (user.to_owned(), password.to_owned()))
}

impl RequestCtx {
    /// The name of the user whom [`basic_auth`](crate::middleware::basic_auth) has let in; `None` when it is not around
    /// the handler.
    pub fn auth_user(&self) -> Option<&str> {
        self.user_value::<String>(USER).map(String::as_str)
    }
}
