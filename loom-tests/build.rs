//! Turns on `anthill_loom` for this package alone, so that the pool's source stands on loom here and on std elsewhere.
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-cfg=anthill_loom");
}
