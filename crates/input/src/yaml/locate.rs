//! Which key stands at a line and column of a YAML file. Asked only when something is wrong, so
//! that reading what is right pays nothing for it.

use serde_saphyr::Location;
use serde_saphyr::granit_parser::{Event, Parser};

/// Longest key repeated in a message. A passkey has 32 characters or more.
const MAX_KEY: usize = 31;

/// What a fault is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
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
                let is_key = path.node(None);
                let is_first_item =
                    start == (at.line(), at.column()) && span.is_empty() && !begins_block(at);
                if reached && subject == Subject::Value && !is_first_item {
                    break;
                }
                let level = match event {
                    Event::SequenceStart(..) => Level::Sequence(0),
                    _ => Level::Mapping(None),
                };
                path.levels.push((level, is_key));
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let was_key = path.levels.pop().is_some_and(|(_, is_key)| is_key);
                path.end_of_value(was_key);
            }
            _ => {}
        }
    }
    path.render()
}

/// Returns whether a block container begins at a place. A block list that is not indented begins
/// where its first item does, but has no length.
pub(super) fn begins_block(at: Location) -> bool {
    at.span().is_empty()
}

enum Level {
    /// Index of the next item.
    Sequence(usize),
    /// The key whose value comes next.
    Mapping(Option<String>),
}

#[derive(Default)]
struct Path {
    /// Containers that are open, outermost first, and whether each is itself a key.
    levels: Vec<(Level, bool)>,
}

impl Path {
    /// A node begins. Returns whether it is a key.
    fn node(&mut self, scalar: Option<&str>) -> bool {
        match self.levels.last_mut() {
            Some((Level::Mapping(key @ None), _)) => {
                *key = Some(scalar.map_or_else(|| "?".to_owned(), printable));
                true
            }
            _ => false,
        }
    }

    /// A node that was no key ends: its place in the container is used up.
    fn end_of_value(&mut self, was_key: bool) {
        match self.levels.last_mut() {
            Some((Level::Sequence(index), _)) => *index += 1,
            Some((Level::Mapping(key), _)) if !was_key => *key = None,
            _ => {}
        }
    }

    fn render(&self) -> String {
        let mut path = String::new();
        for (level, _) in &self.levels {
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
pub fn printable(key: &str) -> String {
    let is_word = key.len() <= MAX_KEY
        && key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'<'));
    if is_word { key } else { "?" }.to_owned()
}

#[cfg(test)]
mod tests {
    use serde_saphyr::Spanned;

    use super::*;

    /// Where the first scalar that reads `x` stands. Only the library makes locations, so it is
    /// given one scalar at that very place.
    fn location(text: &str) -> Location {
        let mark = Parser::new_from_str(text)
            .map(Result::unwrap)
            .find(|(event, _)| matches!(event, Event::Scalar(value, ..) if value == "x"))
            .map(|(_, span)| span.start)
            .unwrap();
        let (above, before) = ("\n".repeat(mark.line() - 1), " ".repeat(mark.col()));
        let alone: Spanned<String> = serde_saphyr::from_str(&format!("{above}{before}x")).unwrap();
        alone.referenced
    }

    #[test]
    fn paths_of_values() {
        for (text, expected) in [
            ("x", ""),
            ("a: x", "a"),
            ("a:\n  - b\n  - x", "a[1]"),
            ("a:\n- x", "a[0]"),
            ("a:\n- b: x\n- c", "a[0].b"),
            ("a: [[1, 2], {b: {c: [3, x]}}]", "a[1].b.c[1]"),
            ("a: &n {b: c}\nd: *n\ne: {f: x}", "e.f"),
            ("? [k]\n: x", "?"),
            ("a: {http://t.example/s3cret: x}", "a.?"),
            ("a: {<<: {b: 1}, c: x}", "a.c"),
        ] {
            let at = location(text);
            assert_eq!(path_at(text, at, Subject::Value), expected, "{text}");
        }
    }

    #[test]
    fn paths_of_keys() {
        for (text, expected) in [
            ("x: 1", "x"),
            ("- a: 1\n  x: 2\n- b: 3", "[0].x"),
            ("a: {x: [1, 2]}", "a.x"),
        ] {
            let at = location(text);
            assert_eq!(path_at(text, at, Subject::Key), expected, "{text}");
        }
    }
}
