//! The platforms of images.

use crate::oci::Platform;

use super::super::BaseImage;

/// The platform that an image's config names, if it names one.
pub(super) fn of_image(image: &BaseImage) -> Option<Platform> {
    let config = &image.config;
    if config.os.is_empty() || config.architecture.is_empty() {
        return None;
    }
    let variant = config.variant.as_deref().unwrap_or_default();
    Some(Platform::normalized(&config.os, &config.architecture, variant))
}
