//! What differs between two images or two layers: files, by the tree indexes alone, and the config.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::oci::{DiffId, ImageConfig, ImageId};
use crate::solve::Stack;
use crate::store::StoreError;
use crate::tree::{Difference, Entry, TreePath, differences, merged};

use super::Engine;
use super::error::EngineError;
use super::find::{Image, familiar};
use super::look_error::LookError;

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compared {
    /// An image, as a whole.
    Image {
        /// Its id.
        id: ImageId,
        /// A name of it, or its short id.
        name: String,
        /// What the files of its layers hold, in bytes.
        size: u64,
    },
    /// A layer by itself, with its whiteouts.
    Layer {
        /// Its name.
        id: DiffId,
        /// What its files hold, in bytes.
        size: u64,
    },
}

/// Two images or layers, and what differs.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// What was before.
    pub before: Compared,
    /// What came after.
    pub after: Compared,
    /// Paths at which they differ, in order.
    pub files: Vec<Difference>,
    /// Settings in which the images differ, in order.
    pub config: Vec<ConfigChange>,
}

/// A setting of an image that differs. At least one side has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigChange {
    /// The setting, as Docker's JSON calls it.
    pub setting: String,
    /// Which one, for settings that have names themselves: a variable, a label, a port.
    pub key: Option<String>,
    /// What it was.
    pub before: Option<Value>,
    /// What it is.
    pub after: Option<Value>,
}

enum Side {
    Image(Box<Image>),
    Layer(DiffId),
}

impl Engine {
    /// Compares two images, or two layers. `None` for the second compares an image with its base: the largest of
    /// the images in the store that is its lower part. Times count only if `times` says so.
    pub fn compare(&self, one: &str, other: Option<&str>, times: bool) -> Result<Comparison, EngineError> {
        let (before, after) = match other {
            Some(other) => (self.side(one)?, self.side(other)?),
            None => match self.side(one)? {
                Side::Layer(_) => return Err(LookError::LayerWithoutBase(one.to_owned()).into()),
                Side::Image(image) => (Side::Image(Box::new(self.base_of(&image, one)?)), Side::Image(image)),
            },
        };
        let unlike = |image: &str, layer: &str| {
            LookError::Unlike { image: image.to_owned(), layer: layer.to_owned() }.into()
        };
        match (&before, &after, other) {
            (Side::Image(_), Side::Layer(_), Some(other)) => return Err(unlike(one, other)),
            (Side::Layer(_), Side::Image(_), Some(other)) => return Err(unlike(other, one)),
            _ => {}
        }
        let config = match (&before, &after) {
            (Side::Image(before), Side::Image(after)) => config_changes(&before.config, &after.config),
            _ => Vec::new(),
        };
        let files = differences(self.entries(&before)?, self.entries(&after)?, times);
        Ok(Comparison { before: self.compared(before)?, after: self.compared(after)?, files, config })
    }

    fn side(&self, text: &str) -> Result<Side, EngineError> {
        match self.find(text) {
            Ok(row) => Ok(Side::Image(Box::new(self.load_documents(row)?))),
            Err(no_image) => match self.find_layer(text)? {
                Some(layer) => Ok(Side::Layer(layer)),
                None => Err(no_image),
            },
        }
    }

    /// The layer of an image in the store whose digest begins with `text`.
    fn find_layer(&self, text: &str) -> Result<Option<DiffId>, EngineError> {
        let prefix = text.strip_prefix("sha256:").unwrap_or(text);
        if prefix.is_empty() || !prefix.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Ok(None);
        }
        let mut found = None;
        for row in self.store.images()? {
            let Some(image) = self.load_readable(row)? else { continue };
            for layer in image.config.rootfs.diff_ids {
                if layer.digest().hex().starts_with(prefix)
                    && found.replace(layer).is_some_and(|other| other != layer)
                {
                    return Err(LookError::AmbiguousLayer(text.to_owned()).into());
                }
            }
        }
        Ok(found)
    }

    /// The image with the most layers that are the lowest of `image`, but not all of them.
    fn base_of(&self, image: &Image, text: &str) -> Result<Image, EngineError> {
        let layers = &image.config.rootfs.diff_ids;
        let mut best: Option<Image> = None;
        for row in self.store.images()? {
            let Some(other) = self.load_readable(row)? else { continue };
            let lower = &other.config.rootfs.diff_ids;
            let is_base = lower.len() < layers.len() && !lower.is_empty() && layers.starts_with(lower);
            if is_base && best.as_ref().is_none_or(|best| best.config.rootfs.diff_ids.len() < lower.len()) {
                best = Some(other);
            }
        }
        best.ok_or_else(|| LookError::NoBase(text.to_owned()).into())
    }

    fn entries(&self, side: &Side) -> Result<Vec<Entry>, EngineError> {
        let work = self.store.work_dir()?;
        match side {
            Side::Image(image) => {
                let stack = Stack::open(&image.config.rootfs.diff_ids, &self.store, &work)?;
                Ok(merged(stack.view()).map_err(StoreError::from)?)
            }
            Side::Layer(layer) => {
                let stack = Stack::open(&[*layer], &self.store, &work)?;
                let layers = stack.view().layers();
                let entries = layers.iter().map(|layer| layer.subtree(&TreePath::root()));
                Ok(entries.collect::<Result<Vec<_>, _>>().map_err(StoreError::from)?.concat())
            }
        }
    }

    fn compared(&self, side: Side) -> Result<Compared, EngineError> {
        Ok(match side {
            Side::Image(image) => Compared::Image {
                id: image.row.id,
                name: image
                    .row
                    .names
                    .first()
                    .map_or_else(|| image.row.id.digest().short(), |name| familiar(name)),
                size: self.image_size(&image)?,
            },
            Side::Layer(id) => {
                Compared::Layer { id, size: self.store.peek_layer(&id)?.map_or(0, |layer| layer.size) }
            }
        })
    }
}

type Settings = BTreeMap<(String, Option<String>), Value>;

fn config_changes(before: &ImageConfig, after: &ImageConfig) -> Vec<ConfigChange> {
    let (mut before, mut after) = (settings(before), settings(after));
    let names: Vec<_> = before.keys().chain(after.keys()).cloned().collect();
    let mut changes = BTreeMap::new();
    for name in names {
        let (before, after) = (before.remove(&name), after.remove(&name));
        if before != after {
            changes.insert(name, (before, after));
        }
    }
    let change = |((setting, key), (before, after))| ConfigChange { setting, key, before, after };
    changes.into_iter().map(change).collect()
}

/// What an image says besides its files, taken apart as far as its parts have names. What is empty is not there.
fn settings(config: &ImageConfig) -> Settings {
    let mut settings = Settings::new();
    let platform = [
        ("Architecture", Some(&config.architecture)),
        ("Os", Some(&config.os)),
        ("Variant", config.variant.as_ref()),
        ("Author", config.author.as_ref()),
    ];
    for (name, value) in platform {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            settings.insert((name.to_owned(), None), value.as_str().into());
        }
    }
    for variable in &config.config.env {
        let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
        settings.insert(("Env".to_owned(), Some(name.to_owned())), value.into());
    }
    let Value::Object(fields) = serde_json::to_value(&config.config).unwrap_or_default() else {
        return settings;
    };
    for (name, value) in fields {
        match value {
            _ if name == "Env" => {}
            Value::Object(parts) if name != "Healthcheck" => {
                settings.extend(parts.into_iter().map(|(key, value)| ((name.clone(), Some(key)), value)));
            }
            value => {
                settings.insert((name, None), value);
            }
        }
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_compared_by_their_names() {
        let parse = |config: &str| {
            let text = format!(
                r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers"}},"config":{config}}}"#
            );
            ImageConfig::from_json(text.as_bytes()).unwrap()
        };
        let before = parse(r#"{"Env":["A=1","B=2"],"Cmd":["a"],"Labels":{"x":"1"},"User":"u"}"#);
        let after = parse(
            r#"{"Env":["B=2","A=3","C="],"Cmd":["a"],"ExposedPorts":{"80/tcp":{}},"Labels":{"x":"2"}}"#,
        );
        let shown: Vec<String> = config_changes(&before, &after)
            .into_iter()
            .map(|change| {
                let show = |value: Option<Value>| value.map_or("-".to_owned(), |value| value.to_string());
                let (before, after) = (show(change.before), show(change.after));
                format!("{}.{} {before} {after}", change.setting, change.key.unwrap_or_default())
            })
            .collect();
        assert_eq!(
            shown,
            [
                r#"Env.A "1" "3""#,
                r#"Env.C - """#,
                "ExposedPorts.80/tcp - {}",
                r#"Labels.x "1" "2""#,
                r#"User. "u" -"#
            ]
        );
    }
}
