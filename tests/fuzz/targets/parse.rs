//! The parser: places, messages, and a tree that is printed and parsed again.

#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| strata_fuzz::parse(text));
