//! Becoming a WebSocket.

use super::RequestCtx;
use super::hijack::{Hijack, Taker};
use crate::sockets::{
    LoopFunction, SocketSeed, SocketUser, WebSocket, WebSocketHandler, WebSocketOptions, WebSocketResult,
};
use crate::util::panic::Contained;
use crate::ws::HandshakeRequest;

/// WebSockets (feature `ws`).
impl RequestCtx {
    /// Opens a WebSocket, if that is what the client asks for, and has `function` own it: it reads and sends, blocking,
    /// in a loop of its own. What else the response is to say (a cookie) can be set before or after; when its status is
    /// another one than 101 in the end, that is the answer, and `function` is dropped.
    ///
    /// The function runs on a worker for as long as it likes: it is one of
    /// [`max_streaming_workers`](crate::ServerBuilder::max_streaming_workers), which bounds how many there can be;
    /// beyond these the request is answered 503. When it returns the socket is closed, with 1000, or with 1011 after an
    /// error or a panic, which the log tells of. For many sockets on which little happens there is
    /// [`upgrade_websocket_handler`](Self::upgrade_websocket_handler), where a socket holds no thread.
    ///
    /// The connection stays one of the server's: it counts as open, and a [`shutdown`](crate::Server::shutdown) closes
    /// it with 1001 and waits for the client's answer, and for the function.
    ///
    /// False: the client does not ask for a WebSocket, or in a way that cannot be; it is answered 426, 405, 400 or 403
    /// (for a page of another host, see [`origins`](crate::websocket::WebSocketOptionsBuilder::origins)), with a text
    /// that says what is wrong, and `function` is dropped.
    ///
    /// ```
    /// use anthill_http::websocket::WebSocketOptions;
    /// use anthill_http::{Request, RequestCtx};
    ///
    /// fn echo(ctx: &mut RequestCtx) {
    ///     ctx.upgrade_websocket(&WebSocketOptions::default(), |mut socket| {
    ///         while let Some(message) = socket.read()? {
    ///             socket.send(message)?;
    ///         }
    ///         Ok(())
    ///     });
    /// }
    ///
    /// let mut ctx = RequestCtx::for_request(Request::new("GET", "/")?, None);
    /// echo(&mut ctx);
    /// assert_eq!(ctx.response.status_code(), 426, "an ordinary request");
    /// # Ok::<(), anthill_http::RequestError>(())
    /// ```
    pub fn upgrade_websocket(
        &mut self,
        options: &WebSocketOptions,
        function: impl FnOnce(WebSocket) -> WebSocketResult + Send + 'static,
    ) -> bool {
        let function: LoopFunction = Box::new(function);
        self.open_socket(options, || SocketUser::Loop(Contained::new(function), None))
    }

    /// Opens a WebSocket, if that is what the client asks for, and has `handler` told what happens on it. While nothing
    /// happens the socket holds no thread and no buffer; how its methods are called says [`WebSocketHandler`]. As
    /// [`upgrade_websocket`](Self::upgrade_websocket) otherwise.
    ///
    /// ```
    /// use anthill_http::RequestCtx;
    /// use anthill_http::websocket::{Message, WebSocketHandler, WebSocketOptions, WebSocketResult, WebSocketSender};
    ///
    /// struct Echo;
    ///
    /// impl WebSocketHandler for Echo {
    ///     fn on_message(&mut self, socket: &WebSocketSender, message: Message) -> WebSocketResult {
    ///         Ok(socket.send(message)?)
    ///     }
    /// }
    ///
    /// fn echo(ctx: &mut RequestCtx) {
    ///     ctx.upgrade_websocket_handler(&WebSocketOptions::default(), Echo);
    /// }
    /// # let _: fn(&mut RequestCtx) = echo;
    /// ```
    pub fn upgrade_websocket_handler(
        &mut self,
        options: &WebSocketOptions,
        handler: impl WebSocketHandler,
    ) -> bool {
        let handler: Box<dyn WebSocketHandler> = Box::new(handler);
        self.open_socket(options, || SocketUser::Handler(Contained::new(handler)))
    }

    fn open_socket(&mut self, options: &WebSocketOptions, user: impl FnOnce() -> SocketUser) -> bool {
        let request = &self.request;
        let asked = HandshakeRequest {
            method: request.method(),
            version: request.version(),
            host: self.host(),
            headers: request.headers(),
        };
        let answer = match options.handshake.accept(&asked) {
            Ok(answer) => answer,
            Err(error) => {
                self.error(error.to_string(), error.status());
                for (name, value) in error.headers() {
                    self.response.set_header(name, value);
                }
                return false;
            }
        };
        self.response.set_status_code(101);
        self.response.set_header("Upgrade", "websocket");
        self.response.set_header("Connection", "Upgrade");
        for (name, value) in answer.headers() {
            self.response.set_header(name, value);
        }
        let seed = SocketSeed {
            settings: options.settings.clone(),
            subprotocol: answer.subprotocol,
            deflate: answer.deflate,
            user: user(),
        };
        self.user_values.set_hijack(Hijack {
            taker: Taker::Socket(Box::new(seed)),
            sends_response: true,
            switches_protocols: true,
            place: None,
        });
        true
    }
}
