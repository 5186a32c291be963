//! Writes the pictures of the guide into `http/docs`.
#![allow(clippy::print_stdout)]

use std::path::Path;

fn main() -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../http/docs");
    for (name, picture) in anthill_tests::pictures::all() {
        std::fs::write(folder.join(name), picture)?;
        println!("http/docs/{name}");
    }
    Ok(())
}
