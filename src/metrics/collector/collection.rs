//! Collections.

use std::fmt;

use super::reach::by_window;
use super::{Families, Page, by_family, catalogue};
use seedwatch_core::snapshot::{CollectionRow, Count};

impl Page {
    pub(super) fn collection_families(&self, to: &mut Families<'_>) -> fmt::Result {
        if self.snapshot.config.countries {
            self.collection_countries(to)?;
        }
        to.gauge(
            &catalogue::COLLECTION_PEERS,
            self.collections().flat_map(|row| {
                by_family(row.peers.map(Count::get), u32::from)
                    .map(|(family, n)| ([&*row.name, family], n))
            }),
        )?;
        to.gauge(
            &catalogue::COLLECTION_TORRENTS,
            self.collections().map(|row| ([&*row.name], row.torrents)),
        )?;
        to.gauge(
            &catalogue::COLLECTION_UNIQUE,
            self.collections()
                .flat_map(|row| by_window(row.unique).map(|(window, n)| ([&*row.name, window], n))),
        )?;
        to.one(
            &catalogue::COLLECTIONS,
            Some(self.snapshot.collections.len() as u64),
        )
    }

    fn collection_countries(&self, to: &mut Families<'_>) -> fmt::Result {
        let rows = || {
            self.collections()
                .flat_map(|row| row.countries.iter().map(|country| (&*row.name, country)))
        };
        to.gauge(
            &catalogue::COLLECTION_COUNTRY_PEERS,
            rows().filter_map(|(name, row)| Some(([name, row.country.as_str()], row.peers.get()?))),
        )?;
        to.gauge(
            &catalogue::COLLECTION_COUNTRY_UNIQUE,
            rows().flat_map(|(name, row)| {
                by_window(row.unique)
                    .map(move |(window, n)| ([name, row.country.as_str(), window], n))
            }),
        )
    }

    fn collections(&self) -> impl Iterator<Item = &CollectionRow> {
        self.snapshot.collections.iter().map(|row| &**row)
    }
}
