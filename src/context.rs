//! The build context: what of it is visible, and its content.
