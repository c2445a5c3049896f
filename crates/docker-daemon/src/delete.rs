//! Deleting from an engine.

use transship_core::{DeleteMode, DeleteOptions, DeletedNames, ErrorKind, Result, ResultExt};

use crate::engine::{Engine, Locator, invalid};

/// By a name, that name goes, and the image with its last one; by ID, the image with all of its names.
pub(crate) async fn delete(engine: &dyn Engine, at: &Locator, how: &DeleteOptions) -> Result<()> {
    let image =
        at.in_engine().ok_or_else(|| invalid("this names no image, but all of the engine"))?;
    let found = engine.inspect(&image).await?;
    let names: Vec<String> = match at {
        Locator::Name(_) if how.names != DeletedNames::All => vec![image],
        _ => found.repo_tags.unwrap_or_default(),
    };
    if how.mode == DeleteMode::Look {
        return Ok(());
    }
    if names.is_empty() {
        return in_use(engine.remove(&found.id).await);
    }
    for name in names {
        in_use(engine.remove(&name).await).context(|| name)?;
    }
    Ok(())
}

fn in_use(removed: Result<()>) -> Result<()> {
    removed.map_err(|error| match error.kind() {
        ErrorKind::Conflict => error.hint("remove the containers that use the image first"),
        _ => error,
    })
}
