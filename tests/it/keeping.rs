//! What stays in a store: containers with names, accounts of what is there, pruning, and checks of the store.

mod containers;
mod format;
mod fsck;
mod prune;
