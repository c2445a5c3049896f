use transship::local::{Folder, read_bounded};
use transship::transport::{Body, Descriptor, Digest, Expect, FileRange, MANIFEST_LIMIT, Manifest, ResultExt};

/// An image being read. The folder is held open: another one may take its name meanwhile.
#[derive(Debug)]
struct FlatSource {
    reference: Reference,
    folder: Arc<Folder>,
    root: Manifest,
}

impl FlatSource {
    fn open(reference: Reference) -> Result<Self> {
        let opened = Folder::read(path(&reference), |folder| {
            let (file, name) = (folder.file("manifest.json")?, folder.path().join("manifest.json"));
            Manifest::new(read_bounded(&file, &name, MANIFEST_LIMIT, "manifest")?)
        });
        let (folder, root) = opened.context(|| &reference)?;
        Ok(Self { reference, folder: Arc::new(folder), root })
    }
}

/// `sha256-44136f...`: a digest is safe in a path but for its colon.
fn file_name(digest: &Digest) -> String {
    digest.to_string().replace(':', "-")
}

#[async_trait]
impl ImageSource for FlatSource {
    fn reference(&self) -> &Reference {
        &self.reference
    }

    async fn root(&self) -> Result<Manifest> {
        Ok(self.root.clone())
    }

    async fn manifest(&self, of: &Descriptor) -> Result<Manifest> {
        if of.digest == self.root.descriptor().digest {
            return Manifest::verified(of, self.root.bytes().clone()).context(|| &self.reference);
        }
        // No other manifests are kept here.
        let message = format!("there is no manifest {}", of.digest);
        Err(Error::new(ErrorKind::NotFound, message).context(&self.reference))
    }

    async fn blob(&self, of: &Descriptor) -> Result<Body> {
        let (folder, of, digest) = (Arc::clone(&self.folder), of.clone(), of.digest.clone());
        let opened = run_blocking(move |_| {
            let name = file_name(&of.digest);
            let range = FileRange::whole(folder.file(&name)?, folder.path().join(&name))?;
            // A reader gets these bytes or an error.
            Body::from_file(range).expecting(&Expect::from(&of))
        });
        opened.await.context(|| format!("{}: blob {digest}", self.reference))
    }
}
