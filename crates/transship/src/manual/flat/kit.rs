use transship_conformance::{Claims, Fixture, Indexes, Place, Referrers, Signatures};

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
        Claims::single_image().with(Indexes::Refused).with(Referrers::Refused).with(Signatures::None)
    }
}

transship_conformance::conformance!(Folders);
