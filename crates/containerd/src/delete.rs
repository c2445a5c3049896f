//! Deleting images.

use transship_core::{
    DeleteMode, DeleteOptions, DeletedNames, Error, ErrorKind, Result, spawn_to_end,
};

use crate::api::Containerd;
use crate::find::{self, full_name};
use crate::reference::{Locator, Which};

/// By a name, that name goes, and the image with its last one; chosen otherwise, the image goes with all of its names.
pub(crate) async fn delete(
    containerd: &Containerd,
    at: &Locator,
    how: &DeleteOptions,
) -> Result<()> {
    let found = find::one(containerd, at).await?;
    let mut records = found.raw_names;
    if let Which::Name(name) = &at.image {
        let own = name.to_string();
        if !records.contains(&own) {
            // Found by its digest, under other names.
            let message = format!("it is stored as {}", records.join(", "));
            return Err(Error::new(ErrorKind::NotFound, message));
        }
        let has_others = records.iter().any(|name| *name != own && full_name(name).is_some());
        if has_others && how.names != DeletedNames::All {
            records.retain(|name| *name == own);
        }
    }
    if how.mode == DeleteMode::Look {
        return Ok(());
    }
    // Names before what stands for an image without one: Kubernetes makes that again for what has a name.
    records.sort_by_key(|name| full_name(name).is_none());
    let containerd = containerd.clone();
    // All of them also when the caller is dropped.
    let work = spawn_to_end(async move {
        for name in &records {
            containerd.delete_image(name).await?;
        }
        Ok(())
    });
    match work.await {
        Ok(done) => done,
        Err(error) => {
            Err(Error::new(ErrorKind::Cancelled, "the runtime has ended").caused_by(error))
        }
    }
}
