//! Signed and encrypted cookies: what is taken for ours and what is not, byte by byte, and by other programs.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anthill_http::middleware::{CookieKey, SealError};
use anthill_http::{Cookie, RequestCtx, Server};
use anthill_tests::server::skip;

use crate::browser::{Browser, request, server_of};

const SECRET: &str = "cGv1lHn7PoMZhTfs0RmyOKRfzVE8m2tjtjDYvBr1yRw";
const OTHER_SECRET: &str = "9xJsCQrVf6wMTFzwUeQk2yE7pQZrB0qpSgcl5mQO1nA";

fn key(secret: &str) -> CookieKey {
    CookieKey::from_secret(secret).expect("a strong key")
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// Both ways to seal a value of the cookie `user`.
fn sealed(key: &CookieKey, value: &[u8], until: Option<SystemTime>) -> [String; 2] {
    [key.sign("user", value, until), key.encrypt("user", value, until).expect("random bytes")]
}

/// What is found in such a text by the way that it was sealed, whose number that is.
fn opened(key: &CookieKey, way: usize, name: &str, text: &str, now: SystemTime) -> Option<Vec<u8>> {
    if way == 0 { key.verify(name, text, now) } else { key.decrypt(name, text, now) }
}

#[test]
fn every_byte_counts() {
    let key = key(SECRET);
    for value in [&b""[..], b"a", b"ann", b"\0\xff;=,. \r\n", &[7; 300]] {
        for until in [None, Some(at(2_000))] {
            for (way, text) in sealed(&key, value, until).into_iter().enumerate() {
                assert_eq!(opened(&key, way, "user", &text, at(1_000)).as_deref(), Some(value));
                assert!(Cookie::new("user", &text).validate().is_ok(), "{text}");
                let bytes = text.as_bytes();
                for index in 0..bytes.len() {
                    for change in [1, 2, 4, 0x20, 0x40] {
                        let mut other = bytes.to_vec();
                        other[index] ^= change;
                        let found =
                            key.verify("user", &other, at(1_000)).or(key.decrypt("user", &other, at(1_000)));
                        assert_eq!(found, None, "byte {index} of {text}");
                    }
                    for shorter in [&text[..index], &text[index + 1..]] {
                        assert_eq!(
                            opened(&key, way, "user", shorter, at(1_000)),
                            None,
                            "{shorter} of {text}"
                        );
                    }
                    let longer = format!("{}A{}", &text[..index], &text[index..]);
                    assert_eq!(opened(&key, way, "user", &longer, at(1_000)), None, "{longer}");
                }
                for longer in [format!("{text}A"), format!("{text}."), format!("{text}="), format!("{text} ")]
                {
                    assert_eq!(opened(&key, way, "user", &longer, at(1_000)), None, "{longer}");
                }
                // The one is not the other.
                assert_eq!(opened(&key, 1 - way, "user", &text, at(1_000)), None);
            }
        }
    }
}

#[test]
fn a_text_is_good_under_its_name_and_by_its_key_alone() {
    let (one, two) = (key(SECRET), key(OTHER_SECRET));
    for (way, text) in sealed(&one, b"ann", None).into_iter().enumerate() {
        for name in ["", "use", "user=", "User", "admin", "user=YW5u", "__Host-user"] {
            assert_eq!(opened(&one, way, name, &text, at(0)), None, "{name}");
        }
        assert_eq!(opened(&two, way, "user", &text, at(0)), None);
        let rotated = two.accepting(&one);
        assert_eq!(opened(&rotated, way, "user", &text, at(0)).as_deref(), Some(&b"ann"[..]));
        let third = CookieKey::generate().expect("random bytes").accepting(&rotated);
        assert_eq!(opened(&third, way, "user", &text, at(0)).as_deref(), Some(&b"ann"[..]));
        // The first key seals.
        let new = sealed(&rotated, b"bob", None);
        assert_eq!(opened(&two, way, "user", &new[way], at(0)).as_deref(), Some(&b"bob"[..]));
        assert_eq!(opened(&one, way, "user", &new[way], at(0)), None);
    }
    // A name and a value do not run into one another.
    assert_eq!(one.verify("a=b", one.sign("a", "b=c", None), at(0)), None);
    let (first, second) = (sealed(&one, b"ann", None), sealed(&one, b"ann", None));
    assert_eq!(first[0], second[0], "signing is the same each time");
    assert_ne!(first[1], second[1], "encrypting is not");
}

#[test]
fn what_has_run_out_is_none_whatever_the_clock_does() {
    let key = key(SECRET);
    for (way, text) in sealed(&key, b"x", Some(at(1_000))).into_iter().enumerate() {
        for (now, is_good) in
            [(0, true), (999, true), (1_000, false), (1_001, false), (1 << 40, false), (500, true)]
        {
            assert_eq!(opened(&key, way, "user", &text, at(now)).is_some(), is_good, "at {now}");
        }
    }
    for until in [at(0), UNIX_EPOCH - Duration::from_secs(5)] {
        for (way, text) in sealed(&key, b"x", Some(until)).into_iter().enumerate() {
            assert_eq!(opened(&key, way, "user", &text, at(0)), None, "until 1970 is not for ever");
        }
    }
    for (way, text) in sealed(&key, b"x", None).into_iter().enumerate() {
        assert!(opened(&key, way, "user", &text, at(1 << 40)).is_some());
    }
    // The last second before an end that was taken out.
    let signed = key.sign("user", "x", at(1_000));
    assert_eq!(key.verify("user", signed.replace(".1000.", ".9000."), at(0)), None);
    assert_eq!(key.verify("user", signed.replace(".1000.", ".."), at(0)), None);
}

#[test]
fn weak_keys_are_errors_that_say_what_to_do() {
    for (bytes, part) in [
        (&b""[..], "has 0 bytes and must have 64"),
        (&[0; 63], "has 63 bytes"),
        (&[7; 65], "has 65 bytes"),
        (&[0; 64], "not of random bytes"),
        (b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "not of random bytes"),
    ] {
        let error = CookieKey::from_bytes(bytes).expect_err(part);
        assert_eq!(error.option(), "the cookie key");
        let text = error.to_string();
        assert!(text.contains(part) && text.contains("openssl rand -base64 48"), "{text}");
    }
    for (secret, part) in [
        ("", "of 0 bytes"),
        ("changeme", "of 8 bytes"),
        (&SECRET[..31], "of 31 bytes"),
        (&"a".repeat(64), "repeats itself"),
        (&"password".repeat(5), "repeats itself"),
        (&"0123456789abcdef".repeat(2), "repeats itself"),
        (&"abcd".repeat(9)[..33], "repeats itself"),
    ] {
        let text = CookieKey::from_secret(secret).expect_err(part).to_string();
        assert!(text.contains(part) && text.contains("openssl rand -base64 48"), "{text}");
    }
    // 32 hexadecimal digits of randomness do.
    assert!(CookieKey::from_secret("8d777f385d3dfec8815d20f7496026dc").is_ok());
}

#[test]
fn keys_do_not_show() {
    let keys = key(SECRET).accepting(&key(OTHER_SECRET));
    assert_eq!(format!("{keys:?} {:#?}", keys.clone()), "CookieKey(2 keys) CookieKey(2 keys)");
}

/// A server that sets cookies and tells those it gets.
fn keeping(key: &CookieKey) -> Server {
    let key = key.clone();
    server_of(move |ctx: &mut RequestCtx| -> Result<(), SealError> {
        let mut cookie = Cookie::new("user", "ann");
        cookie.set_path("/").set_max_age(Duration::from_secs(60));
        match ctx.path() {
            "/sign" => ctx.set_signed_cookie(&key, &cookie)?,
            "/encrypt" => ctx.set_private_cookie(&key, &cookie)?,
            "/over" => ctx.set_signed_cookie(&key, cookie.set_max_age(Duration::ZERO))?,
            "/past" => {
                ctx.set_private_cookie(&key, cookie.set_max_age(None::<Duration>).set_expires(at(1)))?
            }
            "/large" => ctx.set_private_cookie(&key, cookie.set_value("x".repeat(3_100)))?,
            "/named" => ctx.set_signed_cookie(&key, cookie.set_name("a b"))?,
            _ => {
                let found = (
                    ctx.signed_cookie_str(&key, "user"),
                    ctx.private_cookie_str(&key, "user"),
                    ctx.request.cookie("none"),
                );
                ctx.set_body(format!("{found:?}"));
            }
        }
        Ok(())
    })
}

#[test]
fn cookies_go_to_browsers_and_come_back() {
    let key = key(SECRET);
    let server = keeping(&key);
    let mut browser = Browser::new(&server);
    let answer = browser.get("/sign");
    let line = answer.header_str("set-cookie").expect("a cookie");
    assert!(line.starts_with("user=YW5u.") && line.ends_with("; max-age=60; path=/"), "{line}");
    assert_eq!(browser.text("/"), r#"(Some("ann"), None, None)"#);
    browser.get("/encrypt");
    assert_eq!(browser.text("/"), r#"(None, Some("ann"), None)"#);
    for gone in ["/over", "/past"] {
        browser.get(gone);
        assert_eq!(browser.text("/"), "(None, None, None)", "{gone}: a client that keeps it all the same");
    }
    for refused in ["/large", "/named"] {
        let answer = browser.get(refused);
        assert_eq!((answer.status_code(), answer.header("set-cookie")), (500, None), "{refused}");
    }
    // One that a neighbour has planted does not hide ours.
    let ours = key.sign("user", "ann", None);
    let mut planted = request("GET", "/");
    planted.set_header("Cookie", format!("user=planted; user=YW5u..AAAA; user={ours}"));
    let answer = server.call(&planted).expect("a response");
    assert_eq!(answer.body(), br#"(Some("ann"), None, None)"#);
    let ours = key.encrypt("user", "ann", None).expect("random bytes");
    planted.set_header("Cookie", format!("user=planted; user={}; user={ours}", "A".repeat(90)));
    let answer = server.call(&planted).expect("a response");
    assert_eq!(answer.body(), br#"(None, Some("ann"), None)"#);
    assert!(SealError::TooLong.to_string().contains("4096"));
}

/// Runs a program that is given `input`; `None` when it is not here.
fn run(program: &str, arguments: &[&str], input: &str) -> Option<String> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let Ok(mut child) = command.spawn() else {
        skip(&format!("there is no {program}"));
        return None;
    };
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("somebody who reads");
    let output = child.wait_with_output().expect("an end");
    assert!(output.status.success(), "{program} failed");
    Some(String::from_utf8(output.stdout).expect("text").trim().to_owned())
}

/// Derives the key and signs, by nothing but what the documentation says.
const IN_PYTHON: &str = "
import base64, hashlib, hmac, sys
secret, name, value, until = sys.argv[1:5]
b64 = lambda b: base64.urlsafe_b64encode(b).rstrip(b'=').decode()
prk = hmac.new(b'\\0' * 32, secret.encode(), hashlib.sha256).digest()
key = hmac.new(prk, b'anthill-http cookies 1\\1', hashlib.sha256).digest()
text = b64(value.encode()) + '.' + until
print(text + '.' + b64(hmac.new(key, (name + '=' + text).encode(), hashlib.sha256).digest()))
";

const IN_NODE: &str = "
const crypto = require('crypto');
const [secret, name, value, until] = process.argv.slice(-4);
const key = Buffer.from(crypto.hkdfSync('sha256', secret, '', 'anthill-http cookies 1', 64)).subarray(0, 32);
const text = Buffer.from(value).toString('base64url') + '.' + until;
console.log(text + '.' + crypto.createHmac('sha256', key).update(name + '=' + text).digest('base64url'));
";

#[test]
fn others_sign_alike() {
    for (value, until) in [("ann", None), ("ü ; \"x\"", Some(at(1_900_000_000))), ("", Some(at(5)))] {
        let ours = key(SECRET).sign("user", value, until);
        let until =
            until.map(|until| until.duration_since(UNIX_EPOCH).expect("after 1970").as_secs().to_string());
        let values = [SECRET, "user", value, until.as_deref().unwrap_or_default()];
        for (program, first, text) in [("python3", "-c", IN_PYTHON), ("node", "-e", IN_NODE)] {
            let mut arguments = vec![first, text];
            arguments.extend(if program == "node" { vec!["--"] } else { vec![] });
            arguments.extend(values);
            if let Some(theirs) = run(program, &arguments, "") {
                assert_eq!(theirs, ours, "{program} of {value:?}");
            }
        }
    }
}
