//! A browser that is asked what it makes of a page: by the protocol of its developer tools, over a WebSocket.
//!
//! Source: <https://chromedevtools.github.io/devtools-protocol/>.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anthill_tests::browsers::chromium;
use anthill_tests::client::SOCKET_LIMIT;
use anthill_tests::{comes_true, eventually};
use serde_json::{Value, json};
use tungstenite::protocol::Role;
use tungstenite::{Message, WebSocket};

/// Killed with this.
pub(crate) struct Browser(Child);

impl Browser {
    /// That which `command` starts, without a word.
    pub(crate) fn start(mut command: Command, profile: &Path) -> Self {
        command.env("HOME", profile).env_remove("http_proxy").stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One page of a browser that is there for this.
pub(crate) struct Page {
    socket: WebSocket<TcpStream>,
    session: String,
    calls: u64,
    _browser: Browser,
}

impl Page {
    /// An empty one; `None`: there is no browser.
    pub(crate) fn new(profile: &Path) -> Option<Self> {
        let mut command = chromium(profile)?;
        command.args(["--remote-debugging-port=0", "about:blank"]);
        let browser = Browser::start(command, profile);
        let told = profile.join("DevToolsActivePort");
        let lines = || fs::read_to_string(&told).unwrap_or_default();
        assert!(comes_true(|| lines().lines().count() >= 2), "the browser tells no port");
        let lines = lines();
        let (port, path) = lines.trim().split_once('\n').unwrap();
        let socket = open(&format!("127.0.0.1:{port}"), path);
        let mut page = Self { socket, session: String::new(), calls: 0, _browser: browser };
        let mut target = Value::Null;
        eventually("a page", || {
            let all = page.call("Target.getTargets", json!({}))["targetInfos"].take();
            target = all.as_array().unwrap().iter().find(|one| one["type"] == "page").cloned().into();
            !target.is_null()
        });
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        page.session = page.call("Target.attachToTarget", attach)["sessionId"].as_str().unwrap().to_owned();
        Some(page)
    }

    /// What a method of the protocol returns.
    pub(crate) fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.calls += 1;
        let mut call = json!({ "id": self.calls, "method": method, "params": parameters });
        if !self.session.is_empty() {
            call["sessionId"] = json!(self.session);
        }
        self.socket.send(Message::text(call.to_string())).unwrap();
        loop {
            let Message::Text(text) = self.socket.read().unwrap() else { continue };
            let mut said: Value = serde_json::from_str(&text).unwrap();
            if said["id"] == self.calls {
                assert!(said["error"].is_null(), "{method}: {said}");
                return said["result"].take();
            }
        }
    }

    /// Shows what is at `url`, all of it.
    pub(crate) fn show(&mut self, url: &str) {
        self.call("Page.navigate", json!({ "url": url }));
        let is_there = format!("document.readyState == 'complete' && location.href == {}", json!(url));
        eventually("the page is shown", || self.evaluate(&is_there) == true);
    }

    /// What an expression is there.
    pub(crate) fn evaluate(&mut self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let mut result = self.call("Runtime.evaluate", parameters);
        assert!(result["exceptionDetails"].is_null(), "{expression}: {result}");
        result["result"]["value"].take()
    }
}

fn open(address: &str, path: &str) -> WebSocket<TcpStream> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(SOCKET_LIMIT)).unwrap();
    let upgrade = anthill_tests::sockets::UPGRADE;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n{upgrade}\r\n").unwrap();
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    WebSocket::from_raw_socket(stream, Role::Client, None)
}
