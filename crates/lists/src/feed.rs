//! Lists as feeds: RSS 2.0, Atom (RFC 4287) and Torznab, which is RSS with attributes.
//!
//! A document type is refused, and with it every entity that it could define. Only the entities
//! that XML predefines and numeric references are resolved (XML 1.0, sections 4.1 and 4.6).

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::errors::{Error, IllFormedError};
use quick_xml::events::attributes::Attribute;
use quick_xml::events::{BytesStart, Event};

use seedwatch_torrent::Magnet;

use crate::draft::Draft;
use crate::entry::Collector;
use crate::fields::{Fields, Role};
use crate::{ListFailure, MAX_DEPTH};

/// Root elements of feeds: RSS 2.0, Atom, RSS 1.0.
const ROOTS: [&str; 3] = ["rss", "feed", "rdf"];

/// Longest text of an element that is kept, in bytes. One byte longer than any magnet link that is
/// read, so that a longer one is recognised.
const MAX_TEXT: usize = Magnet::MAX_LENGTH + 1;

/// Most attributes of an element that are read.
const MAX_ATTRIBUTES: usize = 32;

/// Reads a feed.
///
/// # Errors
/// The text is no feed, is cut or nested too deeply, or has a document type.
pub(crate) fn read(text: &str, fields: &Fields, list: &mut Collector) -> Result<(), ListFailure> {
    let mut reader = Reader::from_str(text);
    let config = reader.config_mut();
    config.expand_empty_elements = true;
    // Magnet links are often written with plain ampersands.
    config.allow_dangling_amp = true;
    let mut feed = Feed {
        fields,
        list,
        depth: 0,
        is_begun: false,
        item: None,
        text: String::new(),
    };
    loop {
        match reader.read_event() {
            Ok(Event::Start(element)) => feed.begin(&element)?,
            Ok(Event::End(_)) => feed.end()?,
            Ok(Event::Text(text)) => feed.append(&text),
            Ok(Event::CData(text)) => feed.append(&text),
            Ok(Event::GeneralRef(reference)) => feed.resolve(&reference)?,
            Ok(Event::DocType(_)) => return Err(ListFailure::Entities),
            Ok(Event::Eof) if feed.depth > 0 => return Err(ListFailure::Truncated),
            Ok(Event::Eof) if !feed.is_begun => return Err(ListFailure::NotAList),
            Ok(Event::Eof) => return Ok(()),
            Ok(Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_)) => {}
            Err(error) => return Err(failure(&error, feed.is_begun)),
        }
    }
}

/// Returns what an error of the reader means. Markup that is not closed is cut.
fn failure(error: &Error, is_begun: bool) -> ListFailure {
    match error {
        Error::Syntax(_) if is_begun => ListFailure::Truncated,
        Error::IllFormed(IllFormedError::MissingEndTag(_)) => ListFailure::Truncated,
        _ => ListFailure::NotAList,
    }
}

/// A feed while it is read.
struct Feed<'f> {
    fields: &'f Fields,
    list: &'f mut Collector,
    /// How many elements are open.
    depth: usize,
    /// Whether the root element was read.
    is_begun: bool,
    item: Option<Item>,
    /// The text of the innermost element so far.
    text: String,
}

/// An entry while it is read.
struct Item {
    draft: Draft<'static>,
    /// The depth of its element.
    depth: usize,
    /// The names of the open elements inside it, in lower case and without a prefix.
    open: Vec<String>,
}

impl Feed<'_> {
    fn begin(&mut self, element: &BytesStart<'_>) -> Result<(), ListFailure> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(ListFailure::TooDeep);
        }
        self.text.clear();
        let name = local_name(element.name().as_ref());
        if !self.is_begun {
            self.is_begun = true;
            return match &*name {
                "error" => Err(ListFailure::Rejected),
                name if ROOTS.contains(&name) => Ok(()),
                _ => Err(ListFailure::NotAList),
            };
        }
        match &mut self.item {
            Some(item) => {
                item.read_attributes(&name, element, self.fields)?;
                item.open.push(name);
            }
            None if matches!(&*name, "item" | "entry") => {
                self.item = Some(Item {
                    draft: Draft::default(),
                    depth: self.depth,
                    open: Vec::new(),
                });
            }
            None => {}
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), ListFailure> {
        let depth = self.depth;
        self.depth = depth.saturating_sub(1);
        let text = std::mem::take(&mut self.text);
        let Some(item) = &mut self.item else {
            return Ok(());
        };
        if let Some(name) = item.open.pop() {
            if let Some((role, rank)) = role_of_element(&name, self.fields) {
                item.draft.offer(role, rank, Cow::Owned(text));
            }
            return Ok(());
        }
        match self.item.take().filter(|item| item.depth == depth) {
            Some(item) => self.list.push(item.draft),
            None => Ok(()),
        }
    }

    fn append(&mut self, text: &str) {
        let is_of_field = self.item.as_ref().is_some_and(|item| !item.open.is_empty());
        if is_of_field {
            self.text
                .push_str(head(text, MAX_TEXT.saturating_sub(self.text.len())));
        }
    }

    /// Appends what a reference in a text stands for.
    fn resolve(&mut self, name: &str) -> Result<(), ListFailure> {
        match resolved(name) {
            Reference::Char(c) => self.append(c.encode_utf8(&mut [0; 4])),
            Reference::Unknown => return Err(ListFailure::Entities),
            Reference::None => ["&", name, ";"]
                .into_iter()
                .for_each(|text| self.append(text)),
        }
        Ok(())
    }
}

/// Returns the beginning of a text, at most so many bytes of it.
fn head(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

impl Item {
    /// Takes what attributes say: links of Atom, enclosures, media, and attributes of Torznab.
    fn read_attributes(
        &mut self,
        element: &str,
        start: &BytesStart<'_>,
        fields: &Fields,
    ) -> Result<(), ListFailure> {
        if !matches!(element, "link" | "enclosure" | "content" | "attr") {
            return Ok(());
        }
        let (mut name, mut value) = (None, None);
        for attribute in start.attributes().with_checks(false).take(MAX_ATTRIBUTES) {
            let attribute = attribute.map_err(|_| ListFailure::NotAList)?;
            let key = local_name(attribute.key.as_ref());
            let text = unescaped(&attribute)?;
            match (element, &*key) {
                ("link", "href") | ("enclosure" | "content", "url") => {
                    self.draft.offer(Role::Link, 0, Cow::Owned(text));
                }
                // BEP 36: `length` of an enclosure is that of the file, not of the payload.
                ("content", "filesize") => self.draft.offer(Role::Size, 100, Cow::Owned(text)),
                ("attr", "name") => name = Some(text),
                ("attr", "value") => value = Some(text),
                _ => {}
            }
        }
        if let (Some(name), Some(value)) = (name, value)
            && let Some((role, rank)) = role_of_element(&name, fields)
        {
            self.draft.offer(role, rank, Cow::Owned(value));
        }
        Ok(())
    }
}

/// Returns what an element or an attribute of Torznab holds.
fn role_of_element(name: &str, fields: &Fields) -> Option<(Role, u8)> {
    fields.role(name).or(match name {
        // Of Atom, and the kind of an indexer.
        "id" => Some((Role::Link, 0)),
        "type" => Some((Role::Private, 0)),
        _ => None,
    })
}

/// Returns a name without its prefix, in lower case. Prefixes differ between feeds, and some do
/// not declare theirs.
fn local_name(name: &str) -> String {
    let local = name.rsplit(':').next().unwrap_or(name);
    local.to_ascii_lowercase()
}

/// What a reference in XML stands for.
enum Reference {
    /// A character: predefined or numeric.
    Char(char),
    /// An entity that XML does not predefine.
    Unknown,
    /// No reference: the name is none, as after a plain ampersand in a magnet link.
    None,
}

fn resolved(name: &str) -> Reference {
    let c = match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => match name.strip_prefix('#') {
            Some(number) => {
                let code = match number.strip_prefix(['x', 'X']) {
                    Some(hex) => u32::from_str_radix(hex, 16),
                    None => number.parse(),
                };
                Some(code.ok().and_then(char::from_u32).unwrap_or('\u{fffd}'))
            }
            None => None,
        },
    };
    match c {
        Some(c) => Reference::Char(c),
        None if is_name(name) => Reference::Unknown,
        None => Reference::None,
    }
}

fn is_name(name: &str) -> bool {
    let is_name_char = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    name.starts_with(|c: char| c.is_alphabetic() || c == '_') && name.chars().all(is_name_char)
}

/// Returns the value of an attribute, with its references resolved and its length bounded.
fn unescaped(attribute: &Attribute<'_>) -> Result<String, ListFailure> {
    let value = head(&attribute.value, MAX_TEXT);
    let mut text = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('&') {
        text.push_str(before);
        let reference = after
            .split_once(';')
            .map(|(name, rest)| (resolved(name), rest));
        rest = match reference {
            Some((Reference::Char(c), rest)) => {
                text.push(c);
                rest
            }
            Some((Reference::Unknown, _)) => return Err(ListFailure::Entities),
            Some((Reference::None, _)) | None => {
                text.push('&');
                after
            }
        };
    }
    text.push_str(rest);
    Ok(text)
}
