//! Examples of what operators see.

use std::io::Write;
use std::process::{Command, Stdio};

use anthill_tests::client::{Client, get};
use anthill_tests::eventually;
use anthill_tests::examples::Example;
use anthill_tests::server::skip;

#[test]
fn metrics_are_prometheus_and_tell_of_the_end_before_it_comes() {
    let metrics = Example::start("metrics", &[("METRICS_ADDRESS", "127.0.0.1:0")]);
    eventually("it says where figures are", || metrics.line("figures at ").is_some());
    let url = metrics.line("figures at http://").expect("an address");
    let operators = url.strip_suffix("/metrics").expect("a path").parse().expect("an address");
    let mut operator = Client::connect(operators);
    let mut client = Client::connect(metrics.address());
    assert_eq!(client.get("/order").text(), "order 1\n");
    assert_eq!(client.get("/order").text(), "order 2\n");
    assert_eq!(client.get("/metrics").status, 404, "clients do not reach them");

    let page = operator.get("/metrics");
    let page = page.text();
    let told = |line: &str| assert!(page.lines().any(|found| found == line), "no {line} in {page}");
    told("shop_orders_total 2");
    told("anthill_http_requests_total{server=\"shop\",method=\"GET\",status=\"2xx\"} 2");
    told("anthill_http_requests_total{server=\"shop\",method=\"GET\",status=\"4xx\"} 1");
    check_by_promtool(page);

    assert_eq!((operator.get("/livez").status, operator.get("/readyz").status), (200, 200));
    metrics.signal("TERM");
    eventually("it is not ready any more", || operator.get("/readyz").status == 503);
    // For a while longer than that it serves, and figures can be had to the end.
    let mut newcomer = Client::connect(metrics.address());
    newcomer.send(get("/order"));
    assert_eq!(newcomer.response().text(), "order 3\n");
    assert_eq!(operator.get("/livez").status, 200);
    assert!(operator.get("/metrics").text().contains("\nshop_orders_total 3\n"));
    let ended = metrics.outcome();
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

/// What Prometheus itself thinks of a page.
fn check_by_promtool(page: &str) {
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut promtool) = command.spawn() else { return skip("there is no promtool here") };
    promtool.stdin.take().expect("it is piped").write_all(page.as_bytes()).expect("promtool reads");
    let said = promtool.wait_with_output().expect("it ends");
    assert!(said.status.success() && said.stderr.is_empty() && said.stdout.is_empty(), "{said:?}");
}

#[test]
fn access_log_has_a_line_for_each_request() {
    let log = Example::start("access-log", &[]);
    let mut client = Client::connect(log.address());
    let request = "GET /users/7 HTTP/1.1\r\nHost: h\r\nReferer: http://r/\r\nUser-Agent: a \"b\"\r\n\r\n";
    assert_eq!(client.exchange(request).text(), "user 7\n");
    assert_eq!(client.get("/slow").text(), "done\n");
    assert_eq!(client.get("/missing").status, 404);
    client.send("GET / HTTP/1.1\r\n\r\n");
    assert_eq!(client.response().status, 400);
    eventually("all are told", || log.stdout().lines().count() == 5);
    eventually("what is slow is told besides", || log.stderr().ends_with(" us\n"));
    let told = log.stderr();
    assert!(told.starts_with("slow: /slow took 3") && told.lines().count() == 1, "{told}");
    let printed = log.end();
    let shapes = [
        "\"GET /users/7 HTTP/1.1\" 200 7 \"http://r/\" \"a \\\"b\\\"\"",
        "\"GET /slow HTTP/1.1\" 200 5 \"-\" \"-\"",
        "\"GET /missing HTTP/1.1\" 404 18 \"-\" \"-\"",
        "\"GET / HTTP/1.1\" 400 ",
    ];
    for (line, shape) in printed.lines().skip(1).zip(shapes) {
        assert!(line.starts_with("127.0.0.1 - - [") && line.contains(&format!(" +0000] {shape}")), "{line}");
    }
}
