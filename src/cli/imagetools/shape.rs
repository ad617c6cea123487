//! The Go types of what buildx's `imagetools inspect` gives to templates.

use super::super::template::{Field, Shape};

use Shape::{Any, List, Map, Number, Pointer, Struct, Text, Truth};

/// One image.
pub(super) const ONE: Shape = Struct(&[
    Field::renamed("Name", "name", Text),
    Field::renamed("Manifest", "manifest", MANIFEST),
    Field::renamed("Image", "image", Pointer(&IMAGE)),
    Field::new("Provenance", PROVENANCE),
    Field::new("SBOM", SBOM),
]);

/// Several images, by platform.
pub(super) const SEVERAL: Shape = Struct(&[
    Field::renamed("Name", "name", Text),
    Field::renamed("Manifest", "manifest", MANIFEST),
    Field::renamed("Image", "image", Map(&Pointer(&IMAGE))),
    Field::new("Provenance", Map(&PROVENANCE)),
    Field::new("SBOM", Map(&SBOM)),
]);

const TEXTS: Shape = List(&Text);
const TEXT_MAP: Shape = Map(&Text);
/// `map[string]struct{}`.
const SET: Shape = Map(&Struct(&[]));

/// An index with its descriptor, or the descriptor of a manifest: `ocispec.Descriptor`.
const MANIFEST: Shape = Struct(&[
    Field::renamed("SchemaVersion", "schemaVersion", Number),
    Field::renamed("MediaType", "mediaType", Text),
    Field::renamed("Digest", "digest", Text),
    Field::renamed("Size", "size", Number),
    Field::renamed("Manifests", "manifests", List(&DESCRIPTOR)),
    Field::renamed("Annotations", "annotations", TEXT_MAP),
    Field::renamed("URLs", "urls", TEXTS),
    Field::renamed("Platform", "platform", Pointer(&PLATFORM)),
    Field::renamed("ArtifactType", "artifactType", Text),
]);

/// `ocispec.Descriptor`.
const DESCRIPTOR: Shape = Struct(&[
    Field::renamed("MediaType", "mediaType", Text),
    Field::renamed("Digest", "digest", Text),
    Field::renamed("Size", "size", Number),
    Field::renamed("URLs", "urls", TEXTS),
    Field::renamed("Annotations", "annotations", TEXT_MAP),
    Field::renamed("Data", "data", Text),
    Field::renamed("Platform", "platform", Pointer(&PLATFORM)),
    Field::renamed("ArtifactType", "artifactType", Text),
]);

/// `ocispec.Platform`.
const PLATFORM: Shape = Struct(&[
    Field::renamed("Architecture", "architecture", Text),
    Field::renamed("OS", "os", Text),
    Field::renamed("OSVersion", "os.version", Text),
    Field::renamed("OSFeatures", "os.features", TEXTS),
    Field::renamed("Variant", "variant", Text),
]);

/// `ocispec.Image`, with Docker's fields.
const IMAGE: Shape = Struct(&[
    Field::renamed("Created", "created", Text),
    Field::renamed("Author", "author", Text),
    Field::renamed("Architecture", "architecture", Text),
    Field::renamed("OS", "os", Text),
    Field::renamed("OSVersion", "os.version", Text),
    Field::renamed("OSFeatures", "os.features", TEXTS),
    Field::renamed("Variant", "variant", Text),
    Field::renamed("Config", "config", CONFIG),
    Field::renamed("RootFS", "rootfs", ROOT_FS),
    Field::renamed("History", "history", List(&HISTORY)),
]);

const CONFIG: Shape = Struct(&[
    Field::new("User", Text),
    Field::new("ExposedPorts", SET),
    Field::new("Env", TEXTS),
    Field::new("Entrypoint", TEXTS),
    Field::new("Cmd", TEXTS),
    Field::new("Healthcheck", Any),
    Field::new("ArgsEscaped", Truth),
    Field::new("Volumes", SET),
    Field::new("WorkingDir", Text),
    Field::new("OnBuild", TEXTS),
    Field::new("Labels", TEXT_MAP),
    Field::new("StopSignal", Text),
    Field::new("Shell", TEXTS),
]);

const ROOT_FS: Shape =
    Struct(&[Field::renamed("Type", "type", Text), Field::renamed("DiffIDs", "diff_ids", TEXTS)]);

const HISTORY: Shape = Struct(&[
    Field::renamed("Created", "created", Text),
    Field::renamed("CreatedBy", "created_by", Text),
    Field::renamed("Author", "author", Text),
    Field::renamed("Comment", "comment", Text),
    Field::renamed("EmptyLayer", "empty_layer", Truth),
]);

const PROVENANCE: Shape = Struct(&[Field::new("SLSA", Any)]);

const SBOM: Shape = Struct(&[Field::new("SPDX", Any), Field::new("AdditionalSPDXs", List(&Any))]);
