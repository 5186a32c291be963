//! A client that speaks WebSocket, by `tungstenite`: what the server says is read by somebody else's code.
//!
//! The rule: the handshake is written here byte by byte, so that a test can say what follows it in the same packet.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use anthill_http::websocket::{CloseFrame, MessageEncoder, MessageKind, Role};
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Error, Message, WebSocket, protocol};

use crate::client::{Client, SOCKET_LIMIT};

/// The fields of a handshake.
pub const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                           Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// A request for a WebSocket, with further fields.
pub fn handshake(target: &str, fields: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: h\r\n{UPGRADE}{fields}\r\n")
}

/// What a client has to say in one frame.
pub fn frame(text: &str) -> Vec<u8> {
    let mut frame = Vec::new();
    MessageEncoder::new(Role::Client, None).message(MessageKind::Text, text.as_bytes(), &mut frame);
    frame
}

/// A close frame of a client.
pub fn close_frame(code: u16) -> Vec<u8> {
    let mut frame = Vec::new();
    MessageEncoder::new(Role::Client, None).close(Some(&CloseFrame::new(code, "")), &mut frame);
    frame
}

/// The client's end of an open WebSocket.
#[derive(Debug)]
pub struct SocketClient<S = TcpStream> {
    socket: WebSocket<S>,
    head: String,
}

impl SocketClient {
    /// Opens one.
    ///
    /// # Panics
    /// When the server does not agree.
    #[track_caller]
    pub fn open(address: SocketAddr, target: &str) -> Self {
        Self::over(TcpStream::connect(address).expect("the server accepts"), target, "")
    }

    /// Opens one on the connection of a client that has sent nothing.
    ///
    /// # Panics
    /// When the server does not agree.
    #[track_caller]
    pub fn on(client: &Client, target: &str) -> Self {
        Self::over(client.stream().try_clone().expect("a descriptor"), target, "")
    }

    /// Opens one on a connection, with further fields.
    ///
    /// # Panics
    /// When the server does not agree.
    #[track_caller]
    pub fn over(mut stream: TcpStream, target: &str, fields: &str) -> Self {
        stream.write_all(handshake(target, fields).as_bytes()).expect("the server reads");
        Self::of_asked(stream)
    }

    /// The same on one on which the handshake was sent already.
    ///
    /// # Panics
    /// When the server does not agree.
    #[track_caller]
    pub fn of_asked(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(SOCKET_LIMIT)).expect("an option of every socket");
        stream.set_write_timeout(Some(SOCKET_LIMIT)).expect("an option of every socket");
        Self::of_answered(stream)
    }
}

impl<S: Read + Write> SocketClient<S> {
    /// On any stream, on which the handshake was sent already.
    ///
    /// # Panics
    /// When the server does not agree.
    #[track_caller]
    pub fn of_answered(stream: S) -> Self {
        Self::try_of_answered(stream).unwrap_or_else(|head| panic!("{head}"))
    }

    /// The same with a server that may not agree.
    ///
    /// # Errors
    /// The head of another answer.
    ///
    /// # Panics
    /// When there is none, or it is no right one.
    #[track_caller]
    pub fn try_of_answered(mut stream: S) -> Result<Self, String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("the head of a response");
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).expect("text");
        if !head.starts_with("HTTP/1.1 101 Switching Protocols\r\n") {
            return Err(head);
        }
        assert!(head.contains("\r\nSec-Websocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{head}");
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        let socket = WebSocket::from_raw_socket(stream, protocol::Role::Client, Some(config));
        Ok(Self { socket, head })
    }

    /// The head of the server's answer.
    pub fn head(&self) -> &str {
        &self.head
    }

    /// Sends text.
    ///
    /// # Panics
    /// When the connection has ended.
    #[track_caller]
    pub fn say(&mut self, text: &str) {
        self.socket.send(Message::text(text)).expect("the server reads");
    }

    /// Sends bytes.
    ///
    /// # Panics
    /// When the connection has ended.
    #[track_caller]
    pub fn say_bytes(&mut self, bytes: &[u8]) {
        self.socket.send(Message::binary(bytes.to_vec())).expect("the server reads");
    }

    /// Sends bytes that are no frame, or a part of one.
    ///
    /// # Panics
    /// When the connection has ended.
    #[track_caller]
    pub fn send_raw(&mut self, bytes: &[u8]) {
        self.stream().write_all(bytes).expect("the server reads");
    }

    /// The next message or control frame.
    ///
    /// # Errors
    /// Why there is none.
    pub fn next_message(&mut self) -> Result<Message, Error> {
        self.socket.read()
    }

    /// The next text, whatever pings come before.
    ///
    /// # Panics
    /// When something else comes.
    #[track_caller]
    pub fn hear(&mut self) -> String {
        loop {
            match self.socket.read() {
                Ok(Message::Text(text)) => return text.to_string(),
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                other => panic!("a text was to come, not {other:?}"),
            }
        }
    }

    /// The next bytes, in the same way.
    ///
    /// # Panics
    /// When something else comes.
    #[track_caller]
    pub fn hear_bytes(&mut self) -> Vec<u8> {
        loop {
            match self.socket.read() {
                Ok(Message::Binary(bytes)) => return bytes.to_vec(),
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                other => panic!("bytes were to come, not {other:?}"),
            }
        }
    }

    /// Begins to close.
    ///
    /// # Panics
    /// When the connection has ended.
    #[track_caller]
    pub fn close(&mut self, code: u16) {
        let frame = protocol::CloseFrame { code: code.into(), reason: "".into() };
        self.socket.close(Some(frame)).expect("the server reads");
    }

    /// Reads to the close frame, answers it, and sees that the connection ends. Says what it was; `None` for an empty
    /// one.
    ///
    /// # Panics
    /// When there is no such end.
    #[track_caller]
    pub fn closes(&mut self) -> Option<(u16, String)> {
        let found = loop {
            match self.socket.read() {
                Ok(Message::Close(frame)) => {
                    break frame.map(|frame| (u16::from(frame.code), frame.reason.to_string()));
                }
                Ok(_) => {}
                Err(error) => panic!("a close frame was to come, not {error}"),
            }
        };
        match self.socket.read() {
            Err(Error::ConnectionClosed) => found,
            other => panic!("the connection was to end, not {other:?}"),
        }
    }

    /// The code of the close frame that is to come.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn close_code(&mut self) -> u16 {
        self.closes().expect("a code").0
    }

    /// Sees that the connection ends without a close frame.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn is_cut_off(&mut self) {
        loop {
            match self.socket.read() {
                Ok(Message::Close(frame)) => panic!("it was closed with {frame:?}"),
                Ok(_) => {}
                Err(Error::Io(error)) if is_wait(&error) => panic!("it goes on"),
                Err(_) => return,
            }
        }
    }

    /// The connection.
    pub fn stream(&mut self) -> &mut S {
        self.socket.get_mut()
    }
}

fn is_wait(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}

/// How many descriptors this process may have, as far as the system says so.
pub fn descriptors() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(1024)
}
