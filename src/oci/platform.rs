//! Platforms, as image-spec's `platform` property and Docker's `--platform` write them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An operating system with an architecture.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Platform {
    /// Go's name of the architecture: `amd64`, `arm64`.
    pub architecture: String,
    /// Go's name of the operating system: `linux`.
    pub os: String,
    /// The variant of the architecture, such as `v7`; empty for the default one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub variant: String,
}

/// A text does not name a platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a platform: expected `os/architecture` or `os/architecture/variant`, such as `linux/amd64`"
)]
pub struct PlatformError {
    text: String,
}

impl Platform {
    /// The platform that this binary runs on.
    pub fn host() -> Self {
        Self::normalized("linux", std::env::consts::ARCH, "")
    }

    /// Whether a machine of this platform runs programs for `other` by itself. Of variants it is assumed that the
    /// machine has what they need: a program may look for itself.
    pub fn runs(&self, other: &Self) -> bool {
        let also = match self.architecture.as_str() {
            "amd64" => &["386"][..],
            _ => &[],
        };
        self.os == other.os
            && (self.architecture == other.architecture || also.contains(&other.architecture.as_str()))
    }

    /// Whether this is the same system on the same architecture, of whatever variant.
    pub fn is_akin(&self, other: &Self) -> bool {
        self.os == other.os && self.architecture == other.architecture
    }

    /// Which of what there is to take where this platform is wanted: the same to the letter, or else the first that
    /// differs in the variant only, of which it is assumed that the machine has what it needs.
    pub fn choose(&self, offered: impl IntoIterator<Item = Option<Self>>) -> Option<usize> {
        let mut akin = None;
        for (place, own) in offered.into_iter().enumerate() {
            match own {
                Some(own) if own == *self => return Some(place),
                Some(own) if akin.is_none() && self.is_akin(&own) => akin = Some(place),
                _ => {}
            }
        }
        akin
    }

    /// The platform with other names of the same architecture (`x86_64`, `arm64/v8`) replaced by Go's.
    pub fn normalized(os: &str, architecture: &str, variant: &str) -> Self {
        let architecture = architecture.to_ascii_lowercase();
        let (architecture, default_variant) = match architecture.as_str() {
            "x86_64" | "x86-64" => ("amd64", ""),
            "aarch64" => ("arm64", ""),
            "armhf" => ("arm", "v7"),
            "armel" => ("arm", "v6"),
            "i386" | "i486" | "i586" | "i686" | "x86" => ("386", ""),
            "powerpc64" => ("ppc64le", ""),
            other => (other, ""),
        };
        let variant = if variant.is_empty() { default_variant } else { variant };
        let variant = match (architecture, variant) {
            ("arm64", "v8" | "8") | ("amd64", "v1") => "",
            ("arm", "7" | "") => "v7",
            ("arm", "5") => "v5",
            ("arm", "6") => "v6",
            ("arm", "8") => "v8",
            (_, variant) => variant,
        };
        Self {
            os: os.to_ascii_lowercase(),
            architecture: architecture.to_owned(),
            variant: variant.to_owned(),
        }
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let parts: Vec<&str> = text.split('/').collect();
        let valid = |part: &&str| {
            !part.is_empty()
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        };
        if !parts.iter().all(valid) {
            return Err(PlatformError { text: text.to_owned() });
        }
        match parts[..] {
            ["local" | "linux"] => Ok(Self::host()),
            [architecture] if is_architecture(architecture) => {
                Ok(Self::normalized("linux", architecture, ""))
            }
            [os, architecture] => Ok(Self::normalized(os, architecture, "")),
            [os, architecture, variant] => Ok(Self::normalized(os, architecture, variant)),
            _ => Err(PlatformError { text: text.to_owned() }),
        }
    }
}

/// Whether a word alone can only mean an architecture.
fn is_architecture(word: &str) -> bool {
    const KNOWN: [&str; 9] =
        ["386", "amd64", "arm", "arm64", "loong64", "mips64le", "ppc64le", "riscv64", "s390x"];
    KNOWN.contains(&Platform::normalized("linux", word, "").architecture.as_str())
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        if !self.variant.is_empty() {
            write!(f, "/{}", self.variant)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_normalised() {
        for (text, normal) in [
            ("linux/amd64", "linux/amd64"),
            ("Linux/x86_64", "linux/amd64"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/armhf", "linux/arm/v7"),
            ("linux/arm/v6", "linux/arm/v6"),
            ("linux/arm/6", "linux/arm/v6"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/amd64/v1", "linux/amd64"),
            ("linux/amd64/v3", "linux/amd64/v3"),
            ("arm64", "linux/arm64"),
            ("x86_64", "linux/amd64"),
        ] {
            assert_eq!(text.parse::<Platform>().unwrap().to_string(), normal, "{text}");
        }
        assert_eq!("local".parse(), Ok(Platform::host()));
        for text in ["", "amd64/", "a/b/c/d", "linux/am d", "arm65"] {
            assert!(text.parse::<Platform>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_same_variant_is_chosen_before_the_same_architecture() {
        for (wanted, offered, chosen) in [
            ("linux/arm/v7", "linux/arm/v6 linux/arm/v7", Some(1)),
            ("linux/arm/v6", "linux/arm/v6 linux/arm/v7", Some(0)),
            ("linux/arm/v5", "linux/amd64 linux/arm/v7 linux/arm/v6", Some(1)),
            ("linux/amd64", "linux/amd64/v3 - linux/amd64", Some(2)),
            ("linux/amd64/v2", "linux/386 linux/amd64 linux/amd64/v3", Some(1)),
            ("linux/arm64", "linux/arm linux/arm64/v8", Some(1)),
            ("linux/arm64", "windows/arm64 linux/arm -", None),
            ("linux/amd64", "", None),
        ] {
            let wanted: Platform = wanted.parse().unwrap();
            let platforms = offered.split_whitespace().map(|text| text.parse().ok());
            assert_eq!(wanted.choose(platforms), chosen, "{wanted} of {offered}");
        }
    }

    #[test]
    fn a_machine_runs_what_its_processor_understands() {
        let runs = |machine: &str, other: &str| {
            machine.parse::<Platform>().unwrap().runs(&other.parse::<Platform>().unwrap())
        };
        for other in ["linux/amd64", "linux/amd64/v2", "linux/386"] {
            assert!(runs("linux/amd64", other), "{other}");
        }
        assert!(!runs("linux/amd64", "linux/arm64"));
        assert!(!runs("linux/amd64", "windows/amd64"));
        assert!(!runs("linux/arm64", "linux/arm"));
        assert!(!runs("linux/386", "linux/amd64"));
    }
}
