//! A container as `docker container inspect` shows it.

use serde_json::{Value, json};

use super::super::Engine;
use super::super::error::EngineError;
use super::super::inspect::config_value;
use super::{ContainerState, ContainerSummary};
use crate::image::rfc3339;

/// What Go writes for a time that is not known.
const NO_TIME: &str = "0001-01-01T00:00:00Z";

impl Engine {
    /// The container that `text` names, in the fields of Docker's JSON; `sizes` adds how much it has changed, and how
    /// much all of its files are.
    pub fn inspect_container(&self, text: &str, sizes: bool) -> Result<Value, EngineError> {
        let container = self.container(text)?;
        let mut value = self.shown(&container);
        if sizes {
            let own = self.container_size(&container.id)?.apparent;
            let mut all = own;
            for layer in &container.layers {
                all += self.store.peek_layer(layer)?.map_or(0, |layer| layer.size);
            }
            value["SizeRw"] = json!(own);
            value["SizeRootFs"] = json!(all);
        }
        Ok(value)
    }

    fn shown(&self, container: &ContainerSummary) -> Value {
        let (running, code, finished) = match container.state {
            ContainerState::Running => (true, Some(0), None),
            ContainerState::Exited { code, finished } => (false, code, finished),
        };
        let mut config = config_value(&container.config);
        config["Hostname"] = json!(container.hostname);
        config["Image"] = json!(container.image);
        let (path, args) = container.command.split_first().unzip();
        json!({
            "Id": container.id.as_str(),
            "Created": rfc3339(container.created),
            "Path": path.cloned().unwrap_or_default(),
            "Args": args.unwrap_or_default(),
            "State": {
                "Status": if running { "running" } else { "exited" },
                "Running": running,
                "Paused": false,
                "Restarting": false,
                "Dead": false,
                "Pid": self.store.runner_of(&container.id).unwrap_or(0),
                "ExitCode": code,
                "Error": "",
                "StartedAt": rfc3339(container.created),
                "FinishedAt": finished.map_or_else(|| NO_TIME.to_owned(), rfc3339),
            },
            "Image": container.image_id.to_string(),
            "Name": format!("/{}", container.name),
            "Config": config,
        })
    }
}
