//! The Go types of what Docker's `inspect` shows of an image, in the order of their fields: an empty field that JSON
//! leaves out is there for a template all the same.

use super::super::template::{Field, Shape};

use Shape::{Duration, List, Map, Number, Pointer, Struct, Text, Truth};

/// `image.InspectResponse`, with the fields that older versions had.
pub(super) const IMAGE: Shape = Struct(&[
    Field::renamed("ID", "Id", Text),
    Field::new("RepoTags", TEXTS),
    Field::new("RepoDigests", TEXTS),
    Field::new("Parent", Text),
    Field::new("Comment", Text),
    Field::new("Created", Text),
    Field::new("Container", Text),
    Field::new("ContainerConfig", Pointer(&CONFIG)),
    Field::new("DockerVersion", Text),
    Field::new("Author", Text),
    Field::new("Config", Pointer(&CONFIG)),
    Field::new("Architecture", Text),
    Field::new("Variant", Text),
    Field::new("Os", Text),
    Field::new("OsVersion", Text),
    Field::new("Size", Number),
    Field::new("VirtualSize", Number),
    Field::new("SharedSize", Number),
    Field::new("UniqueSize", Number),
    Field::new("GraphDriver", GRAPH_DRIVER),
    Field::new("RootFS", ROOT_FS),
    Field::new("Metadata", METADATA),
    Field::new("Descriptor", Pointer(&DESCRIPTOR)),
]);

const TEXTS: Shape = List(&Text);
const TEXT_MAP: Shape = Map(&Text);
/// `map[string]struct{}`.
const SET: Shape = Map(&Struct(&[]));

/// `container.Config`.
const CONFIG: Shape = Struct(&[
    Field::new("Hostname", Text),
    Field::new("Domainname", Text),
    Field::new("User", Text),
    Field::new("AttachStdin", Truth),
    Field::new("AttachStdout", Truth),
    Field::new("AttachStderr", Truth),
    Field::new("ExposedPorts", SET),
    Field::new("Tty", Truth),
    Field::new("OpenStdin", Truth),
    Field::new("StdinOnce", Truth),
    Field::new("Env", TEXTS),
    Field::new("Cmd", TEXTS),
    Field::new("Healthcheck", Pointer(&HEALTHCHECK)),
    Field::new("ArgsEscaped", Truth),
    Field::new("Image", Text),
    Field::new("Volumes", SET),
    Field::new("WorkingDir", Text),
    Field::new("Entrypoint", TEXTS),
    Field::new("NetworkDisabled", Truth),
    Field::new("MacAddress", Text),
    Field::new("OnBuild", TEXTS),
    Field::new("Labels", TEXT_MAP),
    Field::new("StopSignal", Text),
    Field::new("StopTimeout", Pointer(&Number)),
    Field::new("Shell", TEXTS),
]);

/// `container.HealthConfig`.
const HEALTHCHECK: Shape = Struct(&[
    Field::new("Test", TEXTS),
    Field::new("Interval", Duration),
    Field::new("Timeout", Duration),
    Field::new("StartPeriod", Duration),
    Field::new("StartInterval", Duration),
    Field::new("Retries", Number),
]);

/// `storage.DriverData`.
const GRAPH_DRIVER: Shape = Struct(&[Field::new("Data", TEXT_MAP), Field::new("Name", Text)]);

/// `image.RootFS`.
const ROOT_FS: Shape = Struct(&[Field::new("Type", Text), Field::new("Layers", TEXTS)]);

/// `image.Metadata`.
const METADATA: Shape = Struct(&[Field::new("LastTagTime", Text)]);

/// `ocispec.Descriptor`.
const DESCRIPTOR: Shape = Struct(&[
    Field::renamed("MediaType", "mediaType", Text),
    Field::renamed("Digest", "digest", Text),
    Field::renamed("Size", "size", Number),
    Field::renamed("URLs", "urls", TEXTS),
    Field::renamed("Annotations", "annotations", TEXT_MAP),
    Field::renamed("ArtifactType", "artifactType", Text),
]);
