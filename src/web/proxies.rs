//! Which proxies requests go through.

use std::fmt;

use reqwest::{NoProxy, Proxy};

/// The proxies that the usual variables name. The values may hold passwords.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// For `http` URLs: `http_proxy`.
    pub http: Option<String>,
    /// For `https` URLs: `https_proxy`.
    pub https: Option<String>,
    /// For what has no proxy of its own: `all_proxy`.
    pub all: Option<String>,
    /// Hosts that are reached without one, with commas between them: `no_proxy`.
    pub no_proxy: Option<String>,
}

impl Proxies {
    /// The variables that tell a program of them, in the spelling that all programs read.
    pub fn variables(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let values = [
            ("http_proxy", &self.http),
            ("https_proxy", &self.https),
            ("all_proxy", &self.all),
            ("no_proxy", &self.no_proxy),
        ];
        values.into_iter().filter_map(|(name, value)| Some((name, set(value.as_deref())?)))
    }

    /// These proxies in the order in which they are looked at: the first one that fits is taken. A client must be told
    /// to use no others.
    pub fn list(&self) -> reqwest::Result<Vec<Proxy>> {
        let except = self.no_proxy.as_deref().and_then(NoProxy::from_string);
        let mut proxies = Vec::new();
        if let Some(url) = set(self.http.as_deref()) {
            proxies.push(Proxy::http(url)?.no_proxy(except.clone()));
        }
        if let Some(url) = set(self.https.as_deref()) {
            proxies.push(Proxy::https(url)?.no_proxy(except.clone()));
        }
        if let Some(url) = set(self.all.as_deref()) {
            proxies.push(Proxy::all(url)?.no_proxy(except));
        }
        Ok(proxies)
    }
}

/// An empty value says that there is no proxy.
fn set(value: Option<&str>) -> Option<&str> {
    value.filter(|value| !value.is_empty())
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.variables().map(|(name, _)| name).collect();
        f.debug_tuple("Proxies").field(&names).finish()
    }
}
