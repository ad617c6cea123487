//! Named contexts: what the user puts in the place of a stage, of an image, or of an image for one platform.
//!
//! Owns how their names are compared. A name is an image reference where it can be one, so that `alpine` and
//! `docker.io/library/alpine:latest` are the same; case does not count. `name::os/architecture` is meant for that
//! platform only and goes before `name`. A context is looked at when something names it; what stands for it is never
//! looked up as a context again, so that there are no cycles.

use crate::oci::{Platform, Reference};

use super::Options;
use super::stages::Origin;

/// What a named context is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamedContext {
    /// Files of the user's.
    Files,
    /// An image, by its reference; `scratch` is none.
    Image(String),
}

/// What stands between a context's name and the platform that it is for.
const PLATFORM_MARK: &str = "::";

/// The form in which a context's name is a key of [`Options::contexts`].
pub fn context_name(text: &str) -> String {
    match text.split_once(PLATFORM_MARK) {
        None => comparable(text),
        Some((name, platform)) => {
            let platform =
                platform.parse::<Platform>().map_or_else(|_| platform.to_owned(), |p| p.to_string());
            format!("{}{PLATFORM_MARK}{platform}", comparable(name))
        }
    }
}

fn comparable(name: &str) -> String {
    // A tag may have capitals; a repository may not, so that nothing is lost by taking them as small ones.
    let reference = name.parse::<Reference>().or_else(|_| name.to_lowercase().parse());
    reference.map_or_else(
        |_| name.to_lowercase(),
        |reference| {
            let familiar = reference.familiar();
            familiar.strip_suffix(":latest").map_or_else(|| familiar.clone(), str::to_owned)
        },
    )
}

/// What the user puts in the place of `name` on `platform`, if anything, with the key of its context.
pub(crate) fn stand_in<'o>(
    options: &'o Options,
    name: &str,
    platform: &Platform,
) -> Option<(&'o String, &'o NamedContext)> {
    if options.contexts.is_empty() {
        return None;
    }
    let name = comparable(name);
    let for_platform = options.contexts.get_key_value(&format!("{name}{PLATFORM_MARK}{platform}"));
    for_platform.or_else(|| options.contexts.get_key_value(&name))
}

/// The same as what a stage may start from.
pub(super) fn replacement(options: &Options, name: &str, platform: &Platform) -> Option<Origin> {
    let (name, context) = stand_in(options, name, platform)?;
    Some(match context {
        NamedContext::Files => Origin::Files(name.clone()),
        NamedContext::Image(reference) if reference == "scratch" => Origin::Scratch,
        NamedContext::Image(reference) => Origin::Image(reference.clone()),
    })
}

#[cfg(test)]
mod tests {
    use super::context_name;

    #[test]
    fn names_are_compared_as_references() {
        for (text, key) in [
            ("alpine", "alpine"),
            ("docker.io/library/alpine:latest", "alpine"),
            ("index.docker.io/library/Alpine", "alpine"),
            ("alpine:3.20", "alpine:3.20"),
            ("alpine:RC", "alpine:RC"),
            ("ghcr.io/a/b:latest", "ghcr.io/a/b"),
            ("SRC", "src"),
            ("odd_", "odd_"),
            ("alpine:latest::linux/arm64/v8", "alpine::linux/arm64"),
            ("alpine::odd", "alpine::odd"),
        ] {
            assert_eq!(context_name(text), key, "{text}");
        }
    }
}
