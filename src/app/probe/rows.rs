//! What `seedwatch probe` shows: one row per source for people, one per request for programs.

mod lookup;
mod request;
mod source;
mod summary;

pub(super) use lookup::LookupRow;
pub(super) use request::RequestRow;
pub(super) use source::{FamilyResult, SourceRow};
pub(super) use summary::Summary;

use seedwatch_torrent::Family;
use serde::Serializer;

/// Writes a family as its label.
fn as_label<S: Serializer>(family: &Family, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(family.as_label())
}
