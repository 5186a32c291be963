//! What do the values in messages cost: header fields, URIs, arguments, cookies, chunks, qualities, dates?
//!
//! Each beside the crate that a Rust program would otherwise take for it. Two rows of ours where there are two ways:
//! a new value each time, and one that is used again (`ours_kept`), as a server does that wants no allocation.

use anthill_benches::allocations::Counting;
use anthill_benches::memory::{Connection, Hyper, Job, Ours, Protocol, Task, handled};
use anthill_benches::micro::{self, Question};
use anthill_benches::report;
use anthill_benches::settings::Settings;
use anthill_http::cookie::{RequestCookies, SameSite};
use anthill_http::header::{self, AcceptEncoding};
use anthill_http::uri::QueryArgs;
use anthill_http::{Args, Cookie, Headers, Request, Uri};
use std::hint::black_box;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    let settings = Settings::from_command_line();
    let packages = ["http", "url", "form_urlencoded", "cookie", "httparse", "hyper", "actix-web", "httpdate"];
    report::headline("What do the values in messages cost?", &packages, settings.quick);
    let subjects = [headers(), uris(), arguments(), cookies(), chunks(), qualities(), dates()];
    let mut questions: Vec<Question> = subjects.into_iter().flatten().collect();
    let rounds = micro::play(&settings, &mut questions);
    for (question, rounds) in questions.iter().zip(&rounds) {
        question.print(rounds);
    }
}

const FIELDS: [(&str, &str); 12] = [
    ("Server", "anthill"),
    ("Date", "Sun, 06 Nov 1994 08:49:37 GMT"),
    ("Content-Type", "text/html; charset=utf-8"),
    ("Content-Length", "12345"),
    ("Cache-Control", "public, max-age=3600"),
    ("ETag", "\"5d8c72a5edda8d6a\""),
    ("Last-Modified", "Sat, 05 Nov 1994 20:00:00 GMT"),
    ("Vary", "Accept-Encoding"),
    ("X-Request-Id", "0191f6b3-6f2e-7c41-9d52-2f0c8c8f1d11"),
    ("Set-Cookie", "sid=31d4d96e407aad42; Path=/; HttpOnly"),
    ("Set-Cookie", "lang=en; Path=/"),
    ("Strict-Transport-Security", "max-age=63072000"),
];

fn headers() -> Vec<Question> {
    fn ours() -> Headers {
        FIELDS.into_iter().collect()
    }
    fn theirs() -> http::HeaderMap {
        let mut map = http::HeaderMap::new();
        fill(&mut map);
        map
    }
    // Names and values are what a program has at hand at run time.
    fn fill(map: &mut http::HeaderMap) {
        for (name, value) in black_box(&FIELDS) {
            let name = http::HeaderName::from_bytes(name.as_bytes()).expect("a name");
            map.append(name, http::HeaderValue::from_str(value).expect("a value"));
        }
    }
    let wanted = ["content-type", "Strict-Transport-Security", "ETag", "x-not-there"];
    let found = FIELDS[2].1.len() + FIELDS[11].1.len() + FIELDS[5].1.len();
    let in_all: usize = FIELDS.iter().map(|(name, value)| name.len() + value.len()).sum();
    let (mut kept, mut kept_map) = (Headers::new(), http::HeaderMap::new());
    let (to_get, map_to_get) = (ours(), theirs());
    let (mut to_set, mut map_to_set) = (ours(), theirs());
    let (to_walk, map_to_walk) = (ours(), theirs());
    vec![
        Question::new("append 12 fields to a new list", 12)
            .with("ours", || {
                let mut list = Headers::new();
                black_box(&FIELDS).iter().for_each(|(name, value)| list.append(name, value));
                black_box(&list).len() as u64
            })
            .with("http", || black_box(theirs()).len() as u64),
        Question::new("append 12 fields to a list that was cleared", 12)
            .with("ours", move || {
                kept.clear();
                black_box(&FIELDS).iter().for_each(|(name, value)| kept.append(name, value));
                black_box(&kept).len() as u64
            })
            .with("http", move || {
                kept_map.clear();
                fill(&mut kept_map);
                black_box(&kept_map).len() as u64
            }),
        Question::new("get 4 fields of 12, one is not there", found as u64)
            .with("ours", move || {
                let value = |name| to_get.get(name).map_or(0, <[u8]>::len);
                black_box(wanted).into_iter().map(value).sum::<usize>() as u64
            })
            .with("http", move || {
                let value = |name| map_to_get.get(name).map_or(0, http::HeaderValue::len);
                black_box(wanted).into_iter().map(value).sum::<usize>() as u64
            }),
        Question::new("set a field of 12 anew", 12)
            .with("ours", move || {
                to_set.set(black_box("Content-Length"), black_box("54321"));
                to_set.len() as u64
            })
            .with("http", move || {
                let name = http::HeaderName::from_bytes(black_box(b"Content-Length")).expect("a name");
                map_to_set.insert(name, http::HeaderValue::from_str(black_box("54321")).expect("a value"));
                map_to_set.len() as u64
            }),
        Question::new("walk over 12 fields", in_all as u64)
            .with("ours", move || {
                let pairs = black_box(&to_walk).iter();
                pairs.map(|(name, value)| name.len() + value.len()).sum::<usize>() as u64
            })
            .with("http", move || {
                let pairs = black_box(&map_to_walk).iter();
                pairs.map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>() as u64
            }),
    ]
}

fn uris() -> Vec<Question> {
    let plain = "http://www.example.com:8080/articles/2024/spring?ref=home&page=2";
    let knotty = "http://www.example.com:8080/a/./b%20c/../d//e?q=%C3%A4+b";
    [("plain", plain), ("with dots and escapes", knotty)]
        .into_iter()
        .map(|(kind, text)| {
            let (_, query) = text.split_once('?').expect("a query");
            let mut kept = Uri::new();
            // The path is asked for too, and may be another one: `http` changes nothing, `url` keeps escapes.
            let question = Question::new(
                format!("read a URI, {kind}"),
                ("www.example.com".len() + query.len() + 8080) as u64,
            );
            let judge = |host: usize, query: usize, port: Option<u16>, path: &str| {
                assert!(black_box(path).starts_with('/'));
                (host + query + usize::from(port.unwrap_or_default())) as u64
            };
            question
                .with("ours", move || {
                    let uri = Uri::parse(black_box(text)).expect("a URI");
                    judge(uri.hostname().len(), uri.query().len(), uri.port(), uri.path())
                })
                .with("ours_kept", move || {
                    kept.assign(black_box(text)).expect("a URI");
                    judge(kept.hostname().len(), kept.query().len(), kept.port(), kept.path())
                })
                .with("url", move || {
                    let url = url::Url::parse(black_box(text)).expect("a URL");
                    let query = url.query().unwrap_or_default().len();
                    judge(url.host_str().unwrap_or_default().len(), query, url.port(), url.path())
                })
                .with("http", move || {
                    let uri: http::Uri = black_box(text).parse().expect("a URI");
                    let query = uri.query().unwrap_or_default().len();
                    judge(uri.host().unwrap_or_default().len(), query, uri.port_u16(), uri.path())
                })
        })
        .collect()
}

fn arguments() -> Vec<Question> {
    let query = "page=2&sort=name&filter=price+below%20100&lang=en&utm_source=home&name=J%C3%BCrgen";
    let pairs = || form_urlencoded::parse(query.as_bytes());
    let in_all: usize = pairs().map(|(name, value)| name.len() + value.len()).sum();
    let mut kept = Args::new();
    let to_write = Args::parse(query);
    let list: Vec<(String, String)> = pairs().into_owned().collect();
    let written = form_urlencoded::Serializer::new(String::new()).extend_pairs(&list).finish().len();
    let mut out = Vec::new();
    let mut text = String::new();
    vec![
        Question::new("read and decode 6 arguments, walk over all", in_all as u64)
            .with("ours", move || {
                let args = QueryArgs::new(black_box(query).as_bytes());
                args.map(|(name, value)| name.len() + value.map_or(0, |value| value.len())).sum::<usize>()
                    as u64
            })
            .with("ours_kept", move || {
                kept.assign(black_box(query));
                kept.iter().map(|(name, value)| name.len() + value.map_or(0, <[u8]>::len)).sum::<usize>()
                    as u64
            })
            .with("form_urlencoded", move || {
                let args = form_urlencoded::parse(black_box(query).as_bytes());
                args.map(|(name, value)| name.len() + value.len()).sum::<usize>() as u64
            }),
        Question::new("read 6 arguments, get the last", "Jürgen".len() as u64)
            .with("ours", move || {
                let mut args = QueryArgs::new(black_box(query).as_bytes());
                let found = args.find(|(name, _)| name.as_ref() == b"name");
                found.and_then(|(_, value)| value).map_or(0, |value| value.len()) as u64
            })
            .with("ours_kept", {
                let mut kept = Args::new();
                move || {
                    kept.assign(black_box(query));
                    kept.get("name").map_or(0, <[u8]>::len) as u64
                }
            })
            .with("form_urlencoded", move || {
                let mut args = form_urlencoded::parse(black_box(query).as_bytes());
                args.find(|(name, _)| name == "name").map_or(0, |(_, value)| value.len()) as u64
            }),
        Question::new("write 6 arguments", written as u64)
            .with("ours", move || {
                out.clear();
                black_box(&to_write).append_to(&mut out);
                out.len() as u64
            })
            .with("form_urlencoded", move || {
                text.clear();
                let mut writer = form_urlencoded::Serializer::new(std::mem::take(&mut text));
                writer.extend_pairs(black_box(&list));
                text = writer.finish();
                text.len() as u64
            }),
    ]
}

fn cookies() -> Vec<Question> {
    let line = "_ga=GA1.2.1234567890.1700000000; lang=en; theme=dark; consent=yes; sid=31d4d96e407aad42";
    let field =
        "sid=31d4d96e407aad42; Path=/; Domain=example.com; Max-Age=3600; Secure; HttpOnly; SameSite=Lax";
    let in_all = line.len() - 5 - 4 * 2;
    let mut out = Vec::new();
    let length =
        "sid=31d4d96e407aad42; Max-Age=3600; Domain=example.com; Path=/; HttpOnly; Secure; SameSite=Lax";
    vec![
        Question::new("read 5 request cookies, walk over all", in_all as u64)
            .with("ours", move || {
                let cookies = RequestCookies::new([black_box(line).as_bytes()]);
                cookies.map(|(name, value)| name.len() + value.len()).sum::<usize>() as u64
            })
            .with("cookie", move || {
                let cookies = cookie::Cookie::split_parse(black_box(line)).filter_map(Result::ok);
                cookies.map(|cookie| cookie.name().len() + cookie.value().len()).sum::<usize>() as u64
            }),
        Question::new("get the last of 5 request cookies", 16)
            .with("ours", move || {
                let cookies = RequestCookies::new([black_box(line).as_bytes()]);
                cookies.get("sid").map_or(0, <[u8]>::len) as u64
            })
            .with("cookie", move || {
                let mut cookies = cookie::Cookie::split_parse(black_box(line)).filter_map(Result::ok);
                cookies.find(|cookie| cookie.name() == "sid").map_or(0, |cookie| cookie.value().len()) as u64
            }),
        Question::new("read a Set-Cookie", 16 + 3600)
            .with("ours", move || {
                let cookie = Cookie::parse(black_box(field)).expect("a cookie");
                cookie.value().len() as u64 + cookie.max_age().map_or(0, |age| age.as_secs())
            })
            .with("cookie", move || {
                let cookie = cookie::Cookie::parse(black_box(field)).expect("a cookie");
                let age = cookie.max_age().map_or(0, |age| age.whole_seconds());
                cookie.value().len() as u64 + u64::try_from(age).unwrap_or_default()
            }),
        Question::new("make and write a Set-Cookie", length.len() as u64)
            .with("ours", move || {
                let mut cookie = Cookie::new(black_box("sid"), black_box("31d4d96e407aad42"));
                cookie.set_path("/").set_domain("example.com").set_max_age(Duration::from_secs(3600));
                cookie.set_secure(true).set_http_only(true).set_same_site(SameSite::Lax);
                out.clear();
                cookie.append_to(&mut out);
                out.len() as u64
            })
            .with("cookie", || {
                let cookie = cookie::Cookie::build((black_box("sid"), black_box("31d4d96e407aad42")))
                    .path("/")
                    .domain("example.com")
                    .max_age(cookie::time::Duration::hours(1))
                    .secure(true)
                    .http_only(true)
                    .same_site(cookie::SameSite::Lax);
                cookie.build().to_string().len() as u64
            }),
    ]
}

/// Bytes of a chunked body, without its framing.
const BODY_BYTES: usize = 256 * 1024;

fn chunks() -> Vec<Question> {
    let of_size = |size: usize| {
        let chunk = format!("{size:x}\r\n{}\r\n", "x".repeat(size));
        let body = chunk.repeat(BODY_BYTES / size) + "0\r\n\r\n";
        let message: &'static str =
            format!("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{body}").leak();
        let body: &'static [u8] = &message.as_bytes()[message.len() - body.len()..];
        let mut decoded = Vec::new();
        Question::new(format!("a body of 256 KiB in chunks of {size}"), BODY_BYTES as u64)
            .over(BODY_BYTES)
            .with("ours", move || {
                let (request, _) = Request::parse(message.as_bytes()).expect("a request").expect("all of it");
                request.body().len() as u64
            })
            .with("ours_conn", serving::<Ours>(message.as_bytes()))
            .with("hyper", serving::<Hyper>(message.as_bytes()))
            .with("httparse", move || {
                decoded.clear();
                join_chunks(black_box(body), &mut decoded);
                decoded.len() as u64
            })
    };
    [16, 1024, 16 * 1024].map(of_size).into()
}

/// What one writes by hand for a body that is all there.
fn join_chunks(mut body: &[u8], decoded: &mut Vec<u8>) {
    loop {
        let (start, size) = match httparse::parse_chunk_size(body).expect("a chunk") {
            httparse::Status::Complete((start, size)) => {
                (start, usize::try_from(size).expect("a small size"))
            }
            httparse::Status::Partial => panic!("the body is all there"),
        };
        decoded.extend_from_slice(&body[start..start + size]);
        assert_eq!(body[start + size..start + size + 2], *b"\r\n");
        if size == 0 {
            return;
        }
        body = &body[start + size + 2..];
    }
}

/// A lap is a connection with one request, read 4 KiB at a time.
fn serving<P: Protocol + 'static>(message: &'static [u8]) -> impl FnMut() -> u64 {
    let job = Job { request: message, task: Task::Measure(BODY_BYTES), per_connection: 1 };
    let protocol = P::start(job);
    move || {
        let before = handled();
        protocol.serve(Connection::new(message, 1));
        (handled() - before) * BODY_BYTES as u64
    }
}

fn qualities() -> Vec<Question> {
    use actix_web::http::header as actix;
    use actix_web::http::header::Header;

    const ACCEPTED: &str = "gzip;q=0.8, deflate;q=0.5, br;q=0.9, zstd;q=0.2, identity;q=0.1";
    let request = actix_web::test::TestRequest::default()
        .insert_header(("accept-encoding", ACCEPTED))
        .to_http_request();
    let all_members = || header::Weighted::list([black_box(ACCEPTED)]);
    let offers = [actix::Encoding::gzip(), actix::Encoding::brotli(), actix::Encoding::identity()];
    vec![
        Question::new("choose among 3 codings, 5 are accepted", 1)
            .with("ours", || {
                let accepted = AcceptEncoding::new([black_box(ACCEPTED)]);
                u64::from(accepted.preferred(["gzip", "br", "identity"]) == Some("br"))
            })
            .with("actix", move || {
                let accepted = actix::AcceptEncoding::parse(black_box(&request)).expect("a list");
                u64::from(accepted.negotiate(offers.iter()) == Some(actix::Encoding::brotli()))
            }),
        Question::new("walk over 5 weighted members", 2500).with("ours", move || {
            all_members().map(|member| u64::from(member.quality().thousandths())).sum()
        }),
    ]
}

fn dates() -> Vec<Question> {
    const TEXT: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const SECONDS: u64 = 784_111_777;
    fn seconds(time: SystemTime) -> u64 {
        time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
    }
    vec![
        Question::new("read a date", SECONDS)
            .with("ours", || header::parse_http_date(black_box(TEXT.as_bytes())).map_or(0, seconds))
            .with("httpdate", || httpdate::parse_http_date(black_box(TEXT)).map_or(0, seconds)),
        Question::new("write a date", TEXT.len() as u64)
            .with("ours", || {
                let time = UNIX_EPOCH + Duration::from_secs(black_box(SECONDS));
                black_box(header::format_http_date(time)).as_str().len() as u64
            })
            .with("httpdate", || {
                let time = UNIX_EPOCH + Duration::from_secs(black_box(SECONDS));
                black_box(httpdate::fmt_http_date(time)).len() as u64
            }),
    ]
}
