"""Trackers: which work, for how many torrents, and why the others do not."""

from . import queries as q
from .dashboard import Board, query_variable
from .panels import (
    PLAIN_CELL, UP_DOWN, UP_DOWN_CELL, bars, column, series, stat, steps, table, timeline,
)

CHOSEN = q.chosen("tracker")
NO_PAIRS = "Nothing recorded: metrics.per_tracker is off, or Prometheus does not load deploy/prometheus/*.rules.yaml."


def board():
    """The dashboard."""
    trackers = Board(
        "trackers", "Trackers", "Which trackers work, for how many torrents, and why others do not.",
        [
            query_variable(
                "tracker", "Tracker",
                f"label_values(seedwatch_tracker_requests_total{{{q.OURS}}}, tracker)", many=True,
                description="scheme://host:port",
            ),
        ],
        alerts=f",{CHOSEN}",
    )
    trackers.row(4, *[(4, panel) for panel in figures()])
    trackers.row(10, (24, all_trackers()))
    trackers.row(10, (12, up()), (12, served()))
    trackers.heading("Failures")
    trackers.row(9, (12, reasons()), (12, worst()))
    trackers.heading("Time")
    trackers.row(9, (12, duration()), (12, phases()))
    trackers.row(8, (12, requests()), (12, certificates()))
    return trackers


def of(metric, labels="", by="tracker"):
    """Returns a gauge of the chosen trackers."""
    return q.of(metric, q.join(CHOSEN, labels), by)


def availability(window):
    """Returns the share of the time in which a tracker answered over its better family."""
    up = f"avg_over_time(seedwatch_tracker_up{{{q.OURS},{CHOSEN}}}[{window}])"
    return f"max by (tracker) ({up})"


def served_now():
    """Returns the number of torrents for which a tracker gives a valid answer."""
    pairs = q.of("announce_success", CHOSEN, "torrent, tracker")
    return f"sum by (tracker) ({pairs})"


def asked_now():
    """Returns the number of torrents that have this tracker."""
    pairs = q.of("announce_success", CHOSEN, "torrent, tracker")
    return f"count by (tracker) ({pairs})"


def certificate():
    """Returns the seconds until the first certificate of the chain expires."""
    return f"{of('tracker_tls_certificate_expiry_timestamp_seconds')} - time()"


def latency(by):
    """Returns the duration of answers in seconds: the phases add up."""
    durations = f"seedwatch_tracker_duration_seconds{{{q.OURS},{CHOSEN}}}"
    return f"max by ({by}) (sum without (phase) ({durations}))"


def figures():
    """The first row: current figures."""
    any_family = of("tracker_up")
    failures = f"seedwatch_tracker_failures_total{{{q.OURS},{CHOSEN}}}"
    probes = f"seedwatch_tracker_probes_total{{{q.OURS},{CHOSEN}}}"
    return [
        stat("Up", "Trackers that answer over at least one family.", f"sum({any_family})",
             empty=q.NOT_ASKED),
        stat("Down", "Trackers that answer over no family.", f"sum({any_family} == bool 0)",
             thresholds=steps("green", (1, "orange")), empty=q.NOT_ASKED),
        stat(
            "Half up", "Trackers that answer over one family and not over the other.",
            f"sum(min by (tracker) ({of('tracker_up', by='tracker, family')}) < bool {any_family})",
            thresholds=steps("green", (1, "yellow")), empty=q.NOT_ASKED,
        ),
        stat(
            "Up, serving nothing", "Trackers that answer but refuse or fail for every torrent.",
            f"count(({any_family} == 1) and on (tracker) ({served_now()} == 0))"
            f" or 0 * sum({any_family})",
            thresholds=steps("green", (1, "yellow")), empty=q.NOT_ASKED,
        ),
        stat(
            "Failed probes", "Share of the probes in the time range that failed.",
            f"sum(increase({failures}[$__range])) / sum(increase({probes}[$__range]))",
            unit="percentunit", decimals=1, empty=q.NOT_ASKED,
        ),
        stat(
            "Next certificate to end", "The time until the first certificate expires.",
            f"min({certificate()})", unit="s",
            thresholds=steps("red", (7 * 86400, "orange"), (21 * 86400, "green")),
            empty="No tracker with TLS.",
        ),
    ]


def all_trackers():
    """A table of all trackers."""
    percent = {"unit": "percentunit", "decimals": 1}
    low = steps("red", (0.5, "orange"), (0.9, PLAIN_CELL))
    return table(
        "All trackers",
        "Up: the tracker answers in its protocol, even with a refusal. Served: torrents for which it "
        "gives a valid answer, of those that have it.", {"tracker": "Tracker"},
        [
            *(
                column(name, of("tracker_up", labels), mappings=UP_DOWN_CELL, unit="none", width=65)
                for name, labels in [("Up", ""), ("IPv4", 'family="ipv4"'), ("IPv6", 'family="ipv6"')]
            ),
            *(
                column(f"Up {window}", availability(window), thresholds=low, **percent)
                for window, _ in q.WINDOWS
            ),
            column("Served", served_now(), thresholds=steps("red", (1, PLAIN_CELL))),
            column("Torrents", asked_now()),
            column("Answers in", latency("tracker"), unit="s"),
            column("Asks for", of("tracker_announce_interval_seconds"), unit="s"),
            column("Certificate ends in", certificate(), unit="s"),
        ],
        sort="Torrents", links={"tracker": q.TRACKER_LINK}, empty=q.NOT_ASKED,
    )


def up():
    """Trackers up and down over time, by family."""
    labels = "tracker, family"
    lowest = q.bottom(of("tracker_up", by=labels), labels, 20, "avg")
    return timeline(
        "Up and down",
        "Whether a tracker answered in its protocol, by family: the twenty that were down longest.",
        [("{{tracker}} {{family}}", lowest)], UP_DOWN, unit="none",
        empty=q.NOT_ASKED, thresholds=steps("red", (1, "green")),
    )


def served():
    """Torrents served, from recorded sums, because there are many pairs."""
    recorded = f"tracker:seedwatch_announce_success:sum{{{q.OURS},{CHOSEN}}}"
    return series(
        "Torrents served",
        "Torrents for which a tracker gave a valid answer: the ten trackers with the most torrents at "
        "any time of the range. The mean of the instances that watch the same torrents.",
        [("{{tracker}}", q.top(q.once(f"sum by (tracker) ({recorded})"), "tracker"))], fill=0,
        long_names=True, decimals=0, empty=NO_PAIRS,
    )


def reasons():
    """Failed probes by reason."""
    failures = f"seedwatch_tracker_failures_total{{{q.OURS},{CHOSEN}}}"
    return series(
        "Failures by reason", "Failed probes per hour. docs/metrics.md explains the reasons.",
        [("{{reason}}", f"3600 * sum by (reason) (rate({failures}[$__rate_interval])) > 0")],
        stacked=True, unit=q.PER_HOUR, empty="No probe failed in this time range, or there was no probe.",
    )


def worst():
    """Failed probes by tracker and reason."""
    failures = f"seedwatch_tracker_failures_total{{{q.OURS},{CHOSEN}}}"
    probes = f"seedwatch_tracker_probes_total{{{q.OURS},{CHOSEN}}}"
    failed = f"sum by (tracker, reason) (increase({failures}[$__range])) > 0"
    return table(
        "Failures in the time range",
        "Failed probes by tracker and reason, and their share of the probes of that tracker.",
        {"tracker": "Tracker", "reason": "Reason"},
        [
            column("Failures", failed, decimals=0, bar=True),
            column("Share", f"({failed}) / on (tracker) group_left ()"
                   f" sum by (tracker) (increase({probes}[$__range]))",
                   unit="percentunit", decimals=1),
        ],
        sort="Failures", narrow=["reason"],
        empty="No probe failed in this time range, or there was no probe.",
    )


def duration():
    """The duration of answers."""
    return series(
        "Time to an answer",
        "All phases of the latest answered probe, the slower family: the ten slowest trackers.",
        [("{{tracker}}", q.top(latency("tracker"), "tracker", every="6h"))], fill=0,
        long_names=True, unit="s", empty=q.NOT_ASKED,
    )


def phases():
    """The duration of answers by phase."""
    inner = of("tracker_duration_seconds", by="tracker, family, phase")
    return bars(
        "Where the time goes", "Mean over the chosen trackers by phase, now.",
        f"sort_desc(avg by (phase) ({inner}))", "{{phase}}", unit="s", empty=q.NOT_ASKED,
    )


def requests():
    """The rate of requests."""
    asked = f"seedwatch_tracker_requests_total{{{q.OURS},{CHOSEN}}}"
    rate = f"sum by (tracker) (rate({asked}[$__rate_interval]))"
    return series(
        "Requests",
        "Requests per hour, retransmissions included: the ten trackers that are asked most.",
        [("{{tracker}}", f"3600 * ({q.top(rate, 'tracker')})")], fill=0,
        long_names=True, unit=q.PER_HOUR, empty=q.NOT_ASKED,
    )


def certificates():
    """Remaining validity of certificates."""
    return series(
        "Certificates",
        "Remaining validity of the certificates of trackers with TLS: the ten that end first.",
        [("{{tracker}}", q.bottom(certificate(), "tracker", 10, "min"))], fill=0,
        long_names=True, unit="s",
        empty="No tracker with TLS.",
    )
