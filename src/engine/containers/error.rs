//! What can go wrong with containers that stay.

use crate::oci::DiffId;

/// A container cannot be what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ContainerError {
    /// A name is none.
    #[error("`{0}` is no name for a container")]
    Name(String),
    /// A name is another's.
    #[error("the name `{name}` is taken by the container {id}")]
    Taken {
        /// The name.
        name: String,
        /// The short id of the container that has it.
        id: String,
    },
    /// All random names that were tried are taken.
    #[error("no free name for the container was found")]
    NoFreeName,
    /// There is no such container.
    #[error("there is no container `{name}`")]
    None {
        /// As the user wrote it.
        name: String,
        /// A name that is near it.
        similar: Option<String>,
    },
    /// An id stands for more than one container.
    #[error("`{0}` is the beginning of the ids of several containers")]
    Ambiguous(String),
    /// It must have ended before.
    #[error("the container `{name}` is running: it cannot {purpose}")]
    Running {
        /// Its name.
        name: String,
        /// What it cannot.
        purpose: &'static str,
    },
    /// It was killed and is still there.
    #[error("the container `{name}` does not end")]
    Alive {
        /// Its name.
        name: String,
    },
    /// Strata was killed in the middle of reading what it changed.
    #[error("what the container `{name}` changed was being read when strata was killed, and is not reliable")]
    Cut {
        /// Its name.
        name: String,
    },
    /// What it changed is not there.
    #[error("what the container `{name}` changed is not in the store any more: layer {layer}")]
    Lost {
        /// Its name.
        name: String,
        /// The layer.
        layer: DiffId,
    },
    /// What the store says of it cannot be read.
    #[error("what the store says of the container `{name}` cannot be read")]
    Details {
        /// Its name.
        name: String,
        /// Why not.
        source: serde_json::Error,
    },
    /// An image is still used.
    #[error("the image {image} is used by the container `{name}`")]
    Uses {
        /// The short id of the image.
        image: String,
        /// A container of it.
        name: String,
    },
}

impl ContainerError {
    /// What the user can do about it.
    pub fn remedy(&self) -> Option<String> {
        Some(match self {
            Self::Name(_) => {
                "a name has two characters or more: letters, digits, `_`, `.` and `-`, and begins \
                              with a letter or a digit"
                    .to_owned()
            }
            Self::Taken { name, .. } => {
                format!("remove that one with `strata rm {name}`, or choose another name")
            }
            Self::NoFreeName => "give it one with `--name`".to_owned(),
            Self::None { similar: Some(similar), .. } => format!("did you mean `{similar}`?"),
            Self::None { .. } => {
                "`strata ps --all` lists them; only one that was run with `--name` stays".to_owned()
            }
            Self::Ambiguous(_) => "give more of the id".to_owned(),
            Self::Running { purpose: "be removed", .. } => {
                "end it first, or remove it with `--force`".to_owned()
            }
            Self::Running { .. } => "end it first".to_owned(),
            Self::Cut { name } | Self::Lost { name, .. } => format!("remove it with `strata rm {name}`"),
            Self::Uses { .. } => {
                "remove the container first, or the image alone with `--force`: the container stays whole"
                    .to_owned()
            }
            Self::Alive { .. } | Self::Details { .. } => return None,
        })
    }
}
