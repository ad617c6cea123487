//! Images and indexes of the store, made ready to go out.

use crate::oci::{BlobDigest, Reference};
use crate::progress::Step;
use crate::store::ImageRow;
use crate::transport::{self, Bundle, IndexLook, Packing, Prepared, Session, SourceImage};

use super::Engine;
use super::error::EngineError;
use super::find::Named;

impl Engine {
    /// What a name stands for, as it goes out under `names`. `packing` says how each image's layers go; what attestations
    /// are about goes as it is listed.
    pub(super) fn stored_bundle(
        &self,
        session: Session<'_>,
        named: &Named,
        names: Vec<Reference>,
        packing: &dyn Fn(&ImageRow, &SourceImage) -> Result<Packing, EngineError>,
        step: &Step<'_>,
    ) -> Result<Bundle, EngineError> {
        let prepared = |row: &ImageRow| -> Result<Prepared, EngineError> {
            let image = SourceImage::stored(&self.store, &row.manifest)?;
            let packing = packing(row, &image)?;
            Ok(transport::prepare(session, std::slice::from_ref(&image), packing, step)?.remove(0))
        };
        match named {
            Named::Image(row) => {
                Ok(Bundle::new(vec![prepared(row)?], Vec::new(), IndexLook::default(), names))
            }
            Named::Index(index) => {
                let json = self.store.read_blob(&BlobDigest(index.digest.0))?;
                let rows = self.images_of(index)?;
                if rows.is_empty() {
                    return Err(EngineError::NoImage { name: index.digest.to_string(), similar: None });
                }
                let images = rows.into_iter().map(|row| Ok((row.manifest, prepared(&row)?)));
                let images = images.collect::<Result<_, EngineError>>()?;
                Ok(Bundle::listed_by(&self.store, json, images, names)?)
            }
        }
    }
}
