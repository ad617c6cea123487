//! The platforms of images: which one an image says it is for, and whether that is the one that was wanted.

use crate::diagnostic::{Diagnostic, Span};
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

/// A warning if an image is for another platform than the wanted one. Variants are taken to be able to stand for each
/// other, as BuildKit takes them.
pub(super) fn mismatch(image: &BaseImage, wanted: &Platform, span: Span) -> Option<Diagnostic> {
    let found = of_image(image)?;
    if (&found.os, &found.architecture) == (&wanted.os, &wanted.architecture) {
        return None;
    }
    let message = format!("base image `{}` is for platform {found}, not for {wanted}", image.name);
    Some(Diagnostic::warning("InvalidBaseImagePlatform", message).at(span))
}
