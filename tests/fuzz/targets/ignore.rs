//! The ignore file, against the rules as they are written.

#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| strata_fuzz::ignore(text));
