//! The facade over all of it.
