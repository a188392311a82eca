"""One collection: torrents of one work, counted as one."""

from . import queries as q
from .dashboard import Board, query_variable
from .panels import GOOD_IF_ZERO, bars, column, series, stat, table

ONE = q.chosen("collection")
NO_ANSWER = ("No answer.", "No member has a valid answer lately.")
NO_WINDOW = ("No answer.", "No valid answer for the collection within this window.")
NO_COUNTRY = ("No country.", "No peers with a known country, or metrics.countries is off.")


def board():
    """The dashboard."""
    collection = Board(
        "collection", "Collection",
        "The torrents of one work. A peer of several of them counts once.",
        [
            query_variable(
                "collection", "Collection",
                f"label_values(seedwatch_collection_torrents{{{q.OURS}}}, collection)",
                description="The key `collection` of the configuration.",
            ),
            q.WINDOW,
        ],
        alerts=f",{ONE}",
    )
    collection.row(4, *[(4, panel) for panel in figures()])
    collection.row(9, (12, distinct()), (12, by_family()))
    collection.heading("Countries")
    collection.row(10, (8, country_bars()), (16, country_series()))
    collection.row(10, (24, country_table()))
    collection.heading("Torrents")
    collection.row(12, (24, members()))
    return collection


def of(metric, labels="", by="collection"):
    """Returns a gauge of this collection."""
    return q.of(f"collection_{metric}", q.join(ONE, labels), by)


def member():
    """Returns one series per torrent of this collection."""
    return q.configured(ONE)


def figures():
    """The first row: current figures."""
    return [
        stat("Torrents", "Torrents of the collection.", f"count({member()})", empty=q.NO_COLLECTION),
        stat(
            "Dead torrents", "Torrents of the collection of which every source that could know says that they have no peers.",
            q.how_many(q.DEAD, f" and on (torrent) {member()}"), thresholds=GOOD_IF_ZERO,
            empty=q.NO_RULES,
        ),
        stat(
            "Peers now", "Distinct peers over all torrents of the collection, as of the latest round.",
            f"sum({of('peers', by='family')})", empty=NO_ANSWER,
        ),
        *(
            stat(
                f"Peers in a {name}", f"Distinct peers of all torrents of the collection within a {name}.",
                of("unique_peers", f'window="{window}"'), empty=NO_WINDOW,
            )
            for window, name in q.WINDOWS
        ),
    ]


def distinct():
    """Distinct peers by window."""
    return series(
        "Distinct peers by day, week and month",
        "Distinct peers over sliding windows that end at each point of the graph.",
        q.windows("collection_unique_peers", ONE), fill=0, empty=NO_WINDOW,
    )


def by_family():
    """Peers by family over time."""
    return series(
        "Peers by family", "Distinct peers as of the latest round; the families add up.",
        [("{{family}}", of("peers", by="family"))], stacked=True,
        empty=NO_ANSWER,
    )


def country_bars():
    """Countries over the window that the viewer chose."""
    window = of("country_unique_peers", 'window="$window"', "country")
    return bars(
        "Countries over $window", "Distinct peers by country within the window, the fifteen largest.",
        f"topk(15, {window} > 0)", "{{country}}", empty=NO_COUNTRY,
    )


def country_series():
    """Peers by country over time; a country that fell to 0 stays visible."""
    return series(
        "Countries", "Peers by country: the ten that were largest at any time of the range.",
        [("{{country}}", q.top(of("country_peers", by="country"), "country"))], stacked=True,
        empty=NO_COUNTRY,
    )


def country_table():
    """A table of all countries."""
    now = of("country_peers", by="country")
    return table(
        "All countries",
        "Now, at the same hour of yesterday, and distinct peers by window. A country seen within "
        "eight days stays at 0.",
        {"country": "Country"},
        [
            column("Now", now, bar=True),
            column("Yesterday", q.earlier(now, "1d")),
            column("Change in a day", q.change(now, "1d"), unit="percentunit", decimals=0,
                   thresholds=q.FALL),
            *(
                column(f"In a {name}", of("country_unique_peers", f'window="{window}"', "country"))
                for window, name in q.WINDOWS
            ),
        ],
        sort="Now", empty=NO_COUNTRY, narrow=["country"],
    )


def members():
    """The torrents of the collection, ranked by distinct peers."""
    columns = q.torrent_columns(member())
    return table(
        "Torrents, ranked", "Torrents of the collection by distinct peers in a week. "
        + q.STATES_EXPLAINED, q.TORRENT_KEYS, columns, sort="Peers in a week",
        narrow=["instance"], links=q.TORRENT_LINKS, empty=q.NO_COLLECTION,
    )
