//! Reading YAML: bounded files, bounded work, errors in our own words.

mod at;
mod locate;
mod repair;
mod report;

pub use at::{At, SecretText, Str, Text};
pub use locate::{Subject, printable};
pub use repair::{ShapeError, read_all, read_borrowed};
pub use report::{ConfigError, Fault, Report, SourceFile};

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde_saphyr::{DuplicateKeyPolicy, Error, Options};

use crate::file;
use locate::path_at;

/// Largest YAML file read, in bytes: a million torrents with five trackers each.
pub const MAX_FILE_SIZE: u64 = 512 << 20;

/// Longest time that reading a YAML file may take: what writes into a pipe may ask a server first.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Deepest nesting; the deepest valid value is `torrents[0].labels.KEY`.
const MAX_DEPTH: usize = 16;

/// What is wrong with a value that should have keys.
const NO_MAPPING: &str = "must be a mapping of keys to values";

/// What is wrong with an entry of `torrents:` that is a bare link or info-hash.
const NO_ENTRY: &str = "must be a mapping, such as magnet: \"magnet:?…\"";

/// Returns whether a path is that of an entry of `torrents:`.
fn is_entry(path: &str) -> bool {
    let index = path.strip_prefix("torrents[");
    let index = index.and_then(|rest| rest.strip_suffix(']'));
    index.is_some_and(|index| index.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Reads a file as text. Pipes are read too: the shell's `<(…)` is one.
pub fn read(source: &SourceFile, path: &Path) -> Result<String, Fault> {
    let bytes = file::read_within(path, MAX_FILE_SIZE, TIMEOUT).map_err(|error| {
        let message = match error.kind() {
            ErrorKind::FileTooLarge => "larger than 512 MiB".to_owned(),
            _ => format!("cannot be read: {error}"),
        };
        source.fault(0, "", message)
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + valid.iter().filter(|byte| **byte == b'\n').count();
        source.fault(u32::try_from(line).unwrap_or(0), "", "not UTF-8")
    })
}

/// Reads text into a shape.
pub fn parse<'a, T: Deserialize<'a>>(source: &SourceFile, text: &'a str) -> Result<T, Fault> {
    parse_shape(source, text).map_err(|error| error.fault)
}

/// As [`parse`], with the place of an error.
pub fn parse_shape<'a, T: Deserialize<'a>>(
    source: &SourceFile,
    text: &'a str,
) -> Result<T, ShapeError> {
    serde_saphyr::from_str_with_options(text, options(text.len())).map_err(|error| {
        let error = error.without_snippet();
        let (message, subject) = explain(error);
        let at = error.location().zip(subject);
        let line = error.location();
        let line = line.map_or(0, |at| u32::try_from(at.line()).unwrap_or(0));
        let key = at.map(|(at, subject)| path_at(text, at, subject));
        let key = key.unwrap_or_default();
        let message = match message == NO_MAPPING && is_entry(&key) {
            true => NO_ENTRY.to_owned(),
            false => message,
        };
        let fault = source.fault(line, key, message);
        ShapeError { fault, at }
    })
}

/// Limits in proportion to the file. Without aliases a node takes at least a byte of the file;
/// with them, the constants leave room for one list of trackers shared by every torrent.
fn options(size: usize) -> Options {
    let budget = serde_saphyr::budget! {
        max_depth: MAX_DEPTH,
        flow_nesting_limit: MAX_DEPTH,
        // A second one is refused with a clearer word than this limit has.
        max_documents: 2,
        max_nodes: 1_000_000 + size,
        max_events: 2_000_000 + 2 * size,
        max_aliases: 50_000 + size / 16,
        max_merge_keys: 10_000 + size / 16,
        max_total_scalar_bytes: (64 << 20) + 16 * size,
        enforce_alias_anchor_ratio: false,
    };
    serde_saphyr::options! {
        budget: budget,
        duplicate_keys: DuplicateKeyPolicy::Error,
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 1_000_000 + size,
            max_replay_stack_depth: MAX_DEPTH,
        },
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

/// An error in our own words: the library's may repeat values, and values may be passkeys.
/// With it, what the fault is about; `None` where the file is no YAML and has no keys.
fn explain(error: &Error) -> (String, Option<Subject>) {
    let text = match error {
        Error::SerdeUnknownField { expected, .. } => {
            let message = format!("unknown key; known here: {}", expected.join(", "));
            return (message, Some(Subject::Key));
        }
        Error::DuplicateMappingKey { .. } => {
            return ("the key is there twice".to_owned(), Some(Subject::Key));
        }
        Error::InvalidBooleanStrict { .. } => "must be true or false",
        Error::NullIntoString { .. } => "has no value",
        Error::Unexpected { expected, .. } => match *expected {
            "string scalar" | "scalar" => "must be a single value",
            "sequence start" => "must be a list",
            "mapping start" => NO_MAPPING,
            _ => "is of the wrong kind",
        },
        Error::MergeValueNotMapOrSeqOfMaps { .. } => NO_MAPPING,
        Error::SerdeInvalidType { .. } => "is of the wrong kind",
        // The parser's messages are fixed texts.
        Error::ExternalMessage { msg, .. } => return (format!("not valid YAML: {msg}"), None),
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayCounterOverflow { .. } => {
            let message = "refused: nested too deep, or its aliases unfold to too much";
            return (message.to_owned(), None);
        }
        Error::MultipleDocuments { .. } => {
            return ("has more than one YAML document".to_owned(), None);
        }
        Error::UnsupportedTag { .. } => return ("has a tag (!…): none is known".to_owned(), None),
        Error::UnknownAnchor { .. } => return ("an alias without an anchor".to_owned(), None),
        Error::AliasError { error, .. } | Error::WithSnippet { error, .. } => {
            return explain(error);
        }
        _ => "cannot be understood",
    };
    (text.to_owned(), Some(Subject::Value))
}
