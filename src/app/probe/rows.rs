//! What `seedwatch probe` shows: one row per source for people, one per request for programs.

mod lookup;
mod source;
mod summary;
mod tracker;

pub(super) use lookup::LookupRow;
pub(super) use source::{FamilyResult, SourceRow};
pub(super) use summary::Summary;
pub(super) use tracker::TrackerRow;

use seedwatch_torrent::Family;
use serde::Serializer;

/// Returns the name of a family for people.
pub(super) const fn family_name(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "IPv4",
        Family::Ipv6 => "IPv6",
    }
}

/// Writes a family as its label.
fn as_label<S: Serializer>(family: &Family, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(family.as_label())
}
