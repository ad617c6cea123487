//! File system changes, layer tars and unpacked layers.
