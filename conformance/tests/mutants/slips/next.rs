//! A file that says at which position the next image goes.

use transship_core::{
    DeleteOptions, Error, ErrorKind, ReadOptions, Reference, Result, Transport, WriteMode,
};

use super::Slip;
use super::transport::Slipping;

impl Slipping {
    /// Writes it.
    pub async fn say_next(&self, at: &Reference) -> Result<()> {
        if self.slip != Slip::NextIsBelieved {
            return Ok(());
        }
        let place = self.place(at);
        let next = self.count(&place).await? + 1;
        let text = format!("{{\"next\":{next}}}");
        std::fs::write(place.locator(), text).map_err(|e| Error::io("writing", place.locator(), e))
    }

    /// Makes room there for the next image. What says nothing of it is no place.
    pub async fn go_to_next(&self, at: &Reference, mode: Option<WriteMode>) -> Result<()> {
        let place = self.place(at);
        let Ok(text) = std::fs::read_to_string(place.locator()) else { return Ok(()) };
        if self.slip != Slip::NextIsBelieved || mode == Some(WriteMode::Replace) {
            return Ok(());
        }
        let next = text.strip_prefix("{\"next\":").and_then(|text| text.strip_suffix('}'));
        let next: Option<usize> = next.and_then(|next| next.parse().ok());
        let unknown = || Error::new(ErrorKind::Corrupt, format!("{place} holds no position"));
        let next = next.ok_or_else(unknown)?;
        while mode == Some(WriteMode::Append) && self.count(&place).await? >= next {
            let last = self.memory.parse(&format!("{}#{}", place.locator(), next - 1))?;
            let deletion = self.memory.deletion().unwrap();
            deletion.delete(&last, &DeleteOptions::default()).await?;
        }
        Ok(())
    }

    async fn count(&self, place: &Reference) -> Result<usize> {
        let reader = self.archives_of_memory().read(place, &ReadOptions::default()).await?;
        Ok(reader.entries().len())
    }
}
