//! What does it cost to put something around a handler?
//!
//! Counted are instructions, by valgrind's `callgrind`: wrappers cost so little that time would say nothing. A
//! connection in memory gives one request at a time, `GET /` with a `Host`, and the handler answers 13 bytes. Each row
//! is what such a request takes more than one whose handler has nothing around it.

use anthill_benches::instructions;
use anthill_benches::report::{self, Table};
use anthill_benches::settings::Settings;
use anthill_http::middleware::{
    CatchErrors, ConcurrencyLimit, Cors, EtagPolicy, RateLimit, RequestIds, SecurityHeaders, catch_errors,
    concurrency_limit, cors, etag, rate_limit, request_id, security_headers,
};
use anthill_http::{Handler, RequestCtx, Server};
use std::collections::HashMap;
use std::env;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const PLAIN: &str = "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n";
const OF_A_PAGE: &str = "GET / HTTP/1.1\r\nHost: example.com\r\nOrigin: https://app.example\r\n\r\n";
const HELLO: &str = "Hello, world!";

/// What a row is called in the table, what a request looks like, the row of the same request with nothing around, a
/// field that the response has, and the server.
type Contestant = (&'static str, &'static str, &'static str, &'static str, fn() -> Server);

const CONTESTANTS: [Contestant; 17] = [
    ("nothing", PLAIN, "nothing", "Content-Length: 13", || server(hello)),
    ("one_own_field", PLAIN, "nothing", "X-Own: 1", || server(one_own_field)),
    ("seven_own_fields", PLAIN, "nothing", "Cross-Origin-Resource-Policy: same-origin", || {
        server(seven_own_fields)
    }),
    ("security_headers", PLAIN, "nothing", "Cross-Origin-Resource-Policy: same-origin", || {
        server(security_headers(hello, SecurityHeaders::new()))
    }),
    ("security_headers_one", PLAIN, "nothing", "X-Content-Type-Options: nosniff", || {
        server(security_headers(hello, one_careful_field()))
    }),
    ("security_headers_own", PLAIN, "nothing", "X-Frame-Options: DENY", || {
        server(security_headers(framed, SecurityHeaders::new()))
    }),
    ("request_id", PLAIN, "nothing", "X-Request-Id: ", || server(request_id(hello, RequestIds::new()))),
    ("request_id_and_security_headers", PLAIN, "nothing", "X-Request-Id: ", || {
        server(request_id(security_headers(hello, SecurityHeaders::new()), RequestIds::new()))
    }),
    ("catch_errors", PLAIN, "nothing", "Content-Length: 13", || {
        server(catch_errors(hello, CatchErrors::new(|_, _| ())))
    }),
    ("concurrency_limit", PLAIN, "nothing", "Content-Length: 13", || {
        server(concurrency_limit(hello, ConcurrencyLimit::builder(8).build().expect("a limit")))
    }),
    ("rate_limit_silent", PLAIN, "nothing", "Content-Length: 13", || server(rate_limit(hello, often(false)))),
    ("rate_limit", PLAIN, "nothing", "RateLimit: \"default\";r=", || server(rate_limit(hello, often(true)))),
    ("etag", PLAIN, "nothing", "Etag: W/\"13-", || server(etag(hello, EtagPolicy::new()))),
    ("cors_not_asked", PLAIN, "nothing", "Vary: Origin", || server(cors(hello, of_the_app()))),
    ("nothing_of_a_page", OF_A_PAGE, "nothing_of_a_page", "Content-Length: 13", || server(hello)),
    ("cors_any", OF_A_PAGE, "nothing_of_a_page", "Access-Control-Allow-Origin: *", || {
        server(cors(hello, Cors::builder().any_origin().build().expect("a policy")))
    }),
    ("cors_one", OF_A_PAGE, "nothing_of_a_page", "Access-Control-Allow-Origin: https://app.example", || {
        server(cors(hello, of_the_app()))
    }),
];

fn hello(ctx: &mut RequestCtx) {
    ctx.set_body(HELLO);
}

fn framed(ctx: &mut RequestCtx) {
    ctx.response.set_header("X-Frame-Options", "DENY");
    ctx.set_body(HELLO);
}

fn one_own_field(ctx: &mut RequestCtx) {
    ctx.response.set_header("X-Own", "1");
    ctx.set_body(HELLO);
}

/// What `security_headers` would add.
fn seven_own_fields(ctx: &mut RequestCtx) {
    let response = &mut ctx.response;
    response.set_header("X-Content-Type-Options", "nosniff");
    response.set_header("Content-Security-Policy", "frame-ancestors 'self'");
    response.set_header("X-Frame-Options", "SAMEORIGIN");
    response.set_header("Referrer-Policy", "strict-origin-when-cross-origin");
    response.set_header("Permissions-Policy", "camera=(), geolocation=(), microphone=()");
    response.set_header("Cross-Origin-Opener-Policy", "same-origin");
    response.set_header("Cross-Origin-Resource-Policy", "same-origin");
    ctx.set_body(HELLO);
}

fn one_careful_field() -> SecurityHeaders {
    let mut builder = SecurityHeaders::builder();
    for name in [
        "Content-Security-Policy",
        "X-Frame-Options",
        "Referrer-Policy",
        "Permissions-Policy",
        "Cross-Origin-Opener-Policy",
        "Cross-Origin-Resource-Policy",
        "Strict-Transport-Security",
    ] {
        builder = builder.without(name);
    }
    builder.build().expect("a policy")
}

fn often(tells: bool) -> RateLimit {
    let builder = RateLimit::builder().requests(1_000_000_000).per(Duration::from_secs(3_600));
    builder.headers(tells).build().expect("a policy")
}

fn of_the_app() -> Cors {
    Cors::builder().origins(["https://app.example"]).build().expect("a policy")
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // So it calls itself, to be counted.
    if let ["--serve", name, laps] = arguments[..] {
        return serve_counted(name, laps.parse().expect("a number of requests"));
    }
    let settings = Settings::from_command_line();
    let contestants = settings.choose(&CONTESTANTS, |(name, ..)| name);
    report::headline(
        "What does it cost to put something around a handler?",
        &["anthill-http"],
        settings.quick,
    );
    for contestant in CONTESTANTS {
        check(contestant);
    }
    let laps = if settings.quick { 100 } else { 10_000 };
    let mut counted: HashMap<&str, f64> = HashMap::new();
    let mut count = |name: &'static str| match counted.get(name) {
        Some(&known) => Some(known),
        None => {
            let found = instructions::per_lap(&["--serve", name], laps)?;
            counted.insert(name, found);
            Some(found)
        }
    };
    let mut table = Table::new(&["around the handler", "instructions", "more", "% more"]);
    for (name, _, alone, ..) in contestants {
        let (Some(all), Some(without)) = (count(name), count(alone)) else {
            return report::say("there is no valgrind here, so nothing was counted");
        };
        let more = all - without;
        table.row(vec![
            name.to_owned(),
            format!("{all:.0}"),
            format!("{more:.0}"),
            format!("{:.1}", more / without * 100.0),
        ]);
    }
    table.print();
}

fn find(name: &str) -> Contestant {
    CONTESTANTS.into_iter().find(|contestant| contestant.0 == name).expect("one of the contestants")
}

fn serve_counted(name: &str, laps: u64) {
    let (_, request, _, _, server) = find(name);
    serve(&server(), Connection { request: request.as_bytes(), left: laps, kept: None });
}

fn server(handler: impl Handler) -> Server {
    Server::builder().build_handler(handler).expect("a server")
}

fn serve(server: &Server, connection: Connection) {
    server.serve_conn(connection).expect("nothing but requests");
}

/// Looks at the answers, of which all must be alike but for their ids.
fn check((name, request, _, field, server): Contestant) {
    let kept = Arc::new(Mutex::new(Vec::new()));
    serve(&server(), Connection { request: request.as_bytes(), left: 3, kept: Some(kept.clone()) });
    let answers = String::from_utf8(kept.lock().unwrap_or_else(PoisonError::into_inner).clone());
    let answers = answers.expect("answers in ASCII");
    assert_eq!(answers.matches("HTTP/1.1 200 OK\r\n").count(), 3, "{name}: {answers}");
    assert_eq!(answers.matches(&format!("\r\n\r\n{HELLO}")).count(), 3, "{name}: {answers}");
    assert_eq!(answers.matches(&format!("\r\n{field}")).count(), 3, "{name}: {answers}");
}

/// Gives the request so many times, one with each read, and keeps what is answered or forgets it.
struct Connection {
    request: &'static [u8],
    left: u64,
    kept: Option<Arc<Mutex<Vec<u8>>>>,
}

impl Read for Connection {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Ok(0);
        }
        self.left -= 1;
        room[..self.request.len()].copy_from_slice(self.request);
        Ok(self.request.len())
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(kept) = &self.kept {
            kept.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
