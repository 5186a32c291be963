//! Fuzzes the entry `tls`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| anthill_tests::fuzz::run("tls", data));
