//! Layers: whatever an archive holds, nothing outside is touched, and what was unpacked is what the index says.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strata_fuzz::apply(bytes));
