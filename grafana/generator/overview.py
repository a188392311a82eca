"""All torrents: which must be reseeded today?"""

from . import queries as q
from .dashboard import ALERTS, Board
from .panels import (
    GOOD_IF_ZERO, UP_DOWN, bars, column, labels_table, series, stat, steps, table,
)


def board():
    """The dashboard."""
    overview = Board(
        "overview", "Overview",
        "Is every torrent alive, and what must be reseeded today?",
    )
    overview.row(4, *[(3, panel) for panel in figures()])
    overview.row(10, (24, attention()))
    overview.row(
        8, (6, torrents_by_state()), (6, peers_by_family()), (12, alerts()),
    )
    overview.heading("Day, week and month")
    overview.row(8, (12, distinct()), (12, largest()))
    overview.row(12, (24, twelve_columns()))
    overview.heading("Collections")
    overview.row(8, (24, collections()))
    return overview


def figures():
    """The first row: current figures."""
    up = f"max by (tracker) (seedwatch_tracker_up{{{q.OURS}}})"
    network = f"min by (family) (seedwatch_network_up{{{q.OURS}}})"
    return [
        stat("Torrents", "Configured torrents.", f"count({q.configured()})", empty=q.NOT_SCRAPED),
        stat(
            "Dead", "Every source that could know of peers says that there are none: reseed them.",
            q.how_many(q.DEAD), empty=q.NO_RULES, thresholds=GOOD_IF_ZERO, color_mode="background",
        ),
        stat(
            "At risk",
            "Alive, but for a day with hardly any peers or without a seed: reseed them soon.",
            q.how_many(q.AT_RISK), empty=q.NO_RULES, thresholds=steps("green", (1, "orange")),
            color_mode="background",
        ),
        stat(
            "No tracker", "Every tracker that is asked fails or refuses: only the DHT is left.",
            f"count({q.condition('no_tracker')}) or 0 * count({q.configured()})",
            empty=q.NOT_SCRAPED, thresholds=steps("green", (1, "yellow")),
            color_mode="background",
        ),
        stat(
            "Unobserved", "No source that could know of peers answers, or there is none.",
            q.how_many(q.UNOBSERVED), empty=q.NO_RULES, thresholds=steps("green", (1, "purple")),
        ),
        stat(
            "Peers now",
            "Peers of all torrents as of the latest round. A peer of two torrents counts twice.",
            f"sum({q.peers()})", empty=("No answer yet.", "No torrent has a valid answer yet."),
        ),
        stat(
            "Trackers up", "Trackers that answer over at least one family, of all known trackers.",
            [("up", f"sum({up})"), ("all", f"count({up})")],
            empty=q.NOT_ASKED,
        ),
        stat(
            "Own network",
            "Whether our own network works. While it does not, failures count against no torrent.",
            [("{{family}}", network)], empty="Not known yet.", unit="none", mappings=UP_DOWN,
            thresholds=steps("red", (1, "green")),
        ),
    ]


def attention():
    """Torrents that are dead, at risk, unobserved or without a tracker, the worst first."""
    return table(
        "To do today",
        "Torrents that need attention, the worst first. " + q.STATES_EXPLAINED,
        {"torrent": "Torrent"},
        q.torrent_columns(f"{q.state()} >= {q.UNOBSERVED} or {q.condition('no_tracker')}"),
        sort="State",
        links={"torrent": q.TORRENT_LINK},
        empty="No torrent needs attention, if “Dead” above shows a number. If it shows none, the "
        "states are unknown.",
    )


def torrents_by_state():
    """Torrents per state over time."""
    result = series(
        "Torrents by state",
        "Number of torrents in each state. " + q.STATES_EXPLAINED,
        [("{{state}}", f"sum by (state) (seedwatch_torrents_by_state{{{q.OURS}}})")],
        stacked=True, step=True, decimals=0, empty=q.NOT_SCRAPED,
    )
    for name, color in q.STATE_COLORS.values():
        fixed = {"id": "color", "value": {"mode": "fixed", "fixedColor": color}}
        result["fieldConfig"]["overrides"].append(
            {"matcher": {"id": "byName", "options": name.replace(" ", "_")}, "properties": [fixed]}
        )
    return result


def peers_by_family():
    """Peers of all torrents over time."""
    return series(
        "Peers by family",
        "Peers of all torrents by family. A peer of two torrents counts twice.",
        [("{{family}}", f"sum by (family) (family:seedwatch_torrent_peers:sum{{{q.OURS}}})")],
        stacked=True, empty=q.NO_RULES,
    )


def alerts():
    """Alerts that fire now."""
    headings = {
        "alertname": "Alert", "severity": "Severity", "torrent": "Torrent",
        "collection": "Collection", "tracker": "Tracker", "country": "Country",
    }
    by = ", ".join(headings)
    return labels_table(
        "Alerts", "Alerts that fire now.",
        f'count by ({by}) (ALERTS{{alertstate="firing",alertname=~"{ALERTS}"}})', headings,
        links={
            "torrent": q.TORRENT_LINK, "collection": q.COLLECTION_LINK, "tracker": q.TRACKER_LINK,
        },
        # The other columns share the remaining width.
        widths={"alertname": 195, "severity": 95, "country": 75}, sort="severity",
        empty="No alert fires, or Prometheus does not load deploy/prometheus/*.rules.yaml.",
    )


def distinct():
    """Distinct peers of all torrents by window."""
    return series(
        "Distinct peers of all torrents",
        "Distinct peers of all torrents over sliding windows: a peer of several torrents counts once.",
        q.windows("unique_peers"),
        empty="No source gave a valid answer within the window.",
    )


def largest():
    """The largest swarms."""
    return bars(
        "Largest swarms in a week", "The ten torrents with the most distinct peers in a week.",
        f"topk(10, {q.unique('7d')})", "{{torrent}}", links=[_series_link()],
        empty=("No answer.", "No source gave a valid answer within the last week."),
    )


def _series_link():
    link = dict(q.TORRENT_LINK)
    link["url"] = link["url"].replace("__value.raw", "__field.labels.torrent")
    return link


def twelve_columns():
    """Trackers online, and peers from the DHT, from trackers and from both: by day, week and month."""
    kinds = [
        ("All", q.unique, 0),
        ("Trackers", q.trackers_online, 1),
        ("DHT", lambda window: q.source_unique("dht", window), 0),
        ("Of trackers", lambda window: q.source_unique("tracker", window), 0),
    ]
    columns = [
        column(f"{name}, {span}", of(window), decimals=decimals)
        for name, of, decimals in kinds
        for window, span in q.WINDOWS
    ]
    state = column(
        "State", q.state(), mappings=q.STATES, unit="none", width=95,
    )
    return table(
        "All torrents",
        "Distinct peers of all sources, trackers online on average, and distinct peers from the DHT and "
        "from trackers: each over a day, a week and a month.",
        {"torrent": "Torrent"}, [state, *columns], sort="All, week", descending=False,
        links={"torrent": q.TORRENT_LINK}, empty=q.NOT_SCRAPED,
    )


def collections():
    """Collections: torrents of one work."""
    by = "collection"
    return table(
        "Collections", "Torrents of one work. A peer of several of them counts once.",
        {"collection": "Collection"},
        [
            column("Torrents", q.of("collection_torrents", by=by)),
            column(
                "Peers now",
                f"sum by (collection) ({q.of('collection_peers', by='collection, family')})",
            ),
            *(
                column(
                    f"Peers in a {name}",
                    q.of("collection_unique_peers", f'window="{window}"', by),
                    bar=window == "7d",
                )
                for window, name in q.WINDOWS
            ),
            column(
                "Dead torrents",
                f"sum by (collection) (group by (collection, torrent) (seedwatch_torrent_info"
                f'{{{q.OURS},collection!=""}}) * on (torrent) group_left () '
                f"({q.state()} == bool {q.DEAD}))",
                thresholds=GOOD_IF_ZERO,
            ),
        ],
        sort="Peers in a week", links={"collection": q.COLLECTION_LINK},
        empty=q.NO_COLLECTION,
    )
