"""Expressions that several dashboards share.

Every expression about a torrent takes `max by (torrent)` over instances. Two instances that watch the same
torrent see nearly the same; instances that share the work have no torrent in common.
"""

import re

from .dashboard import choice_variable, drill_down
from .panels import column, steps, words

# Matches the instances that the viewer chose; part of every selector.
OURS = 'job=~"$job",instance=~"$instance"'

WINDOW = choice_variable(
    "window", "Window", ["1d", "7d", "30d"], "7d",
    "The window over which distinct peers are counted. It ends now, whatever the time range.",
)
WINDOWS = [("1d", "day"), ("7d", "week"), ("30d", "month")]


def chosen(label):
    """Returns a matcher for the value that the viewer chose of the variable of the same name.

    Names of torrents are full of brackets and quotes. In a variable with one value Grafana escapes
    neither brackets nor double quotes. So the matcher asks for the `regex` format, between backticks,
    where a backslash is a plain character.
    """
    return f"{label}=~`${{{label}:regex}}`"


def of(metric, labels="", by="torrent"):
    """Returns a gauge without the labels of the scrape target."""
    return f"max by ({by}) (seedwatch_{metric}{{{join(OURS, labels)}}})"


def peers(labels=""):
    """Returns the current peers: families add up."""
    inner = of("torrent_peers", labels, "torrent, family")
    return f"sum by (torrent) ({inner})"


def unique(window, labels=""):
    """Returns the distinct peers of a sliding window."""
    return of("torrent_unique_peers", join(f'window="{window}"', labels))


def source_unique(source, window):
    """Returns the distinct peers that a source listed in a sliding window."""
    return of("torrent_source_unique_peers", f'source="{source}",window="{window}"')


def windows(metric, labels=""):
    """Returns the same gauge over a day, a week and a month, in this order."""
    return [
        (name, of(metric, join(f'window="{window}"', labels), by="window"))
        for window, name in WINDOWS
    ]


def seconds_since_peer(labels=""):
    """Returns the seconds since the last peer was seen."""
    return f"time() - {of('torrent_last_peer_seen_timestamp_seconds', labels)}"


def configured(labels=""):
    """Returns one series per torrent."""
    return f"group by (torrent) (seedwatch_torrent_info{{{join(OURS, labels)}}})"


def state(labels=""):
    """Returns the state of a torrent as a number: one of STATES."""
    return f"max by (torrent) (torrent:seedwatch_torrent_state:number{{{join(OURS, labels)}}})"


def condition(name, labels=""):
    """Returns one series per torrent for which a condition holds."""
    return of("torrent_condition", join(f'condition="{name}"', labels))


def trackers_online(window):
    """Returns the mean number of trackers online in a sliding window.

    It comes from hourly records, and in the first hour from the samples. It ends with the torrent.
    """
    hourly = "torrent:seedwatch_trackers_online:hourly"
    total, samples = (
        f"sum_over_time({hourly}_{part}{{{OURS}}}[{window}])" for part in ("sum", "count")
    )
    recent = f"avg_over_time(seedwatch_torrent_trackers_online{{{OURS}}}[1h])"
    return f"max by (torrent) ({total} / {samples} or {recent}) and on (torrent) {configured()}"


def how_many(wanted, narrowed=""):
    """Returns the number of torrents in this state."""
    return f"sum(({state()}{narrowed}) == bool {wanted})"


def join(*selectors):
    """Joins selectors by commas, without empty ones."""
    return ",".join(selector for selector in selectors if selector)


DEAD, AT_RISK, UNOBSERVED = 5, 4, 3
STATE_COLORS = {
    "_0": ("private", "gray"),
    "_1": ("alive", "green"),
    "_2": ("pending", "blue"),
    "_3": ("unobserved", "purple"),
    "_4": ("at risk", "orange"),
    "_5": ("dead", "red"),
}
STATES = words(**STATE_COLORS)
STATE_STEPS = steps(
    "gray", (1, "green"), (2, "blue"), (3, "purple"), (4, "orange"), (5, "red"),
)
STATES_EXPLAINED = (
    "dead: in two rounds over at least 90 minutes, every source that could know of peers said that there "
    "are none. at risk: alive, but for a day with hardly any peers or without a seed. "
    "unobserved: no source that could know answers, or there is none. "
    "pending: not every source has been asked. private: not probed."
)
# A short text for a narrow panel, and a full one.
NO_RULES = (
    "No rules?", "No recorded series: does Prometheus load deploy/prometheus/*.rules.yaml?"
)
NOT_SCRAPED = ("Not scraped?", "No data: is seedwatch running and scraped under this job?")
NOT_ASKED = ("None asked yet.", "No tracker has been asked yet, or none is configured.")
NO_COLLECTION = (
    "No collection.",
    "No torrent has a collection in the configuration, or seedwatch is not scraped under this job.",
)

TORRENT_LINK = drill_down("Show the torrent", "torrent", "torrent")
TRACKER_LINK = drill_down("Show the tracker", "trackers", "tracker")
COLLECTION_LINK = drill_down("Show the collection", "collection", "collection")


def torrent_columns(wanted):
    """Returns the columns of a table of the torrents that `wanted` selects, their state first.

    Every query is narrowed, not only the first. Otherwise the browser fetches and joins all torrents to
    show a few; and to find that there are none, it takes time in the square of their number.
    """
    columns = [
        column("State", state(), mappings=STATES, unit="none", width=95),
        column(
            "Last peer", seconds_since_peer(), unit="s", width=95,
            thresholds=steps("text", (6 * 3600, "yellow"), (86400, "orange"), (7 * 86400, "red")),
        ),
        column("Peers now", peers()),
        *(column(f"Peers in a {name}", unique(window)) for window, name in WINDOWS),
        column("From trackers", of("torrent_source_peers", 'source="tracker"')),
        column("From the DHT", of("torrent_source_peers", 'source="dht"')),
        column("Trackers online", of("torrent_trackers_online")),
        column("Trackers", of("torrent_trackers")),
    ]
    for item in columns:
        item["expr"] = f"({item['expr']}) and on (torrent) ({wanted})"
    return columns


FALL = steps("red", (-0.5, "orange"), (-0.2, "text"), (0.2, "green"))


def earlier(expr, ago):
    """Returns the expression with an offset in each of its selectors."""
    # A brace that ends a selector follows a quote; other braces end the name of a variable.
    return "(" + re.sub(r'(?<=["`])\}', f"}} offset {ago}", expr) + ")"


def change(expr, ago):
    """Returns the relative growth since then: 0.1 is a tenth more."""
    return f"({expr}) / ({earlier(expr, ago)} > 0) - 1"


def top(expr, labels, size=10):
    """Returns the series of `expr` that were largest at any time of the range, the same at all steps."""
    peak = f"max_over_time(({expr})[$__range:1h] @ end())"
    return f"({expr}) and on ({labels}) topk({size}, {peak})"
