//! Values of the saved state as bytes: [postcard](https://postcard.jamesmunns.com/wire-format),
//! one value after the other.
//!
//! Integers are LEB128, except that a byte stands for itself. Tuples, structs and arrays are their
//! elements. Texts and slices are their length and their elements.
//!
//! The bytes are read without an allocation: values are [`Copy`], so that texts and slices of bytes
//! are borrowed. A sequence is read element by element, after its length has been checked.
//!
//! ```
//! use seedwatch_core::saved::{DecodeError, append, take};
//!
//! let mut bytes = Vec::new();
//! append(&("dht", 300_u32), &mut bytes);
//! let from = &mut &bytes[..];
//! assert_eq!(take::<(&str, u32)>(from), Ok(("dht", 300)));
//! assert_eq!(take::<u8>(from), Err(DecodeError));
//! ```

use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize};

/// Most bytes of an integer.
const MAX_INTEGER: usize = 10;

/// The bytes are not the saved state that was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not saved state")]
pub struct DecodeError;

impl From<seedwatch_distinct::DecodeError> for DecodeError {
    fn from(_: seedwatch_distinct::DecodeError) -> Self {
        Self
    }
}

/// Appends a value to `out`.
#[inline]
pub fn append(value: &(impl Serialize + ?Sized), out: &mut Vec<u8>) {
    let appended = postcard::serialize_with_flavor(value, Appender(out));
    debug_assert_eq!(appended, Ok(()), "only sequences of unknown length fail");
}

/// Reads a value from the front of `from` and advances `from` past it.
///
/// # Errors
/// The bytes end early or do not encode such a value.
#[inline]
pub fn take<'a, T: Deserialize<'a> + Copy>(from: &mut &'a [u8]) -> Result<T, DecodeError> {
    let (value, rest) = postcard::take_from_bytes::<T>(from).map_err(|_| DecodeError)?;
    *from = rest;
    Ok(value)
}

/// Reads the length of a sequence, at most `most`.
///
/// # Errors
/// As of [`take`]; also if the sequence is longer.
pub(crate) fn take_length(from: &mut &[u8], most: usize) -> Result<usize, DecodeError> {
    let length = take(from)?;
    (length <= most).then_some(length).ok_or(DecodeError)
}

/// Appends an array of bytes. The bytes are those of [`append`], which pushes one after the other.
#[inline]
pub fn append_array<const N: usize>(bytes: &[u8; N], out: &mut Vec<u8>) {
    out.extend_from_slice(bytes);
}

/// Reads an array of bytes from the front of `from` and advances `from` past it.
///
/// # Errors
/// The bytes end early.
#[inline]
pub fn take_array<const N: usize>(from: &mut &[u8]) -> Result<[u8; N], DecodeError> {
    let (array, rest) = from.split_first_chunk().ok_or(DecodeError)?;
    *from = rest;
    Ok(*array)
}

/// Appends to a vector in place. [`postcard::to_extend`] takes it by value and loses it on an
/// error.
struct Appender<'a>(&'a mut Vec<u8>);

impl Flavor for Appender<'_> {
    type Output = ();

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        match bytes.len() {
            // An integer. A call that copies it would take longer.
            ..=MAX_INTEGER => bytes.iter().for_each(|byte| self.0.push(*byte)),
            _ => self.0.extend_from_slice(bytes),
        }
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}
