//! Manifests that are about an image, and come with it: signatures, SBOMs, attestations whose subject it is.

use std::collections::{HashSet, VecDeque};

use transship_core::{
    Accepts, AcceptsReferrers, Artifacts, Descriptor, Digest, Error, ErrorKind, Hint,
    ImageDestination, ImageSource, Referrers, Result, ResultExt, Sparse,
};
use transship_trust::{is_signature, signatures_tag};

use crate::DetachedSignatures;
use crate::open::Attaches;
use crate::plan::manifests::as_it_is;
use crate::plan::nodes::{ChildPlan, Fate, ImagePlan, IndexPlan, NodePlan};
use crate::plan::tree::{Child, Found, Node, Tree};

/// How far manifests about manifests about an image are followed.
const MAX_DEPTH: usize = 16;

/// The most manifests that are about one image, all levels together.
const MOST: usize = 1000;

/// Adds to the plan of an image what is about it and its manifests, and says what cannot come with it.
pub(crate) async fn attach(
    source: &dyn ImageSource,
    plan: &mut ImagePlan,
    destination: &dyn ImageDestination,
) -> Result<()> {
    let Some(referrers) = source.referrers().filter(|_| plan.attaches != Attaches::Nothing) else {
        return Ok(());
    };
    let subjects = plan.root.digests();
    let seen = subjects.iter().map(|(digest, _)| digest.clone()).collect();
    let accepts = destination.accepts();
    let mut attaching = Attaching { source, accepts, plan, seen, waiting: VecDeque::new() };
    let removed = attaching.plan.signatures == DetachedSignatures::Remove;
    for (digest, kept) in subjects {
        let mut found = match attaching.plan.attaches {
            Attaches::All => referrers.referrers(&digest).await.map_err(leave_out)?,
            _ => Vec::new(),
        };
        found.retain(|about| !removed || !is_signature(about));
        if kept {
            attaching.add(found, 1)?;
        } else {
            attaching.plan.lost.extend(outdated(&digest, &found));
        }
        for (tag, root) in referrers.beside(&digest).await.map_err(leave_out)? {
            let is_signatures = tag == signatures_tag(&digest);
            let what = format!("{tag}, which is about {digest}");
            if removed && is_signatures {
                continue;
            }
            if !kept {
                let no_longer = if is_signatures { ", and they no longer hold" } else { "" };
                attaching.plan.lost.push(format!("{what}: its digest changes{no_longer}"));
            } else if destination.beside().is_none() {
                attaching.plan.lost.push(format!("{what}: the destination has no place for it"));
            } else {
                attaching.plan.beside.push((root.digest.clone(), tag));
                attaching.add(vec![root], 1)?;
            }
        }
    }
    attaching.follow(referrers).await
}

/// What is lost of the manifests about one whose digest changes: signatures by their digests, and how many others.
fn outdated(of: &Digest, about: &[Descriptor]) -> Vec<String> {
    let (signatures, others): (Vec<_>, Vec<_>) = about.iter().partition(|one| is_signature(one));
    let signature = |one: &&Descriptor| {
        format!("signature {} of {of}: its digest changes, and it no longer holds", one.digest)
    };
    let mut lost: Vec<String> = signatures.iter().map(signature).collect();
    if !others.is_empty() {
        lost.push(format!("{} about {of}: its digest changes", counted(others.len())));
    }
    lost
}

/// What is about an image cannot be listed; the image itself may be copied all the same.
fn leave_out(error: Error) -> Error {
    error.hint(Hint::WithoutReferrers)
}

fn counted(manifests: usize) -> String {
    if manifests == 1 { "1 manifest".to_owned() } else { format!("{manifests} manifests") }
}

struct Attaching<'a> {
    source: &'a dyn ImageSource,
    accepts: &'a Accepts,
    plan: &'a mut ImagePlan,
    seen: HashSet<Digest>,
    waiting: VecDeque<(Descriptor, usize)>,
}

impl Attaching<'_> {
    /// A loop ends where it began: each manifest comes once.
    fn add(&mut self, found: Vec<Descriptor>, depth: usize) -> Result<()> {
        for of in found {
            if !self.seen.insert(of.digest.clone()) {
                continue;
            }
            let root = &self.plan.source.digest;
            if depth > MAX_DEPTH {
                let text =
                    format!("the chain of manifests about {root} is longer than {MAX_DEPTH}");
                return Err(Error::new(ErrorKind::LimitExceeded, text));
            }
            if self.plan.referrers.len() + self.waiting.len() == MOST {
                let text = format!("more than {MOST} manifests are about {root}");
                return Err(Error::new(ErrorKind::LimitExceeded, text));
            }
            self.waiting.push_back((of, depth));
        }
        Ok(())
    }

    async fn follow(&mut self, referrers: &dyn Referrers) -> Result<()> {
        while let Some((of, depth)) = self.waiting.pop_front() {
            if !self.take(&of).await? {
                continue;
            }
            if self.plan.attaches == Attaches::All {
                let about = referrers.referrers(&of.digest).await?;
                self.add(about, depth + 1)?;
            }
        }
        Ok(())
    }

    /// Whether it comes with the image.
    async fn take(&mut self, of: &Descriptor) -> Result<bool> {
        let digest = &of.digest;
        let what = format!("manifest {digest}, which is about the image");
        let refused = self.accepts.referrers == AcceptsReferrers::Refused;
        if refused || self.accepts.artifacts == Artifacts::Refused {
            self.plan.lost.push(format!("{what}: the destination cannot hold it"));
            return Ok(false);
        }
        let tree = match Tree::of(self.source, of).await {
            Ok(tree) => tree,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.plan.lost.push(format!("{what}: it is not all there: {error}"));
                return Ok(false);
            }
            Err(error) => return Err(error).context(|| what),
        };
        let mut absent = Vec::new();
        let node = kept(*tree, &mut absent);
        let held = node.media_types().iter().all(|media_type| self.accepts.takes(media_type));
        if !held || (!absent.is_empty() && self.accepts.sparse == Sparse::Refused) {
            self.plan.lost.push(format!("{what}: the destination cannot hold it"));
            return Ok(false);
        }
        self.plan.absent.extend(absent);
        self.plan.referrers.push(node);
        Ok(true)
    }
}

/// All of it as it is.
fn kept(tree: Tree, absent: &mut Vec<Descriptor>) -> NodePlan {
    let Tree { manifest, node } = tree;
    match node {
        Node::Image(image) => NodePlan::Image(as_it_is(&manifest, &image.document)),
        Node::Index { children, .. } => {
            let children = children.into_iter().map(|child| kept_child(child, absent)).collect();
            NodePlan::Index(IndexPlan { manifest, format: None, children })
        }
    }
}

fn kept_child(child: Child, absent: &mut Vec<Descriptor>) -> ChildPlan {
    let Child { descriptor, platform, found } = child;
    let fate = match found {
        Found::Here(tree) => Fate::Copy(Box::new(kept(*tree, absent))),
        Found::Unread | Found::Absent(_) => {
            absent.push(descriptor.clone());
            Fate::Absent
        }
    };
    ChildPlan { descriptor, platform, fate }
}
