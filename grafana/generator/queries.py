"""Expressions that several dashboards share.

Every expression about a torrent takes `max by (torrent)` over instances. Two instances that watch the same
torrent see nearly the same; instances that share the work have no torrent in common.
"""

import re

from .dashboard import OURS, choice_variable, drill_down
from .panels import (
    ALIVE_COLOR, AT_RISK_COLOR, DEAD_COLOR, PENDING_COLOR, PLAIN_CELL, PRIVATE_COLOR,
    UNOBSERVED_COLOR, column, steps, words,
)

WINDOW = choice_variable(
    "window", "Window", ["1d", "7d", "30d"], "7d",
    "The window over which distinct peers are counted. It ends now, whatever the time range.",
)
# The unit of rates: a tracker is asked a few times per hour.
PER_HOUR = "suffix: / h"
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


def worst():
    """Returns the worst state of each torrent, with an instance that gives it."""
    states = f"topk by (torrent) (1, torrent:seedwatch_torrent_state:number{{{OURS}}})"
    return f"max by (torrent, instance) ({states})"


def since(labels=""):
    """Returns when a torrent came into its state, in milliseconds since 1970."""
    return f"1000 * {of('torrent_state_since_timestamp_seconds', labels)}"


def conditions(labels=""):
    """Returns the conditions of a torrent as the sum of their binary digits."""
    parts = (
        f'{1 << bit} * seedwatch_torrent_condition{{{join(OURS, labels)},condition="{name}"}}'
        for bit, name in enumerate(CONDITIONS)
    )
    return f"sum by (torrent) (max by (torrent, condition) ({' or '.join(parts)}))"


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


def once(expr):
    """Returns a sum over instances so that a torrent that several watch counts once on average.

    It is divided by the number of instances that watch a torrent. That is cheap over a month, where
    the union of all torrents at every step is not.
    """
    distinct = f"count(group by (torrent) (seedwatch_torrent_info{{{OURS}}} @ end()))"
    watched = f"sum(seedwatch_torrents{{{OURS}}} @ end())"
    watchers = f"scalar(clamp_min({watched} / {distinct}, 1))"
    return f"{expr} / {watchers}"


def join(*selectors):
    """Joins selectors by commas, without empty ones."""
    return ",".join(selector for selector in selectors if selector)


DEAD, AT_RISK, UNOBSERVED, PENDING, ALIVE = 5, 4, 3, 2, 1
STATE_COLORS = {
    "_0": ("private", PRIVATE_COLOR),
    "_1": ("alive", ALIVE_COLOR),
    "_2": ("pending", PENDING_COLOR),
    "_3": ("unobserved", UNOBSERVED_COLOR),
    "_4": ("at risk", AT_RISK_COLOR),
    "_5": ("dead", DEAD_COLOR),
}
STATES = words(**STATE_COLORS)
STATE_STEPS = steps(
    PRIVATE_COLOR, (1, ALIVE_COLOR), (2, PENDING_COLOR), (3, UNOBSERVED_COLOR),
    (4, AT_RISK_COLOR), (5, DEAD_COLOR),
)
# Each condition is one binary digit, so that one number names all that hold.
CONDITIONS = ["few_peers", "no_seeder", "no_tracker", "one_network"]
CONDITION_WORDS = words(**{
    f"_{number}": (
        ", ".join(
            name.replace("_", " ") for bit, name in enumerate(CONDITIONS) if number >> bit & 1
        ) or "none",
        PLAIN_CELL,
    )
    for number in range(1 << len(CONDITIONS))
})
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

# The address of a torrent at the daemon. It presumes that people reach the scraped address, as the
# links of alerts do: if yours is another one, or has HTTPS, change it here and run grafana/build.
TORRENT_PAGE = {
    "title": "Show what seedwatch knows of the torrent",
    "url": "http://${__value.raw}/api/v1/torrents/${__data.fields.Torrent:percentencode}",
    "targetBlank": True,
}
TORRENT_LINK = drill_down("Show the torrent", "torrent", "torrent")
TRACKER_LINK = drill_down("Show the tracker", "trackers", "tracker")
COLLECTION_LINK = drill_down("Show the collection", "collection", "collection")


# Keys of a table of torrents: the name, and an instance that gives the worst state.
TORRENT_KEYS = {"torrent": "Torrent", "instance": "Watched by"}
TORRENT_LINKS = {"torrent": TORRENT_LINK, "instance": TORRENT_PAGE}


def torrent_columns(wanted):
    """Returns the columns of a table of the torrents that `wanted` selects, their state first.

    Every query is narrowed, not only the first. Otherwise the browser fetches and joins all torrents to
    show a few; and to find that there are none, it takes time in the square of their number.
    """
    columns = [
        column("State", worst(), mappings=STATES, unit="none", width=105),
        column("Since", since(), unit="dateTimeFromNow", width=130),
        column("Conditions", conditions(), mappings=CONDITION_WORDS, unit="none", width=190),
        column("Last peer", seconds_since_peer(), unit="s", width=95),
        column("Peers now", peers()),
        column("Peers in a week", unique("7d")),
        column("Trackers online", of("torrent_trackers_online")),
        column("Trackers", of("torrent_trackers")),
    ]
    for item in columns:
        item["expr"] = f"({item['expr']}) and on (torrent) ({wanted})"
    return columns


FALL = steps(DEAD_COLOR, (-0.5, AT_RISK_COLOR), (-0.2, PLAIN_CELL), (0.2, ALIVE_COLOR))


def earlier(expr, ago):
    """Returns the expression with an offset in each of its selectors."""
    # A brace that ends a selector follows a quote; other braces end the name of a variable.
    return "(" + re.sub(r'(?<=["`])\}', f"}} offset {ago}", expr) + ")"


def change(expr, ago):
    """Returns the relative growth since then: 0.1 is a tenth more."""
    return f"({expr}) / ({earlier(expr, ago)} > 0) - 1"


def top(expr, labels, size=10, every="1h"):
    """Returns the series of `expr` that were largest at any time of the range, the same at all
    steps. For this it is evaluated `every` so often: seldom if it reads many series."""
    peak = f"max_over_time(({expr})[$__range:{every}] @ end())"
    return f"({expr}) and on ({labels}) topk({size}, {peak})"


def bottom(expr, labels, size, over):
    """Returns the series of `expr` with the smallest `min` or `avg` over the range."""
    least = f"{over}_over_time(({expr})[$__range:1h] @ end())"
    return f"({expr}) and on ({labels}) bottomk({size}, {least})"
