//! An image as `docker inspect` shows it.

use serde_json::{Value, json};

use crate::oci::Reference;

use super::Engine;
use super::error::EngineError;
use super::find::familiar;

impl Engine {
    /// The image that `text` names, in the fields of Docker's JSON.
    pub fn inspect(&self, text: &str) -> Result<Value, EngineError> {
        let image = self.load_documents(self.find(text)?)?;
        let size = self.image_size(&image)?;
        let config = &image.config;
        let names: Vec<String> = image.row.names.iter().map(|name| familiar(name)).collect();
        let digests = image.row.names.iter().filter_map(|name| name.parse::<Reference>().ok());
        let mut digests: Vec<String> =
            digests.map(|name| format!("{}@{}", name.familiar_name(), image.row.manifest)).collect();
        digests.dedup();
        let comment = config.history.last().and_then(|entry| entry.comment.clone());
        let stored = jiff::Timestamp::from_second(image.row.stored).unwrap_or_default();
        let mut value = json!({
            "Id": image.row.id.to_string(),
            "RepoTags": names,
            "RepoDigests": digests,
            "Comment": comment.unwrap_or_default(),
            "Created": config.created.clone().unwrap_or_default(),
            "Author": config.author.clone().unwrap_or_default(),
            "Config": config_value(&config.config),
            "Architecture": config.architecture,
            "Os": config.os,
            "Size": size,
            "RootFS": { "Type": config.rootfs.kind, "Layers": config.rootfs.diff_ids },
            "Metadata": { "LastTagTime": crate::image::rfc3339(stored) },
            "Descriptor": {
                "mediaType": image.manifest.media_type.as_str(),
                "digest": image.row.manifest.to_string(),
                "size": image.row.size,
            },
        });
        if let Some(variant) = &config.variant {
            value["Variant"] = json!(variant);
        }
        Ok(value)
    }
}

/// A config as Docker shows it: with the fields that scripts ask for even where they are empty.
fn config_value(config: &crate::oci::Config) -> Value {
    let mut value = serde_json::to_value(config).unwrap_or_default();
    let defaults = [
        ("User", json!("")),
        ("Env", json!([])),
        ("Cmd", Value::Null),
        ("Entrypoint", Value::Null),
        ("Volumes", Value::Null),
        ("WorkingDir", json!("")),
        ("OnBuild", Value::Null),
        ("Labels", Value::Null),
    ];
    for (name, default) in defaults {
        if value.get(name).is_none() {
            value[name] = default;
        }
    }
    value
}
