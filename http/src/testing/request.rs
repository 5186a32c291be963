//! A request of a test, from its parts to the response.

use super::caller::TestCaller;
use super::draft::{Draft, draft_settings};
use super::exchange::{Scribe, SeenHead, TestExchange};
use super::failing::fail;
use super::response::{SentRequest, TestResponse};
use crate::client::{CancelToken, ClientError, ClientResponse, Hop, RedirectFault, SendBody};
use crate::message::request::Request;
use crate::values::uri::Uri;
use std::fmt;
use std::time::{Duration, Instant};

/// A request that is being put together; made by [`TestServer::get`](super::TestServer::get) and the like.
///
/// ```
/// use anthill_http::client::MultipartForm;
/// use anthill_http::testing::TestServer;
///
/// let server = TestServer::new(|ctx| {
///     let title = ctx.form_value_str("title").map(|title| title.into_owned());
///     let photo = ctx.form_file("photo").ok().map(|file| file.len());
///     ctx.set_body(format!("{title:?} {photo:?} {:?}", ctx.request.query_arg_str("page")));
/// });
/// let form = MultipartForm::new().text("title", "Ants").file("photo", "a.png", "image/png", &b"six legs"[..], None);
/// let response = server.post("/upload").query("page", "3").multipart(form).send();
/// response.assert_text(r#"Some("Ants") Some(8) Some("3")"#);
/// ```
#[must_use = "nothing is sent before send is called"]
pub struct TestRequest<'a> {
    caller: &'a TestCaller,
    draft: Draft,
    streamed: Option<SendBody<'a>>,
    expects: Option<Duration>,
    limit: Option<Duration>,
}

/// What a server and a client offer for requests; whoever has this has a method `new_request`.
macro_rules! request_methods {
    () => {
        /// A GET of `url`: a path with an optional query, or an absolute URL, of which the host counts. To be told more
        /// about before it is [sent](crate::testing::TestRequest::send). What is wrong with it is said then.
        pub fn get(&self, url: &str) -> crate::testing::TestRequest<'_> {
            self.request("GET", url)
        }

        /// A HEAD of `url`; see [`get`](Self::get).
        pub fn head(&self, url: &str) -> crate::testing::TestRequest<'_> {
            self.request("HEAD", url)
        }

        /// A POST to `url`; see [`get`](Self::get).
        pub fn post(&self, url: &str) -> crate::testing::TestRequest<'_> {
            self.request("POST", url)
        }

        /// A PUT to `url`; see [`get`](Self::get).
        pub fn put(&self, url: &str) -> crate::testing::TestRequest<'_> {
            self.request("PUT", url)
        }

        /// A PATCH of `url`; see [`get`](Self::get).
        pub fn patch(&self, url: &str) -> crate::testing::TestRequest<'_> {
            self.request("PATCH", url)
        }

        /// A DELETE of `url`; see [`get`](Self::get).
        pub fn delete(&self, url: &str) -> crate::testing::TestRequest<'_> {
            self.request("DELETE", url)
        }

        /// A request with any method for `url`; see [`get`](Self::get).
        pub fn request(&self, method: &str, url: &str) -> crate::testing::TestRequest<'_> {
            self.new_request(method, url)
        }
    };
}
pub(super) use request_methods;

/// What was asked for, and what came.
enum Answered {
    Response(Box<TestResponse>),
    /// There was none; this is what was asked for.
    Failed(ClientError, Box<SentRequest>),
}

impl<'a> TestRequest<'a> {
    pub(super) fn new(caller: &'a TestCaller, draft: Draft) -> Self {
        Self { caller, draft, streamed: None, expects: None, limit: None }
    }

    draft_settings!();

    /// A body that is read while it is sent, in chunks unless its length is known. It is sent once, so redirects that
    /// ask for it again are not followed.
    pub fn send_body(mut self, body: SendBody<'a>) -> Self {
        self.streamed = Some(body);
        self
    }

    /// Has the body wait until the server asks for it (`Expect: 100-continue`), for so long at most.
    pub fn expect_continue(mut self, wait: Duration) -> Self {
        self.expects = Some(wait);
        self
    }

    /// How long it may take, to the last byte of the body; when not set as long as the
    /// [client](super::TestClient::timeout) says.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Sends it, and waits for the response: for its head, and for its body if its length was announced.
    ///
    /// # Panics
    /// When there is no response; the message has the request, and what the server is doing.
    #[track_caller]
    pub fn send(self) -> TestResponse {
        match self.run() {
            Answered::Response(response) => *response,
            Answered::Failed(error, sent) => {
                let mut scribe = Scribe::new(sent.shows_secrets);
                scribe.request(&sent.request, sent.is_streamed);
                if let Some(line) = &sent.line {
                    line.show_notes(&mut scribe.text);
                }
                fail(format_args!("there is no response: {error}\n\n{}", scribe.text))
            }
        }
    }

    /// As [`send`](Self::send), for tests in which there may be no response.
    ///
    /// # Errors
    /// See [`ClientErrorKind`](crate::client::ClientErrorKind).
    pub fn try_send(self) -> Result<TestResponse, ClientError> {
        match self.run() {
            Answered::Response(response) => Ok(*response),
            Answered::Failed(error, _) => Err(error),
        }
    }

    fn run(self) -> Answered {
        let Self { caller, draft, mut streamed, expects, limit } = self;
        let options = &caller.options;
        let mut sent = SentRequest {
            before: Vec::new(),
            request: draft.request,
            is_streamed: streamed.is_some(),
            shows_secrets: options.shows_secrets,
            shown: None,
            line: Some(caller.line.clone()),
        };
        let problem = draft.problem.or_else(|| options.complete(&mut sent.request).err());
        if let Some(problem) = problem {
            return Answered::Failed(ClientError::invalid(problem), Box::new(sent));
        }
        let (begun, limit, token) = (Instant::now(), limit.unwrap_or(options.limit), CancelToken::new());
        let mut asked = sent.request.clone();
        loop {
            let uri = match asked.uri() {
                Ok(uri) => unchanged(uri),
                Err(error) => return Answered::Failed(ClientError::invalid(error), Box::new(sent)),
            };
            sent.request = options.with_cookies(&asked, &uri, caller.line.time());
            let call = caller.client.call(&sent.request).cancel_with(&token);
            let call = call.timeout(limit.saturating_sub(begun.elapsed()));
            let call = match expects {
                Some(wait) => call.expect_continue(wait),
                None => call,
            };
            let call = match streamed.take() {
                Some(body) => call.body(body),
                None => call,
            };
            let response = match call.send() {
                Ok(response) => response,
                Err(error) => return Answered::Failed(error, Box::new(sent)),
            };
            options.keep(&uri, response.headers(), caller.line.time());
            match next_hop(&uri, &asked, &response, &sent, options.redirects_max) {
                Ok(None) => {
                    return Answered::Response(Box::new(TestResponse::arrived(sent, response, token)));
                }
                Ok(Some(next)) => {
                    let request = std::mem::replace(&mut asked, next);
                    let shown = std::mem::replace(&mut sent.request, request);
                    sent.before.push(TestExchange { request: shown, head: SeenHead::of(&response) });
                    sent.is_streamed = false;
                    response.pass_over();
                }
                Err(error) => return Answered::Failed(error, Box::new(sent)),
            }
        }
    }
}

/// The request that follows a redirect, if it is one and is to be followed.
fn next_hop(
    uri: &Uri,
    asked: &Request,
    response: &ClientResponse,
    sent: &SentRequest,
    redirects_max: usize,
) -> Result<Option<Request>, ClientError> {
    if redirects_max == 0 {
        return Ok(None);
    }
    let location = response.header("Location");
    let Some(hop) = Hop::of(uri, asked.method(), response.status_code(), location)? else { return Ok(None) };
    if sent.before.len() >= redirects_max {
        return Err(ClientError::redirect(RedirectFault::TooMany, &hop.uri, None));
    }
    if sent.is_streamed && !hop.drops_body() {
        return Err(ClientError::redirect(RedirectFault::BodySpent, &hop.uri, None));
    }
    let mut next = hop.request_after(asked)?;
    if !hop.drops_body() {
        next.set_body(asked.body());
    }
    Ok(Some(next))
}

/// The same, whose path is sent as it was written.
fn unchanged(mut uri: Uri) -> Uri {
    uri.set_path_normalizing(false);
    uri
}

impl fmt::Debug for TestRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without fields and query, which may have secrets.
        f.debug_struct("TestRequest")
            .field("method", &self.draft.request.method())
            .field("path", &self.draft.request.path())
            .finish_non_exhaustive()
    }
}
