//! How a request travels.

use super::svg::{Drawing, Tone};

pub(super) fn picture() -> String {
    let mut drawing = Drawing::new(
        760,
        330,
        "How a request travels",
        "A shard's driver reads a request and calls its handler. One that does not block is answered on the spot. One \
         that is known to block goes through the hand-over queue to a worker, and both send responses the same way.",
    );
    drawing.block((20, 60), (100, 50), Tone::Plain, "client", "");
    drawing.arrow(&[(120, 85), (170, 85)], "bytes");
    drawing.block((170, 60), (140, 50), Tone::Runs, "driver of a shard", "reads and parses");
    drawing.arrow(&[(310, 85), (400, 85)], "does not block");
    drawing.block((400, 60), (140, 50), Tone::Runs, "handler", "on the driver");
    drawing.arrow(&[(540, 85), (620, 85)], "");
    drawing.block((620, 60), (120, 50), Tone::Runs, "response", "one write");
    drawing.arrow(&[(680, 60), (680, 25), (70, 25), (70, 60)], "");

    drawing.arrow(&[(240, 110), (240, 180)], "");
    drawing.note((250, 150), "its route is known to block");
    drawing.block((170, 180), (140, 50), Tone::Plain, "hand-over queue", "bounded, in order");
    drawing.arrow(&[(310, 205), (400, 205)], "");
    drawing.block((400, 180), (140, 50), Tone::Blocks, "handler", "on a worker");
    drawing.arrow(&[(540, 205), (680, 205), (680, 110)], "");
    drawing.arrow(&[(240, 230), (240, 280)], "");
    drawing.note((250, 260), "nobody free within max_wait, or no room");
    drawing.block((170, 280), (140, 36), Tone::Plain, "503, Retry-After", "");
    drawing.finish()
}
