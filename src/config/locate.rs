//! Which key stands at a line and column of a YAML file. Asked only when something is wrong, so
//! that reading what is right pays nothing for it.

use serde_saphyr::Location;
use serde_saphyr::granit_parser::{Event, Parser};

/// Longest key repeated in a message. A passkey has 32 characters or more.
const MAX_KEY: usize = 31;

/// What a fault is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    /// The key itself: unknown, or there twice.
    Key,
    /// The value.
    Value,
}

/// The path (`torrents[2].magnet`) of the key or value that begins at `at`, or of the first one
/// behind it; as far as the file can be read.
pub(super) fn path_at(text: &str, at: Location, subject: Subject) -> String {
    let mut path = Path::default();
    for event in Parser::new_from_str(text) {
        let Ok((event, span)) = event else { break };
        let start = (span.start.line() as u64, span.start.col() as u64 + 1);
        let reached = start >= (at.line(), at.column());
        match event {
            Event::Scalar(value, ..) => {
                let is_key = path.node(Some(&value));
                if reached && (is_key || subject == Subject::Value) {
                    break;
                }
                path.end_of_value(is_key);
            }
            Event::Alias(_) => {
                let is_key = path.node(None);
                if reached && subject == Subject::Value {
                    break;
                }
                path.end_of_value(is_key);
            }
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                path.node(None);
                if reached && subject == Subject::Value {
                    break;
                }
                path.levels.push(match event {
                    Event::SequenceStart(..) => Level::Sequence(0),
                    _ => Level::Mapping(None),
                });
            }
            Event::SequenceEnd | Event::MappingEnd => {
                path.levels.pop();
                path.end_of_value(false);
            }
            _ => {}
        }
    }
    path.render()
}

enum Level {
    /// Index of the next item.
    Sequence(usize),
    /// The key whose value comes next.
    Mapping(Option<String>),
}

#[derive(Default)]
struct Path {
    levels: Vec<Level>,
}

impl Path {
    /// A node begins. Returns whether it is a key.
    fn node(&mut self, scalar: Option<&str>) -> bool {
        match self.levels.last_mut() {
            Some(Level::Mapping(key @ None)) => {
                *key = Some(scalar.map_or_else(|| "?".to_owned(), printable));
                true
            }
            _ => false,
        }
    }

    /// A node that was no key ends: its place in the container is used up.
    fn end_of_value(&mut self, was_key: bool) {
        match self.levels.last_mut() {
            Some(Level::Sequence(index)) => *index += 1,
            Some(Level::Mapping(key)) if !was_key => *key = None,
            _ => {}
        }
    }

    fn render(&self) -> String {
        let mut path = String::new();
        for level in &self.levels {
            match level {
                Level::Sequence(index) => path.push_str(&format!("[{index}]")),
                Level::Mapping(Some(key)) if path.is_empty() => path.push_str(key),
                Level::Mapping(Some(key)) => path.push_str(&format!(".{key}")),
                Level::Mapping(None) => {}
            }
        }
        path
    }
}

/// Keys are words; what is none may be a misplaced URL with a passkey in it.
pub(super) fn printable(key: &str) -> String {
    let is_word = key.len() <= MAX_KEY
        && key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if is_word { key } else { "?" }.to_owned()
}
