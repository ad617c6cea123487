//! What a registry wants to know: the `WWW-Authenticate` header (RFC 9110, 11.6.1).

use std::collections::BTreeMap;

/// One way to say who one is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// With every request, name and password.
    Basic,
    /// With a token that another server gives.
    Bearer {
        /// Where tokens are.
        realm: String,
        /// What the registry is called there.
        service: Option<String>,
        /// What the token has to be for, if the registry knows it better than its client.
        scope: Option<String>,
    },
}

impl Challenge {
    /// The first challenge of these headers that can be met; tokens are better than passwords.
    pub(super) fn choose<'h>(headers: impl Iterator<Item = &'h str>) -> Option<Self> {
        let mut found: Vec<Self> = headers.flat_map(parse).collect();
        found.sort_by_key(|challenge| *challenge == Self::Basic);
        found.into_iter().next()
    }
}

/// The challenges of a header that are of a known kind.
fn parse(header: &str) -> Vec<Challenge> {
    let mut all: Vec<(String, BTreeMap<String, String>)> = Vec::new();
    for item in items(header) {
        // An item is a parameter, a scheme, or a scheme with its first parameter.
        let name = item.split('=').next().unwrap_or(item);
        let (scheme, parameter) = match name.trim_end().split_once(char::is_whitespace) {
            Some((scheme, _)) => (Some(scheme), item[scheme.len()..].trim_start()),
            None if item.contains('=') => (None, item),
            None => (Some(item), ""),
        };
        if let Some(scheme) = scheme {
            all.push((scheme.to_ascii_lowercase(), BTreeMap::new()));
        }
        if let (Some((_, parameters)), Some((name, value))) = (all.last_mut(), parameter.split_once('=')) {
            parameters.insert(name.trim().to_ascii_lowercase(), unquoted(value.trim()));
        }
    }
    all.into_iter().filter_map(|(scheme, parameters)| known(&scheme, parameters)).collect()
}

fn known(scheme: &str, mut parameters: BTreeMap<String, String>) -> Option<Challenge> {
    match scheme {
        "basic" => Some(Challenge::Basic),
        "bearer" => Some(Challenge::Bearer {
            realm: parameters.remove("realm")?,
            service: parameters.remove("service").filter(|service| !service.is_empty()),
            scope: parameters.remove("scope").filter(|scope| !scope.is_empty()),
        }),
        _ => None,
    }
}

/// The parts between commas that stand in no quotes.
fn items(header: &str) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = header.split(move |c: char| {
        if escaped {
            escaped = false;
        } else if quoted && c == '\\' {
            escaped = true;
        } else if c == '"' {
            quoted = !quoted;
        }
        c == ',' && !quoted
    });
    parts.map(str::trim).filter(|part| !part.is_empty()).collect()
}

fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"') else { return value.to_owned() };
    let mut text = String::new();
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => text.extend(chars.next()),
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Challenge {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Challenge::Bearer { realm: realm.to_owned(), service: owned(service), scope: owned(scope) }
    }

    #[test]
    fn challenges_are_read() {
        let hub = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#;
        for (header, expected) in [
            (
                hub,
                vec![bearer(
                    "https://auth.docker.io/token",
                    Some("registry.docker.io"),
                    Some("repository:a/b:pull,push"),
                )],
            ),
            (r#"Basic realm="Registry Realm""#, vec![Challenge::Basic]),
            ("basic", vec![Challenge::Basic]),
            ("bearer realm=https://x/t , service = y", vec![bearer("https://x/t", Some("y"), None)]),
            (
                r#"Negotiate, Basic realm="a, b", Bearer realm="https://x/\"q\"""#,
                vec![Challenge::Basic, bearer(r#"https://x/"q""#, None, None)],
            ),
            (r#"Bearer service="y""#, vec![]),
            ("Digest realm=x", vec![]),
            ("", vec![]),
            (r#"Basic realm="never closed"#, vec![Challenge::Basic]),
        ] {
            assert_eq!(parse(header), expected, "{header}");
        }
    }

    #[test]
    fn tokens_are_preferred() {
        let headers = ["Basic realm=x", "Bearer realm=https://x/t"];
        assert_eq!(Challenge::choose(headers.into_iter()), Some(bearer("https://x/t", None, None)));
        assert_eq!(Challenge::choose(["Digest realm=x"].into_iter()), None);
    }
}
