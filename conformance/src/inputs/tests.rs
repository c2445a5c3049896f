//! Whether what is said of inputs is about them.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use transship_core::{
    Archives, ImageName, OnePass, Passed, ReadOptions, Reference, Result, Staging, Transport,
    WrapArchives, WrapTransport,
};

use super::*;
use crate::model::Image;
use crate::runner::Kit;
use crate::{ALL, Facts, Fixture, Law, Memory, Place};

/// A transport that is able to do everything, and has no place: each case fails before it begins.
#[derive(Clone, Debug)]
struct Nowhere(Memory);

const NO_PLACE: &str = "there is no place";

impl Fixture for Nowhere {
    fn transport(&self) -> Arc<dyn Transport> {
        Arc::new(self.clone())
    }

    fn place(&self) -> io::Result<Place> {
        Err(io::Error::other(NO_PLACE))
    }
}

impl WrapTransport for Nowhere {
    fn inner(&self) -> &dyn Transport {
        &self.0
    }

    fn archives(&self) -> Option<&dyn Archives> {
        Some(self)
    }
}

impl WrapArchives for Nowhere {
    fn inner(&self) -> &dyn Archives {
        &self.0
    }

    fn one_pass(&self) -> Option<&dyn OnePass> {
        Some(self)
    }
}

#[async_trait]
impl OnePass for Nowhere {
    async fn comes_once(&self, _: &Reference) -> bool {
        false
    }

    async fn pass(
        &self,
        _: &Reference,
        _: &ReadOptions,
        _: Option<&dyn Staging>,
    ) -> Result<Passed> {
        unreachable!("there is nothing to read")
    }
}

/// What is said of the inputs of a law's first case, a line each; `None` where it has no case.
fn inputs(law: &Law) -> Option<Vec<String>> {
    let kit = Kit::of(law, Arc::new(Nowhere(Memory::new())), Facts::strictest());
    let text = (law.check)(&kit).err()?.to_string();
    let (_, lines) = text.split_once(NO_PLACE).expect(&text);
    let lines = lines.lines().skip(1).take_while(|line| !line.starts_with("  replay: "));
    Some(lines.map(str::to_owned).collect())
}

/// Of one value the label may be what it seems to be.
#[test]
fn each_value_of_each_law_has_a_label() {
    for law in ALL {
        let Some(inputs) = inputs(law) else {
            // It asks for a program, which is not there.
            assert_eq!(law.name, "a_commit_survives_a_power_cut");
            continue;
        };
        let labels = LABELS.iter().find(|(laws, _)| laws.contains(&law.name));
        let labels = match labels {
            Some((_, labels)) => labels.to_vec(),
            None if inputs.is_empty() => Vec::new(),
            None => vec![kind(inputs[0].split_once(": ").expect("a label").1)],
        };
        let name = law.name;
        assert_eq!(inputs.len(), labels.len(), "{name} has {labels:?}, and {inputs:#?}");
        for (input, label) in inputs.iter().zip(labels) {
            assert!(input.starts_with(&format!("  {label}: ")), "{name}, {label}: {inputs:#?}");
        }
    }
}

#[test]
fn labels_are_of_laws() {
    let laws: Vec<_> = LABELS.iter().flat_map(|(laws, _)| *laws).collect();
    for law in &laws {
        assert!(crate::law(law).is_some(), "there is no law {law}");
        assert_eq!(laws.iter().filter(|other| other == &law).count(), 1, "{law}");
    }
}

#[test]
fn values_get_their_labels() {
    let (image, names) = (Image::simple(1), ["a:1", ")\"", "},", "[("].map(ImageName::new));
    let names = names.into_iter().collect::<Result<Vec<_>>>().unwrap();
    let value = ((image.clone(), names), (3, [1, 2]));
    let want = "\n  image there: Oci image 1 of [plain 2560 B #6]\
        \n  image committed: [\"a:1\", \")\\\"\", \"},\", \"[(\"]\
        \n  microseconds before the drop: 3\n  something is there: [1, 2]";
    assert_eq!(lines("a_dropped_commit_is_all_or_nothing", &value), want);
    assert_eq!(lines("none", &image), "\n  image: Oci image 1 of [plain 2560 B #6]");
    let two = "\n  number (1 of 2): 1\n  input (2 of 2): \"a, (b\"";
    assert_eq!(lines("none", &(1, (), "a, (b")), two);
    assert_eq!(lines("none", &Some((1, [(2, ' ')]))), "\n  input: Some((1, [(2, ' ')]))");
}
