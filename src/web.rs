//! What all clients of HTTP here have in common: proxies, the provider of ciphers, and what an error comes from.
//!
//! Owns nothing that is fetched. Must not know what the requests are for, nor the environment: proxies are values.

mod proxies;

use std::error::Error;
use std::io;
use std::sync::Arc;

pub use proxies::Proxies;

/// How strata calls itself.
pub const USER_AGENT: &str = concat!("strata/", env!("CARGO_PKG_VERSION"));

/// Gives TLS its ciphers. Must be called before a client is made; more than once does no harm.
pub fn install_ciphers() {
    let _: Result<(), Arc<_>> = rustls::crypto::ring::default_provider().install_default();
}

/// An error and what caused it. What an [`io::Error`] wraps is not among its sources, so it is unwrapped.
pub fn causes<'e>(error: &'e (dyn Error + 'static)) -> Vec<&'e (dyn Error + 'static)> {
    let mut causes = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        causes.push(error);
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    causes
}

/// Why something failed, in the words of the innermost cause. A URL, which may hold a password, is not in them.
pub fn innermost(error: &(dyn Error + 'static)) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}
