//! Fuzzes the entry `header_values`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| anthill_tests::fuzz::run("header_values", data));
