//! A soak: all kinds of clients at once for minutes, and afterwards nothing is missing and nothing is left.
//!
//! The idea: every request has a number, which is its connection's and its place there, and every answer repeats it, in
//! its head and all over its body. The server keeps count by connection. So a request that is lost, handled twice, or
//! answered on another connection is found, whatever else happened at the time. Between the crowds, all workers are
//! held and more requests come than can be served; then they are let go. What the process holds is looked at when all
//! clients are gone, so that what is counted is the server's.
//!
//! The rule: no answer has to come by a certain time, apart from the client's patience. It ends by itself:
//! `cargo test -- --ignored soak` takes ten minutes, or as many seconds as `ANTHILL_SOAK_SECONDS` says.

mod clients;
mod figures;
mod flood;
mod ledger;
mod site;

use std::env;
use std::process::Command;
use std::time::{Duration, Instant};

use figures::Figures;
use site::Site;

/// What the allocator may keep of memory that was used between the first crowd and the last, in KiB. It gives back
/// whole pages only, and where its arenas have holes depends on chance; what is lost for good with each request or
/// connection is soon far more, as there are thousands of them in a second.
const MEMORY_TOLERANCE_KIB: usize = 16 * 1024;

/// Set in the process that soaks.
const CHILD: &str = "ANTHILL_SOAK_CHILD";

/// How the allocator is told to give back what is large at once, and to keep few reserves: what clients and handlers
/// have in their hands for a moment would be most of what is measured otherwise. Without effect where it is not
/// glibc's.
const ALLOCATOR: [(&str, &str); 2] = [("MALLOC_MMAP_THRESHOLD_", "65536"), ("MALLOC_ARENA_MAX", "2")];

fn time() -> Duration {
    let seconds = env::var("ANTHILL_SOAK_SECONDS").ok().map(|value| value.parse().expect("seconds"));
    Duration::from_secs(seconds.unwrap_or(600))
}

/// In a process of its own, which is all that is measured.
#[test]
#[ignore = "takes ten minutes, or ANTHILL_SOAK_SECONDS"]
fn soak_loses_nothing_and_leaves_nothing_behind() {
    if env::var_os(CHILD).is_some() {
        return soak();
    }
    let status = Command::new(env::current_exe().expect("a program"))
        .args(["--ignored", "--exact", "--nocapture"])
        .arg("http_soak::soak_loses_nothing_and_leaves_nothing_behind")
        .env(CHILD, "1")
        .envs(ALLOCATOR)
        .status()
        .expect("a process");
    assert!(status.success(), "{status}; see above");
}

#[allow(clippy::print_stdout)]
fn soak() {
    let started = Instant::now();
    let time = time();
    let crowd = (time / 5).min(Duration::from_secs(60));
    let site = Site::open();
    let round = || {
        let answers = clients::crowd(&site, crowd);
        println!("{:>5.0?} {answers} answers", started.elapsed());
        flood::flood(&site);
        site.is_at_rest();
        println!("{:>5.0?} after the flood: {:?}", started.elapsed(), Figures::now());
    };
    // What is made once, the reserves of the allocator among it, is made by the first crowd and flood.
    round();
    let base = Figures::at_rest();
    println!("{:>5.0?} base: {base:?}", started.elapsed());
    // At least once, and as often as there is time.
    loop {
        round();
        if started.elapsed() + crowd > time {
            break;
        }
    }
    let left = figures::falls_back_to(base, MEMORY_TOLERANCE_KIB);
    println!("{:>5.0?} left: {left:?}", started.elapsed());
}
