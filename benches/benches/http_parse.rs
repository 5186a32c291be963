//! What does it cost to read the head of a request?
//!
//! Five heads, from two lines to 31. `httparse` splits a head and decides nothing: that is the floor. `http` makes an
//! `http::Request` of what it found, as a program would that takes the two crates and nothing else. `ours` is
//! `Request::parse`, which makes a new object and copies the bytes into it.
//!
//! A server does neither of that, but its parsing cannot be called alone. So `ours_conn` and `hyper` serve whole
//! connections, and the last table has what a head costs *more than the smallest one*, in which all that is not
//! parsing cancels out.

use anthill_benches::allocations::Counting;
use anthill_benches::memory::{self, Connection, GET, Hyper, Job, Ours, Protocol, Task};
use anthill_benches::micro::{self, Question, Spent};
use anthill_benches::report::{self, Table};
use anthill_benches::rounds::Rounds;
use anthill_benches::settings::Settings;
use anthill_http::Request;
use std::hint::black_box;
use std::mem::MaybeUninit;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const SMALLEST: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

const CURL: &str =
    "GET /api/v1/items HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n";

const BROWSER: &str = "GET /articles/2024/spring?ref=home&page=2 HTTP/1.1\r\n\
    Host: www.example.com\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8\r\n\
    Accept-Language: en-US,en;q=0.7,de;q=0.3\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Referer: https://www.example.com/articles\r\n\
    Connection: keep-alive\r\n\
    Cookie: session=5f1d7a84c2e94b31a0; theme=dark; consent=yes\r\n\
    Upgrade-Insecure-Requests: 1\r\n\
    Sec-Fetch-Dest: document\r\n\
    Sec-Fetch-Mode: navigate\r\n\
    Sec-Fetch-Site: same-origin\r\n\r\n";

/// Requests on a connection, so many that what a connection costs does not show.
const PER_CONNECTION: u64 = 1_000;

const FIELDS_MAX: usize = 128;

fn main() {
    let settings = Settings::from_command_line();
    report::headline("What does it cost to read a head?", &["httparse", "http", "hyper"], settings.quick);
    let heads = [
        ("the smallest", SMALLEST.to_owned()),
        ("curl's", CURL.to_owned()),
        ("fasthttp's", GET.to_owned()),
        ("a browser's, 12 fields", BROWSER.to_owned()),
        ("30 fields", thirty_fields()),
    ];
    let mut questions: Vec<Question> =
        heads.into_iter().map(|(title, head)| question(title, head.leak())).collect();
    let rounds = micro::play(&settings, &mut questions);
    for (question, rounds) in questions.iter().zip(&rounds) {
        question.print(rounds);
    }
    print_differences(&questions, &rounds);
}

fn thirty_fields() -> String {
    let fields: String = (1..30).map(|n| format!("X-Custom-Field-{n}: value number {n}\r\n")).collect();
    format!("GET /with/many/fields HTTP/1.1\r\nHost: www.example.com\r\n{fields}\r\n")
}

/// The answer is the number of fields, the length of the last value, and that of the path.
fn question(title: &str, head: &'static str) -> Question {
    let lines: Vec<&str> = head.trim_end().split("\r\n").collect();
    let path = lines[0].split([' ', '?']).nth(1).expect("a path");
    let value = lines[lines.len() - 1].split_once(": ").expect("a field").1;
    let answer = judge(lines.len() - 1, value.as_bytes(), path);

    let bytes = head.as_bytes();
    Question::new(format!("{title} ({} bytes)", head.len()), answer)
        .over(head.len())
        .with("ours", move || ours(bytes))
        .with_laps("ours_conn", PER_CONNECTION, serving::<Ours>(bytes, answer))
        .with_laps("hyper", PER_CONNECTION, serving::<Hyper>(bytes, answer))
        .with("http", move || http_request(bytes))
        .with("httparse", move || bare(bytes))
}

fn judge(fields: usize, last_value: &[u8], path: &str) -> u64 {
    (fields * 1_000_000 + last_value.len() * 1_000 + path.len()) as u64
}

fn ours(head: &[u8]) -> u64 {
    let (request, length) = Request::parse(black_box(head)).expect("a head").expect("all of it");
    assert_eq!(length, head.len());
    let fields = request.headers();
    judge(fields.len(), fields.iter().next_back().map_or(&[], |(_, value)| value), request.path())
}

fn bare(head: &[u8]) -> u64 {
    let mut room = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let mut request = httparse::Request::new(&mut []);
    let parsed = request.parse_with_uninit_headers(black_box(head), &mut room).expect("a head");
    assert!(parsed.is_complete());
    let target = request.path.unwrap_or_default();
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    judge(request.headers.len(), request.headers.last().map_or(&[], |field| field.value), path)
}

/// What one writes by hand, with everything that the crate offers against copying twice.
fn http_request(head: &[u8]) -> u64 {
    let mut room = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let mut parsed = httparse::Request::new(&mut []);
    let status = parsed.parse_with_uninit_headers(black_box(head), &mut room).expect("a head");
    assert!(status.is_complete());
    let mut fields = http::HeaderMap::with_capacity(parsed.headers.len());
    let mut last = 0..0;
    let shared = hyper::body::Bytes::copy_from_slice(head);
    for field in parsed.headers.iter() {
        let start = field.value.as_ptr() as usize - head.as_ptr() as usize;
        last = start..start + field.value.len();
        let name = http::HeaderName::from_bytes(field.name.as_bytes()).expect("a name");
        let value = http::HeaderValue::from_maybe_shared(shared.slice(last.clone())).expect("a value");
        fields.append(name, value);
    }
    let mut request = http::Request::new(());
    *request.method_mut() = parsed.method.unwrap_or_default().parse().expect("a method");
    *request.uri_mut() = parsed.path.unwrap_or_default().parse().expect("a target");
    *request.headers_mut() = fields;
    judge(request.headers().len(), &head[last], request.uri().path())
}

/// A lap is a connection. The handler does nothing; what is checked is that it ran as often as there were requests.
fn serving<P: Protocol + 'static>(head: &'static [u8], answer: u64) -> impl FnMut() -> u64 {
    let job = Job { request: head, task: Task::Measure(0), per_connection: PER_CONNECTION };
    let protocol = P::start(job);
    move || {
        let before = memory::handled();
        protocol.serve(Connection::new(head, PER_CONNECTION));
        (memory::handled() - before) * answer
    }
}

/// What each head costs more than the smallest, of which there is nothing to compare.
fn print_differences(questions: &[Question], rounds: &[Rounds<Spent>]) {
    let mut table = Table::new(&["more than the smallest", "head", "ns more", "ns more : httparse"]);
    let Some((smallest, others)) = rounds.split_first() else { return };
    let floor = smallest.contestants().find(|(_, name)| *name == "httparse").map(|(floor, _)| floor);
    for (contestant, name) in smallest.contestants() {
        for (question, larger) in questions[1..].iter().zip(others) {
            let more = micro::across(&[larger.of(contestant), smallest.of(contestant)], |of| of[0] - of[1]);
            let ratio = floor.map(|floor| {
                let runs =
                    [larger.of(contestant), smallest.of(contestant), larger.of(floor), smallest.of(floor)];
                micro::across(&runs, |of| (of[0] - of[1]) / (of[2] - of[3]))
            });
            table.row(vec![
                name.to_owned(),
                question.title().to_owned(),
                format!("{more:.0}"),
                ratio.map_or("-".into(), |ratio| format!("{ratio:.2}")),
            ]);
        }
    }
    report::say("");
    table.print();
}
