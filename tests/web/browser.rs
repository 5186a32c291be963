//! Whoever keeps cookies as a browser does, and asks a server without a socket.

use std::collections::BTreeMap;

use anthill_http::{Cookie, Handler, Request, Response, Server};
use anthill_tests::server::plain;

/// A server of this handler.
#[track_caller]
pub(crate) fn server_of(handler: impl Handler) -> Server {
    plain().build_handler(handler).expect("options that go together")
}

/// A request without a body.
#[track_caller]
pub(crate) fn request(method: &str, target: &str) -> Request {
    Request::new(method, target).expect("a target")
}

/// A browser, as far as cookies go.
pub(crate) struct Browser<'a> {
    server: &'a Server,
    pub(crate) cookies: BTreeMap<String, String>,
}

impl<'a> Browser<'a> {
    pub(crate) fn new(server: &'a Server) -> Self {
        Self { server, cookies: BTreeMap::new() }
    }

    /// One more with the same cookies.
    pub(crate) fn copy(&self) -> Self {
        Self { server: self.server, cookies: self.cookies.clone() }
    }

    #[track_caller]
    pub(crate) fn get(&mut self, target: &str) -> Response {
        self.send(request("GET", target))
    }

    /// What it is answered, as text.
    #[track_caller]
    pub(crate) fn text(&mut self, target: &str) -> String {
        let response = self.get(target);
        assert_eq!(response.status_code(), 200, "{target}: {:?}", String::from_utf8_lossy(response.body()));
        String::from_utf8(response.body().to_vec()).expect("text")
    }

    #[track_caller]
    pub(crate) fn send(&mut self, mut request: Request) -> Response {
        for (name, value) in &self.cookies {
            request.set_cookie(name, value);
        }
        let response = self.server.call(&request).expect("a response");
        for cookie in response.cookies() {
            self.keep(&cookie.expect("a cookie"));
        }
        response
    }

    #[track_caller]
    fn keep(&mut self, cookie: &Cookie) {
        assert_eq!(cookie.validate(), Ok(()), "browsers keep {cookie}");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
        let is_gone = cookie.value().is_empty() && cookie.max_age().is_none() && cookie.expires().is_some();
        if is_gone {
            self.cookies.remove(&text(cookie.name()));
        } else {
            self.cookies.insert(text(cookie.name()), text(cookie.value()));
        }
    }
}
