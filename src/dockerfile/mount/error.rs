//! What can be wrong with a mount.

/// A mount makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "the message says what a variant is, its fields are the words in the message"
)]
pub enum MountError {
    #[error("mount is not a list of `key=value`: stray `\"`")]
    Quote,
    #[error("mount has no options")]
    Empty,
    #[error("unsupported mount type `{value}`")]
    Type { value: String, similar: Option<&'static str> },
    #[error("unexpected key `{key}` in mount")]
    Key { key: String, similar: Option<&'static str> },
    #[error("unexpected key `{key}` for mount type `{mount_type}`")]
    KeyForType { key: &'static str, mount_type: &'static str },
    #[error("invalid mount option `{key}`: must be a `key=value` pair")]
    WithoutValue { key: &'static str },
    #[error("invalid value `{value}` for mount option `{key}`")]
    Value { key: &'static str, value: String, expected: &'static str },
    #[error("mount option `from` does not support variable expansion")]
    FromVariable,
    #[error("mount of type `{mount_type}` needs a `target`")]
    WithoutTarget { mount_type: &'static str },
    #[error("invalid mount target `{target}`: it cannot be the root directory")]
    RootTarget { target: String },
    #[error("secret mount needs an `id` or a `target`")]
    SecretWithoutId,
    #[error("secret mount cannot have both `id` and `source`")]
    SecretWithTwoIds,
}

impl MountError {
    pub(in crate::dockerfile) fn help(&self) -> Option<String> {
        Some(match self {
            Self::Type { similar: Some(similar), .. } | Self::Key { similar: Some(similar), .. } => {
                format!("did you mean `{similar}`?")
            }
            Self::Type { .. } => "types are `bind`, `cache`, `tmpfs`, `secret` and `ssh`".into(),
            Self::Value { expected, .. } => format!("expected {expected}"),
            Self::FromVariable => "give the image a name with `FROM … AS name` and use that name here".into(),
            Self::WithoutTarget { .. } => "add `target=<path>`".into(),
            _ => return None,
        })
    }
}
