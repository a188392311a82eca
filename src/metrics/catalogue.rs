//! The table of all metrics. The exposition, `docs/metrics.md`, and the tests of dashboards and
//! rules read it.

use prometheus_client::metrics::MetricType;

/// Prefix of all metric names, except `process_*`, which have the standard names.
pub const PREFIX: &str = "seedwatch_";

/// One metric family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Full name as Prometheus stores it: counters with their `_total`.
    pub name: &'static str,
    /// The type.
    pub kind: Kind,
    /// Label names, in the order of the exposition.
    pub labels: &'static [&'static str],
    /// HELP text without line breaks and backslashes, so that it needs no escaping.
    pub help: &'static str,
    /// Upper bound of its series.
    pub budget: Budget,
}

/// The type of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Goes up and down.
    Gauge,
    /// Only goes up, from 0 at the start of the process.
    Counter,
    /// Counts in buckets.
    Histogram,
}

/// An upper bound of the series of one metric: each count times the number of such items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Budget {
    /// Independent of the configuration.
    pub fixed: u32,
    /// Per torrent.
    pub torrent: u32,
    /// Per pair of a torrent and one of its trackers.
    pub pair: u32,
    /// Per tracker (scheme, host, port).
    pub tracker: u32,
    /// Per collection.
    pub collection: u32,
    /// Per pair of a torrent and a country that is exposed for it.
    pub torrent_country: u32,
    /// Per pair of a collection and a country that is exposed for it.
    pub collection_country: u32,
    /// Per torrent list.
    pub list: u32,
}

/// The size of an installation, in the terms of a [`Budget`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// Torrents.
    pub torrents: u64,
    /// Pairs of a torrent and one of its trackers.
    pub pairs: u64,
    /// Trackers (scheme, host, port).
    pub trackers: u64,
    /// Collections.
    pub collections: u64,
    /// Pairs of a torrent and a country that is exposed for it.
    pub torrent_countries: u64,
    /// Pairs of a collection and a country that is exposed for it.
    pub collection_countries: u64,
    /// Torrent lists.
    pub lists: u64,
}

impl Metric {
    /// Returns the name of the family in OpenMetrics: that of a counter has no `_total`.
    pub fn family(&self) -> &'static str {
        match self.kind {
            Kind::Counter => self.name.strip_suffix("_total").unwrap_or(self.name),
            Kind::Gauge | Kind::Histogram => self.name,
        }
    }
}

impl Kind {
    /// Returns the word of a TYPE line.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
            Kind::Histogram => "histogram",
        }
    }

    pub(super) fn encoded(self) -> MetricType {
        match self {
            Kind::Gauge => MetricType::Gauge,
            Kind::Counter => MetricType::Counter,
            Kind::Histogram => MetricType::Histogram,
        }
    }
}

impl Budget {
    /// Returns the bound for an installation of this size.
    pub fn series(self, size: Size) -> u64 {
        u64::from(self.fixed)
            + u64::from(self.torrent) * size.torrents
            + u64::from(self.pair) * size.pairs
            + u64::from(self.tracker) * size.trackers
            + u64::from(self.collection) * size.collections
            + u64::from(self.torrent_country) * size.torrent_countries
            + u64::from(self.collection_country) * size.collection_countries
            + u64::from(self.list) * size.lists
    }
}

/// Declares each metric as a constant and collects all of them in [`CATALOGUE`], so that no metric
/// can be exposed that is missing from the table.
macro_rules! catalogue {
    ($($constant:ident: $kind:ident $name:expr, [$($label:literal),*],
       {$($per:ident: $count:expr),*}, $help:expr;)*) => {
        $(
            #[doc = $help]
            pub const $constant: Metric = Metric {
                name: $name,
                kind: Kind::$kind,
                labels: &[$($label),*],
                help: $help,
                budget: Budget { $($per: $count,)* ..NONE },
            };
        )*
        /// Every metric of the exposition, sorted by the family name.
        pub const CATALOGUE: &[Metric] = &[$($constant),*];
    };
}

const NONE: Budget = Budget {
    fixed: 0,
    torrent: 0,
    pair: 0,
    tracker: 0,
    collection: 0,
    torrent_country: 0,
    collection_country: 0,
    list: 0,
};

catalogue! {
    PROCESS_CPU_SECONDS: Counter "process_cpu_seconds_total", [], {fixed: 1},
        "User and system CPU time spent.";
    PROCESS_MAX_FDS: Gauge "process_max_fds", [], {fixed: 1},
        "Largest number of open file descriptors allowed.";
    PROCESS_OPEN_FDS: Gauge "process_open_fds", [], {fixed: 1},
        "Open file descriptors.";
    PROCESS_RESIDENT_MEMORY: Gauge "process_resident_memory_bytes", [], {fixed: 1},
        "Resident memory.";
    PROCESS_START_TIME: Gauge "process_start_time_seconds", [], {fixed: 1},
        "Start of the process, in seconds since 1970.";
    PROCESS_THREADS: Gauge "process_threads", [], {fixed: 1},
        "Threads of the process.";
    PROCESS_VIRTUAL_MEMORY: Gauge "process_virtual_memory_bytes", [], {fixed: 1},
        "Virtual memory.";

    ANNOUNCE_COMPLETED: Gauge "seedwatch_announce_completed", ["torrent", "tracker"], {pair: 1},
        "Completed downloads of the torrent, as claimed by the tracker, as of the latest round.";
    ANNOUNCE_LEECHERS: Gauge "seedwatch_announce_leechers", ["torrent", "tracker"], {pair: 1},
        "Leechers of the torrent, as claimed by the tracker, as of the latest round. Trackers \
         overlap: use max, not sum.";
    ANNOUNCE_PEERS: Gauge "seedwatch_announce_peers", ["torrent", "tracker"], {pair: 1},
        "Distinct peer addresses that the tracker listed for the torrent, as of the latest round: \
         per family, at most the first tracker.numwant peers of the list. Trackers cap their lists \
         and overlap: use max, not sum.";
    ANNOUNCE_SEEDERS: Gauge "seedwatch_announce_seeders", ["torrent", "tracker"], {pair: 1},
        "Seeders of the torrent, as claimed by the tracker, as of the latest round. Trackers \
         overlap: use max, not sum.";
    ANNOUNCE_SUCCESS: Gauge "seedwatch_announce_success", ["torrent", "tracker"], {pair: 1},
        "Whether the tracker gave a valid answer for the torrent (1), or failed or refused (0), as \
         of the latest round.";
    AS_CLIFF: Gauge "seedwatch_as_cliff", ["asn"], {fixed: 32},
        "Current peers of an autonomous system relative to the expected ones, while a fall holds \
         that the others did not share: until half of the expected peers are back, or for 14 \
         days.";
    AS_PEERS: Gauge "seedwatch_as_peers", ["asn"], {fixed: 32},
        "Peers by autonomous system (such as AS3320), as of the latest round: one series for each \
         of the largest systems (20, or up to 30 while some of them shrink), one for all others \
         (other), one for addresses whose system is unknown (unknown). A peer of two torrents \
         counts twice. Absent without a database of autonomous systems.";
    BUILD_INFO: Gauge "seedwatch_build_info", ["version", "revision"], {fixed: 1},
        "Constant 1; the labels carry the version and the source revision.";
    COLLECTION_BYTES_BY_STATE: Gauge "seedwatch_collection_bytes_by_state",
        ["collection", "state"], {collection: 6},
        "Size of the torrents of the collection by state, in bytes. Only torrents whose size is \
         known are counted: of a metainfo file, or of a magnet link with xl. All states are \
         present, with 0; absent if no size is known.";
    COLLECTION_COUNTRY_CLIFF: Gauge "seedwatch_collection_country_cliff",
        ["collection", "country"], {collection_country: 1},
        "Current peers relative to the expected ones, while a fall holds that the other countries \
         did not share: until half of the expected peers are back, or for 14 days.";
    COLLECTION_COUNTRY_PEERS: Gauge "seedwatch_collection_country_peers",
        ["collection", "country"], {collection_country: 1},
        "Distinct peer addresses (IPv6: /64 networks) of all torrents of the collection by country \
         (ISO 3166-1 alpha-2, or unknown), as of the latest round. Countries add up. A country \
         stays at 0 for eight days after its last peer.";
    COLLECTION_COUNTRY_UNIQUE: Gauge "seedwatch_collection_country_unique_peers",
        ["collection", "country", "window"], {collection_country: 3},
        "Distinct peer addresses (IPv6: /64 networks) of all torrents of the collection that were \
         seen in the country within the window, which ends now. Exact below 4096, above with a \
         standard error of 1.6 percent. Windows overlap: not additive.";
    COLLECTION_PEERS: Gauge "seedwatch_collection_peers", ["collection", "family"], {collection: 2},
        "Distinct peer addresses (IPv6: /64 networks) over all torrents of the collection and all \
         sources, as of the latest round. A peer of several torrents counts once. Families add up.";
    COLLECTION_TORRENTS: Gauge "seedwatch_collection_torrents", ["collection"], {collection: 1},
        "Configured torrents of the collection.";
    COLLECTION_TORRENTS_BY_STATE: Gauge "seedwatch_collection_torrents_by_state",
        ["collection", "state"], {collection: 6},
        "Torrents of the collection by state. All states are present, with 0.";
    COLLECTION_UNIQUE: Gauge "seedwatch_collection_unique_peers",
        ["collection", "window"], {collection: 3},
        "Distinct peer addresses (IPv6: /64 networks) over all torrents of the collection seen \
         within the window, which ends now. Exact below 4096, above with a standard error of 1.6 \
         percent. Windows overlap: not additive. Absent if no source gave a peer list within the \
         window.";
    COLLECTIONS: Gauge "seedwatch_collections", [], {fixed: 1},
        "Configured collections.";
    CONFIG_RELOAD_TIME: Gauge "seedwatch_config_last_reload_success_timestamp_seconds",
        [], {fixed: 1},
        "Last time the configuration was loaded successfully, in seconds since 1970.";
    CONFIG_RELOAD_SUCCESSFUL: Gauge "seedwatch_config_last_reload_successful", [], {fixed: 1},
        "Whether the last attempt to load the configuration succeeded.";
    COUNTRY_CLIFF: Gauge "seedwatch_country_cliff", ["country"], {fixed: 251},
        "Current peers relative to the expected ones in the median torrent, while a country has \
         fallen in a torrent and most torrents (at least 3) with enough peers there have less than \
         half of the expected ones: the country is cut off.";
    COUNTRY_PEERS: Gauge "seedwatch_country_peers", ["country"], {fixed: 251},
        "Peers of all torrents by country (ISO 3166-1 alpha-2, or unknown), as of the latest \
         round. A peer of two torrents counts twice. A country stays at 0 for eight days after its \
         last peer.";
    DHT_ERRORS: Counter "seedwatch_dht_errors_total", ["family"], {fixed: 2},
        "Answers of DHT nodes that were errors or could not be parsed.";
    DHT_ESTIMATED_NODES: Gauge "seedwatch_dht_estimated_nodes", ["family"], {fixed: 2},
        "Nodes in the whole DHT of the family, estimated from the distances of the closest nodes \
         that lookups find. Absent while unknown.";
    DHT_LOOKUP_DURATION: Histogram "seedwatch_dht_lookup_duration_seconds", [], {fixed: 15},
        "Duration of lookups of one info-hash in the DHT of one family, from the first query to \
         the end of the lookup, failed lookups included.";
    DHT_LOOKUP_QUERIES: Histogram "seedwatch_dht_lookup_queries", [], {fixed: 15},
        "Queries per lookup of one info-hash in the DHT of one family, failed lookups included.";
    DHT_NODES: Gauge "seedwatch_dht_nodes", ["family"], {fixed: 2},
        "DHT nodes in the node table that answered recently.";
    DHT_QUERIES: Counter "seedwatch_dht_queries_total", ["family"], {fixed: 2},
        "Queries sent to DHT nodes.";
    DHT_TIMEOUTS: Counter "seedwatch_dht_timeouts_total", ["family"], {fixed: 2},
        "Queries that DHT nodes did not answer in time. One in four is common, because many nodes \
         are gone or behind firewalls.";
    DHT_UP: Gauge "seedwatch_dht_up", ["family"], {fixed: 2},
        "Whether DHT nodes answer. Absent while unknown, and without a socket of the family.";
    GEOIP_BUILD_TIME: Gauge "seedwatch_geoip_database_build_timestamp_seconds",
        ["database"], {fixed: 2},
        "When the database in use was built, in seconds since 1970: the database of countries \
         (country), or of autonomous systems (asn; absent without one).";
    LIST_ENTRIES: Gauge "seedwatch_list_entries", ["list"], {list: 1},
        "Entries of the torrent list in use: the last good copy. Entries that cannot be used, and \
         repeated ones, are not counted. Absent without a good copy.";
    LIST_FAILURES: Counter "seedwatch_list_failures_total", ["list", "reason"], {list: 22},
        "Fetches of the torrent list, or reads of its file, that did not give a list, by reason.";
    LIST_LAST_SUCCESS: Gauge "seedwatch_list_last_success_timestamp_seconds",
        ["list"], {list: 1},
        "When the torrent list was last fetched, read or confirmed, in seconds since 1970. Absent \
         before the first time.";
    LIST_UP: Gauge "seedwatch_list_up", ["list"], {list: 1},
        "Whether the latest fetch of the torrent list gave a list, or confirmed that it did not \
         change. While it is 0, the last good copy stays in use. Absent before the first fetch.";
    NETWORK_UP: Gauge "seedwatch_network_up", ["family"], {fixed: 2},
        "Whether our own network works: 0 when neither trackers nor the DHT nor canaries answer. \
         Failures then count against no torrent. Absent while unknown.";
    PEERS_REJECTED: Counter "seedwatch_peers_rejected_total", ["reason"], {fixed: 4},
        "Peers in answers that were rejected: not globally routable (bogon), port 0 (port), an \
         address of a local interface or our own entry after an announce (own), unreadable \
         (malformed).";
    PROBE_DURATION: Histogram "seedwatch_probe_duration_seconds", ["source"], {fixed: 30},
        "Duration of probes from start to result, failed probes included.";
    PROBES_IN_FLIGHT: Gauge "seedwatch_probes_in_flight", ["source"], {fixed: 2},
        "Probes in progress.";
    SCHEDULER_LAG: Gauge "seedwatch_scheduler_lag_seconds", [], {fixed: 1},
        "Delay of the most overdue probe that waits for nothing but seedwatch itself; 0 when no \
         probe is overdue.";
    SCHEDULER_OVERDUE: Gauge "seedwatch_scheduler_overdue_probes", [], {fixed: 1},
        "Overdue probes that wait for nothing but seedwatch itself.";
    SNAPSHOT_TIMESTAMP: Gauge "seedwatch_snapshot_timestamp_seconds", [], {fixed: 1},
        "When the values of this page were taken, in seconds since 1970. It stands still if the \
         main loop does.";
    STATE_LAST_SAVE: Gauge "seedwatch_state_last_save_timestamp_seconds", [], {fixed: 1},
        "Start of the last complete save by this process, in seconds since 1970: a restart \
         restores what was known then. Absent before the first save, and without a state \
         directory.";
    STATE_SAVE_FAILURES: Counter "seedwatch_state_save_failures_total", [], {fixed: 1},
        "Saves that could not write all of the state. Absent without a state directory.";
    TORRENT_SYSTEMS: Gauge "seedwatch_torrent_autonomous_systems", ["torrent"], {torrent: 1},
        "Distinct autonomous systems with peers of the torrent, unknown ones not counted, as of \
         the latest round. Absent without a database of autonomous systems.";
    TORRENT_CONDITION: Gauge "seedwatch_torrent_condition",
        ["torrent", "condition"], {torrent: 4},
        "1 for each condition that holds, absent otherwise: no_tracker, no_seeder, few_peers, \
         one_network.";
    TORRENT_COUNTRIES: Gauge "seedwatch_torrent_countries", ["torrent"], {torrent: 1},
        "Distinct countries with peers of the torrent, unknown ones not counted, as of the latest \
         round.";
    TORRENT_COUNTRY_CLIFF: Gauge "seedwatch_torrent_country_cliff",
        ["torrent", "country"], {torrent_country: 1},
        "Current peers relative to the expected ones, while a fall holds that the other countries \
         did not share: until half of the expected peers are back, or for 14 days.";
    TORRENT_COUNTRY_PEERS: Gauge "seedwatch_torrent_country_peers",
        ["torrent", "country"], {torrent_country: 1},
        "Distinct peer addresses (IPv6: /64 networks) by country (ISO 3166-1 alpha-2, or unknown), \
         as of the latest round. Countries add up. A country stays at 0 for eight days after its \
         last peer. With metrics.country_limit, the countries beyond the largest are one series \
         (other).";
    TORRENT_DHT_LEECHERS: Gauge "seedwatch_torrent_dht_leechers", ["torrent"], {torrent: 1},
        "Leechers in the DHT, estimated from the united BEP 33 filters of its nodes, as of the \
         latest round. The estimates of both families are added; of the two swarms of a hybrid \
         torrent the larger counts.";
    TORRENT_DHT_SEEDERS: Gauge "seedwatch_torrent_dht_seeders", ["torrent"], {torrent: 1},
        "Seeders in the DHT, estimated from the united BEP 33 filters of its nodes, as of the \
         latest round. The estimates of both families are added; of the two swarms of a hybrid \
         torrent the larger counts.";
    TORRENT_INFO: Gauge "seedwatch_torrent_info",
        ["torrent", "infohash", "infohash_v2", "collection"], {torrent: 1},
        "Constant 1 per configured torrent; the labels carry its identity and the labels of the \
         configuration.";
    TORRENT_LARGEST_SYSTEM: Gauge "seedwatch_torrent_largest_as_ratio", ["torrent"], {torrent: 1},
        "Share of the peers of the torrent in its largest autonomous system (0 to 1), as of the \
         latest round. Absent without peers, and without a database of autonomous systems.";
    TORRENT_LAST_PEER_SEEN: Gauge "seedwatch_torrent_last_peer_seen_timestamp_seconds",
        ["torrent"], {torrent: 1},
        "Last time at least one peer of the torrent was seen, in seconds since 1970.";
    TORRENT_LAST_SUCCESS: Gauge "seedwatch_torrent_last_success_timestamp_seconds",
        ["torrent", "source"], {torrent: 2},
        "End of the last probe of the torrent with a valid answer, even an empty one, in seconds \
         since 1970.";
    TORRENT_LEECHERS: Gauge "seedwatch_torrent_leechers", ["torrent"], {torrent: 1},
        "Largest number of leechers that a tracker claims, as of the latest round. A claim, not a \
         count.";
    TORRENT_PEERS: Gauge "seedwatch_torrent_peers", ["torrent", "family"], {torrent: 2},
        "Distinct peer addresses (IPv6: /64 networks) over all sources, as of the latest round. \
         Families add up. 0: a valid answer without peers. Absent: unknown, or no peers at \
         trackers and no DHT lookup yet.";
    TORRENT_PREFIXES: Gauge "seedwatch_torrent_prefixes", ["torrent"], {torrent: 1},
        "Distinct prefixes (IPv4 /24, IPv6 /48) with peers of the torrent, as of the latest round.";
    TORRENT_PROBE_SUCCESS: Gauge "seedwatch_torrent_probe_success",
        ["torrent", "source"], {torrent: 2},
        "Whether the source gave at least one valid answer, even an empty one, as of the latest \
         round.";
    TORRENT_SEEDERS: Gauge "seedwatch_torrent_seeders", ["torrent"], {torrent: 1},
        "Largest number of seeders that a tracker claims, as of the latest round. A claim, not a \
         count.";
    TORRENT_SIZE: Gauge "seedwatch_torrent_size_bytes", ["torrent"], {torrent: 1},
        "Size of the files of the torrent without padding, as its metainfo file or magnet link \
         says. Absent if it is not known.";
    TORRENT_SOURCE_PEERS: Gauge "seedwatch_torrent_source_peers",
        ["torrent", "source"], {torrent: 2},
        "Distinct peer addresses by source, as of the latest round. Sources overlap: not additive.";
    TORRENT_SOURCE_UNIQUE: Gauge "seedwatch_torrent_source_unique_peers",
        ["torrent", "source", "window"], {torrent: 6},
        "Distinct peer addresses (IPv6: /64 networks) that the source listed within the window, \
         which ends now. Exact below 4096, above with a standard error of 1.6 percent. Sources and \
         windows overlap: not additive. Absent if the source gave no peer list within the window.";
    TORRENT_STATE: Gauge "seedwatch_torrent_state", ["torrent", "state"], {torrent: 1},
        "1 for the current state: dead, at_risk, unobserved, pending, alive or private.";
    TORRENT_STATE_SINCE: Gauge "seedwatch_torrent_state_since_timestamp_seconds",
        ["torrent"], {torrent: 1},
        "When the torrent came into its current state, in seconds since 1970.";
    TORRENT_TRACKERS: Gauge "seedwatch_torrent_trackers", ["torrent"], {torrent: 1},
        "Trackers configured for the torrent.";
    TORRENT_TRACKERS_ONLINE: Gauge "seedwatch_torrent_trackers_online", ["torrent"], {torrent: 1},
        "Trackers whose latest answer for the torrent was valid, as of the latest round.";
    TORRENT_UNIQUE: Gauge "seedwatch_torrent_unique_peers", ["torrent", "window"], {torrent: 3},
        "Distinct peer addresses (IPv6: /64 networks) over all sources seen within the window, \
         which ends now. Exact below 4096, above with a standard error of 1.6 percent. Windows \
         overlap: not additive. 0: all peer lists were empty. Absent if no source gave a peer list \
         within the window.";
    TORRENTS: Gauge "seedwatch_torrents", [], {fixed: 1},
        "Configured torrents.";
    TORRENTS_BY_STATE: Gauge "seedwatch_torrents_by_state", ["state"], {fixed: 6},
        "Torrents by state. All states are present, with 0.";
    TRACKER_ANNOUNCE_INTERVAL: Gauge "seedwatch_tracker_announce_interval_seconds",
        ["tracker"], {tracker: 1},
        "Announce interval that the tracker asks for.";
    TRACKER_DURATION: Gauge "seedwatch_tracker_duration_seconds",
        ["tracker", "family", "phase"], {tracker: 8},
        "Duration of each phase of the latest answered probe. A phase that did not happen is \
         absent; the sum over phases is the whole duration.";
    TRACKER_FAILURES: Counter "seedwatch_tracker_failures_total",
        ["tracker", "reason"], {tracker: 13},
        "Failed probes by reason. Their sum never exceeds seedwatch_tracker_probes_total.";
    TRACKER_PROBES: Counter "seedwatch_tracker_probes_total", ["tracker"], {tracker: 1},
        "Probes of the tracker that ended: announces and scrapes, failed ones included. The \
         increase of failures divided by this increase is the failure ratio (0 to 1). Not counted: \
         scrapes where the announce URL has no scrape URL (unsupported), and families in which the \
         host has no address.";
    TRACKER_REQUESTS: Counter "seedwatch_tracker_requests_total", ["tracker"], {tracker: 1},
        "Requests sent to the tracker, retransmissions included.";
    TRACKER_CERTIFICATE_EXPIRY: Gauge "seedwatch_tracker_tls_certificate_expiry_timestamp_seconds",
        ["tracker"], {tracker: 1},
        "Earliest expiry in the certificate chain that the tracker presented last, in seconds \
         since 1970.";
    TRACKER_UP: Gauge "seedwatch_tracker_up", ["tracker", "family"], {tracker: 2},
        "Whether the tracker answered in its protocol over this family, as of the latest probe. A \
         refusal counts as up. A single lost packet does not count as down. Absent while unknown.";
    UNIQUE: Gauge "seedwatch_unique_peers", ["window"], {fixed: 3},
        "Distinct peer addresses (IPv6: /64 networks) over all torrents and sources seen within \
         the window, which ends now. A peer of several torrents counts once. Exact below 4096, \
         above with a standard error of 1.6 percent. Windows overlap: not additive.";
}
