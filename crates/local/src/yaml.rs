//! YAML as a tree of texts. Of a scalar the text counts as it stands: a tag `1.10` is no number.

use std::collections::HashSet;

use saphyr_parser::{Event, Parser};
use transship_core::{Error, ErrorKind, Result};

/// How deep lists and mappings may lie in each other.
const DEPTH: usize = 32;

/// The most nodes that a file may have.
const NODES: usize = 1_000_000;

/// A node of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A text, or what is written like one.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// In the order of the file; each key is there once.
    Mapping(Vec<(String, Node)>),
}

impl Node {
    /// Whether it is what stands for nothing, as behind `key:`.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Text(text) if matches!(text.as_str(), "" | "~" | "null"))
    }

    /// The entries of a mapping; nothing has none. `what` is what errors call it.
    ///
    /// # Errors
    /// `InvalidInput` for anything else.
    pub fn into_mapping(self, what: &str) -> Result<Vec<(String, Self)>> {
        match self {
            Self::Mapping(mapping) => Ok(mapping),
            nothing if nothing.is_null() => Ok(Vec::new()),
            _ => Err(wrong(format!("{what} is no mapping"))),
        }
    }

    /// The text of a scalar. `what` is what errors call it.
    ///
    /// # Errors
    /// `InvalidInput` for anything else.
    pub fn into_text(self, what: &str) -> Result<String> {
        match self {
            Self::Text(text) => Ok(text),
            _ => Err(wrong(format!("{what} is no text"))),
        }
    }
}

/// The first document of a text; nothing is an empty mapping.
///
/// # Errors
/// `InvalidInput` with the line for what is malformed, for keys that stand twice and for aliases; `LimitExceeded` for too many or too
/// deep values.
pub fn parse(text: &str) -> Result<Node> {
    let mut reading = Reading { open: Vec::new(), nodes: 0 };
    for event in Parser::new_from_str(text) {
        let (event, at) = event.map_err(|e| wrong(e.to_string()))?;
        let line = at.start.line();
        if let Some(root) = reading.take(event).map_err(|e| e.context(format!("line {line}")))? {
            return Ok(root);
        }
    }
    Ok(Node::Mapping(Vec::new()))
}

/// A list or mapping that has begun.
enum Open {
    List(Vec<Node>),
    Mapping(OpenMapping),
}

#[derive(Default)]
struct OpenMapping {
    entries: Vec<(String, Node)>,
    keys: HashSet<String>,
    /// The key whose value comes next.
    key: Option<String>,
}

struct Reading {
    open: Vec<Open>,
    nodes: usize,
}

impl Reading {
    /// The root, when it has ended.
    fn take(&mut self, event: Event<'_>) -> Result<Option<Node>> {
        match event {
            Event::Scalar(text, ..) => self.put(Node::Text(text.into_owned())),
            Event::SequenceStart(..) => self.begin(Open::List(Vec::new())),
            Event::MappingStart(..) => self.begin(Open::Mapping(OpenMapping::default())),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::List(list)) => self.put(Node::List(list)),
                Some(Open::Mapping(mapping)) => self.put(Node::Mapping(mapping.entries)),
                None => Ok(None),
            },
            Event::Alias(_) => Err(wrong("aliases are not supported")),
            _ => Ok(None),
        }
    }

    fn begin(&mut self, open: Open) -> Result<Option<Node>> {
        if self.open.len() == DEPTH {
            return Err(limit(format!("lists and mappings are nested more than {DEPTH} deep")));
        }
        self.open.push(open);
        Ok(None)
    }

    fn put(&mut self, node: Node) -> Result<Option<Node>> {
        self.nodes += 1;
        if self.nodes > NODES {
            return Err(limit(format!("there are more than {NODES} values")));
        }
        match self.open.last_mut() {
            None => return Ok(Some(node)),
            Some(Open::List(list)) => list.push(node),
            Some(Open::Mapping(mapping)) => mapping.put(node)?,
        }
        Ok(None)
    }
}

impl OpenMapping {
    fn put(&mut self, node: Node) -> Result<()> {
        match (self.key.take(), node) {
            (Some(key), node) => self.entries.push((key, node)),
            (None, Node::Text(name)) => {
                if !self.keys.insert(name.clone()) {
                    return Err(wrong(format!("{name:?} stands there twice")));
                }
                self.key = Some(name);
            }
            (None, _) => return Err(wrong("a key is no text")),
        }
        Ok(())
    }
}

fn wrong(why: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidInput, why.into())
}

fn limit(why: String) -> Error {
    Error::new(ErrorKind::LimitExceeded, why)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn text(text: &str) -> Node {
        Node::Text(text.to_owned())
    }

    #[test]
    fn texts_stay_as_they_are_written() {
        let parsed = parse("# x\na:\n  - 1.10\n  - \"2\"\n  - 08\n  - yes\nb: {c: []}\n").unwrap();
        let Node::Mapping(all) = parsed else { panic!() };
        assert_eq!(all[0].1, Node::List(["1.10", "2", "08", "yes"].map(text).to_vec()));
        assert_eq!(all[1].1, Node::Mapping(vec![("c".to_owned(), Node::List(vec![]))]));
        assert_eq!(parse("").unwrap(), Node::Mapping(vec![]));
    }

    #[test]
    fn what_is_malformed_is_said_with_its_line() {
        for (file, said) in [
            ("a: [1", "line"),
            ("a: 1\na: 2\n", "twice"),
            ("a: &x 1\nb: *x\n", "aliases"),
            ("[a]: b\n", "no text"),
            ("a:\n\t- b\n", "line"),
        ] {
            let error = parse(file).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{file}");
            assert!(error.to_string().contains(said), "{file}: {error}");
        }
        let error = parse(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::LimitExceeded | ErrorKind::InvalidInput));
    }

    /// 200,000 keys took minutes when each was compared with all before it.
    #[test]
    fn time_grows_with_the_number_of_keys() {
        let (many, begin) = (200_000, Instant::now());
        let text: Vec<_> = (0..many).map(|n| format!("a{n}: x")).collect();
        let Node::Mapping(all) = parse(&text.join("\n")).unwrap() else { panic!() };
        assert_eq!(all.len(), many);
        assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
    }
}
