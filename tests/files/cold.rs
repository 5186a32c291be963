//! What files that are not in memory cost whoever asks for something else: a measurement, which says nothing by
//! failing. `cargo test --release -p anthill-tests --test files cold -- --ignored --nocapture`

use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anthill_http::Handler;
use anthill_http::files::Files;
use anthill_tests::background;
use anthill_tests::client::Client;
use anthill_tests::server::{Running, plain};
use rustix::fs::{Advice, fadvise, fsync};

use crate::tree::{Tree, settle};

const FILES: usize = 24;
const FILE_BYTES: usize = 16 << 20;
const SMALL_FILES: usize = 4000;
const READERS: usize = 4;
const DURATION: Duration = Duration::from_secs(4);

/// Has the system forget what is in a file.
fn make_cold(file: &File) {
    fsync(file).unwrap();
    fadvise(file, 0, None, Advice::DontNeed).unwrap();
}

/// How long a request that needs no disk took, of all that one client makes while the others go on.
#[allow(clippy::print_stdout)]
fn measure(name: &str, running: &Running, targets: &[String], forget: impl Fn(usize)) {
    let stop = Arc::new(AtomicBool::new(false));
    let bytes = Arc::new(AtomicU64::new(0));
    let readers: Vec<_> = (0..if targets.is_empty() { 0 } else { READERS })
        .map(|reader| {
            let (stop, bytes, address) = (stop.clone(), bytes.clone(), running.address());
            let own: Vec<String> = targets.iter().skip(reader).step_by(READERS).cloned().collect();
            background(move || {
                let mut room = vec![0; 1 << 18];
                for target in own.iter().cycle() {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    let mut client = Client::connect(address);
                    client.send(format!("GET {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"));
                    while let count @ 1.. = client.stream().read(&mut room).unwrap() {
                        bytes.fetch_add(count as u64, Ordering::SeqCst);
                    }
                }
            })
        })
        .collect();
    let mut client = running.client();
    let mut took = Vec::new();
    let begin = Instant::now();
    let mut round = 0;
    while begin.elapsed() < DURATION {
        let asked = Instant::now();
        assert_eq!(client.get("/fast").text(), "fast");
        took.push(asked.elapsed());
        std::thread::sleep(Duration::from_micros(500));
        round += 1;
        forget(round);
    }
    stop.store(true, Ordering::SeqCst);
    readers.into_iter().for_each(|reader| reader.outcome("a reader"));
    took.sort();
    let part = |of_thousand: usize| took[(took.len() - 1) * of_thousand / 1000];
    println!(
        "{name}: {} requests; median {:?}, 99 % {:?}, 99.9 % {:?}, longest {:?}; {} MB of files",
        took.len(),
        part(500),
        part(990),
        part(999),
        part(1000),
        bytes.load(Ordering::SeqCst) >> 20
    );
}

#[test]
#[ignore = "takes half a minute and 400 MB of disk; a measurement"]
fn a_fast_route_beside_cold_files() {
    let tree = Tree::new(&[]);
    let content: Vec<u8> =
        (0..FILE_BYTES as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let names =
        |kind: &str, count: usize| (0..count).map(|number| format!("{kind}{number}")).collect::<Vec<_>>();
    let (large, small) = (names("large", FILES), names("small", SMALL_FILES));
    large.iter().for_each(|name| tree.write(name, &content));
    small.iter().for_each(|name| tree.write(name, &content[..8192]));
    settle();
    let open = |names: &[String]| -> Vec<File> {
        names.iter().map(|name| File::open(tree.at(name)).unwrap()).collect()
    };
    let (large_files, small_files) = (open(&large), open(&small));
    let targets = |names: &[String]| -> Vec<String> { names.iter().map(|name| format!("/{name}")).collect() };
    let files = Files::builder(tree.root()).build().unwrap();
    let running = Running::with(plain().shards(1), move |ctx| match ctx.path() {
        "/fast" => ctx.set_body("fast"),
        _ => files.handle(ctx),
    });
    measure("alone", &running, &[], |_| ());
    for (kind, names, files) in [("large", &large, &large_files), ("small", &small, &small_files)] {
        measure(&format!("{kind}, warm"), &running, &targets(names), |_| ());
        files.iter().for_each(make_cold);
        // One after the other, as they are read again.
        let each = |round: usize| (0..4).for_each(|more| make_cold(&files[(round * 4 + more) % files.len()]));
        measure(&format!("{kind}, cold"), &running, &targets(names), each);
    }
}
