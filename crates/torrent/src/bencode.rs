//! Bounded, borrowed, tolerant reading of bencode (BEP 3).
//!
//! The input comes from the network, so nothing here recurses, panics, or allocates by a length
//! that the sender chose. Containers are spans that are read on iteration. A truncated answer
//! yields every entry before the cut and reports the damage ([`Entries::damage`]). Keys need not be
//! sorted or unique: trackers get both wrong.
//!
//! ```
//! use seedwatch_torrent::bencode::{Error, Value};
//!
//! let (answer, rest) = Value::parse(b"d8:completei7e10:incompletei3ee")?;
//! let answer = answer.as_dict().ok_or(Error::Syntax)?;
//! assert_eq!(answer.get(b"complete"), Some(Value::Int(7)));
//! assert!(rest.is_empty());
//! # Ok::<(), Error>(())
//! ```

use std::fmt;

/// Deepest nesting that is read. Real answers have four levels.
pub const MAX_DEPTH: usize = 64;

/// Longest integer that is read, in digits. BEP 3 sets no limit, and trackers send counters that
/// fell below zero and wrapped around.
const MAX_DIGITS: usize = 64;

/// Why an input is not bencode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The input ends inside a value.
    Truncated,
    /// A byte is invalid at its position.
    Syntax,
    /// The nesting exceeds [`MAX_DEPTH`].
    TooDeep,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Error::Truncated => "ends in the middle of a value",
            Error::Syntax => "not bencode",
            Error::TooDeep => "nested too deep",
        })
    }
}

impl std::error::Error for Error {}

/// A value, borrowed from the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// `i…e`. Integers beyond 64 bits saturate.
    Int(i64),
    /// `N:…`.
    Bytes(&'a [u8]),
    /// `l…e`.
    List(List<'a>),
    /// `d…e`.
    Dict(Dict<'a>),
}

impl<'a> Value<'a> {
    /// Reads one complete value; returns it with the input after it.
    ///
    /// # Errors
    ///
    /// If the input does not begin with a complete value.
    pub fn parse(input: &'a [u8]) -> Result<(Self, &'a [u8]), Error> {
        if let Some(b'0'..=b'9') = input.first() {
            // Most values are strings. This path reads their header only once.
            let (start, length) = string_header(input)?;
            let (bytes, rest) = input[start..]
                .split_at_checked(length)
                .ok_or(Error::Truncated)?;
            return Ok((Value::Bytes(bytes), rest));
        }
        let end = skip(input)?;
        let (raw, rest) = input.split_at(end);
        let value = match raw.first() {
            Some(b'i') => Value::Int(integer(&raw[1..raw.len() - 1])?),
            Some(b'l') => Value::List(List { raw }),
            Some(b'd') => Value::Dict(Dict { raw }),
            _ => return Err(Error::Syntax),
        };
        Ok((value, rest))
    }

    /// Returns the integer, if the value is one.
    pub fn as_int(&self) -> Option<i64> {
        if let Value::Int(n) = self {
            Some(*n)
        } else {
            None
        }
    }

    /// Returns the bytes, if the value is a string.
    pub fn as_bytes(&self) -> Option<&'a [u8]> {
        if let Value::Bytes(bytes) = self {
            Some(bytes)
        } else {
            None
        }
    }

    /// Returns the list, if the value is one.
    pub fn as_list(&self) -> Option<List<'a>> {
        if let Value::List(list) = self {
            Some(*list)
        } else {
            None
        }
    }

    /// Returns the dictionary, if the value is one.
    pub fn as_dict(&self) -> Option<Dict<'a>> {
        if let Value::Dict(dict) = self {
            Some(*dict)
        } else {
            None
        }
    }
}

/// A list: the span from `l` to its `e`, or to the end of a truncated input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct List<'a> {
    raw: &'a [u8],
}

impl<'a> List<'a> {
    /// Iterates over the values up to the first damage.
    pub fn iter(&self) -> Items<'a> {
        Items {
            rest: self.raw.get(1..).unwrap_or_default(),
            damage: None,
        }
    }
}

/// A dictionary: the span from `d` to its `e`, or to the end of a truncated input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dict<'a> {
    raw: &'a [u8],
}

impl<'a> Dict<'a> {
    /// Reads an input that begins with `d` as a dictionary, complete or truncated.
    pub fn open(input: &'a [u8]) -> Option<Self> {
        input.starts_with(b"d").then_some(Self { raw: input })
    }

    /// Returns the span of the dictionary, which an info-hash is computed over (BEP 3).
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Iterates over the entries in input order, up to the first damage.
    pub fn iter(&self) -> Entries<'a> {
        Entries {
            items: Items {
                rest: self.raw.get(1..).unwrap_or_default(),
                damage: None,
            },
        }
    }

    /// Returns the first value under `key`. Each call reads the dictionary: to read several keys,
    /// iterate.
    pub fn get(&self, key: &[u8]) -> Option<Value<'a>> {
        self.iter().find(|(k, _)| *k == key).map(|(_, value)| value)
    }
}

/// Iterator over the values of a [`List`].
#[derive(Debug, Clone)]
pub struct Items<'a> {
    rest: &'a [u8],
    damage: Option<Error>,
}

impl<'a> Items<'a> {
    /// Returns why iteration ended before the closing `e`. Valid after the last item.
    pub fn damage(&self) -> Option<Error> {
        self.damage
    }

    /// Returns the input after the closing `e`. Valid after the last item.
    pub fn rest(&self) -> &'a [u8] {
        self.rest.strip_prefix(b"e").unwrap_or_default()
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        if self.damage.is_some() {
            return None;
        }
        match self.rest.first() {
            None => {
                // The input ends before the closing `e`.
                self.damage = Some(Error::Truncated);
                None
            }
            Some(b'e') => None,
            Some(_) => match Value::parse(self.rest) {
                Ok((value, rest)) => {
                    self.rest = rest;
                    Some(value)
                }
                Err(error) => {
                    self.damage = Some(error);
                    salvage(std::mem::take(&mut self.rest), error)
                }
            },
        }
    }
}

/// Iterator over the entries of a [`Dict`].
#[derive(Debug, Clone)]
pub struct Entries<'a> {
    items: Items<'a>,
}

impl<'a> Entries<'a> {
    /// Returns why iteration ended before the closing `e`. Valid after the last entry.
    pub fn damage(&self) -> Option<Error> {
        self.items.damage()
    }

    /// Returns the input after the closing `e`. Valid after the last entry.
    pub fn rest(&self) -> &'a [u8] {
        self.items.rest()
    }

    /// Returns the next key. The caller must read its value next.
    pub fn next_key(&mut self) -> Option<&'a [u8]> {
        let Value::Bytes(key) = self.items.next()? else {
            self.items.damage = Some(Error::Syntax);
            return None;
        };
        Some(key)
    }

    /// Returns the value of the latest key.
    pub fn next_value(&mut self) -> Option<Value<'a>> {
        self.items.next()
    }

    /// Opens the value of the latest key if it is a dictionary, without a search for its end. The
    /// caller iterates over it and then passes it to [`Entries::resume_after`].
    pub fn open_dict(&self) -> Option<Entries<'a>> {
        Dict::open(self.items.rest).map(|dict| dict.iter())
    }

    /// Continues after a dictionary of [`Entries::open_dict`] that was read to its end. Returns
    /// false if it is damaged; its end is then unknown, and the value has not been read.
    pub fn resume_after(&mut self, dict: &Entries<'a>) -> bool {
        let is_whole = dict.damage().is_none();
        if is_whole {
            self.items.rest = dict.rest();
        }
        is_whole
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = (&'a [u8], Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let key = self.next_key()?;
        self.next_value().map(|value| (key, value))
    }
}

/// Returns the readable part of a truncated string or container at the end of the input.
fn salvage(raw: &[u8], error: Error) -> Option<Value<'_>> {
    if error != Error::Truncated {
        return None;
    }
    match raw.first()? {
        b'l' => Some(Value::List(List { raw })),
        b'd' => Some(Value::Dict(Dict { raw })),
        b'i' => None,
        _ => string_header(raw)
            .ok()
            .map(|(start, _)| Value::Bytes(&raw[start..])),
    }
}

/// Returns the length of the value at the start of `input`. Iterative, so depth costs no stack.
fn skip(input: &[u8]) -> Result<usize, Error> {
    let mut at = 0;
    let mut depth = 0usize;
    loop {
        match *input.get(at).ok_or(Error::Truncated)? {
            b'i' => {
                let digits = &input[at + 1..];
                // A sign, the digits and the `e`.
                let window = &digits[..digits.len().min(MAX_DIGITS + 2)];
                let length = window.iter().position(|&b| b == b'e').ok_or({
                    if digits.len() < MAX_DIGITS + 2 {
                        Error::Truncated
                    } else {
                        Error::Syntax
                    }
                })?;
                integer(&digits[..length])?;
                at += length + 2;
            }
            b'l' | b'd' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(Error::TooDeep);
                }
                at += 1;
                continue;
            }
            b'e' if depth > 0 => {
                depth -= 1;
                at += 1;
            }
            b'0'..=b'9' => {
                let rest = &input[at..];
                let (start, length) = string_header(rest)?;
                if length > rest.len() - start {
                    return Err(Error::Truncated);
                }
                at += start + length;
            }
            _ => return Err(Error::Syntax),
        }
        if depth == 0 {
            return Ok(at);
        }
    }
}

/// Reads `N:`; returns where the string starts and its claimed length.
fn string_header(input: &[u8]) -> Result<(usize, usize), Error> {
    if let [digit @ b'0'..=b'9', b':', ..] = input {
        return Ok((2, usize::from(digit - b'0')));
    }
    let mut length = 0usize;
    for (at, &byte) in input.iter().enumerate() {
        match byte {
            b'0'..=b'9' => {
                length = length
                    .checked_mul(10)
                    .and_then(|n| n.checked_add(usize::from(byte - b'0')))
                    .ok_or(Error::Syntax)?;
            }
            b':' if at > 0 => return Ok((at + 1, length)),
            _ => return Err(Error::Syntax),
        }
    }
    Err(Error::Truncated)
}

/// Reads an integer without its `i` and `e`; leading zeros and `-0` are tolerated.
fn integer(text: &[u8]) -> Result<i64, Error> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let is_number =
        (1..=MAX_DIGITS).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    if !is_number {
        return Err(Error::Syntax);
    }
    let sign = if digits.len() < text.len() { -1 } else { 1 };
    Ok(digits.iter().fold(0i64, |number, digit| {
        let digit = sign * i64::from(digit - b'0');
        number.saturating_mul(10).saturating_add(digit)
    }))
}

#[cfg(test)]
mod tests;
