//! Which responses are compressed and how, what is said about it, and what is left alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anthill_http::body::{CompressionLevel, ContentCoding};
use anthill_http::{CompressPolicy, Handler, Request, RequestCtx, TagChange, compress};
use anthill_tests::client::Reply;
use proptest::prelude::*;

use crate::support::{CODINGS, answers, content, get, get_in, noise, reply, running, serving, text, unpack};

/// What `policy` makes of the answer of `handler` to a client that sends these lines.
fn answer(policy: CompressPolicy, lines: &[&str], handler: impl Handler) -> RequestCtx {
    let mut request = Request::new("GET", "/").expect("a request");
    for line in lines {
        request.append_header("Accept-Encoding", line);
    }
    let mut ctx = RequestCtx::for_request(request, None);
    compress(handler, policy).handle(&mut ctx);
    ctx
}

fn coding_for(policy: CompressPolicy, lines: &[&str]) -> Option<String> {
    let ctx = answer(policy, lines, answers(text(1000)));
    assert_eq!(ctx.response.header_str("vary"), Some("Accept-Encoding"), "{lines:?}");
    ctx.response.content_encoding_str().map(str::to_owned)
}

#[test]
fn cmp_02_the_order_is_that_of_the_policy_where_the_client_does_not_care() {
    use ContentCoding::{Brotli, Deflate, Gzip, Zstd};
    let as_compress_handler = || CompressPolicy::new().codings([Gzip, Deflate, Zstd]);
    for (lines, expected, without_brotli) in [
        (&["gzip, deflate, br, zstd"][..], Some("br"), Some("gzip")),
        (&["zstd,deflate,gzip"], Some("gzip"), Some("gzip")),
        (&["deflate, zstd"], Some("deflate"), Some("deflate")),
        (&["zstd"], Some("zstd"), Some("zstd")),
        (&["br"], Some("br"), None),
        (&["*"], Some("br"), Some("gzip")),
        (&["BR;Q=0.5, *;q=0.4"], Some("br"), Some("gzip")),
        (&["x-gzip"], Some("gzip"), Some("gzip")),
        (&["compress, lzma"], None, None),
        (&["identity"], None, None),
        (&[""], None, None),
        (&[], None, None),
    ] {
        assert_eq!(coding_for(CompressPolicy::new(), lines).as_deref(), expected, "{lines:?}");
        assert_eq!(coding_for(as_compress_handler(), lines).as_deref(), without_brotli, "{lines:?}");
    }
    assert_eq!(coding_for(CompressPolicy::new().codings([]), &["*"]), None);
    let doubled = CompressPolicy::new().codings([Zstd, Brotli, Zstd]);
    assert_eq!(coding_for(doubled, &["br, zstd"]).as_deref(), Some("zstd"));
}

#[test]
fn cmp_02_the_clients_weights_come_first() {
    for (lines, expected) in [
        (&["gzip;q=0.9, br;q=0.8"][..], Some("gzip")),
        (&["gzip;q=0, br;q=0.001"], Some("br")),
        (&["gzip;q=0"], None),
        (&["*;q=0"], None),
        (&["*;q=0, gzip"], Some("gzip")),
        (&["gzip;q=0.5, identity"], None),
        (&["gzip, identity;q=0.5"], Some("gzip")),
        (&["identity;q=0"], None),
        (&["identity;q=0, gzip;q=0.001"], Some("gzip")),
        (&["br;q=0, *"], Some("gzip")),
        // Several lines are one list, and what is malformed is not there.
        (&["gzip;q=0.1", "zstd"], Some("zstd")),
        (&["br;q=2, deflate;q=.5", "gzip;q=abc"], Some("deflate")),
    ] {
        assert_eq!(coding_for(CompressPolicy::new(), lines).as_deref(), expected, "{lines:?}");
    }
}

#[test]
fn cmp_02_over_a_socket_every_coding_is_what_it_says() {
    let plain = text(30_000);
    let running = running(CompressPolicy::new(), answers(plain.clone()));
    for coding in CODINGS {
        let found = reply(&running, &get_in("/", coding.name()));
        assert_eq!(found.field("Content-Encoding"), Some(coding.name()));
        assert_eq!(found.field("Content-Length"), Some(&*found.body.len().to_string()));
        assert_eq!(found.field("Vary"), Some("Accept-Encoding"));
        assert!(found.body.len() < plain.len() / 2, "{coding:?}: {}", found.body.len());
        assert_eq!(content(&found), plain, "{coding:?}");
    }
    let found = reply(&running, &get("/", ""));
    assert_eq!((found.field("Content-Encoding"), found.field("Vary")), (None, Some("Accept-Encoding")));
    assert_eq!(found.body, plain);
}

#[test]
fn cmp_02_levels_are_those_of_the_policy() {
    let length = |level| {
        let policy = CompressPolicy::new().codings([ContentCoding::Gzip]).level(ContentCoding::Gzip, level);
        answer(policy, &["gzip"], answers(text(20_000))).response.body().len()
    };
    assert!(length(CompressionLevel::Best) < length(CompressionLevel::Fastest));
    assert_eq!(length(CompressionLevel::Exact(77)), length(CompressionLevel::Default));
    // At level 0 nothing becomes shorter, so it is sent as it is.
    assert_eq!(length(CompressionLevel::Exact(0)), 20_000);
}

#[test]
fn cmp_02_wrapped_twice_it_is_compressed_once() {
    let plain = text(5_000);
    let inner = compress(answers(plain.clone()), CompressPolicy::new());
    let running = serving(compress(inner, CompressPolicy::new()));
    for lines in ["Accept-Encoding: gzip\r\n", ""] {
        let found = reply(&running, &get("/", lines));
        assert_eq!(found.values("Vary"), ["Accept-Encoding"]);
        assert_eq!(found.values("Content-Encoding").len(), usize::from(!lines.is_empty()));
        assert_eq!(content(&found), plain);
    }
}

/// A response that the handler prepares so, to a client that takes everything.
fn untouched(prepare: impl Fn(&mut RequestCtx) + Send + Sync + 'static) {
    let prepare = Arc::new(prepare);
    let mut bare = RequestCtx::default();
    prepare(&mut bare);
    let ctx = answer(CompressPolicy::new(), &["gzip, br"], prepare);
    assert_eq!(ctx.response.body(), bare.response.body());
    let fields = |ctx: &RequestCtx| -> Vec<_> {
        ctx.response.headers().iter().map(|(name, value)| (name.to_owned(), value.to_vec())).collect()
    };
    assert_eq!(fields(&ctx), fields(&bare));
}

#[test]
fn cmp_03_what_is_not_worth_it_or_speaks_of_its_bytes_is_left_alone() {
    untouched(|ctx| ctx.set_body(text(199)));
    untouched(|_| ());
    // Of a large one it would be seen too late that it becomes no shorter.
    for type_ in ["application/octet-stream", "application/pdf", "Application/PDF; version=2"] {
        untouched(move |ctx| {
            ctx.set_content_type(type_);
            ctx.set_body(noise(70_000));
        });
    }
    untouched(|ctx| {
        ctx.set_content_type("image/jpeg");
        ctx.set_body(text(1000));
    });
    for (name, value) in [
        ("Content-Encoding", "gzip"),
        ("Content-Encoding", "x-own"),
        ("Content-Range", "bytes 0-999/2000"),
        ("Cache-Control", "public, No-Transform"),
        ("Content-Digest", "sha-256=:d435Qo+nKZ+gLcUHn7GQtQ72hiBVAgqoLsZnZPiTGPk=:"),
        ("Content-MD5", "Q2hlY2sgSW50ZWdyaXR5IQ=="),
    ] {
        untouched(move |ctx| {
            ctx.response.set_header(name, value);
            ctx.set_body(text(1000));
        });
    }
    for status in [204, 205] {
        untouched(move |ctx| {
            ctx.set_status_code(status);
            ctx.set_body(text(1000));
        });
    }
}

#[test]
fn cmp_03_bounds_and_types_are_those_of_the_policy() {
    let at = |policy: CompressPolicy, bytes: usize, type_: &'static str| {
        let ctx = answer(policy, &["gzip"], move |ctx: &mut RequestCtx| {
            ctx.set_content_type(type_);
            ctx.set_body(text(bytes));
        });
        ctx.response.content_encoding().is_some()
    };
    assert!(!at(CompressPolicy::new(), 199, "text/plain") && at(CompressPolicy::new(), 200, "text/plain"));
    assert!(at(CompressPolicy::new().min_bytes(0), 190, "text/plain"));
    assert!(!at(CompressPolicy::new().min_bytes(1001), 1000, "text/plain"));
    let pictures = || CompressPolicy::new().types(["image/*"]);
    assert!(at(pictures(), 1000, "image/jpeg") && !at(pictures(), 1000, "text/plain"));
}

#[test]
fn cmp_03_what_becomes_no_shorter_is_sent_as_it_is() {
    let ctx = answer(CompressPolicy::new(), &["br, gzip"], |ctx: &mut RequestCtx| {
        ctx.set_content_type("application/x-own");
        ctx.response.set_header("ETag", "\"v1\"");
        ctx.set_body(noise(5_000));
    });
    assert_eq!((ctx.response.content_encoding(), ctx.response.header_str("etag")), (None, Some("\"v1\"")));
    assert_eq!(ctx.response.header_str("vary"), Some("Accept-Encoding"), "another coding may do better");
    assert_eq!(ctx.response.body(), noise(5_000));
}

#[test]
fn cmp_03_a_secret_is_kept_out_by_one_field_that_is_not_sent() {
    let running = running(CompressPolicy::new(), |ctx: &mut RequestCtx| {
        ctx.response.set_content_encoding("Identity");
        ctx.set_body(text(1000));
    });
    let found = reply(&running, &get_in("/", "gzip"));
    assert_eq!((found.field("Content-Encoding"), found.field("Vary")), (None, None));
    assert_eq!(found.body, text(1000));
}

#[test]
fn cmp_03_a_secret_is_kept_out_of_every_wrapper() {
    let marked = |ctx: &mut RequestCtx| {
        ctx.response.set_content_encoding("identity");
        ctx.set_body(text(1000));
    };
    let suffix = || CompressPolicy::new().entity_tags(TagChange::Suffix);
    let thrice = compress(compress(compress(marked, CompressPolicy::new()), suffix()), CompressPolicy::new());
    let running = serving(move |ctx: &mut RequestCtx| match ctx.path() {
        "/secret" => thrice.handle(ctx),
        _ => compress(answers(text(1000)), CompressPolicy::new()).handle(ctx),
    });
    let mut client = running.client();
    for _ in 0..2 {
        let found = client.exchange(get_in("/secret", "gzip"));
        assert_eq!((found.field("Content-Encoding"), found.field("Vary")), (None, None));
        assert_eq!(found.body, text(1000));
        // What was said of one response is not said of the next on its connection.
        let found = client.exchange(get_in("/", "gzip"));
        assert_eq!((found.field("Content-Encoding"), content(&found)), (Some("gzip"), text(1000)));
    }
}

#[test]
fn cmp_03_a_failing_handler_is_answered_as_ever() {
    anthill_tests::quiet_panics();
    let running = running(CompressPolicy::new(), |ctx: &mut RequestCtx| {
        ctx.set_body(text(1000));
        match ctx.path() {
            "/panic" => anthill_tests::planned_panic(),
            _ => Err(anthill_http::HttpError::new(404, "nothing here ".repeat(100))),
        }
    });
    let found = reply(&running, &get_in("/panic", "gzip"));
    assert_eq!((found.status, found.field("Content-Encoding")), (500, None));
    let found = reply(&running, &get_in("/", "gzip"));
    assert_eq!((found.status, found.field("Content-Encoding")), (404, Some("gzip")));
    assert_eq!(content(&found), "nothing here ".repeat(100).as_bytes());
}

#[test]
fn cmp_05_vary_is_on_everything_that_could_be_compressed_once() {
    let with = |vary: &'static [&'static str], status: u16, accepts: &[&str]| {
        let ctx = answer(CompressPolicy::new(), accepts, move |ctx: &mut RequestCtx| {
            for line in vary {
                ctx.response.append_header("Vary", line);
            }
            ctx.set_status_code(status);
            ctx.set_body(text(1000));
        });
        let lines = ctx.response.headers().get_all("vary");
        lines.map(|line| String::from_utf8_lossy(line).into_owned()).collect::<Vec<_>>()
    };
    for accepts in [&["gzip"][..], &[], &["identity"], &["gzip;q=0"]] {
        for status in [200, 404, 304] {
            assert_eq!(with(&[], status, accepts), ["Accept-Encoding"], "{status} {accepts:?}");
            assert_eq!(with(&["Origin"], status, accepts), ["Origin, Accept-Encoding"]);
            assert_eq!(with(&["Origin", "Cookie"], status, accepts), ["Origin, Cookie, Accept-Encoding"]);
            assert_eq!(with(&["accept-encoding"], status, accepts), ["accept-encoding"]);
            assert_eq!(with(&["Origin,ACCEPT-ENCODING"], status, accepts), ["Origin,ACCEPT-ENCODING"]);
            assert_eq!(with(&["*"], status, accepts), ["*"]);
        }
    }
}

#[test]
fn cmp_05_a_part_varies_as_its_whole_does() {
    let vary = |fields: &'static [(&'static str, &'static str)], status: u16| {
        let ctx = answer(CompressPolicy::new(), &["gzip"], move |ctx: &mut RequestCtx| {
            ctx.set_status_code(status);
            ctx.set_body(text(100));
            fields.iter().for_each(|(name, value)| ctx.response.set_header(name, value));
        });
        assert_eq!((ctx.response.content_encoding(), ctx.response.body()), (None, &text(100)[..]));
        ctx.response.header_str("vary").map(str::to_owned)
    };
    let varies = Some("Accept-Encoding".to_owned());
    for of_whole in ["bytes 0-99/200", "bytes 100-199/*", "bytes 5-104/100000"] {
        let fields: &'static [_] = vec![("Content-Range", of_whole)].leak();
        assert_eq!(vary(fields, 206), varies, "{of_whole}");
        assert_eq!(vary(fields, 200), None, "{of_whole}");
    }
    assert_eq!(vary(&[("Content-Type", "multipart/byteranges; boundary=x")], 206), varies);
    assert_eq!(
        vary(&[("Content-Range", "bytes 0-99/200"), ("Vary", "Origin")], 206),
        Some("Origin, Accept-Encoding".to_owned())
    );
    // The whole of these has none either.
    for (name, value) in [
        ("Content-Type", "image/jpeg"),
        ("Content-Encoding", "gzip"),
        ("Cache-Control", "no-transform"),
        ("Content-Digest", "sha-256=:d435Qo+nKZ+gLcUHn7GQtQ72hiBVAgqoLsZnZPiTGPk=:"),
        ("Content-Range", "bytes 0-99/199"),
    ] {
        let mut ctx = RequestCtx::default();
        ctx.response.set_header("Content-Range", "bytes 0-99/200");
        ctx.response.set_header(name, value);
        let fields = ctx.response.headers().clone();
        let found = answer(CompressPolicy::new(), &["gzip"], move |ctx: &mut RequestCtx| {
            ctx.set_status_code(206);
            ctx.set_body(text(100));
            *ctx.response.headers_mut() = fields.clone();
        });
        assert_eq!(found.response.header("vary"), None, "{name}: {value}");
    }
}

/// Fields without those that a body alone has.
fn fields(found: &Reply) -> Vec<(String, String)> {
    found.fields.iter().filter(|(name, _)| name != "Date").cloned().collect()
}

#[test]
fn cmp_05_head_has_the_fields_of_get() {
    let running = running(CompressPolicy::new(), |ctx: &mut RequestCtx| {
        ctx.response.set_header("ETag", "\"v1\"");
        ctx.response.set_header("Accept-Ranges", "bytes");
        match ctx.path() {
            "/small" => ctx.set_body(text(1000)),
            "/large" => ctx.set_body(text(500_000)),
            _ => ctx.response.set_body_reader(std::io::Cursor::new(text(1000))),
        }
    });
    for target in ["/small", "/large", "/reader"] {
        for coding in ["gzip", "br", "identity"] {
            let mut client = running.client();
            let got = client.exchange(get_in(target, coding));
            client.send(get_in(target, coding).replacen("GET", "HEAD", 1));
            let head = client.response_to_head();
            assert_eq!(fields(&got), fields(&head), "{target} {coding}");
            let is_encoded = coding != "identity";
            assert_eq!(got.field("Content-Encoding").is_some(), is_encoded, "{target} {coding}");
            assert_eq!(got.field("Accept-Ranges").is_some(), !is_encoded, "{target} {coding}");
            assert_eq!(client.get(target).status, 200, "nothing of a body is left behind the head");
        }
    }
}

#[test]
fn cmp_05_a_head_without_a_body_says_what_get_does() {
    for tags in [TagChange::Weaken, TagChange::Suffix] {
        let running = running(CompressPolicy::new().entity_tags(tags), |ctx: &mut RequestCtx| {
            let length = if ctx.path() == "/large" { 500_000 } else { 1000 };
            ctx.set_content_type("text/css");
            ctx.response.set_header("ETag", "\"v1\"");
            ctx.response.set_header("Accept-Ranges", "bytes");
            match ctx.request.is_head() {
                true => ctx.response.set_header("Content-Length", length.to_string()),
                false => ctx.set_body(text(length)),
            }
        });
        // How long something small becomes is known when it is made.
        let known_fields = |found: &Reply| -> Vec<(String, String)> {
            let is_known =
                |(name, _): &(String, String)| name != "Content-Length" && name != "Transfer-Encoding";
            fields(found).into_iter().filter(is_known).collect()
        };
        for coding in ["gzip", "br", "identity"] {
            for target in ["/small", "/large"] {
                let mut client = running.client();
                let got = client.exchange(get_in(target, coding));
                client.send(get_in(target, coding).replacen("GET", "HEAD", 1));
                let head = client.response_to_head();
                if target == "/large" || coding == "identity" {
                    assert_eq!(fields(&head), fields(&got), "{target} {coding}");
                }
                assert_eq!(known_fields(&head), known_fields(&got), "{target} {coding}");
                assert_eq!(head.field("Content-Length").is_some(), coding == "identity", "{target} {coding}");
                assert_eq!(client.get(target).status, 200, "nothing of a body is left behind the head");
            }
        }
    }
}

#[test]
fn cmp_05_a_head_that_names_nothing_worth_it_is_left_alone() {
    for (length, type_) in [("199", "text/css"), ("12345", "image/jpeg"), ("0", "text/css")] {
        let running = running(CompressPolicy::new(), move |ctx: &mut RequestCtx| {
            ctx.set_content_type(type_);
            ctx.response.set_header("Content-Length", length);
        });
        let mut client = running.client();
        client.send(get_in("/", "gzip").replacen("GET", "HEAD", 1));
        let head = client.response_to_head();
        let found = (head.field("Content-Length"), head.field("Vary"), head.field("Content-Encoding"));
        assert_eq!(found, (Some(length), None, None), "{type_}");
    }
}

#[test]
fn cmp_02_static_bodies_are_compressed_once_if_that_is_wanted() {
    static PAGE: [u8; 300_000] = [b'a'; 300_000];
    static SHORT: &[u8] = &[b'b'; 250];
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let policy = CompressPolicy::new().keep_static(4_000).level(ContentCoding::Gzip, CompressionLevel::Best);
    let running = running(policy, move |ctx: &mut RequestCtx| {
        counted.fetch_add(1, Ordering::Relaxed);
        ctx.response.set_body_static(if ctx.path() == "/short" { SHORT } else { &PAGE });
    });
    for round in 0..3 {
        for (target, plain) in [("/page", &PAGE[..]), ("/short", SHORT)] {
            for coding in CODINGS {
                let found = reply(&running, &get_in(target, coding.name()));
                assert_eq!(found.field("Content-Encoding"), Some(coding.name()), "{target}");
                // A large one is compressed as it is sent to the first who asks, and is kept from its end on.
                let is_whole = round > 0 || target == "/short";
                assert_eq!(found.field("Content-Length").is_some(), is_whole, "{target} {coding:?} {round}");
                assert!(content(&found) == plain, "{target} {coding:?}");
            }
        }
    }
    assert_eq!(asked.load(Ordering::Relaxed), 24, "handlers are asked each time");
}

#[test]
fn cmp_02_a_static_body_is_kept_from_the_first_client_that_takes_all_of_it() {
    let page: &'static [u8] = text(200_000).leak();
    let policy = || CompressPolicy::new().codings([ContentCoding::Gzip]).level(ContentCoding::Gzip, 9);
    let handler = |bytes| {
        let answer = move |ctx: &mut RequestCtx| ctx.response.set_body_static(page);
        compress(answer, policy().keep_static(bytes))
    };
    // Who is asked so and not read yet is the slowest of clients.
    let ask = |handler: &dyn Fn(&mut RequestCtx), method: &str| {
        let mut request = Request::new(method, "/").expect("a request");
        request.set_header("Accept-Encoding", "gzip");
        let mut ctx = RequestCtx::for_request(request, None);
        handler(&mut ctx);
        assert_eq!(ctx.response.content_encoding_str(), Some("gzip"));
        let is_kept = !ctx.response.is_body_stream();
        (ctx, is_kept)
    };
    let take = |mut ctx: RequestCtx| {
        let packed = ctx.response.read_body(1_000_000).expect("a body").to_vec();
        assert!(unpack("gzip", &packed) == page);
        packed
    };

    let keeping = handler(100_000);
    let keeping = |ctx: &mut RequestCtx| keeping.handle(ctx);
    // The head alone is nothing to keep.
    assert!(!ask(&keeping, "HEAD").1);
    let (slow, is_kept) = ask(&keeping, "GET");
    assert!(!is_kept);
    // While somebody takes it, others get theirs, soon, without waiting for that.
    let (other, is_kept) = ask(&keeping, "GET");
    assert!(!is_kept);
    let meanwhile = take(other);
    assert!(!ask(&keeping, "GET").1, "nobody has taken all of it that is to be kept");
    drop(slow);
    let first = take(ask(&keeping, "GET").0);
    assert!(first.len() < meanwhile.len(), "{} {}", first.len(), meanwhile.len());
    for _ in 0..2 {
        let (found, is_kept) = ask(&keeping, "GET");
        assert!(is_kept && take(found) == first);
    }

    // What does not fit is compressed as it is sent, each time.
    let small = handler(10_000);
    let small = |ctx: &mut RequestCtx| small.handle(ctx);
    for _ in 0..3 {
        let (found, is_kept) = ask(&small, "GET");
        assert!(!is_kept && take(found) == first);
    }
}

proptest! {
    /// Whatever a client says, it gets what it can read: a coding that its list has, or none.
    #[test]
    fn cmp_02_nobody_gets_what_it_does_not_take(
        lines in prop::collection::vec("((gzip|br|zstd|deflate|identity|\\*|x-gzip|x)(;q=(0|1|0\\.[0-9]{1,3}|2|x))?,? ?){0,6}|[ -~]{0,30}", 0..3),
    ) {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let found = coding_for(CompressPolicy::new(), &lines);
        let mut request = Request::new("GET", "/").expect("a request");
        lines.iter().for_each(|line| request.append_header("Accept-Encoding", line));
        let accepted = request.accept_encoding();
        let quality = |coding: &str| accepted.quality(coding);
        let best = ["br", "gzip", "deflate", "zstd", "identity"].map(quality).into_iter().max();
        match found {
            Some(coding) => prop_assert!(quality(&coding).is_acceptable() && Some(quality(&coding)) == best),
            None => prop_assert!(best == Some(quality("identity"))),
        }
    }
}
