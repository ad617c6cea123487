//! Syntax tree to a graph of build steps.
