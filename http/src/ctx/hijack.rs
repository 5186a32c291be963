//! Taking the connection over: by a function that speaks another protocol on it.
//!
//! The rule: the function runs when everything that the server has to send was sent, and not at all when the connection
//! ends with the response.

use super::RequestCtx;
use super::hijacked_conn::{CutTransport, HijackedConn};
use crate::util::panic::Contained;
use crate::values::header;
use crate::values::version::Version;
use crate::wire::taken_over::HijackPlace;

/// What takes a connection over.
pub(crate) struct Hijack {
    pub(crate) taker: Taker,
    pub(crate) sends_response: bool,
    /// Behind a 101 only.
    pub(crate) switches_protocols: bool,
    /// That of the connection, once it is settled that the function runs.
    pub(crate) place: Option<HijackPlace<CutTransport>>,
}

/// Who has the connection then.
pub(crate) enum Taker {
    /// A function of the user's; the server has nothing to do with it any more.
    Function(Contained<Box<dyn FnOnce(HijackedConn) + Send>>),
    /// The server, which speaks WebSocket on it.
    #[cfg(feature = "ws")]
    Socket(Box<crate::sockets::SocketSeed>),
}

/// Taking the connection over.
// HIJ-01, HIJ-02.
impl RequestCtx {
    /// Lets `function` have the connection once the response has been sent (fasthttp's `Hijack`). The server has
    /// nothing to do with it from then on: no timeout applies, and it counts neither as open nor against
    /// [`concurrency`](crate::ServerBuilder::concurrency).
    ///
    /// The function runs on a thread of its own, beside all workers; of these there are
    /// [`max_hijacked_conns`](crate::ServerBuilder::max_hijacked_conns) at most, further requests are answered 503 in
    /// the place of the response. The connection is closed when the function returns, unless it has moved it elsewhere.
    /// It is not called when the connection ends with the response (`Connection: close`, by whomever), nor when the
    /// body of the request has not been read to its end, which is answered 500; the log says so. Nor is it when the
    /// handler panics or returns an error behind this. User values live as long as it runs.
    ///
    /// ```
    /// use std::io::{Read, Write};
    ///
    /// fn echo(ctx: &mut anthill_http::RequestCtx) {
    ///     ctx.set_body("now I repeat what you say\n");
    ///     ctx.hijack(|mut conn| {
    ///         let mut piece = [0; 1024];
    ///         while let Ok(count @ 1..) = conn.read(&mut piece) {
    ///             if conn.write_all(&piece[..count]).is_err() {
    ///                 return;
    ///             }
    ///         }
    ///     });
    /// }
    /// # let _: fn(&mut anthill_http::RequestCtx) = echo;
    /// ```
    pub fn hijack(&mut self, function: impl FnOnce(HijackedConn) + Send + 'static) {
        let function: Box<dyn FnOnce(HijackedConn) + Send> = Box::new(function);
        self.user_values.set_hijack(Hijack {
            taker: Taker::Function(Contained::new(function)),
            sends_response: true,
            switches_protocols: false,
            place: None,
        });
    }

    /// As [`hijack`](Self::hijack), without a response: the first bytes that the client gets are those of `function`
    /// (fasthttp's `HijackSetNoResponse`). It is called also where the connection would end with a response.
    pub fn hijack_without_response(&mut self, function: impl FnOnce(HijackedConn) + Send + 'static) {
        self.hijack(function);
        if let Some(hijack) = self.user_values.hijack_mut() {
            hijack.sends_response = false;
        }
    }

    /// Whether a function is to take the connection over.
    pub fn is_hijacked(&self) -> bool {
        self.user_values.hijack().is_some()
    }

    /// Switches to another protocol, of which `function` has the connection once the response has been sent: a 101 with
    /// the fields `Upgrade` and `Connection`. What else the protocol wants in the response can be set before or after;
    /// when its status is another one in the end, that is the answer, and `function` is dropped. As
    /// [`hijack`](Self::hijack) otherwise.
    ///
    /// False: the client did not ask for `protocol`; then the response is a 426 that names it, and `function` is
    /// dropped.
    ///
    /// ```
    /// use std::io::Write;
    ///
    /// fn chat(ctx: &mut anthill_http::RequestCtx) {
    ///     ctx.upgrade("chat", |mut conn| {
    ///         let _ = conn.write_all(b"welcome");
    ///     });
    /// }
    /// # let _: fn(&mut anthill_http::RequestCtx) = chat;
    /// ```
    // HIJ-04.
    pub fn upgrade(
        &mut self,
        protocol: impl AsRef<[u8]>,
        function: impl FnOnce(HijackedConn) + Send + 'static,
    ) -> bool {
        let protocol = protocol.as_ref();
        // "A server MUST ignore an Upgrade header field that is received in an HTTP/1.0 request" (RFC 9110 section
        // 7.8).
        let asks = self.request.version() == Version::Http11
            && self.request.wants_upgrade()
            && std::str::from_utf8(protocol)
                .is_ok_and(|name| header::has_token(self.request.headers().get_all("Upgrade"), name));
        if asks {
            self.response.set_status_code(101);
            self.hijack(function);
            if let Some(hijack) = self.user_values.hijack_mut() {
                hijack.switches_protocols = true;
            }
        } else {
            self.error("Upgrade Required", 426);
        }
        self.response.set_header("Upgrade", protocol);
        self.response.set_header("Connection", "Upgrade");
        asks
    }
}
