//! Places in a source text and messages about them.
