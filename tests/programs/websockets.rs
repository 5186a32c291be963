//! WebSockets as programs, spoken to by whatever else speaks WebSocket here.

use std::net::TcpStream;
use std::process::{Command, Stdio};

use anthill_tests::client::Client;
use anthill_tests::eventually;
use anthill_tests::examples::Example;
use anthill_tests::server::skip;
use anthill_tests::sockets::{SocketClient, handshake};

#[test]
fn websocket_echo_says_back_what_it_is_told() {
    let echo = Example::start("websocket-echo", &[]);
    assert!(Client::connect(echo.address()).get("/").text().contains("new WebSocket("));
    let mut client = SocketClient::open(echo.address(), "/echo");
    client.say("hello");
    assert_eq!(client.hear(), "hello");
    client.close(1000);
    assert_eq!(client.close_code(), 1000);
    eventually("its end is told", || echo.stdout().contains("1 messages, then closed by the client: 1000"));
    let mut left = SocketClient::open(echo.address(), "/echo");
    echo.signal("TERM");
    assert_eq!(left.close_code(), 1001);
    assert_eq!(echo.outcome().code, Some(0));
}

#[test]
fn websocket_chat_tells_everybody() {
    let chat = Example::start("websocket-chat", &[]);
    assert!(Client::connect(chat.address()).get("/").text().contains("new WebSocket("));
    let mut ann = SocketClient::open(chat.address(), "/chat?name=ann");
    // She is in when she hears herself.
    ann.say("hello");
    assert_eq!(ann.hear(), "ann: hello");
    let mut bob = SocketClient::open(chat.address(), "/chat?name=bob");
    assert_eq!(ann.hear(), "bob has come");
    bob.say("hi");
    assert_eq!((ann.hear(), bob.hear()), ("bob: hi".into(), "bob: hi".into()));
    drop(bob);
    assert_eq!(ann.hear(), "bob has gone");
    chat.signal("TERM");
    assert_eq!(ann.close_code(), 1001);
    assert_eq!(chat.outcome().code, Some(0));
}

#[test]
fn the_testbed_has_what_suites_ask_for() {
    let arguments = ["--addr", "127.0.0.1:0", "--ws-max-message", "1000"];
    let testbed = Example::launch("testbed", &arguments, &[]).listening();
    let mut client = SocketClient::open(testbed.address(), "/ws");
    for text in ["", "hello", &"x".repeat(1000)] {
        client.say(text);
        assert_eq!(client.hear(), text);
    }
    client.say_bytes(&[0, 255]);
    assert_eq!(client.hear_bytes(), [0, 255]);
    client.say(&"x".repeat(1001));
    assert_eq!(client.close_code(), 1009);
    let stream = TcpStream::connect(testbed.address()).expect("it listens");
    let protocols = "Sec-WebSocket-Protocol: superchat, other\r\nOrigin: http://elsewhere\r\n";
    let mut client = SocketClient::over(stream, "/ws?close=4321", protocols);
    assert!(client.head().contains("\r\nSec-Websocket-Protocol: superchat\r\n"), "{}", client.head());
    client.say("last");
    assert_eq!(client.hear(), "last");
    assert_eq!(client.close_code(), 4321);
    assert_eq!(
        Client::connect(testbed.address()).exchange(handshake("/ws", "").replace("13", "7")).status,
        426
    );
    let mut left = SocketClient::open(testbed.address(), "/ws");
    testbed.signal("TERM");
    assert_eq!(left.close_code(), 1001);
    assert_eq!(testbed.outcome().code, Some(0));
}

/// What a client of somebody else's does: it says things, hears them, closes, and prints that all was well.
fn speaks(program: &str, arguments: &[&str], script: &str, echo: &Example, variables: &[(&str, &str)]) {
    let url = format!("ws://{}/ws", echo.address());
    let ran = Command::new(program)
        .args(arguments)
        .arg(script)
        .arg(&url)
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output();
    let ran = ran.expect("it was there a moment ago");
    let told = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && told.trim_end().ends_with("all was well"), "{program}: {ran:?}");
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let ran = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    ran.is_ok_and(|status| status.success())
}

const PYTHON: &str = r#"
import sys, websockets.sync.client as client, websockets
url = sys.argv[1]
for compression in (None, "deflate"):
    with client.connect(url, compression=compression, subprotocols=["chat"], max_size=None) as socket:
        assert socket.subprotocol == "chat"
        for text in ("", "hello", "é" * 5000, "x" * 200000):
            socket.send(text)
            assert socket.recv() == text
        socket.send(b"\x00\xff" * 1000)
        assert socket.recv() == b"\x00\xff" * 1000
        socket.send(["in ", "three ", "pieces"])
        assert socket.recv() == "in three pieces"
        socket.ping().wait(10)
with client.connect(url + "?close=4321") as socket:
    socket.send("last")
    assert socket.recv() == "last"
    try:
        socket.recv()
        raise SystemExit("it was to be closed")
    except websockets.exceptions.ConnectionClosed as closed:
        assert closed.rcvd.code == 4321, closed
print("all was well")
"#;

/// The same, for versions of `websockets` without a blocking client.
const PYTHON_ASYNC: &str = r#"
import asyncio, sys, websockets
async def main(url):
    for compression in (None, "deflate"):
        async with websockets.connect(url, compression=compression, subprotocols=["chat"], max_size=None) as socket:
            assert socket.subprotocol == "chat"
            for text in ("", "hello", "é" * 5000, "x" * 200000):
                await socket.send(text)
                assert await socket.recv() == text
            await socket.send(b"\x00\xff" * 1000)
            assert await socket.recv() == b"\x00\xff" * 1000
            await socket.send(["in ", "three ", "pieces"])
            assert await socket.recv() == "in three pieces"
            await asyncio.wait_for(await socket.ping(), 10)
    async with websockets.connect(url + "?close=4321") as socket:
        await socket.send("last")
        assert await socket.recv() == "last"
        try:
            await socket.recv()
            raise SystemExit("it was to be closed")
        except websockets.exceptions.ConnectionClosed as closed:
            assert closed.code == 4321, closed
asyncio.run(main(sys.argv[1]))
print("all was well")
"#;

#[test]
fn python_websockets_speaks_with_the_testbed() {
    let pythons = ["python3", "/usr/bin/python3"];
    let Some(python) = pythons.into_iter().find(|name| succeeds(name, &["-c", "import websockets"])) else {
        return skip("there is no Python with websockets");
    };
    let testbed = Example::launch("testbed", &["--addr", "127.0.0.1:0"], &[]).listening();
    if succeeds(python, &["-c", "import websockets.sync.client"]) {
        speaks(python, &["-c"], PYTHON, &testbed, &[]);
    }
    speaks(python, &["-W", "ignore", "-c"], PYTHON_ASYNC, &testbed, &[]);
}

const NODE: &str = r#"
const WebSocket = require('ws')
const url = process.argv[1]
const fail = why => { console.error(why); process.exit(1) }
const talk = perMessageDeflate => new Promise(done => {
  const socket = new WebSocket(url, ['superchat', 'other'], { perMessageDeflate })
  const said = ['', 'hello', 'é'.repeat(5000), 'x'.repeat(200000), Buffer.alloc(3000, 255)]
  let heard = 0, pongs = 0
  socket.on('pong', () => pongs++)
  socket.on('open', () => {
    if (socket.protocol !== 'superchat') fail(socket.protocol)
    socket.ping('there?')
    said.forEach(message => socket.send(message))
  })
  socket.on('message', (message, isBinary) => {
    const expected = Buffer.from(said[heard])
    if (!expected.equals(message) || isBinary !== Buffer.isBuffer(said[heard])) fail('another message')
    if (++heard === said.length) socket.close(4001, 'enough')
  })
  socket.on('close', (code, reason) => {
    if (code !== 4001 || String(reason) !== 'enough' || pongs !== 1) fail(`${code} ${reason} ${pongs}`)
    done()
  })
  socket.on('error', fail)
})
const closed = () => new Promise(done => {
  const socket = new WebSocket(url + '?close=4321')
  socket.on('open', () => socket.send('last'))
  socket.on('close', code => code === 4321 ? done() : fail(code))
  socket.on('error', fail)
})
talk(false).then(() => talk(true)).then(closed).then(() => console.log('all was well'))
"#;

#[test]
fn node_ws_speaks_with_the_testbed() {
    // Where the package is, if somebody says so, or if it is installed for all.
    let said = std::env::var("NODE_PATH").ok();
    let global = || {
        let ran = Command::new("npm").args(["root", "-g"]).output().ok();
        ran.map(|ran| String::from_utf8_lossy(&ran.stdout).trim().to_owned())
    };
    let modules = said.or_else(global).unwrap_or_default();
    let found = Command::new("node").args(["-e", "require('ws')"]).env("NODE_PATH", &modules).output();
    if !found.is_ok_and(|ran| ran.status.success()) {
        return skip("there is no Node with ws");
    }
    let testbed = Example::launch("testbed", &["--addr", "127.0.0.1:0"], &[]).listening();
    speaks("node", &["-e"], NODE, &testbed, &[("NODE_PATH", &modules)]);
}
