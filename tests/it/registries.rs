//! Registries: images to them and back, who we are to them, and by which way they are reached.

mod images;
mod imagetools;
mod login;
mod place;
mod search;
mod servers;
mod trouble;
mod ways;
