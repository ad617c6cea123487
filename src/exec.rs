//! One process in a root file system of its own.
