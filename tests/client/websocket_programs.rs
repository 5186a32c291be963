//! WebSockets to servers of others that are programs, where they are at hand.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use anthill_http::websocket::{CloseCode, DeflateOptions, WebSocketOptions};
use anthill_tests::server::skip;

use crate::script::wait_until;
use crate::websockets::{client, converse, end, options};

/// A program that ends with its test.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts an echo that prints its port, and speaks with it, with compression and without.
fn speak(mut command: Command) {
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut program = Program(command.spawn().expect("it was there a moment ago"));
    let mut port = String::new();
    let stdout = program.0.stdout.take().expect("it is piped");
    BufReader::new(stdout).read_line(&mut port).expect("it prints its port");
    let url = format!("ws://127.0.0.1:{}/", port.trim());
    let kept = DeflateOptions { server_context_takeover: true, client_context_takeover: true, min_size: 0 };
    for deflate in [None, Some(DeflateOptions::default()), Some(kept)] {
        let wanted = options(|options| options.subprotocols(["chat"]).compression(deflate));
        let mut socket = client().websocket(&url).options(&wanted).connect().expect("a server of others");
        assert_eq!(socket.subprotocol(), Some("chat"));
        converse(&mut socket);
        converse(&mut socket);
        socket.close(CloseCode::NORMAL, "enough");
        assert_eq!(end(&mut socket).code(), CloseCode::NORMAL);
    }
}

const PYTHON: &str = r#"
import asyncio, websockets
async def echo(socket, *_):
    async for message in socket:
        await socket.send(message)
async def main():
    async with websockets.serve(echo, "127.0.0.1", 0, subprotocols=["chat"], max_size=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().create_future()
asyncio.run(main())
"#;

#[test]
fn a_server_by_python_websockets_is_understood() {
    let has_websockets = |name: &&str| {
        let ran = Command::new(name).args(["-c", "import websockets"]).stderr(Stdio::null()).status();
        ran.is_ok_and(|status| status.success())
    };
    let Some(python) = ["python3", "/usr/bin/python3"].into_iter().find(has_websockets) else {
        return skip("there is no Python with websockets");
    };
    let mut command = Command::new(python);
    command.args(["-W", "ignore", "-c", PYTHON]);
    speak(command);
}

const NODE: &str = r#"
const { WebSocketServer } = require('ws')
const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: { threshold: 0 } })
server.on('listening', () => console.log(server.address().port))
server.on('connection', socket => socket.on('message', (message, isBinary) => socket.send(message, { binary: isBinary })))
"#;

#[test]
fn a_server_by_node_ws_is_understood() {
    let found = Command::new("node").args(["-e", "require('ws')"]).stderr(Stdio::null()).status();
    if !found.is_ok_and(|status| status.success()) {
        return skip("there is no Node with ws");
    }
    let mut command = Command::new("node");
    command.args(["-e", NODE]);
    speak(command);
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port()
}

/// The largest message of the suite, and more than what it is made of.
fn wanted() -> WebSocketOptions {
    let deflate =
        DeflateOptions { server_context_takeover: true, client_context_takeover: true, min_size: 0 };
    options(|options| {
        options.max_message_size(1 << 25).max_frame_size(1 << 25).compression(deflate).ping_interval(None)
    })
}

#[test]
#[ignore = "takes minutes, and the fuzzing server of the Autobahn test suite: `wstest`, or what ANTHILL_WSTEST names"]
fn autobahn_finds_nothing_in_the_client() {
    let program = env::var("ANTHILL_WSTEST").unwrap_or_else(|_| "wstest".to_owned());
    let folder = tempfile::tempdir().expect("a folder");
    let (port, web) = (free_port(), free_port());
    let specification = serde_json::json!({
        "url": format!("ws://127.0.0.1:{port}"),
        "outdir": folder.path().join("reports"),
        "cases": ["*"],
        "exclude-cases": [],
        "exclude-agent-cases": {},
    });
    let place = folder.path().join("specification.json");
    fs::write(&place, specification.to_string()).expect("a file");
    let log = File::create(folder.path().join("log")).expect("a file");
    let mut command = Command::new(program);
    command
        .args(["-m", "fuzzingserver", "-w", &web.to_string(), "-s"])
        .arg(&place)
        .current_dir(folder.path());
    command.stdin(Stdio::null()).stdout(log.try_clone().expect("a file")).stderr(log);
    let server = Program(command.spawn().expect("the program wstest"));
    wait_until("the server", || TcpStream::connect(("127.0.0.1", port)).is_ok());

    let base = format!("ws://127.0.0.1:{port}");
    let client = client();
    let connect = |path: &str| client.websocket(format!("{base}{path}")).options(&wanted()).connect();
    let mut counts = connect("/getCaseCount").expect("the suite");
    let count = counts.read().expect("it is open").expect("a number");
    let count: usize = count.as_text().and_then(|text| text.parse().ok()).expect("a number");
    for case in 1..=count {
        let mut socket = connect(&format!("/runCase?case={case}&agent=anthill")).expect("the suite");
        while let Ok(Some(message)) = socket.read() {
            if socket.send(message).is_err() {
                break;
            }
        }
    }
    let mut reports = connect("/updateReports?agent=anthill").expect("the suite");
    while let Ok(Some(_)) = reports.read() {}
    drop(server);

    let report = File::open(folder.path().join("reports/index.json")).expect("a report");
    let mut report: BTreeMap<String, BTreeMap<String, serde_json::Value>> =
        serde_json::from_reader(report).expect("a report");
    let outcomes = report.remove("anthill").expect("the outcomes of the only client");
    assert_eq!(outcomes.len(), count);
    // Of a message and a fault behind it in one piece the fault is answered before the loop has said the message back,
    // which the suite calls not strict: what is read ahead is judged as it comes.
    let is_right = |outcome: &serde_json::Value| {
        matches!(outcome["behavior"].as_str(), Some("OK" | "NON-STRICT" | "INFORMATIONAL"))
            && matches!(outcome["behaviorClose"].as_str(), Some("OK" | "INFORMATIONAL"))
    };
    let others: Vec<_> = outcomes.iter().filter(|(_, outcome)| !is_right(outcome)).collect();
    assert!(others.is_empty(), "{} of {count}: {others:#?}", others.len());
}
