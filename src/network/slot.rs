//! Slots: numbered places for namespaces, shared by the machine's processes by way of a directory of locks.

use std::fs;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::netavark::{Action, Netavark, configuration};
use super::subnet::{SLOTS, Subnet};
use super::{NetworkError, PublishedPort};
use crate::sys::lock::{Lock, Mode};
use crate::sys::namespace::new_network;

/// A slot with its namespace.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) namespace: OwnedFd,
    pub(super) subnet: Subnet,
    configuration: Value,
    files: Files,
    /// Held as long as the slot is used; dropped last.
    lock: Lock,
}

/// The files of a slot.
#[derive(Debug)]
struct Files {
    directory: PathBuf,
    slot: u8,
}

impl Files {
    fn lock(&self) -> PathBuf {
        self.directory.join(format!("{}.lock", self.slot))
    }

    fn configuration(&self) -> PathBuf {
        self.directory.join(format!("{}.json", self.slot))
    }

    /// Held while the helper works, by the helper too: it is not made for company.
    fn helper_lock(&self) -> PathBuf {
        self.directory.join("helper.lock")
    }

    /// Has the helper do something with the configuration that is written down.
    fn call(&self, action: Action, namespace: &OwnedFd) -> Result<(), NetworkError> {
        let helper = Netavark::find()?;
        let alone = Lock::wait(&self.helper_lock(), Mode::Exclusive)?;
        helper.call(action, namespace.as_fd(), &self.configuration(), alone.as_fd())
    }

    fn forget(&self) {
        // A file that stays is found again by the next clean-up.
        let _ = fs::remove_file(self.configuration());
    }
}

impl Slot {
    /// Takes a free slot and makes its namespace.
    pub(super) fn make(directory: &Path, ports: &[PublishedPort]) -> Result<Self, NetworkError> {
        Netavark::find()?;
        fs::create_dir_all(directory).map_err(file_error("make", directory))?;
        for slot in 0..SLOTS {
            let files = Files { directory: directory.to_owned(), slot };
            let Some(lock) = Lock::try_exclusive(&files.lock())? else { continue };
            take_down_rest(&files);
            let Some(subnet) = Subnet::choose(slot) else { continue };
            let configuration = configuration(slot, subnet, ports);
            let path = files.configuration();
            fs::write(&path, configuration.to_string()).map_err(file_error("write", &path))?;
            let namespace = new_network().map_err(|source| NetworkError::Namespace { source })?;
            if let Err(error) = files.call(Action::Setup, &namespace) {
                // It may have come half of the way.
                let _ = files.call(Action::Teardown, &namespace);
                files.forget();
                return Err(error);
            }
            return Ok(Self { namespace, subnet, configuration, files, lock });
        }
        Err(NetworkError::NoSubnet)
    }

    /// Whether ports are published.
    pub(super) fn has_ports(&self) -> bool {
        self.configuration["port_mappings"].as_array().is_some_and(|ports| !ports.is_empty())
    }

    /// The bridge's name.
    #[cfg(test)]
    pub(super) fn name(&self) -> String {
        format!("{}{}", super::subnet::BRIDGE, self.files.slot)
    }

    /// Where the configuration is written down.
    #[cfg(test)]
    pub(super) fn configuration_file(&self) -> PathBuf {
        self.files.configuration()
    }

    /// Takes everything down. If that fails the configuration stays, for the next clean-up.
    pub(super) fn remove(self) {
        let Self { namespace, files, lock, .. } = self;
        if files.call(Action::Teardown, &namespace).is_ok() {
            files.forget();
        }
        drop(lock);
    }
}

/// Takes down what is left of slots whose owners were killed.
pub(super) fn clean(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let slot = name.to_str().and_then(|name| name.strip_suffix(".json")?.parse().ok());
        let Some(slot) = slot else { continue };
        let files = Files { directory: directory.to_owned(), slot };
        if let Ok(Some(_lock)) = Lock::try_exclusive(&files.lock()) {
            take_down_rest(&files);
        }
    }
}

/// Takes down what the last owner of a slot left; its lock must be held. The owner's namespace is gone, and the helper
/// takes nothing down without one: so it is made again first.
fn take_down_rest(files: &Files) {
    let Ok(text) = fs::read(files.configuration()) else { return };
    // A configuration that was not written whole was not used either.
    if serde_json::from_slice::<Value>(&text).is_ok()
        && let Ok(namespace) = new_network()
    {
        let _ = files.call(Action::Setup, &namespace);
        if files.call(Action::Teardown, &namespace).is_err() {
            return;
        }
    }
    files.forget();
}

fn file_error(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> NetworkError {
    let path = path.to_owned();
    move |source| NetworkError::File { operation, path, source }
}
