//! [`Facts`]: what a transport says of itself, and what its author claims.

use tokio::runtime::Builder;
use transship_core::{
    Accepts, AcceptsLayers, AcceptsNameless, AcceptsNames, AcceptsReferrers, Artifacts, ImageName,
    MediaType, Shows, Sparse, TagsMove, Transport, WriteMode,
};

use crate::broken::{While, hold};
use crate::lab::{how, step_on};
use crate::model::Format;
use crate::watch::{awaiting, waiting};
use crate::{
    Append, Chosen, Claims, Fixture, Held, Layers, Leftover, Place, Processes, Replaces, Writers,
};

/// What a transport says of itself by its traits, and what its author [claims](Claims).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Facts {
    /// What its author says.
    pub claims: Claims,
    /// What its destinations say.
    pub accepts: Accepts,
    /// When the images of a writer show.
    pub shows: Shows,
    /// What it offers beyond that.
    pub offers: Vec<Ability>,
}

/// What laws are about, and not every transport is able to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ability {
    /// A place holds several images.
    ManyImages,
    /// What is there can be added to.
    Append,
    /// Images have names.
    Names,
    /// They may have several.
    SeveralNames,
    /// One image may be without a name, and no second one.
    OneWithoutName,
    /// Indexes are held.
    Indexes,
    /// They may lack children.
    SparseIndexes,
    /// Artifacts are held.
    Artifacts,
    /// Compressed layers are held.
    CompressedLayers,
    /// Layers of any bytes are held.
    AnyLayers,
    /// Manifests that are about an image are kept with it.
    Referrers,
    /// Detached signatures are kept.
    Signatures,
    /// Images are kept beside others, under tags that say what they are about.
    Beside,
    /// A tag beside an image moves only if it has what its writer was given.
    TagsMoveIfUnchanged,
    /// A tag beside an image moves whatever it has.
    TagsMoveAlways,
    /// Images of a writer show together, when it finishes.
    ShowsAtFinish,
    /// Several images in one place, without one chosen, are ambiguous.
    Ambiguity,
    /// A place without a name means a default name, as `latest`.
    DefaultName,
    /// Images can be deleted.
    Deletion,
    /// What no image needs can be collected.
    Collection,
    /// Nothing is left of what was deleted, without a collection.
    NothingLeft,
    /// An archive can be replaced as a whole.
    ReplacesArchives,
    /// Several may write at once.
    ManyWriters,
    /// Several processes see one place.
    ManyProcesses,
    /// One process sees a place, and no other one.
    OneProcess,
    /// The kit sees what is stored.
    Files,
}

impl Ability {
    /// What users lose without it, in a sentence.
    pub(crate) fn without(self) -> &'static str {
        match self {
            Self::ManyImages => "a place holds one image, so users need a place for each",
            Self::Append => {
                "what is there cannot be added to, so to add an image users write all of them again"
            }
            Self::Names => "images have no names, so users tell them apart by their places",
            Self::SeveralNames => {
                "an image has one name, so users store it once more to call it something else"
            }
            Self::OneWithoutName => {
                "any number of images may be without a name, so users lose nothing, and no second one is refused"
            }
            Self::Indexes => "single images only are held, so of several platforms users keep one",
            Self::SparseIndexes => {
                "indexes are whole, so users cannot keep some platforms of an image under its digest"
            }
            Self::Artifacts => {
                "artifacts are not held, so users keep charts, SBOMs and the like elsewhere"
            }
            Self::CompressedLayers => {
                "layers are plain, so compressed ones change their digests when users copy them here"
            }
            Self::AnyLayers => {
                "layers are tars, so users keep charts and other files that are layers elsewhere"
            }
            Self::Referrers => {
                "manifests about images are not kept, so users lose signatures and SBOMs that refer to them"
            }
            Self::Signatures => "detached signatures are not kept, so users lose them",
            Self::Beside => "nothing is kept beside images, so users lose cosign's signatures",
            Self::TagsMoveIfUnchanged => {
                "signing takes half a second more, and the later of two signers may have to sign again"
            }
            Self::TagsMoveAlways => "users lose nothing: of two signers at once, the later fails",
            Self::ShowsAtFinish => {
                "each image of a writer shows with its commit, so when a copy of several fails users find some of them"
            }
            Self::Ambiguity => {
                "a place means one name where users say none, so they are not told that there are several images"
            }
            Self::DefaultName => "users lose nothing: a place means the only image in it",
            Self::Deletion => "images cannot be deleted, so users delete them by other means",
            Self::Collection => {
                "nothing can be collected, so bytes that other tools left behind stay until users remove the place"
            }
            Self::NothingLeft => {
                "blobs of deleted images stay, so users get their room back with a collection only"
            }
            Self::ReplacesArchives => {
                "a place is not replaced as a whole, so users delete its other images one by one"
            }
            Self::ManyWriters => "users who write to one place at once may lose an image",
            Self::ManyProcesses => {
                "one process sees what is stored, so users lose it when that process ends"
            }
            Self::OneProcess => "users lose nothing: other processes see what one stores",
            Self::Files => {
                "the kit sees no files, so users have its author's word that nothing is left behind and that damage is found"
            }
        }
    }
}

impl Facts {
    /// Of the strictest transport, which holds everything.
    pub fn strictest() -> Self {
        let offers = vec![
            Ability::ManyImages,
            Ability::Deletion,
            Ability::Collection,
            Ability::Signatures,
            Ability::Beside,
            Ability::TagsMoveIfUnchanged,
            Ability::Files,
        ];
        let (claims, accepts) = (Claims::default(), Accepts::anything());
        Self { claims, accepts, shows: Shows::AtFinish, offers }
    }

    /// Asks a transport, at a place where nothing is.
    pub(crate) fn of(fixture: &dyn Fixture) -> Held<Self> {
        awaiting("the fixture to give a transport and a place");
        let (transport, place) = (fixture.transport(), fixture.place()?);
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let asked = Self::asked(&*transport, &place, fixture.claims());
        let facts = step_on(place.locator(), runtime, asked);
        facts.map_err(|e| e.while_doing("asking the transport what it accepts, at a fresh place"))
    }

    async fn asked(transport: &dyn Transport, place: &Place, claims: Claims) -> Held<Self> {
        awaiting("the place's locator to be parsed");
        let at = transport.parse(place.locator()).during(|| "parsing the fixture's place")?;
        let mut offers = Vec::new();
        let mut offer = |is: bool, ability| offers.extend(is.then_some(ability));
        offer(transport.archives().is_some(), Ability::ManyImages);
        offer(transport.deletion().is_some(), Ability::Deletion);
        offer(transport.collection().is_some(), Ability::Collection);
        offer(place.folder().is_some(), Ability::Files);
        let create = how(WriteMode::Create, &[]);
        let opened = transport.destination(&at, &create);
        let destination = waiting("a place for an image to open", opened).await?;
        offer(destination.signatures().is_some(), Ability::Signatures);
        offer(destination.beside().is_some(), Ability::Beside);
        offers.extend(destination.beside().map(|able| match able.tags_move() {
            TagsMove::IfUnchanged => Ability::TagsMoveIfUnchanged,
            TagsMove::Always => Ability::TagsMoveAlways,
        }));
        let accepts = destination.accepts().clone();
        drop(destination);
        hold!(
            accepts.layers != AcceptsLayers::CompressedOnly,
            "it accepts compressed layers only: this kit has no images for such a place"
        );
        hold!(
            accepts.takes(&MediaType::ImageManifest),
            "it accepts no manifests of OCI: this kit has no images for such a place"
        );
        hold!(
            !accepts.takes_indexes() || accepts.takes(&MediaType::ImageIndex),
            "of indexes it accepts docker's lists alone: this kit has no images for such a place"
        );
        let mut facts = Self { shows: accepts.shows, claims, accepts, offers };
        if let Some(archives) = transport.archives() {
            let opened = archives.write(&at, &create);
            let writer = waiting("the archive to open for writing", opened).await?;
            let names = facts.some_name();
            let image = waiting("an image of a writer to open", writer.image(&names)).await?;
            facts.shows = image.accepts().shows;
        }
        Ok(facts)
    }

    /// Whether the transport has this ability, and its claims do not take it away.
    pub fn has(&self, ability: Ability) -> bool {
        let (claims, accepts) = (&self.claims, &self.accepts);
        let offered = self.offers.contains(&ability);
        let many = self.offers.contains(&Ability::ManyImages);
        match ability {
            Ability::ManyImages
            | Ability::Signatures
            | Ability::Beside
            | Ability::TagsMoveIfUnchanged
            | Ability::TagsMoveAlways
            | Ability::Deletion
            | Ability::Collection
            | Ability::Files => offered,
            Ability::Append => many && claims.append == Append::Joins,
            Ability::Names => accepts.names != AcceptsNames::None,
            Ability::SeveralNames => accepts.names == AcceptsNames::Many,
            Ability::OneWithoutName => accepts.nameless == AcceptsNameless::One,
            Ability::Indexes => accepts.takes_indexes(),
            Ability::SparseIndexes => accepts.takes_indexes() && accepts.sparse == Sparse::Accepted,
            Ability::Artifacts => accepts.artifacts == Artifacts::Accepted,
            Ability::CompressedLayers => accepts.layers != AcceptsLayers::PlainOnly,
            Ability::AnyLayers => claims.layers == Layers::Any,
            Ability::Referrers => accepts.referrers == AcceptsReferrers::Accepted,
            Ability::ShowsAtFinish => self.shows == Shows::AtFinish,
            Ability::Ambiguity => claims.chosen == Chosen::Only,
            Ability::DefaultName => claims.chosen == Chosen::ByName,
            Ability::NothingLeft => claims.leftover == Leftover::Nothing,
            Ability::ReplacesArchives => claims.replaces == Replaces::Archives,
            Ability::ManyWriters => claims.writers == Writers::Many,
            Ability::ManyProcesses => claims.processes == Processes::Many,
            Ability::OneProcess => claims.processes == Processes::One,
        }
    }

    /// Of which formats the manifests of images may be.
    pub(crate) fn formats(&self) -> Vec<Format> {
        self.formats_by(Format::manifest_type)
    }

    /// Of which formats indexes may be.
    pub(crate) fn index_formats(&self) -> Vec<Format> {
        self.formats_by(Format::index_type)
    }

    fn formats_by(&self, media_type: fn(Format) -> MediaType) -> Vec<Format> {
        let mut formats = vec![Format::Oci, Format::Docker];
        formats.retain(|format| self.accepts.takes(&media_type(*format)));
        formats
    }

    /// The same transport, without artifacts.
    pub(crate) fn without_artifacts(&self) -> Self {
        let mut facts = self.clone();
        facts.accepts.artifacts = Artifacts::Refused;
        facts
    }

    /// What users lose by the first of some abilities that is not there.
    pub(crate) fn lacks(&self, needs: &[Ability]) -> Option<&'static str> {
        needs.iter().find(|need| !self.has(**need)).map(|need| need.without())
    }

    /// A name, where images have names.
    pub(crate) fn some_name(&self) -> Vec<ImageName> {
        if !self.has(Ability::Names) {
            return Vec::new();
        }
        ImageName::new("docker.io/library/kit:1").into_iter().collect()
    }
}
