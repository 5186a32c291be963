//! Fuzzes the entry `proxy_header`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| anthill_tests::fuzz::run("proxy_header", data));
