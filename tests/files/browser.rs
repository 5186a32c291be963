//! A browser plays a video by ranges, and resumes a download that broke off.
//!
//! Where there is no Chromium this is skipped, and says so.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use anthill_http::Handler;
use anthill_http::files::Files;
use anthill_tests::browsers::chromium;
use anthill_tests::eventually;
use anthill_tests::server::{Running, plain, skip};

use crate::tree::{Tree, settle};
use anthill_tests::devtools::Browser;

/// Four seconds of a test picture in VP9, five pictures a second, by ffmpeg; what is in it is told at its end.
const CLIP: &[u8] = include_bytes!("clip.mp4");

/// What is put between the pictures and what is told about them, so that nobody who plays it reads all of it.
const GAP: u32 = 32 << 20;

/// How much of the download goes through before it breaks off.
const CUT_AFTER: usize = 1_000_000;

const PAGE: &str =
    "<!DOCTYPE html><video id=film muted src=film.mp4></video><a id=link download href=big.bin>big</a>
<script>
const say = text => fetch('/said?' + encodeURIComponent(text));
film.onerror = () => say('error: ' + film.error.message);
film.onloadedmetadata = () => { film.currentTime = 3 };
film.onseeked = () => { say(`at ${film.currentTime}, ${film.videoWidth} wide`); film.play() };
film.onended = () => { say('over'); link.click() };
</script>";

/// A browser that shows `url` and puts what it downloads into `downloads`.
fn browse(mut command: Command, profile: &Path, downloads: &Path, url: &str) -> Browser {
    fs::create_dir_all(profile.join("Default")).unwrap();
    fs::create_dir(downloads).unwrap();
    let wishes = format!(
        r#"{{"download": {{"default_directory": {:?}, "prompt_for_download": false}}}}"#,
        downloads.to_str().unwrap()
    );
    fs::write(profile.join("Default/Preferences"), wishes).unwrap();
    // That it can be asked keeps it from ending with the page.
    command.args(["--autoplay-policy=no-user-gesture-required", url]);
    Browser::start(command, profile)
}

/// Passes on whatever is said to `server`, but breaks off the first response to a request for `big.bin`.
fn line_that_breaks_once(server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let has_broken = Arc::new(AtomicBool::new(false));
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(server) = TcpStream::connect(server) else { return };
            let breaks = Arc::new(AtomicBool::new(false));
            let ends = [client.try_clone().unwrap(), server.try_clone().unwrap()];
            let (has_broken, breaks_there) = (has_broken.clone(), breaks.clone());
            thread::spawn(move || {
                pass_on(client, server, |bytes| {
                    let asks = bytes.windows(8).any(|part| part == b"/big.bin");
                    if asks && !has_broken.swap(true, Ordering::SeqCst) {
                        breaks_there.store(true, Ordering::SeqCst);
                    }
                    true
                });
            });
            thread::spawn(move || {
                let [client, server] = ends;
                // Of this response alone: what went before over the same connection would have it break off before its
                // first byte, and what has not begun is asked for again as a whole.
                let mut count = 0;
                pass_on(server, client, |bytes| {
                    count += if breaks.load(Ordering::SeqCst) { bytes.len() } else { 0 };
                    count < CUT_AFTER
                });
            });
        }
    });
    address
}

/// Passes on what comes from one side for as long as `goes_on` says so; then both are at their end.
fn pass_on(mut from: TcpStream, mut to: TcpStream, mut goes_on: impl FnMut(&[u8]) -> bool) {
    let mut room = vec![0; 1 << 16];
    while let Ok(count @ 1..) = from.read(&mut room) {
        if !goes_on(&room[..count]) || to.write_all(&room[..count]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

fn tree() -> Tree {
    let big: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
    let tree = Tree::new(&[("page.html", PAGE.as_bytes()), ("big.bin", &big)]);
    let told = CLIP.windows(4).position(|part| part == b"moov").unwrap() - 4;
    let film = File::create(tree.at("film.mp4")).unwrap();
    film.write_all_at(&CLIP[..told], 0).unwrap();
    film.write_all_at(&[&GAP.to_be_bytes()[..], b"free"].concat(), told as u64).unwrap();
    film.write_all_at(&CLIP[told..], told as u64 + u64::from(GAP)).unwrap();
    settle();
    tree
}

#[test]
fn a_browser_plays_by_ranges_and_resumes_a_download() {
    let tree = tree();
    let folder = tempfile::tempdir().unwrap();
    let (profile, downloads) = (folder.path().join("profile"), folder.path().join("downloads"));
    let Some(command) = chromium(&profile) else { return skip("there is no Chromium") };
    let files = Files::builder(tree.root()).build().unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let notes = heard.clone();
    let running = Running::with(plain(), move |ctx| {
        files.handle(ctx);
        let range = ctx.request.header_str("Range").unwrap_or_default().to_owned();
        let is_guarded = ctx.request.header("If-Range").is_some();
        let said = String::from_utf8_lossy(ctx.request.query()).into_owned();
        notes.lock().unwrap().push((
            ctx.path().to_owned(),
            range,
            is_guarded,
            ctx.response.status_code(),
            said,
        ));
    });
    let address = line_that_breaks_once(running.address());
    let _browser = browse(command, &profile, &downloads, &format!("http://{address}/page.html"));
    let is_whole =
        || fs::read(downloads.join("big.bin")).is_ok_and(|got| got == fs::read(tree.at("big.bin")).unwrap());
    let ended = anthill_tests::comes_true(is_whole);
    let heard = heard.lock().unwrap().clone();
    assert!(ended, "{heard:?}");
    let said = |text: &str| heard.iter().any(|(path, .., said)| path == "/said" && said == text);
    assert!(said("at%203%2C%2064%20wide") && said("over"), "{heard:?}");
    // What is told about the pictures was fetched by itself, and the rest of the download too, under its tag.
    let begins_of_parts = |wanted: &str| -> Vec<u64> {
        let first = |range: &str| range.strip_prefix("bytes=")?.split('-').next()?.parse().ok();
        let parts = heard
            .iter()
            .filter(|(path, _, is_guarded, status, _)| path == wanted && *is_guarded && *status == 206);
        parts.filter_map(|(_, range, ..)| first(range)).collect()
    };
    assert!(begins_of_parts("/film.mp4").iter().any(|first| *first >= u64::from(GAP)), "{heard:?}");
    assert!(begins_of_parts("/big.bin").iter().any(|first| *first > 0), "{heard:?}");
    eventually("its end", || fs::read_dir(&downloads).unwrap().count() == 1);
}
