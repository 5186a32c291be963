//! Programs that send much, or as slowly as they can, and a browser: wrk, h2load, ab, slowhttptest, Chromium.
//!
//! What they measure is not looked at, only what they complain of. A program that is not installed is skipped, and says
//! so.

use std::process::{Command, Output};
use std::time::Duration;

use anthill_http::{RequestCtx, Server};
use anthill_tests::server::{Running, skip};
use anthill_tests::{LONG_PATIENCE, background, eventually};

/// Runs a program; `None` when it is not there.
fn run(program: &str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    command.args(arguments);
    for proxy in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(proxy);
    }
    let Ok(mut child) =
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn()
    else {
        skip(&format!("there is no {program} here"));
        return None;
    };
    drop(child.stdin.take());
    let ended = background(move || child.wait_with_output().expect("our child"));
    let Output { status, stdout, stderr } = ended.outcome_within(LONG_PATIENCE, program);
    let said = [stdout, stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    assert!(status.success(), "{program}: {said}");
    Some(said)
}

/// Some routes block, most are fast.
fn served(ctx: &mut RequestCtx) {
    if ctx.path() == "/slow" {
        std::thread::sleep(Duration::from_millis(2));
    }
    ctx.set_body("served");
}

fn url(running: &Running, path: &str) -> String {
    format!("http://{}{path}", running.address())
}

#[test]
fn wrk_finds_nothing_amiss() {
    let running = Running::new(served);
    for path in ["/", "/slow"] {
        let Some(said) = run("wrk", &["-t", "1", "-c", "16", "-d", "1s", &url(&running, path)]) else {
            return;
        };
        assert!(said.contains("Requests/sec:"), "{said}");
        assert!(!said.contains("Socket errors") && !said.contains("Non-2xx"), "{said}");
    }
    assert!(running.handled() > 16);
}

#[test]
fn h2load_finds_nothing_amiss() {
    let running = Running::new(served);
    for (path, pipelined) in [("/", "1"), ("/", "16"), ("/slow", "4")] {
        let url = url(&running, path);
        let Some(said) = run("h2load", &["--h1", "-n", "2000", "-c", "8", "-m", pipelined, &url]) else {
            return;
        };
        let whole = "2000 total, 2000 started, 2000 done, 2000 succeeded, 0 failed, 0 errored, 0 timeout";
        assert!(said.contains(whole), "{said}");
    }
    assert_eq!(running.handled(), 6000);
}

#[test]
fn ab_finds_nothing_amiss() {
    let running = Running::new(served);
    for options in [&["-k"][..], &[]] {
        for path in ["/", "/slow"] {
            let url = url(&running, path);
            let asked = [&["-q", "-n", "1000", "-c", "8"], options, &[&*url]].concat();
            let Some(said) = run("ab", &asked) else { return };
            let line = |name: &str| {
                let line = said.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
                line.trim().to_owned()
            };
            assert_eq!(
                (line("Complete requests:"), line("Failed requests:")),
                ("1000".into(), "0".into()),
                "{said}"
            );
            assert!(!said.contains("Non-2xx"), "{said}");
        }
    }
}

/// Many who are as slow as they can be do not keep others from being served, and do not stay.
#[track_caller]
fn assert_withstands(mode: &[&str]) {
    let options = Server::builder()
        .max_workers(4)
        .read_header_timeout(Duration::from_millis(500))
        .read_timeout(Duration::from_secs(2))
        .write_timeout(Duration::from_secs(2));
    let running = Running::with(options, |ctx| {
        // More than the system's buffers take for a client that does not read.
        if ctx.path() == "/large" { ctx.response.set_body_vec(vec![b'x'; 16 << 20]) } else { served(ctx) }
    });
    let url = url(&running, if mode[0] == "-X" { "/large" } else { "/" });
    let asked: Vec<String> = mode
        .iter()
        .copied()
        .chain(["-c", "100", "-r", "100", "-l", "4", "-u", &url])
        .map(str::to_owned)
        .collect();
    let attacking = background(move || {
        let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
        run("slowhttptest", &asked)
    });
    while !attacking.is_finished() {
        assert_eq!(running.client().get("/other").text(), "served");
        std::thread::sleep(Duration::from_millis(50));
    }
    let Some(said) = attacking.outcome_within(LONG_PATIENCE, "slowhttptest") else { return };
    assert!(said.contains("service available"), "{said}");
    assert!(running.server().stats().accepted_connections > 100, "{said}");
    eventually("none of them is left", || running.server().stats().open_connections == 0);
}

#[test]
fn slowhttptest_with_heads_that_do_not_end() {
    assert_withstands(&["-H", "-i", "1", "-x", "24", "-p", "3"]);
}

#[test]
fn slowhttptest_with_bodies_that_do_not_end() {
    assert_withstands(&["-B", "-i", "1", "-s", "8192", "-x", "10", "-p", "3"]);
}

#[test]
fn slowhttptest_with_many_ranges() {
    assert_withstands(&["-R", "-a", "10", "-b", "3000", "-p", "3"]);
}

#[test]
fn slowhttptest_that_hardly_reads() {
    assert_withstands(&["-X", "-n", "1", "-w", "512", "-y", "1024", "-z", "32", "-k", "3", "-p", "3"]);
}

/// A browser that is shown a page runs its script, which asks for more on the same connection.
#[test]
fn a_browser_is_content() {
    const PAGE: &str = r#"<!doctype html><title>page</title><p id="said">nothing</p><script>
fetch("/more", { method: "POST", body: "six legs" }).then((answer) => answer.text()).then((text) => {
  document.getElementById("said").textContent = text;
});
</script>"#;
    let running = Running::new(|ctx| match (ctx.method(), ctx.path()) {
        ("GET", "/") => ctx.success("text/html", PAGE),
        ("POST", "/more") => ctx.response.set_body(["heard: ".as_bytes(), ctx.request.body()].concat()),
        _ => ctx.not_found(),
    });
    let asked = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000", "--dump-dom"];
    let url = url(&running, "/");
    let asked = [&asked[..], &[&*url]].concat();
    let Some(said) = run("chromium", &asked) else { return };
    assert!(said.contains(">heard: six legs</p>"), "{said}");
}
