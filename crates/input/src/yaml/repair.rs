//! Finds the errors behind the first one: what has the wrong shape is blanked out, and the rest is
//! read again. Only for messages; a file with an error is refused all the same.

use serde::de::{Deserialize, DeserializeOwned};
use serde_saphyr::Location;
use serde_saphyr::granit_parser::{Event, Marker, Parser};

use super as yaml;
use super::locate::{Subject, begins_block};
use super::report::{ConfigError, Fault, Report, SourceFile};

/// Largest file in which more than the first error of this kind is found, in bytes.
const MAX_SIZE: usize = 8 << 20;

/// An error of the parser, and what to blank out for it.
pub struct ShapeError {
    /// The error.
    pub fault: Fault,
    /// The part that it is about; `None` where the text is no YAML.
    pub at: Option<(Location, Subject)>,
}

/// A file with errors, after they were collected.
struct Repaired {
    /// The errors.
    faults: Vec<Fault>,
    /// The file without the parts that the errors are about; `None` if no such file can be read.
    text: Option<String>,
}

/// Reads text into a shape that borrows nothing. Reports every error, and returns what can be read
/// without the parts that the errors are about.
pub fn read_all<T: DeserializeOwned>(
    source: &SourceFile,
    text: &str,
    report: &mut Report,
) -> Option<T> {
    let check = |text: &str| yaml::parse_shape::<T>(source, text).map(drop);
    read_borrowed(source, text, &mut None, check, report)
}

/// Does the same as [`read_all`] for a shape that borrows from its text.
///
/// Where the text has errors, the shape borrows from `repaired` instead, which must be `None`
/// before. `check` reads any text into the same shape and drops it: a type parameter cannot stand
/// for a shape of every lifetime.
pub fn read_borrowed<'a, T: Deserialize<'a>>(
    source: &SourceFile,
    text: &'a str,
    repaired: &'a mut Option<String>,
    check: impl Fn(&str) -> Result<(), ShapeError>,
    report: &mut Report,
) -> Option<T> {
    let first = match yaml::parse_shape(source, text) {
        Ok(shape) => return Some(shape),
        Err(first) => first,
    };
    let outcome = repair(text, first, check);
    report.blanked(outcome.faults);
    *repaired = outcome.text;
    yaml::parse(source, repaired.as_deref()?).ok()
}

/// Collects the errors of `check` in a text whose first error is `first`.
fn repair(
    text: &str,
    first: ShapeError,
    check: impl Fn(&str) -> Result<(), ShapeError>,
) -> Repaired {
    let mut faults = vec![first.fault];
    let mut at = first.at;
    let mut text = text.to_owned();
    while let Some((location, subject)) = at
        && text.len() <= MAX_SIZE
        && faults.len() <= ConfigError::MAX_FAULTS
        && let Some(part) = part_at(&text, location, subject)
        && blank(&mut text, part)
    {
        match check(&text) {
            Ok(()) => {
                let text = Some(text);
                return Repaired { faults, text };
            }
            // What is left in place of the part is an error too.
            Err(next) if faults.iter().any(|known| known.key == next.fault.key) => break,
            // The text is broken only now.
            Err(ShapeError { at: None, .. }) => break,
            Err(next) => {
                faults.push(next.fault);
                at = next.at;
            }
        }
    }
    Repaired { faults, text: None }
}

/// Replaces a part by spaces; says whether it could.
fn blank(text: &mut String, (start, end): (usize, usize)) -> bool {
    let Some(part) = text.get(start..end) else {
        return false;
    };
    // An anchor may be needed elsewhere.
    if part.trim().is_empty() || part.contains('&') {
        return false;
    }
    let blanked: String = part
        .bytes()
        .map(|b| if b == b'\n' { '\n' } else { ' ' })
        .collect();
    text.replace_range(start..end, &blanked);
    true
}

/// A pair of a mapping or an item of a list, in bytes.
#[derive(Clone, Copy)]
struct YamlPart {
    start: usize,
    /// Where its value begins; of an item, the item itself.
    value: usize,
    end: usize,
}

/// The pair or item that an error is about: the one whose value begins at the place, else the
/// innermost one around it.
fn part_at(text: &str, at: Location, subject: Subject) -> Option<(usize, usize)> {
    let lines = Lines::of(text);
    let column = usize::try_from(at.column()).ok()?.checked_sub(1)?;
    let wanted = lines.offset(usize::try_from(at.line()).ok()?, column)?;
    let parts = parts(&lines);
    let size = |part: &&YamlPart| part.end - part.start;
    let by_value = parts
        .iter()
        .filter(|part| subject == Subject::Value && part.value == wanted);
    // A list that is not indented begins where its first item does.
    let by_value = match begins_block(at) {
        true => by_value.max_by_key(size),
        false => by_value.min_by_key(size),
    };
    let around = parts
        .iter()
        .filter(|part| (part.start..part.end).contains(&wanted))
        .min_by_key(size);
    by_value.or(around).map(|part| (part.start, part.end))
}

/// A text and where its lines begin.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        let breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        let starts = std::iter::once(0).chain(breaks).collect();
        Self { text, starts }
    }

    /// The byte at a line, from 1, and a column, from 0.
    fn offset(&self, line: usize, column: usize) -> Option<usize> {
        let start = *self.starts.get(line.checked_sub(1)?)?;
        let rest = self.text.get(start..)?;
        let mut chars = rest.char_indices();
        Some(start + chars.nth(column).map_or(rest.len(), |(at, _)| at))
    }

    fn at(&self, mark: Marker) -> usize {
        let at = self.offset(mark.line(), mark.col());
        at.unwrap_or(self.text.len())
    }
}

/// A container that is open.
struct Frame {
    is_mapping: bool,
    expects_value: bool,
    open: Option<YamlPart>,
}

/// All pairs and items, as far as the text can be read.
fn parts(lines: &Lines<'_>) -> Vec<YamlPart> {
    let mut finder = PartFinder::default();
    for event in Parser::new_from_str(lines.text) {
        let Ok((event, span)) = event else { break };
        let (start, end) = (lines.at(span.start), lines.at(span.end));
        match event {
            Event::Scalar(..) | Event::Alias(_) => {
                finder.begin(start);
                finder.end(end);
            }
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                finder.begin(start);
                finder.frames.push(Frame {
                    is_mapping: matches!(event, Event::MappingStart(..)),
                    expects_value: false,
                    open: None,
                });
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let pair = finder.frames.pop().and_then(|frame| frame.open);
                finder
                    .parts
                    .extend(pair.map(|part| YamlPart { end: start, ..part }));
                finder.end(end);
            }
            _ => {}
        }
    }
    finder.parts
}

#[derive(Default)]
struct PartFinder {
    frames: Vec<Frame>,
    parts: Vec<YamlPart>,
}

impl PartFinder {
    /// A node begins: a key, which ends the pair before it, a value or an item.
    fn begin(&mut self, start: usize) {
        let Some(frame) = self.frames.last_mut() else {
            return;
        };
        if frame.expects_value {
            if let Some(pair) = &mut frame.open {
                pair.value = start;
            }
            return;
        }
        let next = YamlPart {
            start,
            value: start,
            end: start,
        };
        let before = frame.open.replace(next);
        self.parts
            .extend(before.map(|part| YamlPart { end: start, ..part }));
    }

    /// A node ends.
    fn end(&mut self, end: usize) {
        let Some(frame) = self.frames.last_mut() else {
            return;
        };
        if frame.is_mapping {
            frame.expects_value = !frame.expects_value;
        } else {
            let item = frame.open.take();
            self.parts.extend(item.map(|part| YamlPart { end, ..part }));
        }
    }
}
