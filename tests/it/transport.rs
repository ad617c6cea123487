//! Images as files: what other tools make of ours, what we make of theirs, and what we make of damaged ones.

mod damage;
mod export;
mod fixture;
mod import;
mod letter;
mod load;
mod tree;
