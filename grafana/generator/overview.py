"""All torrents: which must be reseeded today?"""

from . import queries as q
from .dashboard import ALERTS, ALERTS_OF_INSTANCES, ALERTS_OF_SWARMS, Board
from .panels import (
    GOOD_IF_ZERO, PLAIN_CELL, SOME_IS_BAD, UP_DOWN, bars, colored, column, series, stat, steps, table,
    words,
)


def board():
    """The dashboard."""
    overview = Board(
        "overview", "Overview",
        "Is every torrent alive, and what must be reseeded today?",
    )
    overview.row(4, *[(3, panel) for panel in figures()])
    overview.row(10, (24, attention()))
    overview.row(6, (24, causes()))
    overview.row(8, (24, alerts()))
    overview.row(13, (12, torrents_by_state()), (12, weakest()))
    overview.heading("Day, week and month")
    overview.row(8, (12, distinct()), (12, peers_by_family()))
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
            q.how_many(q.DEAD), empty=q.NO_RULES, thresholds=GOOD_IF_ZERO,
        ),
        stat(
            "At risk",
            "Alive, but for a day with hardly any peers or without a seed: reseed them soon.",
            q.how_many(q.AT_RISK), empty=q.NO_RULES, thresholds=steps("green", (1, "orange")),
        ),
        stat(
            "No tracker", "Every tracker that is asked fails or refuses: only the DHT is left.",
            f"count({q.condition('no_tracker')}) or 0 * count({q.configured()})",
            empty=q.NOT_SCRAPED, thresholds=steps("green", (1, "yellow")),
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
    """Torrents that are dead, at risk, unobserved or without a tracker, and not private."""
    return table(
        "To do today",
        "Torrents that need attention, the worst first. " + q.STATES_EXPLAINED,
        q.TORRENT_KEYS,
        # The state of a private torrent is 0.
        q.torrent_columns(
            f"({q.state()} > 0) and ({q.state()} >= {q.UNOBSERVED}"
            f" or {q.condition('no_tracker')})"
        ),
        sort="State", narrow=["instance"], links=q.TORRENT_LINKS,
        empty="No torrent needs attention, if “Dead” above shows a number. If it shows none, the "
        "states are unknown.",
    )


def torrents_by_state():
    """Torrents per state over time. The living ones would press all others into one line."""
    others = f'seedwatch_torrents_by_state{{{q.OURS},state!~"alive|private"}}'
    result = series(
        "Torrents that are not alive",
        "Number of torrents in each other state, without private ones; the mean of the instances that "
        "watch the same torrents. " + q.STATES_EXPLAINED,
        [("{{state}}", q.once(f"sum by (state) ({others})"))],
        stacked=True, step=True, decimals=0, empty=q.NOT_SCRAPED[1],
    )
    for name, color in list(q.STATE_COLORS.values())[q.PENDING:]:
        override = colored(name.replace(" ", "_"), color)
        override["properties"].append({"id": "displayName", "value": name})
        result["fieldConfig"]["overrides"].append(override)
    return result


def peers_by_family():
    """Peers of all torrents over time."""
    return series(
        "Peers by family",
        "Peers of all torrents by family. A peer of two torrents counts twice. The mean of the "
        "instances that watch the same torrents.",
        [("{{family}}",
          q.once(f"sum by (family) (family:seedwatch_torrent_peers:sum{{{q.OURS}}})"))],
        stacked=True, empty=q.NO_RULES,
    )


URGENCY = words(_3=("page", "red"), _2=("warning", "orange"), _1=("info", PLAIN_CELL))


def alerts():
    """Alerts that fire now, the most urgent first."""
    keys = {
        "alertname": "Alert", "torrent": "Torrent", "collection": "Collection",
        "tracker": "Tracker", "place": "Place", "instance": "Watched by",
    }
    of_swarm = "alertname, torrent, collection, tracker, country, asn"
    by = f"{of_swarm}, instance"
    # A country or an autonomous system: an alert has one of them.
    placed = lambda expr: f'label_join({expr}, "place", "", "country", "asn")'
    # Instances that watch the same torrents raise the same alerts: each is listed once.
    urgency = (
        f"max by ({by}) (topk by ({of_swarm}) (1, {urgencies(ALERTS_OF_SWARMS)}))"
        f" or max by ({by}) ({urgencies(ALERTS_OF_INSTANCES)})"
    )
    ours = f'{q.OURS},alertname=~"{ALERTS}"'
    firing = f'ALERTS{{{ours},alertstate="firing"}}'
    # The value of this series is when the alert began.
    began = f"1000 * ALERTS_FOR_STATE{{{ours}}} and ignoring (alertstate) {firing}"
    return table(
        "Alerts",
        "Alerts that fire now, the most urgent first. An alert that several instances raise about the "
        "same torrent is listed once.", keys,
        [
            column("Urgency", placed(urgency), mappings=URGENCY, unit="none", width=90),
            column("Since", placed(f"min by ({by}) ({began}) and ({urgency})"),
                   unit="dateTimeFromNow", width=130),
        ],
        links={
            "torrent": q.TORRENT_LINK, "collection": q.COLLECTION_LINK, "tracker": q.TRACKER_LINK,
        },
        sort="Urgency", narrow=["collection", "place", "instance"],
        empty="No alert fires, or Prometheus does not load deploy/prometheus/*.rules.yaml.",
    )


def urgencies(names):
    """Returns the urgency of each alert with such a name that fires, as a number."""
    return " or ".join(
        f'{number} * ALERTS{{{q.OURS},alertname=~"{names}",alertstate="firing",severity="{severity}"}}'
        for number, severity in [(3, "page"), (2, "warning"), (1, "info")]
    )


def causes():
    """What explains several problems at once: a tracker, a lost family, the DHT, our own outage."""
    network = f"seedwatch_network_up{{{q.OURS}}}"
    torrents = f"seedwatch_torrents{{{q.OURS}}}"
    outage = f"(max without (family) ({network}) == 0)"
    worked = f"max_over_time({network}[$__range]) == 1"
    no_dht = f"(max without (family) (seedwatch_dht_up{{{q.OURS}}}) == 0)"
    parts = [
        ("our network is down", f"{torrents} and {outage}"),
        ("our network lost a family",
         f"(0 * ({network} == 0 and {worked}) + ignoring (family) group_left () {torrents})"
         f" unless ignoring (family) {outage}"),
        ("the DHT does not answer", f"{torrents} and {no_dht} unless {outage}"),
        ("a tracker fails", stranding()),
    ]
    found = " or ".join(
        f'label_replace({expr}, "cause", "{cause}", "", "")' for cause, expr in parts
    )
    keys = {
        "cause": "Cause", "tracker": "Tracker", "reason": "Reason", "family": "Family",
        "instance": "Watched by",
    }
    return table(
        "Causes",
        "What explains several problems at once. Torrents: those that the failing tracker leaves "
        "without any working tracker, or all that the instance watches.",
        keys, [column("Torrents", f"sum by ({', '.join(keys)}) ({found})")],
        sort="Torrents", links={"tracker": q.TRACKER_LINK},
        narrow=["cause", "reason", "family", "instance"],
        empty="No common cause is known. If “Own network” above is up, our network and the DHT work, and "
        "no tracker strands torrents.",
    )


def stranding():
    """The number of torrents without a working tracker for each of their trackers, with the reason."""
    # A tracker that is down is asked half as often, and its values become stale in between.
    latest = f"last_over_time(seedwatch_announce_success{{{q.OURS}}}[3h])"
    failing = f"(max by (torrent, tracker) ({latest}) == 0)"
    stranded = f"count by (tracker) ({failing} and on (torrent) {q.condition('no_tracker')})"
    failures = f"increase(seedwatch_tracker_failures_total{{{q.OURS}}}[$__range])"
    reason = f"topk by (tracker) (1, sum by (tracker, reason) ({failures}) > 0)"
    return (
        f"({stranded} * on (tracker) group_left (reason) ({reason} > bool 0)"
        f" or on (tracker) {stranded})"
    )


def distinct():
    """Distinct peers of all torrents by window."""
    return series(
        "Distinct peers of all torrents",
        "Distinct peers of all torrents over sliding windows: a peer of several torrents counts once. Of "
        "several instances, the largest figure.",
        q.windows("unique_peers"),
        empty="No source gave a valid answer within the window.",
    )


def weakest():
    """The weakest swarms that are not dead."""
    living = f"({q.state()} == {q.AT_RISK} or {q.state()} == {q.ALIVE})"
    return bars(
        "Weakest living swarms",
        "The ten torrents with the fewest distinct peers in a week, of those that are alive or at risk.",
        f"sort(bottomk(10, {q.unique('7d')} and on (torrent) {living}))", "{{torrent}}",
        links=[_series_link()],
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
        ("Online", q.trackers_online, 1),
        ("DHT", lambda window: q.source_unique("dht", window), 0),
        ("Trackers", lambda window: q.source_unique("tracker", window), 0),
    ]
    columns = [
        column(f"{name} {window}", of(window), decimals=decimals)
        for name, of, decimals in kinds
        for window, _ in q.WINDOWS
    ]
    state = column("State", q.state(), mappings=q.STATES, unit="none", width=95)
    return table(
        "All torrents",
        "All: distinct peers of all sources. Online: trackers online on average. DHT and Trackers: "
        "distinct peers that they listed. Each over 1, 7 and 30 days.",
        {"torrent": "Torrent"}, [state, *columns], sort="All 7d", descending=False,
        links={"torrent": q.TORRENT_LINK}, empty=q.NOT_SCRAPED,
    )


def collections():
    """Collections: torrents of one work."""
    by = "collection"
    return table(
        "Collections", "Torrents of one work. A peer of several of them counts once.",
        {"collection": "Collection"},
        [
            # Instances that share the work each know their part of a collection.
            column("Torrents", f"count by (collection) (group by (collection, torrent) "
                   f'(seedwatch_torrent_info{{{q.OURS},collection!=""}}))'),
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
                thresholds=SOME_IS_BAD,
            ),
        ],
        sort="Peers in a week", links={"collection": q.COLLECTION_LINK},
        empty=q.NO_COLLECTION,
    )
