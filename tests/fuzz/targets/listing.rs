//! Fuzzes the entry `listing`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| anthill_tests::fuzz::run("listing", data));
