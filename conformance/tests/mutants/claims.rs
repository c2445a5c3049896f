//! Claims that are made without need: the transport in memory does more, and a law says so.

use std::sync::Arc;

use transship_conformance::{Chosen, Claims, Fixture, Listed, Memory, Names, Place, Taken};
use transship_core::Transport;

use crate::fault::faults;

faults! {
    Claim CLAIMS "claims"
    /// Any text is a name.
    NamesOfLayoutsAlone => "names_beyond_what_is_accepted_are_refused",
    /// An image that takes over a name stands at the end.
    TakenInItsPlace => "a_name_taken_over_moves",
    /// The same.
    TakenWithItsNames => "a_name_taken_over_moves",
    /// An image of several names is listed once.
    NamesAreListed => "names_stay_with_their_image",
    /// A place is the only image in it.
    ChosenByName => "a_place_alone_is_its_default_name",
}

impl Claim {
    fn fixture(self) -> Claiming {
        Claiming(self, Memory::new())
    }
}

#[derive(Debug)]
struct Claiming(Claim, Memory);

impl Fixture for Claiming {
    fn transport(&self) -> Arc<dyn Transport> {
        Arc::new(self.1.clone())
    }

    fn place(&self) -> std::io::Result<Place> {
        Ok(Place::in_memory())
    }

    fn claims(&self) -> Claims {
        let claims = Claims::in_memory();
        match self.0 {
            Claim::NamesOfLayoutsAlone => claims.with(Names::OciOrDocker),
            Claim::TakenInItsPlace => claims.with(Taken::InItsPlace),
            Claim::TakenWithItsNames => claims.with(Taken::WithItsNames),
            Claim::NamesAreListed => claims.with(Listed::Names),
            Claim::ChosenByName => claims.with(Chosen::ByName),
        }
    }
}
