//! Takes the programs of the front page and makes functions of them, so that tests can run them: as they stand there,
//! but that they listen where a variable of the environment says.

use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

fn main() {
    let folder = env::var("CARGO_MANIFEST_DIR").expect("set by cargo");
    let page = Path::new(&folder).join("../README.md");
    println!("cargo:rerun-if-changed={}", page.display());
    let page = fs::read_to_string(page).expect("the front page");
    let programs =
        page.split("```rust,no_run\n").skip(1).map(|rest| rest.split("```").next().expect("a block"));
    let (mut modules, mut list) = (String::new(), String::new());
    for (number, program) in programs.enumerate() {
        let mut program = program.replace("fn main()", "pub(super) fn main()");
        for address in ["\"localhost:8080\"", "\"[::]:8080\""] {
            program =
                program.replace(address, "&*std::env::var(\"ANTHILL_TESTS_ADDRESS\").expect(\"an address\")");
        }
        writeln!(modules, "mod program_{number} {{\n{program}\n}}").expect("a string");
        write!(list, "|| Ok(program_{number}::main()?), ").expect("a string");
    }
    let list = format!(
        "/// In their order.\npub const PROGRAMS: &[fn() -> Result<(), Box<dyn std::error::Error>>] = &[{list}];"
    );
    let out = Path::new(&env::var("OUT_DIR").expect("set by cargo")).join("readme.rs");
    fs::write(out, modules + &list).expect("a folder to write to");
}
