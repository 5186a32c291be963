//! Access logs: whatever clients send, a line is a line and a field is a field, as a parser sees it.

use std::io::{self, Write};

use anthill_http::{AccessLog, AccessLogForm, Server};
use anthill_tests::client::Client;
use anthill_tests::lines::Lines;
use anthill_tests::server::Running;
use anthill_tests::{eventually, logs};

/// A line of the combined form, as Apache's and nginx's readers take it apart.
#[derive(Debug, PartialEq)]
struct Combined {
    host: String,
    time: String,
    request: String,
    status: u16,
    bytes: String,
    quoted: Vec<String>,
}

fn parse_combined(line: &str) -> Combined {
    let (host, rest) = line.split_once(" - - [").expect("a host");
    let (time, rest) = rest.split_once("] \"").expect("a time");
    let (request, rest) = unquote(rest);
    let rest = rest.strip_prefix(' ').expect("a space");
    let (status, rest) = rest.split_once(' ').expect("a status");
    let (bytes, mut rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let mut quoted = Vec::new();
    while let Some(text) = rest.strip_prefix('"') {
        let (value, behind) = unquote(text);
        quoted.push(value);
        rest = behind.strip_prefix(' ').unwrap_or(behind);
    }
    assert_eq!(rest, "", "{line}");
    let (host, time, bytes) = (host.to_owned(), time.to_owned(), bytes.to_owned());
    Combined { host, time, request, status: status.parse().expect("a number"), bytes, quoted }
}

/// Up to the closing quote, with escapes undone; bytes beyond ASCII one by one.
fn unquote(text: &str) -> (String, &str) {
    let (mut value, mut letters) = (String::new(), text.char_indices());
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (value, &text[at + 1..]),
            '\\' => match letters.next().expect("an escape").1 {
                'x' => {
                    let digits: String = letters.by_ref().take(2).map(|(_, digit)| digit).collect();
                    value.push(char::from(u8::from_str_radix(&digits, 16).expect("two hex digits")));
                }
                plain => value.push(plain),
            },
            plain => value.push(plain),
        }
    }
    panic!("no closing quote in {text:?}");
}

const HOSTILE: &[u8] =
    b"GET /a%0Ab\"c\\d?q=\"x HTTP/1.1\r\nHost: h\r\nReferer: http://r/\" 200 1 \"\r\nUser-Agent: a\\\"b\t\xe4\xff\r\n\r\n";

fn hostile(running: &Running) -> Client {
    let mut client = running.client();
    client.exchange(HOSTILE);
    client
}

#[test]
fn common_and_combined_lines_are_read_by_a_parser() {
    let (common, combined) = (Lines::default(), Lines::default());
    let options = Server::builder()
        .access_log(AccessLog::common(common.clone()))
        .access_log(AccessLog::combined(combined.clone()));
    let running = Running::with(options, |ctx| match ctx.path() {
        "/empty" => (),
        _ => ctx.set_body("served"),
    });
    let mut client = hostile(&running);
    client.get("/empty");
    client.exchange("nonsense\r\n\r\n");
    let (common, combined) = (common.take(3), combined.take(3));
    for (line, full) in common.iter().zip(&combined) {
        let (line, full) = (parse_combined(line), parse_combined(full));
        assert_eq!((&line.request, line.status, &line.bytes), (&full.request, full.status, &full.bytes));
        assert_eq!((line.quoted.len(), full.quoted.len(), line.host.as_str()), (0, 2, "127.0.0.1"));
        let time: Vec<_> = line.time.split(['/', ':', ' ']).collect();
        assert_eq!((time.len(), time[6], time[2].len(), time[1].len()), (7, "+0000", 4, 3), "{}", line.time);
    }
    let first = parse_combined(&combined[0]);
    assert_eq!(first.request, "GET /a%0Ab\"c\\d?q=\"x HTTP/1.1");
    assert_eq!((first.status, first.bytes.as_str()), (200, "6"));
    assert_eq!(first.quoted, ["http://r/\" 200 1 \"", "a\\\"b\t\u{e4}\u{ff}"]);
    let second = parse_combined(&combined[1]);
    assert_eq!((second.bytes.as_str(), second.quoted), ("-", vec!["-".to_owned(), "-".to_owned()]));
    let third = parse_combined(&combined[2]);
    assert_eq!((third.request.as_str(), third.status), ("-", 400));
}

/// A reader of JSON that takes nothing but JSON: objects of strings, numbers and null, which is all there is.
fn parse_json(line: &str) -> Vec<(String, String)> {
    let mut rest = line.strip_prefix('{').expect("an object");
    let mut fields = Vec::new();
    loop {
        let (name, behind) = json_string(rest);
        let behind = behind.strip_prefix(':').expect("a colon");
        let (value, behind) = match behind.as_bytes()[0] {
            b'"' => json_string(behind),
            _ => {
                let end = behind.find([',', '}']).expect("an end");
                let value = &behind[..end];
                assert!(value == "null" || value.parse::<u64>().is_ok(), "{value:?} in {line}");
                (value.to_owned(), &behind[end..])
            }
        };
        fields.push((name, value));
        match behind.as_bytes()[0] {
            b',' => rest = &behind[1..],
            _ => {
                assert_eq!(behind, "}", "{line}");
                return fields;
            }
        }
    }
}

fn json_string(text: &str) -> (String, &str) {
    let text = text.strip_prefix('"').unwrap_or_else(|| panic!("no string in {text:?}"));
    let (mut value, mut letters) = (String::new(), text.char_indices());
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (value, &text[at + 1..]),
            '\\' => match letters.next().expect("an escape").1 {
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                't' => value.push('\t'),
                'u' => {
                    let digits: String = letters.by_ref().take(4).map(|(_, digit)| digit).collect();
                    let code = u32::from_str_radix(&digits, 16).expect("four hex digits");
                    value.push(char::from_u32(code).expect("a letter"));
                }
                plain @ ('"' | '\\' | '/') => value.push(plain),
                other => panic!("\\{other} is no escape"),
            },
            letter => {
                assert!(letter >= ' ', "a control character in {text:?}");
                value.push(letter);
            }
        }
    }
    panic!("no closing quote in {text:?}");
}

#[test]
fn json_lines_are_read_by_a_parser() {
    let lines = Lines::default();
    let running = Running::with(Server::builder().access_log(AccessLog::json(lines.clone())), |ctx| {
        ctx.set_route("/{letters}");
        ctx.set_body("served");
    });
    let mut client = hostile(&running);
    client.exchange("\u{16}\u{3}\r\n\r\n");
    let fields = lines.take(2).iter().map(|line| parse_json(line)).collect::<Vec<_>>();
    let value = |line: usize, name: &str| {
        let mut named =
            fields[line].iter().filter(|(found, _)| found == name).map(|(_, value)| value.clone());
        let value = named.next().unwrap_or_else(|| panic!("no {name}"));
        assert_eq!(named.next(), None, "{name} is there twice");
        value
    };
    let port = client.stream().local_addr().expect("an address").port().to_string();
    for (name, expected) in [
        ("remote_addr", "127.0.0.1"),
        ("remote_port", &port),
        ("method", "GET"),
        ("target", "/a%0Ab\"c\\d?q=\"x"),
        ("version", "HTTP/1.1"),
        ("host", "h"),
        ("route", "/{letters}"),
        ("outcome", "sent"),
        ("referer", "http://r/\" 200 1 \""),
        ("user_agent", "a\\\"b\t\u{fffd}\u{fffd}"),
        ("status", "200"),
        ("request", "1"),
    ] {
        assert_eq!(value(0, name), expected, "{name}");
    }
    assert_eq!(value(0, "bytes_received"), HOSTILE.len().to_string());
    assert!(value(0, "time").ends_with('Z') && value(0, "time").len() == "2026-11-29T20:18:30.123Z".len());
    assert_eq!((value(1, "method"), value(1, "route")), (String::new(), "null".to_owned()));
    assert_eq!((value(1, "status"), value(1, "request")), ("400".to_owned(), "2".to_owned()));
    assert_eq!(value(1, "outcome"), "refused: a TLS handshake on a port for plain http");
}

#[test]
fn lines_can_go_to_the_log_and_those_that_cannot_be_written_are_told_once() {
    logs::collect();
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk of access logs is full"))
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let options = Server::builder()
        .access_log(AccessLog::common(Full))
        .access_log(AccessLog::to_log(AccessLogForm::Common));
    let running = Running::with(options, |_| ());
    let mut client = running.client();
    client.get("/of-access-logs");
    client.get("/of-access-logs");
    let told = || logs::with("anthill_http::access", "GET /of-access-logs HTTP/1.1\" 200 -");
    eventually("both are told", || told().len() == 2);
    let complaints = logs::with("anthill_http::observe::access_log", "the disk of access logs is full");
    assert_eq!(complaints.len(), 1);
}
