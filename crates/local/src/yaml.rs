//! YAML as a tree of texts. Of a scalar the text counts as it stands: a tag `1.10` is no number.

use std::collections::HashSet;

use saphyr_parser::{Event, Parser};
use transship_core::{Error, ErrorKind, Result, ResultExt};

/// How deep lists and mappings may lie in each other.
const DEPTH: usize = 32;

/// The most nodes that a file may have.
const NODES: usize = 1_000_000;

/// A value of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Where it begins, from 1.
    pub line: usize,
    /// What it is.
    pub value: Value,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text, or what is written like one.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// In the order of the file; each key is there once.
    Mapping(Vec<Entry>),
}

/// A value of a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where the key stands.
    pub line: usize,
    /// Its name.
    pub key: String,
    /// What it is set to.
    pub value: Node,
}

impl Node {
    /// Whether it is what stands for nothing, as behind `key:`.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Text(text) if matches!(text.as_str(), "" | "~" | "null"))
    }

    /// The entries of a mapping; nothing has none. `what` is what errors call it.
    ///
    /// # Errors
    /// `InvalidInput` with the line for anything else.
    pub fn into_mapping(self, what: &str) -> Result<Vec<Entry>> {
        let is_null = self.is_null();
        match self.value {
            Value::Mapping(entries) => Ok(entries),
            _ if is_null => Ok(Vec::new()),
            _ => Err(wrong(format!("{what} is no mapping")).context(at_line(self.line))),
        }
    }

    /// The text of a scalar. `what` is what errors call it.
    ///
    /// # Errors
    /// `InvalidInput` with the line for anything else.
    pub fn into_text(self, what: &str) -> Result<String> {
        match self.value {
            Value::Text(text) => Ok(text),
            _ => Err(wrong(format!("{what} is no text")).context(at_line(self.line))),
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
        if let Some(root) = reading.take(event, line).context(|| at_line(line))? {
            return Ok(root);
        }
    }
    Ok(Node { line: 1, value: Value::Mapping(Vec::new()) })
}

/// The context of an error about what stands in a line.
pub fn at_line(line: usize) -> String {
    format!("line {line}")
}

/// A list or mapping that has begun.
struct Open {
    line: usize,
    entries: Entries,
}

enum Entries {
    List(Vec<Node>),
    Mapping(OpenMapping),
}

#[derive(Default)]
struct OpenMapping {
    entries: Vec<Entry>,
    keys: HashSet<String>,
    /// The key whose value comes next, and its line.
    key: Option<(String, usize)>,
}

struct Reading {
    open: Vec<Open>,
    nodes: usize,
}

impl Reading {
    /// The root, when it has ended.
    fn take(&mut self, event: Event<'_>, line: usize) -> Result<Option<Node>> {
        match event {
            Event::Scalar(text, ..) => {
                self.put(Node { line, value: Value::Text(text.into_owned()) })
            }
            Event::SequenceStart(..) => self.begin(line, Entries::List(Vec::new())),
            Event::MappingStart(..) => self.begin(line, Entries::Mapping(OpenMapping::default())),
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(Open { line, entries }) = self.open.pop() else { return Ok(None) };
                let value = match entries {
                    Entries::List(list) => Value::List(list),
                    Entries::Mapping(mapping) => Value::Mapping(mapping.entries),
                };
                self.put(Node { line, value })
            }
            Event::Alias(_) => Err(wrong("aliases are not supported")),
            _ => Ok(None),
        }
    }

    fn begin(&mut self, line: usize, entries: Entries) -> Result<Option<Node>> {
        if self.open.len() == DEPTH {
            return Err(limit(format!("lists and mappings are nested more than {DEPTH} deep")));
        }
        self.open.push(Open { line, entries });
        Ok(None)
    }

    fn put(&mut self, node: Node) -> Result<Option<Node>> {
        self.nodes += 1;
        if self.nodes > NODES {
            return Err(limit(format!("there are more than {NODES} values")));
        }
        match self.open.last_mut().map(|open| &mut open.entries) {
            None => return Ok(Some(node)),
            Some(Entries::List(list)) => list.push(node),
            Some(Entries::Mapping(mapping)) => mapping.put(node)?,
        }
        Ok(None)
    }
}

impl OpenMapping {
    fn put(&mut self, node: Node) -> Result<()> {
        match (self.key.take(), node) {
            (Some((key, line)), value) => self.entries.push(Entry { line, key, value }),
            (None, Node { value: Value::Text(name), line }) => {
                if !self.keys.insert(name.clone()) {
                    return Err(wrong(format!("{name:?} stands there twice")));
                }
                self.key = Some((name, line));
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

    fn text(line: usize, text: &str) -> Node {
        Node { line, value: Value::Text(text.to_owned()) }
    }

    #[test]
    fn texts_stay_as_they_are_written() {
        let parsed = parse("# x\na:\n  - 1.10\n  - \"2\"\n  - 08\n  - yes\nb: {c: []}\n").unwrap();
        let Value::Mapping(all) = parsed.value else { panic!() };
        let texts = [text(3, "1.10"), text(4, "2"), text(5, "08"), text(6, "yes")];
        assert_eq!((all[0].line, &*all[0].key), (2, "a"));
        assert_eq!(all[0].value.value, Value::List(texts.to_vec()));
        let value = Node { line: 7, value: Value::List(vec![]) };
        let entry = Entry { line: 7, key: "c".to_owned(), value };
        assert_eq!(all[1].value.value, Value::Mapping(vec![entry]));
        assert_eq!(parse("").unwrap().value, Value::Mapping(vec![]));
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
        let Value::Mapping(all) = parse(&text.join("\n")).unwrap().value else { panic!() };
        assert_eq!(all.len(), many);
        assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
    }
}
