//! Media types: what the bytes behind a descriptor are.
//!
//! The specification's own names come from `oci-spec`; Docker's, which mean the same things in other words, are
//! listed here, because registries and archives are full of them.

use std::fmt;

use oci_spec::image::MediaType as Spec;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How a layer's tar is compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip (RFC 1952), the one that everybody reads.
    #[default]
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
}

/// What the bytes behind a descriptor are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MediaType {
    /// An OCI image manifest.
    Manifest,
    /// An OCI image index.
    Index,
    /// An OCI image config.
    Config,
    /// An OCI layer, a plain tar.
    Layer,
    /// An OCI layer, gzip.
    LayerGzip,
    /// An OCI layer, Zstandard.
    LayerZstd,
    /// An OCI layer that may not be passed on, a plain tar.
    Foreign,
    /// An OCI layer that may not be passed on, gzip.
    ForeignGzip,
    /// An OCI layer that may not be passed on, Zstandard.
    ForeignZstd,
    /// A Docker manifest, version 2 schema 2.
    DockerManifest,
    /// A Docker manifest list.
    DockerList,
    /// A Docker image config.
    DockerConfig,
    /// A Docker layer, a plain tar.
    DockerLayer,
    /// A Docker layer, gzip.
    DockerLayerGzip,
    /// A Docker layer, Zstandard; no registry documents it, some tools write it.
    DockerLayerZstd,
    /// A Docker layer that may not be passed on, gzip.
    DockerForeignGzip,
    /// Anything else.
    Other(String),
}

// `as_ref` of these statics lends a text for as long as the program runs.
static MANIFEST: Spec = Spec::ImageManifest;
static INDEX: Spec = Spec::ImageIndex;
static CONFIG: Spec = Spec::ImageConfig;
static LAYER: Spec = Spec::ImageLayer;
static LAYER_GZIP: Spec = Spec::ImageLayerGzip;
static LAYER_ZSTD: Spec = Spec::ImageLayerZstd;
static FOREIGN: Spec = Spec::ImageLayerNonDistributable;
static FOREIGN_GZIP: Spec = Spec::ImageLayerNonDistributableGzip;
static FOREIGN_ZSTD: Spec = Spec::ImageLayerNonDistributableZstd;
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
const DOCKER_LAYER_ZSTD: &str = "application/vnd.docker.image.rootfs.diff.tar.zstd";
const DOCKER_FOREIGN_GZIP: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";

impl MediaType {
    /// The OCI layer with this compression.
    pub const fn layer(compression: Compression) -> Self {
        match compression {
            Compression::None => Self::Layer,
            Compression::Gzip => Self::LayerGzip,
            Compression::Zstd => Self::LayerZstd,
        }
    }

    /// The Docker layer with this compression.
    pub const fn docker_layer(compression: Compression) -> Self {
        match compression {
            Compression::None => Self::DockerLayer,
            Compression::Gzip => Self::DockerLayerGzip,
            Compression::Zstd => Self::DockerLayerZstd,
        }
    }

    /// The type that a text names; a text that names none is [`MediaType::Other`].
    pub fn parse(text: &str) -> Self {
        Self::from(Spec::from(text))
    }

    /// The name of the type.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Manifest => MANIFEST.as_ref(),
            Self::Index => INDEX.as_ref(),
            Self::Config => CONFIG.as_ref(),
            Self::Layer => LAYER.as_ref(),
            Self::LayerGzip => LAYER_GZIP.as_ref(),
            Self::LayerZstd => LAYER_ZSTD.as_ref(),
            Self::Foreign => FOREIGN.as_ref(),
            Self::ForeignGzip => FOREIGN_GZIP.as_ref(),
            Self::ForeignZstd => FOREIGN_ZSTD.as_ref(),
            Self::DockerManifest => DOCKER_MANIFEST,
            Self::DockerList => DOCKER_LIST,
            Self::DockerConfig => DOCKER_CONFIG,
            Self::DockerLayer => DOCKER_LAYER,
            Self::DockerLayerGzip => DOCKER_LAYER_GZIP,
            Self::DockerLayerZstd => DOCKER_LAYER_ZSTD,
            Self::DockerForeignGzip => DOCKER_FOREIGN_GZIP,
            Self::Other(text) => text,
        }
    }

    /// Whether it is a manifest of one image, OCI's or Docker's.
    pub const fn is_manifest(&self) -> bool {
        matches!(self, Self::Manifest | Self::DockerManifest)
    }

    /// Whether it is an index or a manifest list.
    pub const fn is_index(&self) -> bool {
        matches!(self, Self::Index | Self::DockerList)
    }

    /// Whether it is an image config, OCI's or Docker's.
    pub const fn is_config(&self) -> bool {
        matches!(self, Self::Config | Self::DockerConfig)
    }

    /// How a layer is compressed; `None` for what is no layer.
    pub const fn compression(&self) -> Option<Compression> {
        match self {
            Self::Layer | Self::Foreign | Self::DockerLayer => Some(Compression::None),
            Self::LayerGzip | Self::ForeignGzip | Self::DockerLayerGzip | Self::DockerForeignGzip => {
                Some(Compression::Gzip)
            }
            Self::LayerZstd | Self::ForeignZstd | Self::DockerLayerZstd => Some(Compression::Zstd),
            _ => None,
        }
    }

    /// Whether it is a layer.
    pub const fn is_layer(&self) -> bool {
        self.compression().is_some()
    }
}

impl From<Spec> for MediaType {
    fn from(spec: Spec) -> Self {
        match spec {
            Spec::ImageManifest => Self::Manifest,
            Spec::ImageIndex => Self::Index,
            Spec::ImageConfig => Self::Config,
            Spec::ImageLayer => Self::Layer,
            Spec::ImageLayerGzip => Self::LayerGzip,
            Spec::ImageLayerZstd => Self::LayerZstd,
            Spec::ImageLayerNonDistributable => Self::Foreign,
            Spec::ImageLayerNonDistributableGzip => Self::ForeignGzip,
            Spec::ImageLayerNonDistributableZstd => Self::ForeignZstd,
            other => match other.as_ref() {
                DOCKER_MANIFEST => Self::DockerManifest,
                DOCKER_LIST => Self::DockerList,
                DOCKER_CONFIG => Self::DockerConfig,
                DOCKER_LAYER => Self::DockerLayer,
                DOCKER_LAYER_GZIP => Self::DockerLayerGzip,
                DOCKER_LAYER_ZSTD => Self::DockerLayerZstd,
                DOCKER_FOREIGN_GZIP => Self::DockerForeignGzip,
                text => Self::Other(text.to_owned()),
            },
        }
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for MediaType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for MediaType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Spec::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_specifications() {
        for (media_type, text, compression) in [
            (MediaType::Manifest, "application/vnd.oci.image.manifest.v1+json", None),
            (MediaType::Index, "application/vnd.oci.image.index.v1+json", None),
            (MediaType::Config, "application/vnd.oci.image.config.v1+json", None),
            (MediaType::Layer, "application/vnd.oci.image.layer.v1.tar", Some(Compression::None)),
            (MediaType::LayerGzip, "application/vnd.oci.image.layer.v1.tar+gzip", Some(Compression::Gzip)),
            (MediaType::LayerZstd, "application/vnd.oci.image.layer.v1.tar+zstd", Some(Compression::Zstd)),
            (
                MediaType::Foreign,
                "application/vnd.oci.image.layer.nondistributable.v1.tar",
                Some(Compression::None),
            ),
            (
                MediaType::ForeignGzip,
                "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
                Some(Compression::Gzip),
            ),
            (
                MediaType::ForeignZstd,
                "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
                Some(Compression::Zstd),
            ),
            (MediaType::DockerManifest, DOCKER_MANIFEST, None),
            (MediaType::DockerList, DOCKER_LIST, None),
            (MediaType::DockerConfig, DOCKER_CONFIG, None),
            (MediaType::DockerLayer, DOCKER_LAYER, Some(Compression::None)),
            (MediaType::DockerLayerGzip, DOCKER_LAYER_GZIP, Some(Compression::Gzip)),
            (MediaType::DockerLayerZstd, DOCKER_LAYER_ZSTD, Some(Compression::Zstd)),
            (MediaType::DockerForeignGzip, DOCKER_FOREIGN_GZIP, Some(Compression::Gzip)),
            (MediaType::Other("text/plain".to_owned()), "text/plain", None),
        ] {
            assert_eq!(media_type.as_str(), text);
            assert_eq!(MediaType::parse(text), media_type, "{text}");
            assert_eq!(media_type.compression(), compression, "{text}");
        }
    }

    #[test]
    fn layers_are_made_from_compressions() {
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            assert_eq!(MediaType::layer(compression).compression(), Some(compression));
            assert_eq!(MediaType::docker_layer(compression).compression(), Some(compression));
        }
    }
}
