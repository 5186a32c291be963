//! The response to a request of a test.
//!
//! The idea: a body whose length was announced is read when the head is there; one that comes in pieces when somebody
//! asks for it, so that what streams can be read piece by piece, and nobody waits for what never ends.

use super::exchange::{Scribe, SeenHead, TestExchange, printable, without_secrets};
use super::failing::fail;
use super::line::Line;
use crate::client::{CancelToken, ClientResponse};
use crate::ctx::RequestCtx;
use crate::message::request::Request;
use crate::util::date;
use crate::values::cookie::Cookie;
use crate::values::headers::{Fields, Headers};
use crate::values::version::Version;
use parking_lot::Mutex;
use std::fmt;
use std::io::{self, BufRead, Read};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// So much of a body is collected.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// So much of a body is read that nobody has asked for, to be shown when a test fails, and for so long.
const SHOWN_BYTES_MAX: usize = 64 * 1024;
const SHOWN_WITHIN: Duration = Duration::from_secs(1);

/// A response as a test looks at it.
///
/// What is asserted is a method that begins with `assert`, fails the test at its caller's place unless it holds, and
/// gives the response back, so that they can stand behind one another. The message has the whole exchange: the heads of
/// request and response (and of those before, where redirects were followed), as much of the bodies as is reasonable,
/// as text or in hexadecimal digits, and what has gone wrong in the server. The values of `Authorization`, of cookies
/// and of fields that are called tokens, secrets or keys are not in it, unless the client
/// [shows them](super::TestClient::show_secrets); bodies and queries are, so do not test with real passwords.
///
/// ```
/// use anthill_http::testing::TestServer;
///
/// let server = TestServer::new(|ctx| ctx.success("text/css", "a { color: red }"));
/// server.get("/style.css").send()
///     .assert_status(200)
///     .assert_header("Content-Type", "text/css")
///     .assert_body_contains("color");
/// ```
#[must_use = "a response that nobody looks at proves little; call assert_success at least"]
pub struct TestResponse {
    sent: SentRequest,
    pub(super) head: SeenHead,
    /// The body, or why it cannot be had.
    body: OnceLock<Result<Vec<u8>, String>>,
    trailers: OnceLock<Headers>,
    /// What is left to be read of it.
    arriving: Mutex<Option<StillArriving>>,
    /// How much of a body that is there was read as a stream.
    read_to: usize,
}

/// What the response is to.
pub(super) struct SentRequest {
    /// What was answered by redirects.
    pub(super) before: Vec<TestExchange>,
    pub(super) request: Request,
    /// Whether its body was read while it was sent.
    pub(super) is_streamed: bool,
    pub(super) shows_secrets: bool,
    /// What was sent, in the place of the request, where it was no request that could be put together.
    pub(super) shown: Option<String>,
    /// The server, if there is one.
    pub(super) line: Option<Arc<Line>>,
}

impl SentRequest {
    /// Nothing was sent.
    pub(super) fn nothing() -> Self {
        Self {
            before: Vec::new(),
            request: Request::empty(),
            is_streamed: false,
            shows_secrets: false,
            shown: None,
            line: None,
        }
    }
}

/// A body that has not come yet.
struct StillArriving {
    response: ClientResponse,
    /// Calls it off.
    token: CancelToken,
}

impl TestResponse {
    /// One whose head has come.
    pub(super) fn arrived(sent: SentRequest, response: ClientResponse, token: CancelToken) -> Self {
        let head = SeenHead::of(&response);
        let has_length = response.remaining().is_some();
        let made = Self::of_head(sent, head);
        *made.arriving.lock() = Some(StillArriving { response, token });
        if has_length {
            let _ = made.try_bytes();
        }
        made
    }

    /// One that is whole.
    pub(super) fn whole(sent: SentRequest, head: SeenHead, body: Result<Vec<u8>, String>) -> Self {
        let made = Self::of_head(sent, head);
        let _ = made.body.set(body);
        made
    }

    /// What a handler has left in a context.
    pub(super) fn of_ctx(ctx: &mut RequestCtx, request: Request) -> Self {
        ctx.settle_stand_in();
        let response = &mut ctx.response;
        let head = SeenHead {
            version: Version::Http11,
            status: response.status_code(),
            reason: response.reason().to_vec(),
            headers: response.headers().clone(),
        };
        let body = response.read_body(BODY_BYTES_MAX).map(<[u8]>::to_vec).map_err(|error| error.to_string());
        Self::whole(SentRequest { request, ..SentRequest::nothing() }, head, body)
    }

    /// The same with these trailer fields.
    pub(super) fn with_trailers(self, trailers: Headers) -> Self {
        let _ = self.trailers.set(trailers);
        self
    }

    fn of_head(sent: SentRequest, head: SeenHead) -> Self {
        let (body, trailers) = (OnceLock::new(), OnceLock::new());
        Self { sent, head, body, trailers, arriving: Mutex::new(None), read_to: 0 }
    }

    /// The status code.
    pub fn status_code(&self) -> u16 {
        self.head.status
    }

    /// The reason phrase as it was sent.
    pub fn reason(&self) -> &[u8] {
        &self.head.reason
    }

    /// The header fields in their order.
    pub fn headers(&self) -> Fields<'_> {
        self.head.headers.fields()
    }

    /// The value of the first header field called `name`, in any case.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.head.headers.get(name)
    }

    /// As [`header`](Self::header), if it is UTF-8.
    pub fn header_str(&self, name: &str) -> Option<&str> {
        self.head.headers.get_str(name)
    }

    /// The cookie `name` that the response sets, the last if there are several; `None`: it sets none that can be read.
    pub fn cookie(&self, name: &str) -> Option<Cookie> {
        let fields = self.head.headers.get_all("Set-Cookie");
        let mut cookies = fields.filter_map(|field| Cookie::parse(field).ok());
        cookies.rfind(|cookie| cookie.name() == name.as_bytes())
    }

    /// The body, read to its end.
    ///
    /// # Panics
    /// When it breaks off, does not end in the client's [time](super::TestClient::timeout), or has more than 64 MiB.
    #[track_caller]
    pub fn body(&self) -> &[u8] {
        match self.try_bytes() {
            Ok(body) => body,
            Err(why) => self.fail(format_args!("the body cannot be had: {why}")),
        }
    }

    /// The body as text.
    ///
    /// # Panics
    /// As [`body`](Self::body); and when it is no UTF-8.
    #[track_caller]
    pub fn text(&self) -> &str {
        match std::str::from_utf8(self.body()) {
            Ok(text) => text,
            Err(error) => self.fail(format_args!("the body is no text: {error}")),
        }
    }

    /// The body as the value that its JSON says (feature `json`).
    ///
    /// # Panics
    /// As [`body`](Self::body); and when it is no JSON, or says something else than `T`.
    #[cfg(feature = "json")]
    #[track_caller]
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> T {
        match serde_json::from_slice(self.body()) {
            Ok(value) => value,
            Err(error) => {
                let wanted = std::any::type_name::<T>();
                self.fail(format_args!("the body is not the JSON of {wanted}: {error}"))
            }
        }
    }

    /// The body, or why it cannot be had: as [`body`](Self::body), for tests of bodies that break off.
    ///
    /// # Errors
    /// Why not, as a text.
    pub fn try_body(&self) -> Result<&[u8], &str> {
        self.try_bytes()
    }

    /// The trailer fields behind a body that came in chunks, which is read to its end.
    ///
    /// # Panics
    /// As [`body`](Self::body).
    #[track_caller]
    pub fn trailers(&self) -> Fields<'_> {
        let _ = self.body();
        self.trailers.get_or_init(Headers::new).fields()
    }

    /// The body as it arrives, for tests that read it piece by piece: what was not read so far of one that comes in
    /// pieces; all of another one.
    pub fn reader(&mut self) -> impl BufRead + '_ {
        self.source()
    }

    /// The same.
    pub(super) fn source(&mut self) -> Box<dyn BufRead + '_> {
        match self.body.get() {
            Some(Ok(body)) => Box::new(WholeBody { body, read_to: &mut self.read_to }),
            Some(Err(_)) => Box::new(std::io::empty()),
            None => match self.arriving.get_mut() {
                Some(arriving) => Box::new(&mut arriving.response),
                None => Box::new(std::io::empty()),
            },
        }
    }

    fn try_bytes(&self) -> Result<&[u8], &str> {
        let read = || {
            let Some(mut arriving) = self.arriving.lock().take() else { return Ok(Vec::new()) };
            let mut body = Vec::new();
            let mut limited = (&mut arriving.response).take(BODY_BYTES_MAX as u64 + 1);
            let read = limited.read_to_end(&mut body);
            let _ = self.trailers.set(copied(arriving.response.trailers()));
            match read {
                Ok(_) if body.len() > BODY_BYTES_MAX => {
                    Err(format!("it has more than {BODY_BYTES_MAX} bytes"))
                }
                Ok(_) => Ok(body),
                Err(error) => Err(format!("{error}; behind {} bytes of it", body.len())),
            }
        };
        self.body.get_or_init(read).as_deref().map_err(String::as_str)
    }

    /// Fails the test, and shows the exchange.
    #[track_caller]
    pub(super) fn fail(&self, why: fmt::Arguments<'_>) -> ! {
        fail(format_args!("{why}\n\n{}", self.exchange()))
    }

    /// A value of a field as messages have it.
    pub(super) fn shown(&self, name: &str, value: &[u8]) -> String {
        match self.sent.shows_secrets {
            true => printable(value),
            false => printable(&without_secrets(name, value)),
        }
    }

    /// The whole exchange as the message of a failed assertion has it.
    pub fn exchange(&self) -> String {
        let SentRequest { before, request, is_streamed, shows_secrets, shown, line } = &self.sent;
        let mut scribe = Scribe::new(*shows_secrets);
        for exchange in before {
            scribe.request(&exchange.request, false);
            scribe.head(&exchange.head);
        }
        match shown {
            Some(shown) => scribe.text.push_str(shown),
            None => scribe.request(request, *is_streamed),
        }
        scribe.head(&self.head);
        self.show_body(&mut scribe);
        if let Some(line) = line {
            line.show_notes(&mut scribe.text);
        }
        scribe.text
    }

    fn show_body(&self, scribe: &mut Scribe) {
        let told = match self.body.get() {
            Some(Ok(body)) => return scribe.body('<', body),
            Some(Err(why)) => why.clone(),
            None => {
                let (shown, told) =
                    self.arriving.lock().as_mut().map(StillArriving::look).unwrap_or_default();
                scribe.body('<', &shown);
                told
            }
        };
        scribe.text.push_str(&format!("< (the body: {told})\n"));
    }
}

impl StillArriving {
    /// What comes of it within a moment, and what became of the rest.
    fn look(&mut self) -> (Vec<u8>, String) {
        let (done, waits) = std::sync::mpsc::channel::<()>();
        let token = self.token.clone();
        let caller = std::thread::Builder::new().name("anthill-testing".to_owned()).spawn(move || {
            if waits.recv_timeout(SHOWN_WITHIN) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                token.cancel();
            }
        });
        if caller.is_err() {
            return (Vec::new(), "it comes in pieces, and was not read".to_owned());
        }
        let mut shown = Vec::new();
        let read = (&mut self.response).take(SHOWN_BYTES_MAX as u64).read_to_end(&mut shown);
        drop(done);
        let told = match read {
            Ok(count) if count < SHOWN_BYTES_MAX => "complete",
            Ok(_) => "there is more",
            Err(_) => "it goes on, or has broken off",
        };
        (shown, told.to_owned())
    }
}

/// A body that is there, read as a stream.
struct WholeBody<'a> {
    body: &'a [u8],
    read_to: &'a mut usize,
}

impl Read for WholeBody<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(room)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for WholeBody<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(self.body.get(*self.read_to..).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        *self.read_to += count;
    }
}

fn copied(fields: Fields<'_>) -> Headers {
    let mut copy = Headers::new();
    copy.copy_from(fields);
    copy
}

/// Whether a value of a field is a date.
pub(super) fn is_date(value: &[u8]) -> bool {
    date::parse(value, || 0).is_some()
}

/// As [`exchange`](TestResponse::exchange), but for the body and what it takes to have it.
impl fmt::Debug for TestResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestResponse").field("status", &self.head.status).finish_non_exhaustive()
    }
}
