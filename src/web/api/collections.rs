//! `/api/v1/collections`: collections, with their countries.

use std::sync::Arc;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::paging::Page;
use super::values::{ByFamily, ByWindow};
use seedwatch_core::snapshot::{CollectionRow, CountryRow, Snapshot};

/// Collections. They are written row by row, without a copy in memory.
pub(super) struct Collections(pub(super) Arc<Snapshot>, pub(super) Page);

impl Serialize for Collections {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        struct Rows<'a>(&'a Snapshot, &'a Page);

        impl Serialize for Rows<'_> {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                let rows = self.0.collections.get(self.1.rows.clone());
                let rows = rows.unwrap_or_default().iter();
                to.collect_seq(rows.map(|row| collection_view(self.0, row)))
            }
        }

        let mut object = to.serialize_struct("Collections", 2 + Page::FIELDS)?;
        object.serialize_field("taken", &self.0.taken.0)?;
        self.1.serialize(&mut object)?;
        object.serialize_field("collections", &Rows(&self.0, &self.1))?;
        object.end()
    }
}

/// Returns the collection of this name. Snapshots are sorted by name.
pub(super) fn collection<'a>(snapshot: &'a Snapshot, name: &str) -> Option<Collection<'a>> {
    let index = snapshot
        .collections
        .binary_search_by(|row| (*row.name).cmp(name))
        .ok()?;
    Some(collection_view(snapshot, snapshot.collections.get(index)?))
}

/// One collection.
#[derive(Serialize)]
pub(super) struct Collection<'a> {
    name: &'a str,
    torrents: u32,
    peers: ByFamily<u32>,
    unique_peers: ByWindow,
    countries: Option<CollectionCountries<'a>>,
}

/// The peers of a collection by country.
struct CollectionCountries<'a>(&'a [CountryRow]);

impl Serialize for CollectionCountries<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Row {
            peers: Option<u32>,
            unique_peers: ByWindow,
        }

        to.collect_map(self.0.iter().map(|row| {
            let values = Row {
                peers: row.peers.get(),
                unique_peers: ByWindow(row.unique),
            };
            (row.country.as_str(), values)
        }))
    }
}

fn collection_view<'a>(snapshot: &Snapshot, row: &'a CollectionRow) -> Collection<'a> {
    Collection {
        name: &row.name,
        torrents: row.torrents,
        peers: ByFamily::counts(row.peers),
        unique_peers: ByWindow(row.unique),
        countries: snapshot
            .config
            .countries
            .then_some(CollectionCountries(&row.countries)),
    }
}
