#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| openproxy_fuzz_harness::claim_frame(data));
