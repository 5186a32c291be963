//! Bodies to compress, the same in every run.

use std::fmt::Write;

/// So many bytes of JSON, as a list of things comes: names and shapes that return, numbers that do not.
#[must_use]
pub fn json(bytes: usize) -> Vec<u8> {
    let words = ["ant", "hill", "worker", "queue", "leaf", "tunnel", "pool", "soil"];
    let mut noise = Noise::new();
    let mut text = String::from("[");
    while text.len() < bytes {
        let (id, price) = (noise.next() % 100_000, noise.next() % 10_000);
        let name = [words[noise.next() as usize % 8], words[noise.next() as usize % 8]].join(" ");
        let in_stock = noise.next() % 2 == 0;
        // A string takes everything.
        let _ = writeln!(
            text,
            r#"{{"id":{id},"name":"{name}","price":{}.{:02},"in_stock":{in_stock}}},"#,
            price / 100,
            price % 100
        );
    }
    text.truncate(bytes);
    text.into_bytes()
}

/// So many bytes that no coding makes shorter.
#[must_use]
pub fn noise(bytes: usize) -> Vec<u8> {
    let mut noise = Noise::new();
    (0..bytes).map(|_| noise.next() as u8).collect()
}

struct Noise(u64);

impl Noise {
    fn new() -> Self {
        Self(0x9E37_79B9_7F4A_7C15)
    }

    fn next(&mut self) -> u64 {
        let Self(state) = self;
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        *state >> 32
    }
}
