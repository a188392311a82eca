//! Peers over time and by place.

use std::fmt;

use super::{Families, Page, catalogue};
use seedwatch_core::snapshot::{Database, Places, Snapshot, Source, System, Unique, Window};

/// The windows in label order.
const WINDOWS: [Window; Window::ALL.len()] = [Window::Day, Window::Month, Window::Week];

/// The windows that have a value, with their labels.
pub(super) fn by_window(unique: Unique) -> impl Iterator<Item = (&'static str, u32)> {
    WINDOWS
        .into_iter()
        .filter_map(move |window| Some((window.as_label(), unique[window.index()].get()?)))
}

impl Page {
    pub(super) fn fleet_unique(&self, to: &mut Families<'_>) -> fmt::Result {
        let unique = self.snapshot.fleet.unique;
        to.gauge(
            &catalogue::UNIQUE,
            by_window(unique).map(|(window, n)| ([window], n)),
        )
    }

    /// The one family with labels made for it: there are at most 32.
    pub(super) fn system_peers(&self, to: &mut Families<'_>) -> fmt::Result {
        let systems = self.snapshot.fleet.systems.iter();
        let mut labelled: Vec<(String, u64)> = systems
            .map(|(system, peers)| (label(*system), *peers))
            .collect();
        labelled.sort_unstable();
        to.gauge(
            &catalogue::AS_PEERS,
            labelled.iter().map(|(label, peers)| ([&**label], *peers)),
        )
    }

    pub(super) fn geoip_build_times(&self, to: &mut Families<'_>) -> fmt::Result {
        // Backwards is label order.
        let databases = Database::ALL.into_iter().zip(self.snapshot.geo.built).rev();
        to.gauge(
            &catalogue::GEOIP_BUILD_TIME,
            databases.filter_map(|(database, built)| Some(([database.as_str()], built?.0))),
        )
    }

    pub(super) fn torrent_unique(&self, to: &mut Families<'_>) -> fmt::Result {
        to.gauge(
            &catalogue::TORRENT_UNIQUE,
            self.snapshot.rows().flat_map(|view| {
                let name = &*view.torrent.name;
                by_window(view.unique(view.reach)).map(move |(window, n)| ([name, window], n))
            }),
        )
    }

    pub(super) fn torrent_source_unique(&self, to: &mut Families<'_>) -> fmt::Result {
        to.gauge(
            &catalogue::TORRENT_SOURCE_UNIQUE,
            self.snapshot.rows().flat_map(|view| {
                Source::ALL.into_iter().flat_map(move |source| {
                    let name = &*view.torrent.name;
                    by_window(view.source_unique(source, view.reach))
                        .map(move |(window, n)| ([name, source.as_label(), window], n))
                })
            }),
        )
    }

    /// How many countries, and which.
    pub(super) fn torrent_countries(&self, to: &mut Families<'_>, nobody: &Places) -> fmt::Result {
        if !self.snapshot.config.countries {
            return Ok(());
        }
        to.gauge(
            &catalogue::TORRENT_COUNTRIES,
            self.places(nobody)
                .map(|(name, places)| ([name], places.known_countries())),
        )?;
        to.gauge(
            &catalogue::TORRENT_COUNTRY_PEERS,
            self.places(nobody).flat_map(|(name, places)| {
                let countries = places.countries.iter();
                countries.map(move |row| ([name, row.country.as_str()], row.peers))
            }),
        )
    }

    pub(super) fn torrent_systems(&self, to: &mut Families<'_>, nobody: &Places) -> fmt::Result {
        to.gauge(
            &catalogue::TORRENT_SYSTEMS,
            self.places(nobody)
                .filter_map(|(name, places)| Some(([name], places.systems?.distinct))),
        )
    }

    pub(super) fn torrent_largest_system(&self, to: &mut Families<'_>) -> fmt::Result {
        // Of nobody there is no share.
        to.gauge(
            &catalogue::TORRENT_LARGEST_SYSTEM,
            self.snapshot.rows().filter_map(|view| {
                let share = view.reach?.places.as_ref()?.systems?.largest_share()?;
                Some(([&*view.torrent.name], share))
            }),
        )
    }

    pub(super) fn torrent_prefixes(&self, to: &mut Families<'_>, nobody: &Places) -> fmt::Result {
        to.gauge(
            &catalogue::TORRENT_PREFIXES,
            self.places(nobody)
                .map(|(name, places)| ([name], places.prefixes)),
        )
    }

    /// The torrents of which it is known where their peers are.
    fn places<'a>(&'a self, nobody: &'a Places) -> impl Iterator<Item = (&'a str, &'a Places)> {
        self.snapshot
            .rows()
            .filter_map(|view| Some((&*view.torrent.name, Snapshot::places(view, nobody)?)))
    }
}

/// The value of the `asn` label.
fn label(system: System) -> String {
    match system {
        System::Known(asn) => asn.to_string(),
        System::Other => "other".into(),
        System::Unknown => "unknown".into(),
    }
}
