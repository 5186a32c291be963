//! A soak: all kinds of clients at once for minutes, and afterwards nothing is missing and nothing is left.
//!
//! The idea: every request has a number, which is its connection's and its place there, and every answer repeats it, in
//! its head and all over its body. The server keeps count by connection. So a request that is lost, handled twice, or
//! answered on another connection is found, whatever else happened at the time. Between the crowds, all workers are held
//! and more requests come than can be served; then they are let go. What the process holds is looked at when all clients
//! are gone, so that what is counted is the server's.
//!
//! The rule: no answer has to come by a certain time, apart from the client's patience. It ends by itself:
//! `cargo test -- --ignored soak` takes ten minutes, or as many seconds as `ANTHILL_SOAK_SECONDS` says.

mod clients;
mod figures;
mod flood;
mod ledger;
mod site;

use std::env;
use std::time::{Duration, Instant};

use figures::Figures;
use site::Site;

/// What the allocator may keep of memory that was used between the first crowd and the last, in KiB. It gives back whole
/// pages only, and where its arenas have holes depends on chance; what is lost for good with each request or connection is
/// soon far more, as there are thousands of them in a second.
const MEMORY_TOLERANCE_KIB: usize = 16 * 1024;

fn time() -> Duration {
    let seconds = env::var("ANTHILL_SOAK_SECONDS").ok().map(|value| value.parse().expect("seconds"));
    Duration::from_secs(seconds.unwrap_or(600))
}

#[test]
#[ignore = "takes ten minutes, or ANTHILL_SOAK_SECONDS; run it alone, as it counts what the process has"]
#[allow(clippy::print_stdout)]
fn soak_loses_nothing_and_leaves_nothing_behind() {
    let started = Instant::now();
    let time = time();
    let crowd = (time / 5).min(Duration::from_secs(60));
    let site = Site::open();
    // What is made once, the reserves of the allocator among it, is made by the first crowd and flood.
    clients::crowd(&site, crowd);
    flood::flood(&site);
    site.is_at_rest();
    let base = Figures::at_rest();
    println!("{:>5.0?} base: {base:?}", started.elapsed());
    let mut answers = 0;
    while answers == 0 || started.elapsed() + crowd < time {
        answers += clients::crowd(&site, crowd);
        flood::flood(&site);
        site.is_at_rest();
        println!("{:>5.0?} {answers} answers, {:?}", started.elapsed(), Figures::now());
    }
    figures::falls_back_to(base, MEMORY_TOLERANCE_KIB);
    println!("{:>5.0?} left: {:?}", started.elapsed(), Figures::now());
}
