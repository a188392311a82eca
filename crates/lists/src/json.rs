//! Lists as JSON (RFC 8259), read as a stream: only the fields of one entry are held at a time.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::draft::Draft;
use crate::entry::Collector;
use crate::fields::{FieldName, Fields, Role};
use crate::{ListFailure, MAX_DEPTH};

/// The keys from the root of a document to its list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ItemPath(Box<[Box<str>]>);

impl ItemPath {
    /// Most keys of a path.
    pub const MAX_KEYS: usize = 8;

    /// Longest path, in bytes.
    pub const MAX_LENGTH: usize = 255;

    /// Reads a path: keys with dots between them. Returns `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let keys: Box<[Box<str>]> = text.split('.').map(Into::into).collect();
        let is_valid = text.len() <= Self::MAX_LENGTH
            && keys.len() <= Self::MAX_KEYS
            && keys.iter().all(|key| !key.is_empty());
        is_valid.then_some(Self(keys))
    }
}

impl fmt::Display for ItemPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

/// Reads a document. Without a path, the list is the document, or every list right below it.
///
/// # Errors
/// The document is no JSON, is cut or nested too deeply, or has no list there.
pub(crate) fn read(
    text: &str,
    items: Option<&ItemPath>,
    fields: &Fields,
    list: &mut Collector,
) -> Result<(), ListFailure> {
    check_depth(text.as_bytes())?;
    let mut sink = Sink {
        list,
        fields,
        failure: None,
        is_found: false,
    };
    let position = match items {
        Some(path) => Position::Below(&path.0),
        None => Position::Root,
    };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let seed = ItemsSeed {
        position,
        sink: &mut sink,
    };
    let read = seed.deserialize(&mut deserializer);
    let read = read.and_then(|()| deserializer.end());
    match (sink.failure, read) {
        (Some(failure), _) => Err(failure),
        (None, Err(error)) if error.is_eof() => Err(ListFailure::Truncated),
        (None, Err(_)) => Err(ListFailure::NotAList),
        (None, Ok(())) if !sink.is_found => Err(ListFailure::NotAList),
        (None, Ok(())) => Ok(()),
    }
}

/// Checks how deep a document is nested, before anything reads it recursively.
fn check_depth(bytes: &[u8]) -> Result<(), ListFailure> {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in bytes {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.checked_sub(1).ok_or(ListFailure::NotAList)?,
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(ListFailure::TooDeep);
        }
    }
    match depth > 0 || in_string {
        true => Err(ListFailure::Truncated),
        false => Ok(()),
    }
}

/// Where the entries go.
struct Sink<'s> {
    list: &'s mut Collector,
    fields: &'s Fields,
    /// Why the list cannot be used, if an entry showed it.
    failure: Option<ListFailure>,
    /// Whether the document has a list where it should be.
    is_found: bool,
}

impl Sink<'_> {
    fn push<E: Error>(&mut self, draft: Draft<'_>) -> Result<(), E> {
        self.list.push(draft).map_err(|failure| {
            self.failure = Some(failure);
            E::custom(failure)
        })
    }
}

/// The position of a value, seen from the list.
#[derive(Clone, Copy)]
enum Position<'p> {
    /// The document, whose list is not named.
    Root,
    /// Right below such a document.
    BelowRoot,
    /// The list is below these keys; without any, this is the list.
    Below(&'p [Box<str>]),
}

/// Reads a value that is, or leads to, the list.
struct ItemsSeed<'s, 'p, 'l> {
    position: Position<'p>,
    sink: &'s mut Sink<'l>,
}

impl<'de> DeserializeSeed<'de> for ItemsSeed<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// Implements the visits of values that are neither text, list nor object.
macro_rules! scalars {
    ($self:ident => $result:expr) => {
        fn visit_bool<E: Error>($self, _: bool) -> Result<(), E> {
            $result
        }

        fn visit_i64<E: Error>($self, _: i64) -> Result<(), E> {
            $result
        }

        fn visit_u64<E: Error>($self, _: u64) -> Result<(), E> {
            $result
        }

        fn visit_f64<E: Error>($self, _: f64) -> Result<(), E> {
            $result
        }

        fn visit_unit<E: Error>($self) -> Result<(), E> {
            $result
        }
    };
}

impl<'de> Visitor<'de> for ItemsSeed<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    scalars!(self => Ok(()));

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        if let Position::Below([_, ..]) = self.position {
            // The rest of the path leads through each element.
            loop {
                let seed = ItemsSeed {
                    position: self.position,
                    sink: &mut *self.sink,
                };
                if items.next_element_seed(seed)?.is_none() {
                    return Ok(());
                }
            }
        }
        self.sink.is_found = true;
        while items
            .next_element_seed(EntrySeed {
                key: None,
                sink: &mut *self.sink,
            })?
            .is_some()
        {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let is_list = matches!(self.position, Position::Below([]));
        self.sink.is_found |= is_list;
        while let Some(Key(key)) = map.next_key()? {
            let sink = &mut *self.sink;
            let position = match self.position {
                Position::Below([]) => {
                    // A map from info-hash to torrent, as Deluge has it.
                    map.next_value_seed(EntrySeed {
                        key: Some(key),
                        sink,
                    })?;
                    continue;
                }
                Position::Root => Some(Position::BelowRoot),
                Position::Below([first, rest @ ..]) if **first == *key => {
                    Some(Position::Below(rest))
                }
                Position::BelowRoot | Position::Below(_) => None,
            };
            match position {
                Some(position) => map.next_value_seed(ItemsSeed { position, sink })?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// A key, borrowed unless it has escapes.
struct Key<'de>(Cow<'de, str>);

impl<'de> serde::Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(KeyVisitor).map(Self)
    }
}

struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

/// Reads one entry.
struct EntrySeed<'s, 'l, 'de> {
    /// The key of the entry in a map, which may be its info-hash.
    key: Option<Cow<'de, str>>,
    sink: &'s mut Sink<'l>,
}

impl<'de> DeserializeSeed<'de> for EntrySeed<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for EntrySeed<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an entry")
    }

    scalars!(self => self.sink.push(Draft::default()));

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        let mut draft = Draft::default();
        draft.offer_line(text.trim());
        self.sink.push(draft)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        self.sink.push(Draft::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut draft = Draft::default();
        if let Some(key) = self.key {
            draft.offer(Role::Link, 0, key);
        }
        let names: Vec<&FieldName> = self.sink.fields.names().iter().collect();
        read_fields(&mut map, &names, 0, &mut draft)?;
        self.sink.push(draft)
    }
}

/// Reads the fields of an entry, or of an object `depth` levels inside it.
fn read_fields<'de, A: MapAccess<'de>>(
    map: &mut A,
    names: &[&FieldName],
    depth: usize,
    draft: &mut Draft<'de>,
) -> Result<(), A::Error> {
    while let Some(Key(key)) = map.next_key()? {
        let is_named = |name: &&&FieldName| {
            let part = name.path.get(depth);
            part.is_some_and(|part| part.eq_ignore_ascii_case(&key))
        };
        let mut matching = names.iter().filter(is_named).copied().peekable();
        if matching.peek().is_none() {
            map.next_value::<IgnoredAny>()?;
            continue;
        }
        let names: Vec<&FieldName> = matching.collect();
        map.next_value_seed(FieldSeed {
            names: &names,
            depth: depth + 1,
            draft: &mut *draft,
        })?;
    }
    Ok(())
}

/// Reads the value of a field, or the object that has the field.
struct FieldSeed<'s, 'n, 'de> {
    /// The names that lead here.
    names: &'n [&'n FieldName],
    /// How many keys of each name lead here.
    depth: usize,
    draft: &'s mut Draft<'de>,
}

impl<'de> FieldSeed<'_, '_, 'de> {
    fn offer(&mut self, text: Cow<'de, str>) {
        let here = self.names.iter().find(|name| name.path.len() == self.depth);
        if let Some(name) = here {
            self.draft.offer(name.role, name.rank, text);
        }
    }
}

impl<'de> DeserializeSeed<'de> for FieldSeed<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for FieldSeed<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(mut self, value: bool) -> Result<(), E> {
        self.offer(Cow::Borrowed(if value { "true" } else { "false" }));
        Ok(())
    }

    fn visit_i64<E: Error>(mut self, value: i64) -> Result<(), E> {
        self.offer(Cow::Owned(value.to_string()));
        Ok(())
    }

    fn visit_u64<E: Error>(mut self, value: u64) -> Result<(), E> {
        self.offer(Cow::Owned(value.to_string()));
        Ok(())
    }

    fn visit_f64<E: Error>(mut self, value: f64) -> Result<(), E> {
        self.offer(Cow::Owned(value.to_string()));
        Ok(())
    }

    fn visit_borrowed_str<E: Error>(mut self, text: &'de str) -> Result<(), E> {
        self.offer(Cow::Borrowed(text));
        Ok(())
    }

    fn visit_str<E: Error>(mut self, text: &str) -> Result<(), E> {
        self.offer(Cow::Owned(text.to_owned()));
        Ok(())
    }

    /// Several values, or lists of them, as trackers in tiers are (BEP 12).
    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        loop {
            let seed = FieldSeed {
                names: self.names,
                depth: self.depth,
                draft: &mut *self.draft,
            };
            if values.next_element_seed(seed)?.is_none() {
                return Ok(());
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        read_fields(&mut map, self.names, self.depth, self.draft)
    }
}
