//! Cache keys and records.
