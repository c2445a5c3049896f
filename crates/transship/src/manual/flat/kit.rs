use transship_conformance::{
    Append, Claims, Collection, Deletion, Fixture, Holds, Indexes, Names, Place, Referrers,
    Signatures, Writers,
};

#[derive(Debug)]
struct Folders;

impl Fixture for Folders {
    fn transport(&self) -> Arc<dyn Transport> {
        Arc::new(Flat)
    }

    fn place(&self) -> std::io::Result<Place> {
        Place::in_folder("image")
    }

    fn claims(&self) -> Claims {
        Claims {
            names: Names::None,
            holds: Holds::One,
            indexes: Indexes::Refused,
            referrers: Referrers::Refused,
            signatures: Signatures::None,
            append: Append::Refused,
            writers: Writers::One,
            deletion: Deletion::None,
            collection: Collection::None,
            ..Claims::default()
        }
    }
}

transship_conformance::conformance!(Folders);
