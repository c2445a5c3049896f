//! Deleting from an engine.

use std::sync::Arc;

use transship_core::{
    DeleteMode, DeleteOptions, DeletedNames, DockerName, Error, ErrorKind, Notice, Result,
    ResultExt, cancelled, spawn_to_end,
};

use crate::engine::{BaseImages, Engine, Locator, asked_for, sole};

/// By a name, that name goes, and the image with its last one; by ID, or as the only one of the engine, the image with all of its
/// names. When one of these cannot go,
/// because a container uses the image, all of them stay.
pub(crate) async fn delete(
    engine: Arc<dyn Engine>,
    at: &Locator,
    how: &DeleteOptions,
) -> Result<()> {
    let image = match at.in_engine() {
        Some(image) => image,
        None => sole(&engine.images().await?)?.id.clone(),
    };
    let found = asked_for(&*engine, &image).await?;
    let mut names: Vec<String> = match at {
        Locator::Name(_) if how.names != DeletedNames::All => vec![image],
        _ => found.names().cloned().collect(),
    };
    let parsed = names.iter().filter_map(|name| DockerName::parse(name).ok());
    let all: Vec<_> =
        parsed.map(|name| engine.reference(&Locator::Name(name.or_latest()))).collect();
    if how.mode == DeleteMode::Delete {
        if names.is_empty() {
            names.push(found.id.clone());
        }
        // What has begun ends, also when this future is dropped.
        let removed = spawn_to_end(async move { remove_each(&*engine, &found.id, &names).await });
        removed.await.unwrap_or_else(|_| Err(cancelled()))?;
    }
    // Not as each goes: where one cannot, those that went before come back.
    for name in all {
        how.observer.notify(Notice::Deleted(name));
    }
    Ok(())
}

async fn remove_each(engine: &dyn Engine, id: &str, names: &[String]) -> Result<()> {
    for (at, name) in names.iter().enumerate() {
        if let Err(error) = in_use(engine.remove(name, BaseImages::StayIfPossible).await) {
            let back = give_back(engine, id, &names[..at]).await;
            return Err(back.err().unwrap_or(error).context(name));
        }
    }
    Ok(())
}

/// Gives an image the names again that have gone.
async fn give_back(engine: &dyn Engine, id: &str, names: &[String]) -> Result<()> {
    for name in names {
        let given = match DockerName::parse(name) {
            Ok(docker) => engine.tag(id, &docker).await,
            Err(error) => Err(error),
        };
        given
            .context(|| format!("giving the name {name} again to {id}, which cannot be removed"))?;
    }
    Ok(())
}

fn in_use(removed: Result<()>) -> Result<()> {
    removed.map_err(|error: Error| match error.kind() {
        ErrorKind::Conflict => error.hint("remove the containers that use the image first"),
        _ => error,
    })
}
