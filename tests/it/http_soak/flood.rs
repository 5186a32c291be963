//! More than can be served: all workers are held, and still requests come. Each is answered in the end, by its own
//! answer or by 503, and when the workers are free again all is as before.

use std::thread;
use std::time::Duration;

use anthill_tests::client::get;

use super::site::{Asked, Site, Visit, WORKERS, check};

/// Requests of the flood.
const FLOOD: usize = 400;

/// How long it lasts. Nothing depends on it; but in no time nothing would pile up.
const LASTS: Duration = Duration::from_secs(1);

pub(super) fn flood(site: &Site) {
    let place = site.place();
    let gate = site.close_gate();
    let send = |path: &str| {
        let mut visit = place.visit();
        let (target, asked) = visit.next(path, 1000);
        visit.client.send(get(&target));
        (visit, asked)
    };
    let mut sent: Vec<_> = (0..WORKERS * 2).map(|_| send("/held")).collect();
    site.holds_all_workers();
    sent.extend((0..FLOOD).map(|number| send(["/fast", "/slow", "/stream", "/compute"][number % 4])));
    thread::sleep(LASTS);
    gate.open();
    let served: Vec<Visit> = sent.into_iter().filter_map(|(visit, asked)| outcome(visit, asked)).collect();
    assert!(served.len() >= WORKERS / 2, "only {} of the flood were served", served.len());
    for mut visit in served {
        let (target, asked) = visit.next("/fast", 100);
        visit.client.send(get(&target));
        visit.hear(asked);
        visit.leave();
    }
}

/// The visit goes on when it was served, and is over when it was turned away.
fn outcome(mut visit: Visit, asked: Asked) -> Option<Visit> {
    let reply = visit.client.response();
    if reply.status == 503 {
        assert!(reply.field("Retry-After").is_some(), "{reply:?}");
        return None;
    }
    check(&reply, asked);
    Some(visit)
}
