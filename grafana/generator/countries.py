"""Countries: where peers are, and in which country they fall."""

from . import queries as q
from .dashboard import Board, query_variable
from .panels import bars, column, series, stat, steps, table, world

NO_COUNTRY = (
    "No peers known.",
    "No peers, metrics.countries is off, or seedwatch is not scraped under this job.",
)
# `()` matches only series without the label: the sums of all torrents. A choice of torrents
# matches only theirs. So one query serves both, and never adds up all torrents.
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
                all_value=ALL, description="All torrents, or the sum of the chosen ones.",
            ),
            query_variable(
                "country", "Country",
                "label_values(seedwatch_country_peers"
                f"{{{q.OURS}}}, country)",
                many=True, description="ISO 3166-1 code; `unknown` for addresses that the database does not know.",
            ),
        ],
    )
    countries.row(4, *[(6, panel) for panel in figures()])
    countries.row(14, (14, on_the_map()), (10, largest()))
    countries.row(12, (24, changes()))
    countries.row(10, (24, over_time()))
    countries.row(9, (12, share()), (12, networks()))
    return countries


def by_country():
    """Returns the peers by country of the chosen torrents; of all torrents, the sums that seedwatch exposes."""
    labels = q.join(q.OURS, q.chosen("torrent"), q.chosen("country"))
    chosen = f"max by (torrent, country) (seedwatch_torrent_country_peers{{{labels}}})"
    summed = q.once(f"sum by (country) (seedwatch_country_peers{{{labels}}})")
    return f"({summed} or sum by (country) ({chosen}))"


def peers():
    """Returns the peers of the chosen torrents in any country: few series, so a month is quick."""
    labels = q.join(q.OURS, q.chosen("torrent"))
    chosen = f"max by (torrent, family) (seedwatch_torrent_peers{{{labels}}})"
    summed = q.once(f"sum(family:seedwatch_torrent_peers:sum{{{labels}}})")
    return f"({summed} or sum({chosen}))"


def figures():
    """The first row: current figures."""
    now = by_country()
    fallen = f"{now} < 0.2 * {q.earlier(now, '1d')} and on (country) {q.earlier(now, '1d')} >= 20"
    return [
        stat("Countries", "Countries with at least one peer now.", f"count({now} > 0)",
             empty=NO_COUNTRY),
        stat("Peers", "Peers of these countries now.", f"sum({now})", empty=NO_COUNTRY),
        stat(
            "Change in a day", "The peers of all these countries, compared with the same hour of yesterday.",
            f"sum({now}) / sum({q.earlier(now, '1d')}) - 1", unit="percentunit", decimals=1,
            thresholds=q.FALL, empty=("None of yesterday.", "Needs data of yesterday."),
        ),
        stat(
            "Fallen countries",
            "Countries that had at least 20 peers at this hour of yesterday and have less than a fifth of "
            "them now.",
            f"count({fallen}) or 0 * sum({now})", thresholds=steps("green", (1, "red")), empty=NO_COUNTRY,
        ),
    ]


def on_the_map():
    """A map, whose tiles the viewer's browser fetches from the public internet."""
    return world(
        "Map", "Peers by country now. Your browser fetches the tiles of the map from the public internet. "
        "Without them, the circles have no map behind them; the table shows the same figures.",
        f"{by_country()} > 0", empty=NO_COUNTRY,
    )


def largest():
    """The largest countries."""
    return bars(
        "Largest", "The twenty countries with the most peers now.", f"topk(20, {by_country()} > 0)",
        "{{country}}", empty=NO_COUNTRY,
    )


def changes():
    """Now, a day ago and a week ago."""
    now = by_country()
    return table(
        "Now and before",
        "Peers now and at the same hour of yesterday and of a week ago. A country seen within eight "
        "days stays at 0, so that a fall to 0 is visible.",
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
    """Peers by country over time; a country that fell to 0 stays visible."""
    return series(
        "Countries over time", "The ten countries that were largest at any time of the range.",
        [("{{country}}", q.top(by_country(), "country"))], fill=0, empty=NO_COUNTRY,
    )


def share():
    """The share of each country: a fall of the whole swarm moves none of them."""
    now = q.top(by_country(), "country")
    return series(
        "Share of each country",
        "Share of all peers. A fall in one country changes its share; a fall of the whole swarm changes none.",
        [("{{country}}", f"({now}) / on () group_left () {peers()}")],
        stacked=True, unit="percentunit", max=1, empty=NO_COUNTRY,
    )


def networks():
    """Peers by autonomous system."""
    expr = q.once(f"sum by (asn) (seedwatch_as_peers{{{q.OURS}}})")
    return series(
        "Autonomous systems",
        "Peers of all torrents by autonomous system: the twenty largest, and `other`.",
        [("{{asn}}", expr)], stacked=True,
        empty="Needs geoip.asn_database in the configuration.",
    )
