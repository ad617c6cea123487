//! Annotations that the user gives an image: `--annotation` and the attributes of that name.

use crate::oci::Platform;
use crate::transport::MediaTypes;

use super::error::OutputRefusal;

/// A remark, and what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// What it is about.
    pub level: Level,
    /// The platform of the image that it is for; `None` for all.
    pub platform: Option<Platform>,
    /// Its name, by convention a reverse domain name.
    pub key: String,
    /// What it says.
    pub value: String,
}

/// What an annotation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// The image: it stands in the manifest.
    Manifest,
    /// The image: it stands where an index lists the manifest.
    ManifestDescriptor,
    /// The image of several platforms: it stands in its index.
    Index,
    /// The image of several platforms: it stands where a layout lists its index.
    IndexDescriptor,
}

impl Level {
    const ALL: [(&str, Self); 4] = [
        ("manifest", Self::Manifest),
        ("manifest-descriptor", Self::ManifestDescriptor),
        ("index", Self::Index),
        ("index-descriptor", Self::IndexDescriptor),
    ];

    fn named(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(name, _)| *name == text).map(|(_, level)| *level)
    }
}

/// What of an output's form matters for annotations.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    pub(super) types: MediaTypes,
    pub(super) is_layout: bool,
    /// Whether what the name stands for is an index.
    pub(super) has_index: bool,
}

/// An annotation cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnnotationError {
    /// There is no value.
    #[error("the annotation `{0}` is not `[TYPE[PLATFORM]:]KEY=VALUE`")]
    NoValue(String),
    /// There is no name.
    #[error("the annotation `{0}` has no key")]
    NoKey(String),
    /// It is about something that has none.
    #[error(
        "the annotation `{text}` has the unknown type `{level}`; there are manifest, manifest-descriptor, index and index-descriptor"
    )]
    Level {
        /// The annotation.
        text: String,
        /// The type.
        level: String,
    },
    /// It is for something that is no platform.
    #[error("the annotation `{text}` is for `{platform}`, which is not a platform such as `linux/amd64`")]
    Platform {
        /// The annotation.
        text: String,
        /// What should be a platform.
        platform: String,
    },
}

impl Annotation {
    /// Reads what follows `--annotation`: `[TYPE[PLATFORM][,TYPE…]:]KEY=VALUE`. Several types make several annotations.
    pub fn parse(text: &str) -> Result<Vec<Self>, AnnotationError> {
        let (name, value) = text.split_once('=').ok_or_else(|| AnnotationError::NoValue(text.to_owned()))?;
        let (levels, key) = name.split_once(':').unwrap_or(("manifest", name));
        levels.split(',').map(|level| Self::new(text, level, key, value)).collect()
    }

    /// Reads an attribute of an output: `annotation[-TYPE][[PLATFORM]].KEY`; `None` if it is another attribute.
    pub(super) fn of_attribute(name: &str, value: &str) -> Option<Result<Self, AnnotationError>> {
        const PREFIX: &str = "annotation";
        // The end of the platform, which may have dots, or the beginning.
        let from = name.find(']').unwrap_or(0);
        let dot = from + name[from..].find('.')?;
        let (head, key) = (name[..dot].to_ascii_lowercase(), &name[dot + 1..]);
        let level = head.strip_prefix(PREFIX)?;
        let level = match level.strip_prefix('-') {
            Some(level) => level.to_owned(),
            None if level.is_empty() || level.starts_with('[') => format!("manifest{level}"),
            None => return None,
        };
        Some(Self::new(name, &level, key, value))
    }

    fn new(text: &str, level: &str, key: &str, value: &str) -> Result<Self, AnnotationError> {
        let (level, platform) = match level.strip_suffix(']').and_then(|level| level.split_once('[')) {
            Some((level, platform)) => (level, Some(platform)),
            None => (level, None),
        };
        let platform = platform.map(|platform| {
            platform.parse().map_err(|_| AnnotationError::Platform {
                text: text.to_owned(),
                platform: platform.to_owned(),
            })
        });
        let unknown = || AnnotationError::Level { text: text.to_owned(), level: level.to_owned() };
        let level = Level::named(level).ok_or_else(unknown)?;
        if key.is_empty() {
            return Err(AnnotationError::NoKey(text.to_owned()));
        }
        Ok(Self { level, platform: platform.transpose()?, key: key.to_owned(), value: value.to_owned() })
    }

    /// Refuses what has no place in an image for these platforms.
    pub(super) fn refuse_impossible(
        &self,
        built: &[Platform],
        Form { types, is_layout, has_index }: Form,
    ) -> Result<(), OutputRefusal> {
        let key = || self.key.clone();
        match self.level {
            Level::Index | Level::IndexDescriptor if !has_index => {
                return Err(OutputRefusal::NoIndex { key: key() });
            }
            Level::IndexDescriptor if !is_layout => {
                return Err(OutputRefusal::NoDescriptor { key: key(), of: "index" });
            }
            Level::ManifestDescriptor if !is_layout && !has_index => {
                return Err(OutputRefusal::NoDescriptor { key: key(), of: "manifest" });
            }
            Level::Manifest | Level::Index if types == MediaTypes::Docker => {
                return Err(OutputRefusal::DockerManifest { key: key() });
            }
            _ => {}
        }
        match &self.platform {
            Some(_) if matches!(self.level, Level::Index | Level::IndexDescriptor) => {
                Err(OutputRefusal::IndexForPlatform { key: key() })
            }
            Some(platform) if !built.contains(platform) => {
                let (platform, built) = (Box::new(platform.clone()), built.to_vec());
                Err(OutputRefusal::OtherPlatform { key: key(), platform, built })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotation(level: Level, platform: Option<&str>, key: &str, value: &str) -> Annotation {
        let platform = platform.map(|platform| platform.parse().unwrap());
        Annotation { level, platform, key: key.to_owned(), value: value.to_owned() }
    }

    #[test]
    fn flags_are_read() {
        use Level::{Index, Manifest, ManifestDescriptor};
        let cases: [(&str, Vec<Annotation>); 5] = [
            ("a.b=c", vec![annotation(Manifest, None, "a.b", "c")]),
            ("manifest-descriptor:a=b=c", vec![annotation(ManifestDescriptor, None, "a", "b=c")]),
            (
                "index,manifest:a=",
                vec![annotation(Index, None, "a", ""), annotation(Manifest, None, "a", "")],
            ),
            ("manifest[linux/arm64]:a=b", vec![annotation(Manifest, Some("linux/arm64"), "a", "b")]),
            ("manifest:a:b=c", vec![annotation(Manifest, None, "a:b", "c")]),
        ];
        for (text, expected) in cases {
            assert_eq!(Annotation::parse(text), Ok(expected), "{text}");
        }
        for (text, message) in [
            ("a", "the annotation `a` is not `[TYPE[PLATFORM]:]KEY=VALUE`"),
            ("=x", "the annotation `=x` has no key"),
            ("manifest:=x", "the annotation `manifest:=x` has no key"),
            (
                "layer:a=b",
                "the annotation `layer:a=b` has the unknown type `layer`; there are manifest, manifest-descriptor, index and index-descriptor",
            ),
            (
                "manifest[a/b/c/d]:a=b",
                "the annotation `manifest[a/b/c/d]:a=b` is for `a/b/c/d`, which is not a platform such as `linux/amd64`",
            ),
        ] {
            assert_eq!(Annotation::parse(text).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn attributes_are_read() {
        use Level::{IndexDescriptor, Manifest};
        for (name, expected) in [
            ("annotation.Org.key", Some(annotation(Manifest, None, "Org.key", "v"))),
            ("annotation-index-descriptor.k", Some(annotation(IndexDescriptor, None, "k", "v"))),
            ("annotation[linux/amd64].k", Some(annotation(Manifest, Some("linux/amd64"), "k", "v"))),
            (
                "Annotation-Manifest[linux/amd64].a.b",
                Some(annotation(Manifest, Some("linux/amd64"), "a.b", "v")),
            ),
            ("annotations.k", None),
            ("annotation", None),
            ("other.annotation", None),
        ] {
            assert_eq!(Annotation::of_attribute(name, "v").transpose().unwrap(), expected, "{name}");
        }
        assert!(Annotation::of_attribute("annotation-layer.k", "v").unwrap().is_err());
    }
}
