//! Images of somebody who means harm: whatever they hold, nothing beside the store is touched, memory stays bounded, a
//! refusal says why, and the store is as clean as before.
//!
//! What the library says of such layers, archives and documents stands in `src/layer/apply/tests.rs` and in
//! `transport::damage`; these tests see the whole program do the same on each of the ways by which images come in.

mod archive;
mod documents;
mod image;
mod layers;
mod place;
mod pull;
mod sizes;
