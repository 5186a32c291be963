//! A browser that is asked what it makes of a page: by the protocol of its developer tools, over a WebSocket.
//!
//! Source: <https://chromedevtools.github.io/devtools-protocol/>.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::browsers::chromium;
use crate::client::SOCKET_LIMIT;
use crate::{comes_true_within, eventually};
use serde_json::{Value, json};
use tungstenite::protocol::Role;
use tungstenite::{Message, WebSocket};

/// A browser that runs; killed with this.
#[derive(Debug)]
pub struct Browser(Child);

/// How often one is started that does not come up, which on a busy machine happens to one of a few dozen.
const ATTEMPTS: usize = 3;

/// How long it may take.
const START: Duration = Duration::from_secs(15);

impl Browser {
    /// That which `command` starts, when it can be asked by the protocol. It may choose its port.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start(mut command: Command, profile: &Path) -> Self {
        command.arg("--remote-debugging-port=0").env("HOME", profile).env_remove("http_proxy");
        fs::create_dir_all(profile).expect("the browser speaks its protocol");
        let mut problems = String::new();
        for _ in 0..ATTEMPTS {
            let words = profile.join("words");
            command
                .stdout(Stdio::null())
                .stderr(File::create(&words).expect("the browser speaks its protocol"));
            let mut browser = Self(command.spawn().expect("the browser speaks its protocol"));
            let has_ended =
                |browser: &mut Self| browser.0.try_wait().expect("the browser speaks its protocol").is_some();
            let is_up = || told_port(profile).is_some();
            let _ = comes_true_within(START, || is_up() || has_ended(&mut browser));
            if is_up() && !has_ended(&mut browser) {
                return browser;
            }
            let (end, said) = (browser.0.try_wait(), fs::read(&words).unwrap_or_default());
            problems += &format!("{end:?} {}\n", String::from_utf8_lossy(&said));
            drop(browser);
            let _ = fs::remove_file(profile.join(PORT));
        }
        panic!("no browser comes up: {problems}");
    }
}

/// Where it says how to reach it.
const PORT: &str = "DevToolsActivePort";

/// Its port, and the path for its protocol, once all of that is there.
fn told_port(profile: &Path) -> Option<(u16, String)> {
    let told = fs::read_to_string(profile.join(PORT)).ok()?;
    let (port, path) = told.trim().split_once('\n')?;
    Some((port.parse().ok()?, path.to_owned()))
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One page of a browser that is there for this.
#[derive(Debug)]
pub struct Page {
    socket: WebSocket<TcpStream>,
    session: String,
    calls: u64,
    _browser: Browser,
}

impl Page {
    /// An empty one; `None`: there is no browser.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn new(profile: &Path) -> Option<Self> {
        let mut command = chromium(profile)?;
        command.arg("about:blank");
        let browser = Browser::start(command, profile);
        let (port, path) = told_port(profile).expect("the browser speaks its protocol");
        let socket = open(&format!("127.0.0.1:{port}"), &path);
        let mut page = Self { socket, session: String::new(), calls: 0, _browser: browser };
        let mut target = Value::Null;
        eventually("a page", || {
            let all = page.call("Target.getTargets", json!({}))["targetInfos"].take();
            target = all
                .as_array()
                .expect("the browser speaks its protocol")
                .iter()
                .find(|one| one["type"] == "page")
                .cloned()
                .into();
            !target.is_null()
        });
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        page.session = page.call("Target.attachToTarget", attach)["sessionId"]
            .as_str()
            .expect("the browser speaks its protocol")
            .to_owned();
        Some(page)
    }

    /// What a method of the protocol returns.
    ///
    /// # Panics
    /// When that is an error.
    pub fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.calls += 1;
        let mut call = json!({ "id": self.calls, "method": method, "params": parameters });
        if !self.session.is_empty() {
            call["sessionId"] = json!(self.session);
        }
        self.socket.send(Message::text(call.to_string())).expect("the browser speaks its protocol");
        loop {
            let Message::Text(text) = self.socket.read().expect("the browser speaks its protocol") else {
                continue;
            };
            let mut said: Value = serde_json::from_str(&text).expect("the browser speaks its protocol");
            if said["id"] == self.calls {
                assert!(said["error"].is_null(), "{method}: {said}");
                return said["result"].take();
            }
        }
    }

    /// Shows what is at `url`, all of it.
    ///
    /// # Panics
    /// When that does not come to pass.
    pub fn show(&mut self, url: &str) {
        self.call("Page.navigate", json!({ "url": url }));
        let is_there = format!("document.readyState == 'complete' && location.href == {}", json!(url));
        eventually("the page is shown", || self.evaluate(&is_there) == true);
    }

    /// What an expression is there.
    ///
    /// # Panics
    /// When it throws something.
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let mut result = self.call("Runtime.evaluate", parameters);
        assert!(result["exceptionDetails"].is_null(), "{expression}: {result}");
        result["result"]["value"].take()
    }
}

fn open(address: &str, path: &str) -> WebSocket<TcpStream> {
    let mut stream = TcpStream::connect(address).expect("the browser speaks its protocol");
    stream.set_read_timeout(Some(SOCKET_LIMIT)).expect("the browser speaks its protocol");
    let upgrade = crate::sockets::UPGRADE;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n{upgrade}\r\n")
        .expect("the browser speaks its protocol");
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("the browser speaks its protocol");
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    WebSocket::from_raw_socket(stream, Role::Client, None)
}
