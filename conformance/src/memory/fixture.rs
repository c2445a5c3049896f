//! [`Memory`] as a [`Fixture`].

use std::io;
use std::sync::Arc;

use transship_core::Transport;

use super::{Memory, Room};
use crate::{Claims, Fixture, Place, Processes};

impl Fixture for Memory {
    fn transport(&self) -> Arc<dyn Transport> {
        Arc::new(self.clone())
    }

    fn place(&self) -> io::Result<Place> {
        Ok(Place::in_memory())
    }

    fn claims(&self) -> Claims {
        let profile = match self.room {
            Room::Many => Claims::in_memory(),
            Room::One => Claims::single_image().with(Processes::One),
        };
        // Which formats it takes is no claim: its destinations say so.
        profile.with(self.layers)
    }
}
