//! A mount's meaning, once its values are known.

use crate::diagnostic::{Span, Spanned, nearest};
use crate::dockerfile::error::ParseError;
use crate::dockerfile::word::Word;

use super::{
    BindMount, CacheMount, Mount, MountError, MountKey, MountSpec, Owner, SecretMount, Sharing, SshMount,
    TmpfsMount,
};

/// Expands a value. Its errors are passed on.
type Expand<'a> = &'a mut dyn FnMut(&Word) -> Result<String, ParseError>;

impl Mount {
    /// Expands the options with `expand` and checks them. `from` is never expanded.
    pub fn resolve(
        &self,
        expand: &mut dyn FnMut(&Word) -> Result<String, ParseError>,
    ) -> Result<MountSpec, ParseError> {
        Resolver::new(self, expand)?.spec()
    }
}

/// The options of one mount, expanded.
struct Resolver<'m> {
    mount: &'m Mount,
    mount_type: &'static str,
    /// In the order of `mount.options`; a switch without a value is `true`.
    values: Vec<String>,
}

const TYPES: [&str; 5] = ["bind", "cache", "tmpfs", "secret", "ssh"];

/// Where a key may stand; keys that are not listed are ignored where they have no meaning.
const KEYS_OF_TYPES: [(MountKey, &[&str]); 7] = [
    (MountKey::Required, &["secret", "ssh"]),
    (MountKey::Env, &["secret"]),
    (MountKey::Size, &["tmpfs"]),
    (MountKey::Sharing, &["cache"]),
    (MountKey::Mode, &["cache", "secret", "ssh"]),
    (MountKey::Uid, &["cache", "secret", "ssh"]),
    (MountKey::Gid, &["cache", "secret", "ssh"]),
];

impl<'m> Resolver<'m> {
    fn new(mount: &'m Mount, expand: Expand<'_>) -> Result<Self, ParseError> {
        let value = |option: &super::MountOption| match &option.value {
            None => Ok("true".to_owned()),
            Some(word) if option.key == MountKey::From => Ok(word.text.clone()),
            Some(word) => expand(word),
        };
        let values = mount.options.iter().map(value).collect::<Result<Vec<_>, _>>()?;
        let mut resolver = Self { mount, mount_type: "bind", values };
        resolver.mount_type = resolver.read_type()?;
        resolver.check_keys()?;
        Ok(resolver)
    }

    fn read_type(&self) -> Result<&'static str, ParseError> {
        let Some((value, span)) = self.raw(MountKey::Type) else { return Ok("bind") };
        let known = TYPES.into_iter().find(|known| value.eq_ignore_ascii_case(known));
        known.ok_or_else(|| {
            let similar = nearest(value, TYPES);
            ParseError::new(MountError::Type { value: value.to_owned(), similar }, span)
        })
    }

    fn check_keys(&self) -> Result<(), ParseError> {
        for option in &self.mount.options {
            let allowed = KEYS_OF_TYPES.iter().find(|(key, _)| *key == option.key).map(|(_, types)| *types);
            let secret_from = option.key == MountKey::From && self.mount_type == "secret";
            if secret_from || allowed.is_some_and(|types| !types.contains(&self.mount_type)) {
                let kind = MountError::KeyForType { key: option.key.name(), mount_type: self.mount_type };
                return Err(ParseError::new(kind, option.span));
            }
        }
        Ok(())
    }

    fn spec(&self) -> Result<MountSpec, ParseError> {
        Ok(match self.mount_type {
            "cache" => MountSpec::Cache(CacheMount {
                target: self.required_target()?,
                id: self.text(MountKey::Id),
                source: self.text(MountKey::Source),
                from: self.from(),
                sharing: self.sharing()?,
                read_only: self.read_only()?.unwrap_or(false),
                owner: self.owner()?,
            }),
            "tmpfs" => MountSpec::Tmpfs(TmpfsMount {
                target: self.required_target()?,
                size: self.parsed(MountKey::Size, "a size in bytes, such as `64m`", parse_size)?,
            }),
            "secret" => MountSpec::Secret(self.secret()?),
            "ssh" => MountSpec::Ssh(SshMount {
                id: self.text(MountKey::Id).unwrap_or_else(|| "default".to_owned()),
                target: self.target()?,
                required: self.switch(MountKey::Required)?.unwrap_or(false),
                owner: self.owner()?,
            }),
            _ => MountSpec::Bind(BindMount {
                target: self.required_target()?,
                source: self.text(MountKey::Source),
                from: self.from(),
                read_write: self.read_only()?.is_some_and(|read_only| !read_only),
            }),
        })
    }

    fn secret(&self) -> Result<SecretMount, ParseError> {
        let target = self.target()?;
        let id = match (self.text(MountKey::Id), self.text(MountKey::Source)) {
            (Some(_), Some(_)) => return Err(ParseError::new(MountError::SecretWithTwoIds, self.mount.span)),
            (Some(id), None) | (None, Some(id)) => id,
            (None, None) => match &target {
                Some(target) => base_name(target).to_owned(),
                None => return Err(ParseError::new(MountError::SecretWithoutId, self.mount.span)),
            },
        };
        let env = self.text(MountKey::Env);
        let target = match (target, &env) {
            (None, None) => Some(format!("/run/secrets/{}", base_name(&id))),
            (target, _) => target,
        };
        let required = self.switch(MountKey::Required)?.unwrap_or(false);
        Ok(SecretMount { id, target, env, required, owner: self.owner()? })
    }

    fn target(&self) -> Result<Option<String>, ParseError> {
        let Some(target) = self.text(MountKey::Target) else { return Ok(None) };
        let is_root =
            target.starts_with('/') && target.split('/').all(|part| matches!(part, "" | "." | ".."));
        if is_root {
            let span = self.raw(MountKey::Target).map_or(self.mount.span, |(_, span)| span);
            return Err(ParseError::new(MountError::RootTarget { target }, span));
        }
        Ok(Some(target))
    }

    fn required_target(&self) -> Result<String, ParseError> {
        let missing = MountError::WithoutTarget { mount_type: self.mount_type };
        self.target()?.ok_or_else(|| ParseError::new(missing, self.mount.span))
    }

    fn from(&self) -> Option<Spanned<String>> {
        self.mount.from().map(|word| Spanned::new(word.text.clone(), word.span))
    }

    fn sharing(&self) -> Result<Sharing, ParseError> {
        let sharing = |value: &str| match value.to_ascii_lowercase().as_str() {
            "shared" => Some(Sharing::Shared),
            "private" => Some(Sharing::Private),
            "locked" => Some(Sharing::Locked),
            _ => None,
        };
        Ok(self.parsed(MountKey::Sharing, "`shared`, `private` or `locked`", sharing)?.unwrap_or_default())
    }

    fn owner(&self) -> Result<Owner, ParseError> {
        let number =
            |value: &str| value.bytes().all(|b| b.is_ascii_digit()).then(|| value.parse().ok()).flatten();
        let octal = |value: &str| {
            value.bytes().all(|b| b.is_ascii_digit()).then(|| u32::from_str_radix(value, 8).ok()).flatten()
        };
        Ok(Owner {
            mode: self.parsed(MountKey::Mode, "an octal mode, such as `0755`", octal)?,
            uid: self.parsed(MountKey::Uid, "a user id", number)?,
            gid: self.parsed(MountKey::Gid, "a group id", number)?,
        })
    }

    /// `ro` and `rw` are one switch; whichever comes last counts.
    fn read_only(&self) -> Result<Option<bool>, ParseError> {
        let read_only = self.switch(MountKey::ReadOnly)?;
        let read_write = self.switch(MountKey::ReadWrite)?;
        let position = |key| self.mount.options.iter().rposition(|option| option.key == key);
        if position(MountKey::ReadWrite) > position(MountKey::ReadOnly) {
            return Ok(read_write.map(|read_write| !read_write));
        }
        Ok(read_only)
    }

    fn switch(&self, key: MountKey) -> Result<Option<bool>, ParseError> {
        self.parsed(key, "`true` or `false`", |value| match value {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
            _ => None,
        })
    }

    /// The value of `key`, read by `parse`.
    fn parsed<T>(
        &self,
        key: MountKey,
        expected: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, ParseError> {
        let Some((value, span)) = self.raw(key) else { return Ok(None) };
        let invalid = || MountError::Value { key: key.name(), value: value.to_owned(), expected };
        parse(value).map(Some).ok_or_else(|| ParseError::new(invalid(), span))
    }

    /// The value of `key`; an empty one counts as not given.
    fn text(&self, key: MountKey) -> Option<String> {
        self.raw(key).map(|(value, _)| value.to_owned()).filter(|value| !value.is_empty())
    }

    /// The last value of `key` and its place.
    fn raw(&self, key: MountKey) -> Option<(&str, Span)> {
        let position = self.mount.options.iter().rposition(|option| option.key == key)?;
        let option = &self.mount.options[position];
        let span = option.value.as_ref().map_or(option.span, |word| word.span);
        Some((&self.values[position], span))
    }
}

fn base_name(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}

/// Bytes of a size such as `1048576`, `64m`, `1.5GiB`; the units are powers of 1024.
fn parse_size(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.strip_prefix(' ').unwrap_or(unit).to_ascii_lowercase();
    let exponent = match unit.strip_suffix('b').unwrap_or(&unit).trim_end_matches('i') {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return None,
    };
    let size = number.parse::<f64>().ok()? * 1024_f64.powi(exponent);
    (size < u64::MAX as f64).then_some(size as u64)
}

#[cfg(test)]
mod tests {
    use super::parse_size;

    #[test]
    fn sizes_have_units_of_1024() {
        let cases = [
            ("0", Some(0)),
            ("512", Some(512)),
            ("512b", Some(512)),
            ("1k", Some(1 << 10)),
            ("64M", Some(64 << 20)),
            ("1.5GiB", Some(3 << 29)),
            ("2 gb", Some(2 << 30)),
            ("", None),
            ("m", None),
            ("-1", None),
            ("1.2.3", None),
            ("1x", None),
            ("99999999p", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_size(text), expected, "{text}");
        }
    }
}
