//! The server as clients see it that we did not write: curl, Python's `http.client`, Node's `http`.
//!
//! They bring their own idea of HTTP, which is the point. A program that is not installed is skipped, and says so.

use std::process::{Command, Output};

use anthill_http::{RequestCtx, Server};
use anthill_tests::server::{Running, skip};
use anthill_tests::within;

/// Answers with what it was asked; `/big` with a megabyte.
fn echo(ctx: &mut RequestCtx) {
    if ctx.path() == "/big" {
        ctx.response.set_body_vec(vec![b'x'; 1 << 20]);
        return;
    }
    let conn = ctx.conn_request_num();
    let echoed = format!("{} {} {} #{conn}", ctx.method(), ctx.path(), ctx.body().len());
    ctx.response.set_header("X-Echo", "yes");
    ctx.set_body(echoed);
}

/// Runs a program; `None` when it is not there.
fn run(program: &str, arguments: &[&str]) -> Option<Output> {
    if Command::new(program).arg("--version").output().is_err() {
        skip(&format!("there is no {program} here"));
        return None;
    }
    let mut command = Command::new(program);
    command.args(arguments);
    for proxy in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(proxy);
    }
    Some(within(program, move || command.output().unwrap()))
}

/// What curl writes to its output with these arguments.
fn curl(arguments: &[&str]) -> Option<String> {
    let common = ["--silent", "--show-error", "--max-time", "10"];
    let output = run("curl", &[&common, arguments].concat())?;
    assert!(output.status.success(), "{output:?}");
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn curl_keeps_its_connection() {
    let running = Running::new(echo);
    let url = format!("http://{}", running.address());
    let (one, two) = (format!("{url}/one"), format!("{url}/two?x=1"));
    let Some(text) = curl(&["-w", "\n", &one, &two, &one]) else { return };
    assert_eq!(text, "GET /one 0 #1\nGET /two 0 #2\nGET /one 0 #3\n");
    assert_eq!(running.server().stats().accepted_connections, 1);
}

#[test]
fn curl_speaks_http_1_0_and_asks_for_heads() {
    let running = Running::new(echo);
    let url = format!("http://{}/x", running.address());
    let Some(text) = curl(&["--http1.0", "-i", &url]) else { return };
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("\r\n\r\nGET /x 0 #1"), "{text}");
    assert!(text.contains("\r\nConnection: close\r\n"), "{text}");
    let text = curl(&["--head", &url, &url]).unwrap();
    // Two heads on one connection, and no body between them.
    assert_eq!(text.matches("HTTP/1.1 200 OK\r\n").count(), 2, "{text}");
    assert_eq!(text.matches("Content-Length: 12\r\n").count(), 2, "{text}");
    assert!(text.contains("\r\n\r\nHTTP/1.1"), "{text}");
}

#[test]
fn curl_uploads() {
    let running = Running::new(echo);
    let url = format!("http://{}/up", running.address());
    let file = std::env::temp_dir().join(format!("anthill-upload-{}", std::process::id()));
    std::fs::write(&file, "x".repeat(100_000)).unwrap();
    let upload = format!("@{}", file.display());
    for (arguments, expected) in [
        (vec!["--data-binary", &upload], "POST /up 100000 #1"),
        (vec!["-H", "Expect: 100-continue", "--data-binary", &upload], "POST /up 100000 #1"),
        (vec!["-H", "Transfer-Encoding: chunked", "--data-binary", &upload], "POST /up 100000 #1"),
        (
            vec!["-X", "PUT", "-H", "Transfer-Encoding: chunked", "-H", "Expect: 100-continue", "-d", "abc"],
            "PUT /up 3 #1",
        ),
        (vec!["-H", "Expect:", "-d", ""], "POST /up 0 #1"),
    ] {
        let Some(text) = curl(&[&arguments[..], &[&url]].concat()) else { break };
        assert_eq!(text, expected, "{arguments:?}");
    }
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn curl_is_told_that_its_upload_is_too_large() {
    let running = Running::with(Server::builder().max_request_body_size(1000), echo);
    let url = format!("http://{}/up", running.address());
    let file = std::env::temp_dir().join(format!("anthill-too-large-{}", std::process::id()));
    std::fs::write(&file, "x".repeat(600_000)).unwrap();
    let upload = format!("@{}", file.display());
    for expect in ["Expect:", "Expect: 100-continue"] {
        let asked = ["-o", "/dev/null", "-w", "%{http_code}", "-H", expect, "--data-binary", &upload, &url];
        let Some(text) = curl(&asked) else { break };
        assert_eq!(text, "413", "{expect:?}");
    }
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn curl_in_parallel() {
    let running = Running::new(echo);
    let url = format!("http://{}/[1-200]", running.address());
    let Some(text) = curl(&["--parallel", "--parallel-max", "20", &url]) else { return };
    let mut paths: Vec<&str> =
        text.split("GET /").skip(1).filter_map(|reply| reply.split(' ').next()).collect();
    paths.sort_unstable();
    paths.dedup();
    assert_eq!(paths.len(), 200, "{text}");
}

#[test]
fn python_is_content() {
    const SCRIPT: &str = r#"
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=10)
def ask(method, path, body=None, headers={}, **more):
    connection.request(method, path, body=body, headers=headers, **more)
    response = connection.getresponse()
    return response, response.read()
response, body = ask("GET", "/one")
assert (response.status, response.version, body) == (200, 11, b"GET /one 0 #1"), body
assert response.getheader("X-Echo") == "yes" and not response.will_close
response, body = ask("POST", "/two", b"x" * 100000)
assert body == b"POST /two 100000 #2", body
response, body = ask("POST", "/three", iter([b"abc", b"defg"]), encode_chunked=True)
assert body == b"POST /three 7 #3", body
response, body = ask("HEAD", "/four")
assert (response.getheader("Content-Length"), body) == ("15", b""), response.getheaders()
response, body = ask("GET", "/big")
assert body == b"x" * (1 << 20)
response, body = ask("OPTIONS", "*")
assert body == b"OPTIONS /* 0 #6", body
response, body = ask("GET", "/seven", headers={"Connection": "close"})
assert response.will_close and body == b"GET /seven 0 #7", body
print("content")
"#;
    let running = Running::new(echo);
    let port = running.address().port().to_string();
    let Some(output) = run("python3", &["-c", SCRIPT, &port]) else { return };
    assert_eq!(String::from_utf8_lossy(&output.stdout), "content\n", "{output:?}");
}

#[test]
fn node_is_content() {
    const SCRIPT: &str = r#"
const http = require("http"), assert = require("assert");
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const port = Number(process.argv[1]);
function ask(method, path, parts = [], headers = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request({ port, host: "127.0.0.1", method, path, headers, agent, timeout: 10000 });
    request.on("error", reject);
    request.on("timeout", () => request.destroy(new Error("timeout")));
    request.on("response", (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (part) => (body += part));
      response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, body }));
    });
    if (headers.Expect) {
      request.on("continue", () => request.end(parts.join("")));
    } else {
      for (const part of parts) request.write(part);
      request.end();
    }
  });
}
(async () => {
  let reply = await ask("GET", "/one");
  assert.deepStrictEqual([reply.status, reply.body, reply.headers["x-echo"]], [200, "GET /one 0 #1", "yes"]);
  reply = await ask("POST", "/two", ["abc", "defg"]);
  assert.strictEqual(reply.body, "POST /two 7 #2");
  reply = await ask("POST", "/three", ["x".repeat(100000)], { "Content-Length": 100000 });
  assert.strictEqual(reply.body, "POST /three 100000 #3");
  reply = await ask("PUT", "/four", ["body"], { Expect: "100-continue", "Content-Length": 4 });
  assert.strictEqual(reply.body, "PUT /four 4 #4");
  reply = await ask("HEAD", "/five");
  assert.deepStrictEqual([reply.headers["content-length"], reply.body], ["15", ""]);
  reply = await ask("GET", "/big");
  assert.strictEqual(reply.body.length, 1 << 20);
  const replies = await Promise.all([...Array(50).keys()].map((number) => ask("GET", `/many/${number}`)));
  replies.forEach((reply, number) => assert.ok(reply.body.startsWith(`GET /many/${number} 0 #`), reply.body));
  agent.destroy();
  console.log("content");
})().catch((error) => { console.error(error); process.exit(1); });
"#;
    let running = Running::new(echo);
    let port = running.address().port().to_string();
    let Some(output) = run("node", &["-e", SCRIPT, &port]) else { return };
    assert_eq!(String::from_utf8_lossy(&output.stdout), "content\n", "{output:?}");
    assert_eq!(running.handled(), 56);
}
