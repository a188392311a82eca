//! `/countries`: where the current peers of all torrents are.

use std::cmp::Reverse;
use std::fmt;

use askama::Template;

use super::layout::{Address, Layout, Section, Site};
use super::value::Number;
use super::world::{self, Shape};
use seedwatch_core::snapshot::{Country, Snapshot};

/// Codes of two letters.
const CODES: usize = 26 * 26;

/// Shades of the map.
const SHADES: [&str; 4] = ["m0", "m1", "m2", "m3"];

/// Countries that a short list shows.
const MOST: usize = 20;

/// The width of the longest bar.
const BAR: u64 = 192;

/// What `countries.html` shows.
#[derive(Template)]
#[template(path = "countries.html")]
struct Countries<'a> {
    layout: Layout<'a>,
    /// Whether countries are shown at all: `metrics.countries`.
    is_shown: bool,
    view_box: &'static str,
    /// The countries of the map with their shades; those without peers first.
    map: Vec<Drawn>,
    legend: Vec<Shade>,
    rows: Vec<Row>,
    falls: Vec<Fall>,
}

/// A country on the map.
struct Drawn {
    shape: Shape,
    /// Its shade and its peers, if it has any.
    peers: Option<(&'static str, Number)>,
}

/// A shade of the map, and the number of peers from which on a country has it.
struct Shade {
    class: &'static str,
    from: Number,
}

/// The row of a country.
struct Row {
    name: &'static str,
    code: Country,
    peers: Number,
    torrents: Number,
    width: u64,
}

/// A country that most torrents have lost.
struct Fall {
    name: &'static str,
    /// The current peers as a share of those expected, in percent.
    percent: u32,
}

/// Peers and torrents of each country.
struct Totals(Vec<(u64, u32)>);

/// Writes the page.
pub(super) fn write(snapshot: &Snapshot, site: &Site, to: &mut impl fmt::Write) -> fmt::Result {
    let is_shown = snapshot.config.countries;
    let totals = Totals::of(snapshot, is_shown);
    let most = totals.0.iter().map(|(peers, _)| *peers).max().unwrap_or(0);
    let steps = steps(most);
    let fall = |(country, ratio): &(Country, f32)| Fall {
        name: world::name(*country),
        percent: (ratio * 100.0).round() as u32,
    };
    let legend = SHADES.into_iter().zip(&steps);
    let page = Countries {
        layout: Layout::of(snapshot, site, Address::of(Section::Countries), "countries"),
        is_shown,
        view_box: world::VIEW_BOX,
        map: map(&totals, &steps),
        legend: legend
            .map(|(class, from)| Shade {
                class,
                from: Number(*from),
            })
            .collect(),
        rows: totals.rows(most),
        falls: snapshot
            .cliffs
            .countries
            .iter()
            .filter(|_| is_shown)
            .map(fall)
            .collect(),
    };
    page.render_into(to).map_err(|_| fmt::Error)
}

impl Totals {
    fn of(snapshot: &Snapshot, is_shown: bool) -> Self {
        let mut all = vec![(0, 0); CODES];
        let windows = snapshot.rows().filter_map(|view| view.windows);
        let known = windows
            .filter(|_| is_shown)
            .filter_map(|windows| windows.geo.as_deref());
        for row in known.flat_map(|breakdown| &breakdown.countries) {
            if let Some((peers, torrents)) = all.get_mut(place(row.country))
                && row.peers > 0
            {
                *peers += u64::from(row.peers);
                *torrents += 1;
            }
        }
        Self(all)
    }

    fn peers(&self, country: Country) -> u64 {
        self.0.get(place(country)).map_or(0, |(peers, _)| *peers)
    }

    /// Returns the countries with peers, those with the most first.
    fn rows(&self, most: u64) -> Vec<Row> {
        let countries = world::shapes().iter().map(|shape| shape.country);
        let row = |country: Country| {
            let (peers, torrents) = *self.0.get(place(country))?;
            (peers > 0).then(|| Row {
                name: world::name(country),
                code: country,
                peers: Number(peers),
                torrents: torrents.into(),
                width: width(peers, most),
            })
        };
        let mut rows: Vec<_> = countries
            .chain([Country::UNKNOWN])
            .filter_map(row)
            .collect();
        rows.sort_by_key(|row| Reverse(row.peers.0));
        rows
    }
}

/// Returns the position of a country in [`Totals`].
fn place(country: Country) -> usize {
    let [a, b] = country
        .code()
        .map(|letter| usize::from(letter.wrapping_sub(b'A')));
    a * 26 + b
}

fn width(peers: u64, most: u64) -> u64 {
    (peers.saturating_mul(BAR))
        .checked_div(most)
        .unwrap_or(0)
        .max(1)
}

/// Returns the numbers of peers at which the shades of the map begin. Each step is larger than the
/// one before by the same factor.
fn steps(most: u64) -> Vec<u64> {
    let step = |shade: usize| {
        let share = shade as f64 / SHADES.len() as f64;
        ((most as f64).powf(share).round() as u64).max(1)
    };
    let mut steps: Vec<_> = (0..SHADES.len()).map(step).collect();
    steps.dedup();
    steps.retain(|step| *step <= most);
    steps
}

/// Returns the map. Small countries without peers are left out: dots would look like peers.
fn map(totals: &Totals, steps: &[u64]) -> Vec<Drawn> {
    let drawn = |shape: &Shape| {
        let peers = totals.peers(shape.country);
        let shade = steps.partition_point(|step| *step <= peers).checked_sub(1);
        let shade = shade
            .and_then(|shade| SHADES.get(shade))
            .filter(|_| peers > 0);
        Drawn {
            shape: *shape,
            peers: shade.map(|class| (*class, Number(peers))),
        }
    };
    let visible = world::shapes()
        .iter()
        .filter(|shape| !shape.path.is_empty());
    let mut map: Vec<_> = visible
        .map(drawn)
        .filter(|drawn| drawn.peers.is_some() || !drawn.shape.is_dot())
        .collect();
    // Dots lie above the countries around them.
    map.sort_by_key(|drawn| (drawn.shape.is_dot(), drawn.peers.is_some()));
    map
}

/// Countries with their peers, as bars: the largest of them.
pub(super) struct CountryBars {
    pub(super) rows: Vec<CountryBar>,
    /// How many more there are.
    pub(super) more: usize,
}

/// The bar of a country.
pub(super) struct CountryBar {
    pub(super) name: &'static str,
    pub(super) peers: Number,
    pub(super) width: u64,
}

/// Returns the bars of countries.
pub(super) fn bars(countries: impl Iterator<Item = (Country, u32)>) -> CountryBars {
    let mut known: Vec<_> = countries.filter(|(_, peers)| *peers > 0).collect();
    known.sort_by_key(|(_, peers)| Reverse(*peers));
    let most = known.first().map_or(0, |(_, peers)| *peers);
    let bar = |(country, peers): &(Country, u32)| CountryBar {
        name: world::name(*country),
        peers: (*peers).into(),
        width: width((*peers).into(), most.into()),
    };
    CountryBars {
        more: known.len().saturating_sub(MOST),
        rows: known.iter().take(MOST).map(bar).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shades_grow_by_one_factor_and_never_beyond_the_most() {
        for (most, expected) in [
            (0, vec![]),
            (1, vec![1]),
            (3, vec![1, 2]),
            (16, vec![1, 2, 4, 8]),
            (10_000, vec![1, 10, 100, 1000]),
        ] {
            assert_eq!(steps(most), expected, "{most}");
        }
    }
}
