//! What a client of a test is made of: the library's client over connections in memory, and what is said of it.

use super::failing::fail;
use super::faults::Faults;
use super::line::Line;
#[cfg(feature = "cookies")]
use crate::client::CookieJar;
use crate::client::{Client, DialTarget};
use crate::message::request::Request;
use crate::values::headers::{Fields, Headers};
use crate::values::uri::Uri;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

/// How long a request may take.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);

/// Sends requests.
#[derive(Clone)]
pub(super) struct TestCaller {
    pub(super) line: Arc<Line>,
    pub(super) client: Client,
    pub(super) options: TestOptions,
}

/// What is said of a client.
#[derive(Clone)]
pub(super) struct TestOptions {
    pub(super) host: Vec<u8>,
    pub(super) fields: Headers,
    pub(super) redirects_max: usize,
    pub(super) shows_secrets: bool,
    pub(super) limit: Duration,
    pub(super) faults: Faults,
    pub(super) from: Option<SocketAddr>,
    pub(super) decompresses: bool,
    #[cfg(feature = "cookies")]
    pub(super) jar: Option<CookieJar>,
}

impl TestCaller {
    pub(super) fn new(line: Arc<Line>) -> Self {
        let options = TestOptions {
            host: b"localhost".to_vec(),
            fields: Headers::new(),
            redirects_max: 0,
            shows_secrets: false,
            limit: ANSWERED_WITHIN,
            faults: Faults::new(),
            from: None,
            decompresses: false,
            #[cfg(feature = "cookies")]
            jar: None,
        };
        Self { client: connecting(&line, &options), line, options }
    }

    /// Has other connections from now on, as its options say.
    pub(super) fn connect_anew(&mut self) {
        self.client = connecting(&self.line, &self.options);
    }
}

/// What goes along with its requests.
impl TestOptions {
    /// Adds what `request` does not say itself.
    pub(super) fn complete(&self, request: &mut Request) -> Result<(), String> {
        if request.host().is_empty() {
            request.set_host(&self.host).map_err(|error| error.to_string())?;
        }
        for name in self.fields.names() {
            if !request.headers().contains(name) {
                self.fields.get_all(name).for_each(|value| request.append_header(name, value));
            }
        }
        Ok(())
    }

    /// The same request with the cookies that are kept for it at that time.
    pub(super) fn with_cookies(&self, request: &Request, uri: &Uri, now: SystemTime) -> Request {
        let mut sent = request.clone();
        #[cfg(feature = "cookies")]
        if let Some(jar) = &self.jar {
            let uri = as_secure(uri.clone());
            let own: Vec<&[u8]> = request.headers().get_all("Cookie").collect();
            let cookies =
                if own.is_empty() { jar.header_at(&uri, now) } else { jar.header_beside(&uri, &own, now) };
            if let Some(cookies) = cookies {
                sent.set_header("Cookie", cookies);
            }
        }
        #[cfg(not(feature = "cookies"))]
        let _ = (&mut sent, uri, now);
        sent
    }

    /// Keeps the cookies that a response sets at that time.
    pub(super) fn keep(&self, uri: &Uri, fields: Fields<'_>, now: SystemTime) {
        #[cfg(feature = "cookies")]
        if let Some(jar) = &self.jar {
            jar.take(&as_secure(uri.clone()), fields, now);
        }
        #[cfg(not(feature = "cookies"))]
        let _ = (uri, fields, now);
    }
}

/// The same place as cookies see it: nobody listens in memory.
#[cfg(feature = "cookies")]
pub(super) fn as_secure(mut uri: Uri) -> Uri {
    let is_set = uri.set_scheme("https");
    debug_assert!(is_set.is_ok(), "a scheme");
    uri
}

/// The client that speaks over connections in memory.
#[track_caller]
fn connecting(line: &Arc<Line>, options: &TestOptions) -> Client {
    let (line, from, faults) = (line.clone(), options.from, options.faults);
    let dialled = AtomicUsize::new(0);
    let dialler = move |target: &DialTarget<'_>| {
        if dialled.fetch_add(1, Ordering::Relaxed) < faults.refused {
            return Err(io::Error::new(io::ErrorKind::ConnectionRefused, "a fault of the test"));
        }
        line.dial(from, target.time_left(), &faults).map(Into::into)
    };
    // A connection that is idle may just be closed by the server, which is nobody's fault.
    let attempts = if faults == Faults::new() { 2 } else { 1 };
    let builder = Client::builder().max_redirects(0).max_attempts(attempts).decompress(options.decompresses);
    match builder.dialler(dialler).build() {
        Ok(client) => client,
        Err(error) => fail(format_args!("there is no client: {error}")),
    }
}
