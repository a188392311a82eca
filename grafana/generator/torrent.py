"""One torrent: its peers, by source and by place."""

from . import queries as q
from .dashboard import Board, query_variable
from .panels import (
    LINES, PLAIN_CELL, bars, column, labels_table, series, stat, steps, table, timeline, words,
)

ONE = q.chosen("torrent")
NOT_YET = ("No answer.", "Not known: no valid answer of any source lately.")
NO_WINDOW = ("No answer.", "No valid answer within this window.")
NO_TRACKER = "No tracker: the torrent has none, or metrics.per_tracker is off."
NO_COUNTRY = ("No country.", "No peers with a known country, or metrics.countries is off.")
ANSWER = words(_0=("failed or refused", "red"), _1=("valid", "green"))
ANSWER_CELL = words(_0=("failed or refused", "red"), _1=("valid", PLAIN_CELL))


def board():
    """The dashboard."""
    torrent = Board(
        "torrent", "Torrent", "One torrent: alive or not, and why.",
        [
            query_variable(
                "torrent", "Torrent",
                f"label_values(seedwatch_torrent_info{{{q.OURS}}}, torrent)",
                description="Its name in the configuration.",
            ),
        ],
        alerts=f",{ONE}",
    )
    torrent.row(4, *[(3, panel) for panel in figures()])
    torrent.row(4, (24, identity()))
    torrent.row(6, (12, state_over_time()), (12, conditions_over_time()))
    torrent.heading("Peers")
    torrent.row(9, (12, by_family()), (12, by_source()))
    torrent.row(9, (12, distinct()), (12, claims()))
    torrent.heading("Trackers and the DHT")
    torrent.row(8, (12, answers()), (12, online()))
    torrent.row(8, (16, announces()), (8, freshness()))
    torrent.heading("Where the peers are")
    torrent.row(9, (8, country_bars()), (16, country_series()))
    torrent.row(8, (12, spread()), (12, concentration()))
    return torrent


def figures():
    """The first row: current figures."""
    online = q.of("torrent_trackers_online", ONE)
    return [
        stat(
            "State", q.STATES_EXPLAINED, q.state(ONE), mappings=q.STATES, unit="none",
            thresholds=q.STATE_STEPS, empty=q.NO_RULES,
        ),
        stat(
            "Last peer", "Time since a peer was last seen.", q.seconds_since_peer(ONE), unit="s",
                        empty="No peer yet.",
        ),
        stat(
            "Peers now", "Distinct peers over all sources, as of the latest round.", q.peers(ONE),
            empty=NOT_YET,
        ),
        *(
            stat(
                f"Peers in a {name}", f"Distinct peers seen within a {name}.",
                q.unique(window, ONE), empty=NO_WINDOW,
            )
            for window, name in q.WINDOWS
        ),
        stat(
            "Trackers online", "Trackers with a valid answer for the torrent, of those configured.",
            [("online", online), ("all", q.of("torrent_trackers", ONE))], empty="No tracker.",
        ),
        stat(
            "Seeders", "The largest claim of a tracker, and the estimate of the DHT.",
            [
                ("tracker", q.of("torrent_seeders", ONE)),
                ("DHT", q.of("torrent_dht_seeders", ONE)),
            ],
            empty=("Not counted.", "No source counts seeders."),
        ),
    ]


def identity():
    """The identity of the torrent."""
    headings = {
        "torrent": "Torrent", "infohash": "Info-hash", "infohash_v2": "Info-hash v2",
        "collection": "Collection", "instance": "Watched by",
    }
    by = ", ".join(headings)
    return labels_table(
        "Identity", "Names and info-hashes of the torrent, and an instance that watches it.",
        # Several instances would be as many rows of the same.
        f"group by ({by}) (topk by (torrent) (1, seedwatch_torrent_info{{{q.OURS},{ONE}}}))", headings,
        links={"collection": q.COLLECTION_LINK, "instance": q.TORRENT_PAGE},
        # The name and the first info-hash are seen whole; the other is shown whole on a click.
        widths={"torrent": 330, "infohash": 350, "collection": 160, "instance": 170},
        inspected=["infohash_v2"],
        empty="This torrent is not in the configuration, or seedwatch is not scraped under this "
        "job.",
    )


def state_over_time():
    """The state over time."""
    return timeline(
        "State over time", "What seedwatch said of the torrent. " + q.STATES_EXPLAINED,
        [("state", q.state(ONE))], q.STATES, unit="none", thresholds=q.STATE_STEPS,
        empty=q.NO_RULES[1],
    )


def conditions_over_time():
    """The conditions over time: one bar for each that held."""
    return timeline(
        "Conditions over time",
        "Conditions beside the state. no_tracker: every tracker that is asked fails or refuses. "
        "no_seeder: no source has known a seeder for a day. few_peers: hardly any peers for a day. "
        "one_network: all peers are in one network.",
        [("{{condition}}", q.of("torrent_condition", ONE, "condition"))],
        words(_1=("holds", "orange")), unit="none", thresholds=steps("orange"),
        empty="No condition held in this time range.",
    )


def by_family():
    """Peers over time, and the lowest point of each step, so that no short gap is hidden."""
    inner = q.of("torrent_peers", ONE, "family")
    lowest = f"sum(min by (family) (min_over_time(seedwatch_torrent_peers{{{q.OURS},{ONE}}}[$__rate_interval])))"
    result = series(
        "Peers by family",
        "Distinct peers as of the latest round; the families add up. “lowest” is the smallest sum "
        "within each step of the graph.",
        [("{{family}}", inner), ("lowest", lowest)], stacked=True, empty=NOT_YET,
    )
    result["fieldConfig"]["overrides"].append(unstacked("lowest"))
    return result


def unstacked(name):
    """Returns the override that draws a line over a stack."""
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [
            {"id": "custom.stacking", "value": {"mode": "none", "group": "A"}},
            {"id": "custom.fillOpacity", "value": 0},
            {"id": "color", "value": {"mode": "fixed", "fixedColor": LINES[2]}},
        ],
    }


def by_source():
    """Peers by source."""
    return series(
        "Peers by source",
        "Peers that trackers list and peers that the DHT lists. They overlap and do not add up.",
        [
            ("{{source}}", q.of("torrent_source_peers", ONE, "source")),
            ("both, united", q.peers(ONE)),
        ],
        fill=0, empty=NOT_YET,
    )


def distinct():
    """Distinct peers by window."""
    return series(
        "Distinct peers by day, week and month",
        "Distinct peers over sliding windows that end at each point of the graph.",
        q.windows("torrent_unique_peers", ONE), fill=0, empty=NO_WINDOW,
    )


def claims():
    """Seeders and leechers, as claimed."""
    return series(
        "Seeders and leechers",
        "The largest claim of a tracker, and estimates of the DHT (BEP 33). Claims, not counts.",
        [
            ("seeders, tracker", q.of("torrent_seeders", ONE)),
            ("leechers, tracker", q.of("torrent_leechers", ONE)),
            ("seeders, DHT", q.of("torrent_dht_seeders", ONE)),
            ("leechers, DHT", q.of("torrent_dht_leechers", ONE)),
        ],
        fill=0, empty="No source counts seeders and leechers.",
    )


def answers():
    """The answers of each tracker over time."""
    return timeline(
        "Answers of trackers", "Whether the latest answer of each tracker for the torrent was valid.",
        [("{{tracker}}", q.of("announce_success", ONE, "tracker"))], ANSWER, unit="none",
        empty=NO_TRACKER, thresholds=steps("red", (1, "green")),
    )


def online():
    """Trackers online over time."""
    return series(
        "Trackers online and configured", "Trackers with a valid answer for the torrent, and those configured.",
        [
            ("online", q.of("torrent_trackers_online", ONE)),
            ("configured", q.of("torrent_trackers", ONE)),
        ],
        step=True, decimals=0, empty="The torrent has no tracker.",
    )


def announces():
    """What each tracker answers for the torrent."""
    by = "tracker"
    return table(
        "Answer of each tracker", "As of the latest round.", {"tracker": "Tracker"},
        [
            column("Answer", q.of("announce_success", ONE, by), mappings=ANSWER_CELL, unit="none",
                   width=140),
            column("Peers listed", q.of("announce_peers", ONE, by)),
            column("Seeders", q.of("announce_seeders", ONE, by)),
            column("Leechers", q.of("announce_leechers", ONE, by)),
            column("Completed", q.of("announce_completed", ONE, by)),
        ],
        sort="Peers listed", links={"tracker": q.TRACKER_LINK}, empty=NO_TRACKER,
    )


def freshness():
    """The age of the latest answers."""
    age = f"time() - {q.of('torrent_last_success_timestamp_seconds', ONE, 'source')}"
    return series(
        "Age of the latest answer",
        "Time since the last valid answer by source. After probe.stale_after the figures are absent.",
        [("{{source}}", age)], fill=0, unit="s", empty="No source has ever answered.",
    )


def country_bars():
    """Peers by country now."""
    return bars(
        "Countries now", "Peers by country as of the latest round, the fifteen largest.",
        f"topk(15, {q.of('torrent_country_peers', ONE, 'country')} > 0)", "{{country}}",
        empty=NO_COUNTRY,
    )


def country_series():
    """Peers by country over time; a country that fell to 0 stays visible."""
    return series(
        "Countries", "The ten countries that were largest at any time of the range.",
        [("{{country}}", q.top(q.of("torrent_country_peers", ONE, "country"), "country"))],
        stacked=True, empty=NO_COUNTRY,
    )


def spread():
    """Distinct countries, networks and autonomous systems."""
    return series(
        "Spread", "Distinct countries, networks (/24 and /48) and autonomous systems of the peers.",
        [
            ("countries", q.of("torrent_countries", ONE)),
            ("networks", q.of("torrent_prefixes", ONE)),
            ("autonomous systems", q.of("torrent_autonomous_systems", ONE)),
        ],
        fill=0, decimals=0, empty=NOT_YET,
    )


def concentration():
    """The share of the largest autonomous system: if it has every peer, one operator hosts all copies."""
    return series(
        "Share of the largest autonomous system",
        "Share of the peers in the largest autonomous system. At 100 %, one outage ends the swarm.",
        [("largest share", q.of("torrent_largest_as_ratio", ONE))], unit="percentunit", max=1,
        empty="Needs geoip.asn_database in the configuration.",
    )
