//! How a lease moves.

use super::svg::{Drawing, Tone};

const FIRST: u32 = 130;
const MONITOR: u32 = 380;
const SECOND: u32 = 630;

pub(super) fn picture() -> String {
    let mut drawing = Drawing::new(
        760,
        430,
        "How a lease moves",
        "A worker drives a shard and calls a handler that blocks. The monitor notices, another worker takes the lease \
         and serves the shard's other connections. The first finishes its request and goes back to the pool.",
    );
    for (x, name, end) in [(FIRST, "worker 1", 420), (MONITOR, "monitor", 290), (SECOND, "worker 2", 420)] {
        drawing.block((x - 70, 10), (140, 30), Tone::Plain, name, "");
        drawing.lane(x, 40, end);
    }
    drawing.block((FIRST - 90, 60), (180, 46), Tone::Runs, "holds the lease", "serves connections 1, 2, 3");
    drawing.block(
        (FIRST - 90, 126),
        (180, 186),
        Tone::Blocks,
        "handler of 4 blocks",
        "a query, a lock, a file",
    );
    drawing.arrow(&[(FIRST + 90, 180), (MONITOR - 80, 180)], "");
    drawing.block((MONITOR - 80, 160), (160, 40), Tone::Plain, "sees no progress", "");
    drawing.arrow(&[(MONITOR + 80, 180), (SECOND - 90, 180)], "take over");
    drawing.block((SECOND - 90, 157), (180, 46), Tone::Runs, "takes the lease", "one compare-and-swap");
    drawing.block((SECOND - 90, 223), (180, 189), Tone::Runs, "drives the shard", "serves 1, 2, 3, 5, 6");
    drawing.block((FIRST - 90, 326), (180, 40), Tone::Runs, "sends the response of 4", "");
    drawing.block((FIRST - 90, 376), (180, 36), Tone::Plain, "back to the pool", "");
    drawing.note((MONITOR - 110, 330), "From now on the route of 4 goes to a");
    drawing.note((MONITOR - 110, 346), "worker at once: nobody is held up.");
    drawing.finish()
}
