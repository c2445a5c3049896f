use transship_conformance::{Claims, Fixture, Place};

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
        Claims::single_image()
    }
}

transship_conformance::conformance!(Folders);
