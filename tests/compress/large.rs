//! Bodies that take long to compress: whole at their clients, while others are served.

use std::io::{Cursor, Write};
use std::sync::Arc;

use anthill_http::body::ContentCoding;
use anthill_http::{CompressPolicy, Handler, Request, RequestCtx, compress};
use anthill_tests::eventually;

use crate::support::{CODINGS, content, get_in, reply, running, text, unpack};

#[test]
fn cmp_04_large_bodies_of_every_kind_come_whole() {
    let plain = Arc::new(text(300_000));
    let shared: Arc<[u8]> = plain[..].into();
    let of_handler = plain.clone();
    let running = running(CompressPolicy::new(), move |ctx: &mut RequestCtx| match ctx.path() {
        "/vec" => ctx.response.set_body_vec(of_handler.to_vec()),
        "/shared" => ctx.response.set_body_shared(shared.clone()),
        "/file" => {
            let mut file = tempfile::tempfile().expect("a temporary file");
            file.write_all(&of_handler).expect("room");
            ctx.response.set_body_file(file).expect("a file");
        }
        "/sized" => {
            ctx.response.set_body_reader_sized(Cursor::new(of_handler.to_vec()), of_handler.len() as u64);
        }
        "/writer" => {
            let plain = of_handler.clone();
            ctx.response
                .set_body_writer(move |out| plain.chunks(1_000).try_for_each(|part| out.write_all(part)));
        }
        _ => ctx.set_body(&*of_handler),
    });
    for target in ["/", "/vec", "/shared", "/file", "/sized", "/writer"] {
        for coding in CODINGS {
            let found = reply(&running, &get_in(target, coding.name()));
            assert_eq!(found.field("Content-Encoding"), Some(coding.name()), "{target}");
            assert_eq!(found.field("Transfer-Encoding"), Some("chunked"), "{target}");
            assert!(found.body.len() < plain.len() / 2, "{target} {coding:?}: {}", found.body.len());
            assert!(content(&found) == *plain, "{target} {coding:?}");
        }
    }
}

#[test]
fn cmp_04_zeros_without_end_are_no_pieces_without_bytes() {
    let zeros = vec![0; 5_000_000];
    let of_handler: Arc<[u8]> = zeros[..].into();
    let running = running(CompressPolicy::new(), move |ctx: &mut RequestCtx| {
        ctx.response.set_body_shared(of_handler.clone());
    });
    for coding in CODINGS {
        let found = reply(&running, &get_in("/", coding.name()));
        assert!(content(&found) == zeros, "{coding:?}");
        assert!(found.body.len() < 20_000, "{coding:?}: {}", found.body.len());
    }
}

#[test]
fn cmp_04_slow_clients_hold_no_more_coders_than_were_given() {
    let plain: Arc<[u8]> = text(100_000).into();
    let large = plain.clone();
    let answer = move |ctx: &mut RequestCtx| match ctx.path() {
        "/small" => ctx.set_body(text(1000)),
        _ => ctx.response.set_body_shared(large.clone()),
    };
    let handler = compress(answer, CompressPolicy::new().max_streams(2));
    // Who is asked so and not read yet is the slowest of clients.
    let ask = |target: &str, coding: &str| {
        let mut request = Request::new("GET", target).expect("a request");
        request.set_header("Accept-Encoding", coding);
        let mut ctx = RequestCtx::for_request(request, None);
        handler.handle(&mut ctx);
        assert_eq!(ctx.response.header_str("vary"), Some("Accept-Encoding"));
        ctx
    };
    let coding = |ctx: &RequestCtx| ctx.response.content_encoding_str().map(str::to_owned);
    for name in CODINGS.map(ContentCoding::name) {
        let (mut first, second) = (ask("/", name), ask("/", "gzip"));
        assert_eq!((coding(&first).as_deref(), coding(&second).as_deref()), (Some(name), Some("gzip")));
        for _ in 0..3 {
            let other = ask("/", name);
            assert!(coding(&other).is_none() && *other.response.body() == plain[..]);
        }
        // What is there at once takes no place.
        assert_eq!(coding(&ask("/small", name)).as_deref(), Some(name));
        // Whoever has all of it has none any more, nor has who goes.
        assert!(unpack(name, first.response.read_body(100_000).expect("a body")) == plain[..]);
        let third = ask("/", name);
        assert!(coding(&third).is_some() && coding(&ask("/", name)).is_none());
        drop((second, third));
        let both = (ask("/", name), ask("/", name));
        assert!(coding(&both.0).is_some() && coding(&both.1).is_some() && coding(&ask("/", name)).is_none());
    }
}

#[test]
fn cmp_04_places_of_coders_are_free_again_whatever_becomes_of_their_bodies() {
    let running = running(CompressPolicy::new().max_streams(1), |ctx: &mut RequestCtx| match ctx.path() {
        "/writer" => ctx.response.set_body_writer(|out| out.write_all(&text(1000))),
        "/reader" => ctx.response.set_body_reader(Cursor::new(text(1000))),
        "/short" => ctx.response.set_body_reader_sized(Cursor::new(text(500)), 501),
        "/failing" => ctx.response.set_body_writer(|_| Err(std::io::ErrorKind::Other.into())),
        _ => ctx.set_body(text(70_000)),
    });
    for coding in CODINGS.map(ContentCoding::name) {
        for target in ["/writer", "/reader", "/", "/short", "/failing"] {
            for method in ["GET", "HEAD"] {
                let mut client = running.client();
                client.send(get_in(target, coding).replacen("GET", method, 1));
                match (method, target) {
                    ("HEAD", _) => drop(client.response_to_head()),
                    (_, "/short") => drop(client.try_response()),
                    _ => drop(client.response()),
                }
                drop(client);
                eventually("a place", || {
                    let found = reply(&running, &get_in("/", coding));
                    assert!(content(&found) == text(70_000), "{target} {coding}");
                    found.field("Content-Encoding") == Some(coding)
                });
            }
        }
    }
}

#[test]
fn cmp_04_others_are_served_while_much_is_compressed() {
    // One shard, so whatever holds its driver up holds up everybody.
    let plain: Arc<[u8]> = text(500_000).into();
    let expected = plain.clone();
    let policy = CompressPolicy::new().codings([ContentCoding::Brotli]).level(ContentCoding::Brotli, 7);
    let running = running(policy, move |ctx: &mut RequestCtx| match ctx.path() {
        "/large" => ctx.response.set_body_shared(plain.clone()),
        _ => ctx.set_body("small"),
    });
    let mut large = running.clients(3);
    for client in &mut large {
        client.send(get_in("/large", "br"));
    }
    let mut client = running.client();
    for _ in 0..50 {
        assert_eq!(client.get("/small").body, b"small");
    }
    for client in &mut large {
        assert!(content(&client.response()) == expected[..]);
    }
}
