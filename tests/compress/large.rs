//! Bodies that take long to compress: whole at their clients, while others are served.

use std::io::{Cursor, Write};
use std::sync::Arc;

use anthill_http::body::ContentCoding;
use anthill_http::{CompressPolicy, RequestCtx};

use crate::support::{CODINGS, content, get_in, reply, running, text};

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
