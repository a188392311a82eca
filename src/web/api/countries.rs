//! `/api/v1/countries`: where the peers of all torrents are now.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use seedwatch_core::snapshot::{Country, Snapshot};

/// The peers of all torrents by country; `null` if `metrics.countries` is off.
pub(super) struct Countries(pub(super) Arc<Snapshot>);

impl Serialize for Countries {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Self(snapshot) = self;
        let totals = snapshot.config.countries.then(|| by_country(snapshot));
        let named = totals.map(|totals| {
            let totals = totals.into_iter();
            let named = totals.map(|(country, total)| (country.to_string(), total));
            named.collect::<BTreeMap<_, _>>()
        });
        let credit = snapshot.geo.credit.as_ref().map(|credit| CreditView {
            text: credit.text,
            url: credit.url,
        });
        let mut object = to.serialize_struct("Countries", 3)?;
        object.serialize_field("taken", &snapshot.taken.0)?;
        object.serialize_field("countries", &named)?;
        object.serialize_field("credit", &credit)?;
        object.end()
    }
}

/// The attribution that the table of countries asks for.
#[derive(Serialize)]
struct CreditView<'a> {
    text: &'a str,
    url: &'a str,
}

/// The peers of one country.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(in crate::web) struct CountryTotal {
    /// Current peers. A peer counts once per torrent.
    pub(in crate::web) peers: u64,
    /// Torrents that have a peer there.
    pub(in crate::web) torrents: u32,
}

/// Returns the peers of all torrents by country. Countries without a peer are left out.
pub(in crate::web) fn by_country(snapshot: &Snapshot) -> BTreeMap<Country, CountryTotal> {
    let mut totals: BTreeMap<Country, CountryTotal> = BTreeMap::new();
    let empty = snapshot.empty_breakdown();
    let breakdowns = snapshot
        .rows()
        .filter_map(|view| Snapshot::breakdown(view, &empty));
    for row in breakdowns.flat_map(|breakdown| &*breakdown.countries) {
        if row.peers > 0 {
            let total = totals.entry(row.country).or_default();
            total.peers += u64::from(row.peers);
            total.torrents += 1;
        }
    }
    totals
}
