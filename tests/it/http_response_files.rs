//! Responses whose bodies are files: row `RSP-10`.
//!
//! The idea: files with holes, so that large ones cost no disk. The rule: what arrives is held against the file, and
//! what has to be measured of the process is measured in one of its own.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use anthill_http::RequestCtx;
use anthill_tests::client::{SOCKET_LIMIT, get, hears};
use anthill_tests::drivers::on_both;
use anthill_tests::eventually;
use anthill_tests::files::{LARGE, assert_same_bytes, file_head, sparse};
use anthill_tests::processes::{apart_with_descriptors, memory_kib};
use anthill_tests::server::{Running, plain, skip};
use anthill_tests::uploads::{assert_goes_on, or_next};

/// A handler that gives a file, or the part of it that the query says.
fn giving_file(file: &Arc<File>) -> impl Fn(&mut RequestCtx) + Clone + 'static {
    let file = file.clone();
    or_next(move |ctx| {
        let file = file.try_clone().unwrap();
        let query = String::from_utf8_lossy(ctx.request.query()).into_owned();
        match query.split_once(',') {
            None => ctx.response.set_body_file(file).unwrap(),
            Some((offset, size)) => {
                ctx.response.set_body_file_range(file, offset.parse().unwrap(), size.parse().unwrap());
            }
        }
    })
}

#[test]
fn rsp_10_a_large_file_arrives_to_the_byte() {
    let file = Arc::new(sparse(LARGE));
    // Where the handle stands does not matter, and is not changed.
    (&*file).seek(SeekFrom::Start(17)).unwrap();
    on_both(plain(), giving_file(&file), |driven| {
        let mut client = driven.client();
        client.send(get("/"));
        hears(&client, &file_head(LARGE));
        assert_same_bytes(client.stream(), &file, 0, LARGE);
        assert_goes_on(&mut client);
        for (offset, size) in [(0, 0), (0, 1), (999_999, 7), (LARGE - 5, 5), (LARGE, 0), (1, 3 << 20)] {
            client.send(get(&format!("/?{offset},{size}")));
            hears(&client, &file_head(size));
            assert_same_bytes(client.stream(), &file, offset, size);
            assert_goes_on(&mut client);
        }
        let head = "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n";
        client.send(head);
        hears(&client, &file_head(LARGE));
        assert_goes_on(&mut client);
        // More than there is.
        client.send(get(&format!("/?{},{}", LARGE - 5, 6)));
        hears(&client, &file_head(6));
        hears(&client, "mark!");
        assert!(client.is_ended_within(SOCKET_LIMIT));
        assert_eq!((&*file).stream_position().unwrap(), 17);
    });
}

#[test]
fn rsp_10_a_large_file_takes_no_memory() {
    apart_with_descriptors("http_response_files::rsp_10_a_large_file_takes_no_memory", 1000, || {
        let file = Arc::new(sparse(LARGE));
        on_both(plain(), giving_file(&file), |driven| {
            let mut client = driven.client();
            assert_goes_on(&mut client);
            let before = memory_kib("RssAnon");
            client.send(get("/"));
            hears(&client, &file_head(LARGE));
            let mut most = 0;
            for part in 0..16 {
                assert_same_bytes(client.stream(), &file, part * (LARGE / 16), LARGE / 16);
                most = most.max(memory_kib("RssAnon"));
            }
            assert!(most < before + 8 * 1024, "from {before} KiB to {most} KiB");
        });
    });
}

#[test]
#[cfg(target_os = "linux")]
fn rsp_10_a_file_is_not_copied_on_its_way() {
    const LENGTH: usize = 16 * 1024;
    // A file that is nothing but memory can be sent without a copy by every kernel.
    let Ok(file) = tempfile::tempfile_in("/dev/shm") else {
        return skip("there is no file system in memory");
    };
    file.write_all_at(&vec![b'a'; 1 << 20], 0).unwrap();
    let file = Arc::new(file);
    let running = Running::with(plain(), giving_file(&file));
    let mut client = running.client();
    client.send(get("/"));
    hears(&client, &file_head(1 << 20));
    let mut seen = vec![0; LENGTH];
    eventually("some of the file has arrived", || {
        client.stream().peek(&mut seen).is_ok_and(|count| count == LENGTH)
    });
    assert!(seen.iter().all(|byte| *byte == b'a'));
    // What has arrived still is the file itself, unless somebody has copied it.
    file.write_all_at(&[b'b'; LENGTH], 0).unwrap();
    client.stream().read_exact(&mut seen).unwrap();
    assert!(seen.contains(&b'b'), "the file was copied");
}

#[test]
fn a_file_that_shrinks_ends_its_connection() {
    let file = Arc::new(sparse(LARGE));
    on_both(plain(), giving_file(&file), |driven| {
        file.set_len(LARGE).unwrap();
        let mut client = driven.client();
        client.send(get("/"));
        hears(&client, &file_head(LARGE));
        file.set_len(1000).unwrap();
        let mut received = 0;
        let mut room = vec![0; 1 << 16];
        while let Ok(count @ 1..) = client.stream().read(&mut room) {
            received += count as u64;
        }
        assert!(received < LARGE);
        if let Some(ended) = driven.end() {
            assert!(ended.unwrap_err().is_body());
        }
        assert_goes_on(&mut driven.client());
    });
}
