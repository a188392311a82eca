//! What each source says about a torrent.

use crate::web::pages::value::{Number, OrUnknown, Peers, When};
use seedwatch_core::snapshot::{Count, Snapshot, Source, TorrentView};

/// The peers of one source, or of all.
pub(super) struct SourceRow {
    pub(super) name: &'static str,
    pub(super) peers: Peers,
    pub(super) seeders: OrUnknown<Number>,
    pub(super) leechers: OrUnknown<Number>,
    /// `None` for all sources together.
    pub(super) last_success: Option<When>,
}

/// Returns a row for all sources together, and one for each that is in use.
pub(super) fn rows(snapshot: &Snapshot, view: TorrentView<'_>) -> Vec<SourceRow> {
    let all = SourceRow {
        name: "All sources",
        peers: Peers::of(view.peers, view.unique(view.windows)),
        seeders: Number::known(view.seeders.max(view.dht_seeders)),
        leechers: Number::known(view.leechers.max(view.dht_leechers)),
        last_success: None,
    };
    let of_source = |source: Source| {
        let (name, seeders, leechers) = match source {
            Source::Tracker => ("Trackers", view.seeders, view.leechers),
            Source::Dht => ("DHT", view.dht_seeders, view.dht_leechers),
        };
        let unique = view.source_unique(source, view.windows);
        SourceRow {
            name,
            peers: Peers::of([view.source_peers[source], Count::UNKNOWN], unique),
            seeders: Number::known(seeders),
            leechers: Number::known(leechers),
            last_success: Some(When(snapshot.taken, view.last_success[source].get())),
        }
    };
    let sources = snapshot.sources().map(of_source);
    std::iter::once(all).chain(sources).collect()
}

/// What the DHT says about a torrent, in words.
pub(super) struct DhtFacts {
    /// Whether the latest lookups brought an answer, in words.
    pub(super) outcome: &'static str,
    pub(super) class: &'static str,
    pub(super) last_success: When,
}

impl DhtFacts {
    /// Returns what the DHT says; `None` if it is not asked.
    pub(super) fn of(snapshot: &Snapshot, view: TorrentView<'_>) -> Option<Self> {
        snapshot.dht.as_ref()?;
        let (outcome, class) = match view.probe_success[Source::Dht] {
            Some(true) => ("answers", "good"),
            Some(false) => ("does not answer", "bad"),
            None => ("has not been asked yet, or must not be asked", "other"),
        };
        Some(Self {
            outcome,
            class,
            last_success: When(snapshot.taken, view.last_success[Source::Dht].get()),
        })
    }
}
