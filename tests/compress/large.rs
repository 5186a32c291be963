//! Bodies that take long to compress: whole at their clients, while others are served.

use std::io::{Cursor, Write};
use std::sync::Arc;

use anthill_http::body::ContentCoding;
use anthill_http::{CompressPolicy, RequestCtx};
use anthill_tests::client::Client;
use anthill_tests::eventually;

use crate::support::{CODINGS, content, digits, get_in, reply, running, text};

#[test]
fn cmp_04_large_bodies_of_every_kind_come_whole() {
    let plain = Arc::new(text(700_000));
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
    // More than there is room for between the server and a client that does not read.
    let plain: Arc<[u8]> = digits(6, 8_000_000).into();
    let large = plain.clone();
    let policy = || CompressPolicy::new().level(ContentCoding::Brotli, 1).max_streams(2);
    let running = running(policy(), move |ctx: &mut RequestCtx| match ctx.path() {
        "/small" => ctx.set_body(text(1000)),
        _ => ctx.response.set_body_shared(large.clone()),
    });
    let coding = |client: &mut Client, coding: &str| {
        client.send(get_in("/", coding));
        let head = client.response_to_head();
        assert_eq!((head.status, head.field("Vary")), (200, Some("Accept-Encoding")));
        head.field("Content-Encoding").map(str::to_owned)
    };
    let mut slow = running.clients(3);
    assert_eq!(coding(&mut slow[0], "gzip").as_deref(), Some("gzip"));
    assert_eq!(coding(&mut slow[1], "br").as_deref(), Some("br"));
    for _ in 0..3 {
        assert_eq!(coding(&mut running.client(), "gzip"), None);
    }
    // What is there at once takes no place.
    let small = reply(&running, &get_in("/small", "gzip"));
    assert_eq!((small.field("Content-Encoding"), content(&small)), (Some("gzip"), text(1000)));
    // All that is sent as it is comes, and the place of whoever has gone is free.
    let found = reply(&running, &get_in("/", "gzip"));
    assert!(found.field("Content-Encoding").is_none() && found.body == plain[..]);
    slow.remove(0);
    eventually("a place", || coding(&mut running.client(), "gzip").is_some());
}

#[test]
fn cmp_04_places_of_coders_are_free_again_whatever_becomes_of_their_bodies() {
    let running = running(CompressPolicy::new().max_streams(1), |ctx: &mut RequestCtx| match ctx.path() {
        "/writer" => ctx.response.set_body_writer(|out| out.write_all(&text(1000))),
        "/reader" => ctx.response.set_body_reader(Cursor::new(text(1000))),
        "/short" => ctx.response.set_body_reader_sized(Cursor::new(text(500)), 501),
        "/failing" => ctx.response.set_body_writer(|_| Err(std::io::ErrorKind::Other.into())),
        _ => ctx.set_body(text(100_000)),
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
                    assert!(content(&found) == text(100_000), "{target} {coding}");
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
