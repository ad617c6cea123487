//! Dockerfile text to syntax tree.
