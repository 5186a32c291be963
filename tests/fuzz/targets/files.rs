//! Fuzzes the entry `files`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| anthill_tests::fuzz::run("files", data));
