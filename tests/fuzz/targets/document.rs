//! Manifests, indexes and configs, which are read, written and read again.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strata_fuzz::document(bytes));
