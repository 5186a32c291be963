//! The examples of the client, against servers here.

use std::io::Write;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use anthill_http::{RequestConfig, RequestCtx, Server};
use anthill_tests::client::Client;
use anthill_tests::examples::{Ended, Example, program};
use anthill_tests::server::Running;

fn serve(handler: impl Fn(&mut RequestCtx) + Send + Sync + 'static) -> (Running, String) {
    let streams = |_: &_| RequestConfig::new().stream_request_body(true);
    let running = Running::with(Server::builder().header_received(streams), handler);
    let url = format!("http://{}", running.address());
    (running, url)
}

fn run(name: &str, arguments: &[&str]) -> Ended {
    Example::launch(name, arguments, &[]).outcome()
}

#[test]
fn get_shows_a_page_whatever_its_status() {
    let (_running, url) = serve(|ctx| ctx.error("not here", 404));
    let ended = run("get", &[&url]);
    assert_eq!((ended.code, &*ended.stdout), (Some(0), "not here\n"), "{ended:?}");
    assert!(ended.stderr.starts_with("404 from 127.0.0.1:"), "{ended:?}");
    let ended = run("get", &["localhost:8080/x"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.starts_with("get: ") && ended.stderr.lines().count() == 1, "{ended:?}");
    assert_eq!(run("get", &[]).code, Some(2));
}

#[test]
fn post_json_sends_and_reads_json() {
    let (_running, url) = serve(|ctx| {
        let order = serde_json::from_slice::<serde_json::Value>(ctx.read_body().expect("a body"));
        match (order, ctx.header_str("Content-Type"), ctx.header_str("Authorization")) {
            (Ok(order), Some("application/json"), Some("Bearer a-token")) if order["count"] == 2 => {
                ctx.success("application/json", r#"{"number": 7, "total": 12.5}"#);
            }
            _ => ctx.error("no such order", 422),
        }
    });
    let ended = run("post-json", &[&url]);
    assert_eq!((ended.code, &*ended.stdout), (Some(0), "order 7: 12.50 in all\n"), "{ended:?}");
    let (_running, url) = serve(|ctx| ctx.error("sold out", 409));
    let ended = run("post-json", &[&url]);
    assert_eq!((ended.code, &*ended.stderr), (Some(1), "post-json: 409: sold out\n"), "{ended:?}");
}

#[test]
fn download_shows_how_far_it_is_and_gives_no_part_for_the_whole() {
    let (_running, url) = serve(|ctx| match ctx.path() {
        "/whole" => ctx.set_body(vec![b'x'; 300_000]),
        "/half" => {
            ctx.response.set_body_reader_sized(std::io::Read::take(std::io::repeat(b'x'), 100_000), 300_000);
        }
        _ => ctx.not_found(),
    });
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    let path = file.to_str().expect("a name");
    for wrong in ["/none", "/half"] {
        let ended = run("download", &[&format!("{url}{wrong}"), path]);
        assert_eq!((ended.code, file.exists()), (Some(1), false), "{wrong}: {ended:?}");
    }
    let ended = run("download", &[&format!("{url}/whole"), path]);
    assert_eq!((ended.code, &*ended.stdout), (Some(0), "300000 bytes\n"), "{ended:?}");
    assert!(ended.stderr.ends_with(&format!("\r[{}] 300000 bytes\n", "#".repeat(40))), "{}", ended.stderr);
    assert_eq!(std::fs::metadata(file).expect("it is there").len(), 300_000);
}

#[test]
fn parallel_fetch_says_of_each_what_came_of_it() {
    let (_running, url) = serve(|ctx| {
        let size = ctx.path().len();
        ctx.set_body(vec![b'x'; size]);
    });
    let dead = TcpListener::bind("127.0.0.1:0").and_then(|dead| dead.local_addr()).expect("it listened");
    let mut urls: Vec<String> = (0..20).map(|number| format!("{url}/{}", "y".repeat(number))).collect();
    urls.push(format!("http://{dead}/"));
    let arguments: Vec<&str> = urls.iter().map(String::as_str).collect();
    let ended = run("parallel-fetch", &arguments);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(lines.len(), 21, "{ended:?}");
    for (number, line) in lines[..20].iter().enumerate() {
        assert_eq!(*line, format!("{}: {} bytes", urls[number], number + 1));
    }
    assert!(lines[20].contains("no connection could be made"), "{}", lines[20]);
}

#[test]
fn upload_sends_files_and_what_others_give() {
    let (_running, url) = serve(|ctx| {
        let framing = ctx.header_str("Content-Length").map_or("chunks".to_owned(), str::to_owned);
        let count = std::io::copy(&mut ctx.body_reader(), &mut std::io::sink()).expect("a body");
        ctx.set_body(format!("{count} of {framing}"));
    });
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(&[b'x'; 200_000]).expect("room for it");
    let ended = run("upload", &[&url, file.path().to_str().expect("a name")]);
    assert_eq!((ended.code, &*ended.stdout), (Some(0), "200000 of 200000\n"), "{ended:?}");
    let mut command = Command::new(program("upload"));
    let command = command.args([&url, "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("a process");
    child.stdin.take().expect("it is piped").write_all(&[b'x'; 70_000]).expect("it reads");
    let output = child.wait_with_output().expect("our child");
    assert_eq!(output.stdout, b"70000 of chunks\n", "{output:?}");
    let ended = run("upload", &[&url, "/no/such/file"]);
    assert!(ended.code == Some(1) && ended.stderr.starts_with("upload: "), "{ended:?}");
}

#[test]
fn retry_asks_again_until_it_is_answered_or_has_no_more_time() {
    let asked = AtomicUsize::new(0);
    let (_running, url) = serve(move |ctx| match (ctx.path(), asked.fetch_add(1, Ordering::SeqCst)) {
        ("/busy", 0 | 1) => ctx.set_status_code(503),
        ("/long", _) => {
            ctx.set_status_code(429);
            ctx.response.set_header("Retry-After", "3600");
        }
        _ => ctx.set_body("at last"),
    });
    let ended = run("retry", &[&format!("{url}/busy")]);
    assert_eq!((ended.code, &*ended.stdout), (Some(0), "200: at last\n"), "{ended:?}");
    assert_eq!(ended.stderr, "attempt 1: 503\nattempt 2: 503\n");
    // It asks to wait for longer than there is time: what it has said is the answer.
    let ended = run("retry", &[&format!("{url}/long")]);
    assert_eq!((ended.code, &*ended.stdout), (Some(0), "429: \n"), "{ended:?}");
    let dead = TcpListener::bind("127.0.0.1:0").and_then(|dead| dead.local_addr()).expect("it listened");
    let ended = run("retry", &[&format!("http://{dead}/")]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.starts_with("attempt 1: ") && ended.stderr.contains("\nretry: "), "{ended:?}");
}

#[test]
fn proxy_asks_its_upstream_and_says_when_there_is_none() {
    let (running, url) = serve(|ctx| {
        let (by, via) =
            (ctx.header_str("X-Forwarded-For").map(str::to_owned), ctx.header_str("Via").map(str::to_owned));
        ctx.set_body(format!("{} {by:?} {via:?}", ctx.path().to_owned()));
    });
    let proxy = Example::start("proxy", &[("UPSTREAM", &url)]);
    let mut client = Client::connect(proxy.address());
    assert_eq!(client.get("/a").text(), "/a Some(\"127.0.0.1\") Some(\"1.1 edge\")");
    assert_eq!(client.get("/healthz").text(), "the proxy is there\n");
    drop(running);
    let mut client = Client::connect(proxy.address());
    assert_eq!(client.get("/a").status, 502);
    proxy.end();
}
