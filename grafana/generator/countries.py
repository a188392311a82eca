"""Countries: where peers are, and which country falls."""

from . import queries as q
from .kit import Board, query_variable
from .panels import bars, column, series, stat, steps, table, world

NO_COUNTRY = (
    "No peers known.",
    "Nothing: no peers, metrics.countries is off, or (for all torrents) Prometheus does not load "
    "deploy/prometheus/*.rules.yaml.",
)
# `()` matches only series without the label: the recorded sum of all torrents. A choice of torrents
# matches only theirs. So one query serves both, and all torrents are never added up anew.
ALL = "()"


def board():
    """The dashboard."""
    countries = Board(
        "countries", "Countries",
        "Peers by country: now, yesterday, a week ago. A peer of two torrents counts twice.",
        [
            query_variable(
                "torrent", "Torrent",
                f"label_values(seedwatch_torrent_info{{{q.OURS}}}, torrent)", many=True,
                all_value=ALL, description="All, or the sum of the chosen.",
            ),
            query_variable(
                "country", "Country",
                "label_values(country:seedwatch_torrent_country_peers:sum"
                f"{{{q.OURS}}}, country)",
                many=True, description="ISO 3166-1 code; `unknown` where the table has none.",
            ),
        ],
    )
    countries.shelf(4, *[(6, panel) for panel in figures()])
    countries.shelf(14, (14, on_the_map()), (10, largest()))
    countries.shelf(12, (24, changes()))
    countries.shelf(10, (24, over_time()))
    countries.shelf(9, (12, share()), (12, networks()))
    return countries


def by_country():
    """Peers by country of the chosen torrents, or the recorded ones of all."""
    labels = q.join(q.OURS, q.chosen("torrent"), q.chosen("country"))
    chosen = f"max by (torrent, country) (seedwatch_torrent_country_peers{{{labels}}})"
    recorded = f"country:seedwatch_torrent_country_peers:sum{{{labels}}}"
    return f"sum by (country) ({recorded} or {chosen})"


def peers():
    """All peers of the chosen torrents, of any country: few series, so that a month of it is quick."""
    labels = q.join(q.OURS, q.chosen("torrent"))
    chosen = f"max by (torrent, family) (seedwatch_torrent_peers{{{labels}}})"
    return f"sum(family:seedwatch_torrent_peers:sum{{{labels}}} or {chosen})"


def figures():
    """The first line: numbers now."""
    now = by_country()
    fallen = f"{now} < 0.2 * {q.earlier(now, '1d')} and on (country) {q.earlier(now, '1d')} >= 20"
    return [
        stat("Countries", "Countries with at least one peer now.", f"count({now} > 0)",
             empty=NO_COUNTRY),
        stat("Peers", "Peers of these countries now.", f"sum({now})", empty=NO_COUNTRY),
        stat(
            "Change in a day", "All these countries together against the same hour of yesterday.",
            f"sum({now}) / sum({q.earlier(now, '1d')}) - 1", unit="percentunit", decimals=1,
            thresholds=q.FALL, empty=("None of yesterday.", "Needs figures of yesterday."),
        ),
        stat(
            "Fallen countries",
            "Countries with at least 20 peers at this hour of yesterday and less than a fifth of "
            "them now.",
            f"count({fallen}) or 0 * sum({now})", thresholds=steps("green", (1, "red")),
            paint="background", empty=NO_COUNTRY,
        ),
    ]


def on_the_map():
    """Needs the public internet at the viewer."""
    return world(
        "Map", "Peers by country now. The tiles of the map come from the public internet to your "
        "browser: without it the circles stand on a blank page, and the table has the same figures.",
        f"{by_country()} > 0", empty=NO_COUNTRY,
    )


def largest():
    """The same without a map."""
    return bars(
        "Largest", "The twenty countries with most peers now.", f"topk(20, {by_country()} > 0)",
        "{{country}}", empty=NO_COUNTRY,
    )


def changes():
    """Now against then."""
    now = by_country()
    return table(
        "Now and before",
        "Peers now and at the same hour of yesterday and of a week ago. A country seen within eight "
        "days stays at 0, so that a fall to nothing is seen.",
        {"country": "Country"},
        [
            column("Now", now, bar=True),
            column("Yesterday", q.earlier(now, "1d")),
            column("A week ago", q.earlier(now, "1w")),
            column("Change in a day", q.change(now, "1d"), unit="percentunit", decimals=0,
                   thresholds=q.FALL),
            column("Change in a week", q.change(now, "1w"), unit="percentunit", decimals=0,
                   thresholds=q.FALL),
        ],
        sort="Now", empty=NO_COUNTRY, narrow=["country"],
    )


def over_time():
    """A country that fell to nothing stays in the picture."""
    return series(
        "Countries over time", "The ten countries that were largest at any time of the range.",
        [("{{country}}", q.top(by_country(), "country"))], fill=0, empty=NO_COUNTRY,
    )


def share():
    """When one country's share moves, it is that country; when none moves, it is the swarm."""
    now = q.top(by_country(), "country")
    return series(
        "Share of each country",
        "Part of all peers. A fall of one country bends its share, a fall of the whole swarm none.",
        [("{{country}}", f"({now}) / on () group_left () {peers()}")],
        stacked=True, unit="percentunit", max=1, empty=NO_COUNTRY,
    )


def networks():
    """Operators instead of countries."""
    expr = q.of("as_peers", by="asn")
    return series(
        "Autonomous systems",
        "Peers of all torrents by network operator: the twenty largest, and `other`.",
        [("{{asn}}", expr)], stacked=True,
        empty="Needs geoip.asn_database in the configuration.",
    )
