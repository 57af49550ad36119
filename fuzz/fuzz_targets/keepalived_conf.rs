#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| openproxy_fuzz_harness::keepalived_conf(data));
