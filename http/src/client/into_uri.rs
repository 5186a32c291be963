//! What a URL is given by.

use super::error::ClientError;
use crate::values::uri::Uri;

/// A URL, or a text that is one; what [`Client::get`](super::Client::get) and the like take.
///
/// `&str`, `String`, `&String` and whatever else lends a `str`, and [`Uri`] by value or lent. Of a text the path is
/// sent as it is written; of a [`Uri`] as it says itself.
///
/// ```
/// use anthill_http::Uri;
/// use anthill_http::client::{Client, ClientErrorKind};
///
/// # let running = anthill_http::Server::new(|ctx| ctx.set_body("here"))?.start("127.0.0.1:0")?;
/// # let host = running.local_addr();
/// let client = Client::new();
/// let mut url = Uri::parse(format!("http://{host}/"))?;
/// url.set_path("/of its own");
/// assert_eq!(client.get(&url).send()?.text()?, "here");
/// assert_eq!(client.get(format!("http://{host}/")).send()?.text()?, "here");
/// let error = client.get("localhost:8080/x").send().unwrap_err();
/// assert_eq!(error.kind(), ClientErrorKind::InvalidRequest);
/// assert!(error.to_string().contains("write http://localhost:8080/x"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait IntoUri {
    /// The URL.
    ///
    /// # Errors
    /// [`InvalidRequest`](super::ClientErrorKind::InvalidRequest) when it is none.
    fn into_uri(self) -> Result<Uri, ClientError>;
}

impl IntoUri for Uri {
    fn into_uri(self) -> Result<Uri, ClientError> {
        Ok(self)
    }
}

impl IntoUri for &Uri {
    fn into_uri(self) -> Result<Uri, ClientError> {
        Ok(self.clone())
    }
}

impl IntoUri for String {
    fn into_uri(self) -> Result<Uri, ClientError> {
        parse(&self)
    }
}

impl<T: AsRef<str> + ?Sized> IntoUri for &T {
    fn into_uri(self) -> Result<Uri, ClientError> {
        parse(self.as_ref())
    }
}

fn parse(text: &str) -> Result<Uri, ClientError> {
    let parsed = Uri::parse(text);
    if parsed.as_ref().map_or(true, |uri| uri.host().is_empty()) && may_begin_with_host(text) {
        // What is before an `@`, or behind a `?`, may be secret.
        let address = text.split(['?', '#']).next().unwrap_or_default();
        let shown = address.rsplit('@').next().unwrap_or_default().escape_debug();
        return Err(ClientError::invalid(format!("its URL has no scheme: write http://{shown}")));
    }
    let mut uri = parsed.map_err(ClientError::invalid)?;
    uri.set_path_normalizing(false);
    Ok(uri)
}

fn may_begin_with_host(text: &str) -> bool {
    !text.is_empty() && !text.starts_with(['/', '?', '#', '.']) && !text.contains("://")
}
