//! How registries are reached: who we are to them, and by which way.

mod servers;
