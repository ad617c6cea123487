//! Names of images, one a line, which are read, written and read again.

#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| strata_fuzz::reference(text));
