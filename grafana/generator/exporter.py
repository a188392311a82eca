"""seedwatch itself: does it keep up, is it online, is its state safe?"""

from . import queries as q
from .dashboard import Board
from .panels import (
    PLAIN_CELL, UP_DOWN, UP_DOWN_CELL, column, heatmap, series, steps, table, timeline, words,
)

NO_DHT = "The DHT is switched off (dht.enabled), or has not been asked yet."


def board():
    """The dashboard."""
    exporter = Board(
        "exporter", "Exporter", "seedwatch itself: does it keep up, is it online, is its state safe?",
    )
    exporter.row(6, (24, instances()))
    exporter.row(8, (12, reachable()), (12, lag()))
    exporter.heading("Probes")
    exporter.row(9, (12, tracker_times()), (12, dht_times()))
    exporter.row(8, (12, in_flight()), (12, rejected()))
    exporter.heading("DHT")
    exporter.row(8, (8, nodes()), (8, size()), (8, queries()))
    exporter.row(8, (12, lookup_times()), (12, lookup_queries()))
    exporter.heading("Process")
    exporter.row(8, (8, cpu()), (8, memory()), (8, files()))
    exporter.row(8, (8, scrapes()), (8, samples()), (8, state_failures()))
    return exporter


def one(metric):
    """Returns a gauge of each instance."""
    return f"{metric}{{{q.OURS}}}"


def rate(metric, by):
    """Returns the rate of a counter per second."""
    return f"sum by ({by}) (rate({metric}{{{q.OURS}}}[$__rate_interval]))"


def instances():
    """One row per instance: large figures of several instances would be too small to read."""
    by = "instance"
    latest = lambda metric, labels="": q.of(metric, labels, by)
    age = lambda metric, labels="": f"time() - {latest(metric, labels)}"
    of_process = lambda metric: f"max by (instance) ({one(metric)})"
    config = words(_0=("failed", "red"), _1=("loaded", PLAIN_CELL))
    table_age = steps(PLAIN_CELL, (60 * 86400, "orange"))
    build = "geoip_database_build_timestamp_seconds"
    return table(
        "Instances",
        "Scraped: whether Prometheus reaches it. Configuration: the latest attempt to load it. Loaded, "
        "State saved: the time since. Late: how late the most overdue probe is that only our own load "
        "holds back. Countries, Networks: the age of the tables of countries and autonomous systems.",
        {"instance": "Instance", "version": "Version"},
        [
            column("Scraped", of_process("up"), mappings=UP_DOWN_CELL, unit="none"),
            column("Torrents", "max by (instance, version) (" + one("seedwatch_build_info")
                   + f") * on (instance) group_left () {latest('torrents')}"),
            column("Runs for", "time() - " + of_process("process_start_time_seconds"), unit="s",
                   width=110),
            column("Configuration", latest("config_last_reload_successful"), mappings=config,
                   unit="none"),
            column("Loaded", age("config_last_reload_success_timestamp_seconds"), unit="s",
                   width=110),
            column("State saved", age("state_last_save_timestamp_seconds"), unit="s", width=110,
                   thresholds=steps(PLAIN_CELL, (3600, "orange"), (6 * 3600, "red"))),
            column("Late", latest("scheduler_lag_seconds"), unit="s", width=100,
                   thresholds=steps(PLAIN_CELL, (300, "orange"), (1800, "red"))),
            column("Countries", age(build, 'database="country"'), unit="s", width=110,
                   thresholds=table_age),
            column("Networks", age(build, 'database="asn"'), unit="s", width=110,
                   thresholds=table_age),
        ],
        sort="Scraped", descending=False, narrow=["version"], empty=q.NOT_SCRAPED[1],
    )


def reachable():
    """Our own network and the DHT over time."""
    return timeline(
        "Own network and the DHT",
        "While our own network is down, failures count against no tracker and no torrent.",
        [
            # The best of several instances would hide the outage of one.
            ("{{instance}} network {{family}}", q.of("network_up", by="instance, family")),
            ("{{instance}} DHT {{family}}", q.of("dht_up", by="instance, family")),
        ],
        UP_DOWN, unit="none", empty="Not known yet.", thresholds=steps("red", (1, "green")),
    )


def lag():
    """Overdue probes."""
    result = series(
        "Overdue probes", "Overdue probes that wait for nothing but seedwatch itself, and the largest delay.",
        [
            ("overdue", f"sum({one('seedwatch_scheduler_overdue_probes')})"),
            ("lateness", f"max({one('seedwatch_scheduler_lag_seconds')})"),
        ],
        empty=q.NOT_SCRAPED,
    )
    result["fieldConfig"]["overrides"].append({
        "matcher": {"id": "byName", "options": "lateness"},
        "properties": [{"id": "unit", "value": "s"},
                       {"id": "custom.axisPlacement", "value": "right"}],
    })
    return result


def probe_times(source, title, empty):
    """Returns a heat map of a histogram."""
    metric = f'seedwatch_probe_duration_seconds_bucket{{{q.OURS},source="{source}"}}'
    return heatmap(
        title, "How long probes take, failed ones included.",
        f"sum by (le) (increase({metric}[$__rate_interval]))", unit="s", empty=empty,
    )


def tracker_times():
    """Durations of tracker probes."""
    return probe_times("tracker", "Duration of probes: trackers", "No tracker was asked.")


def dht_times():
    """Durations of DHT lookups."""
    return probe_times("dht", "Duration of probes: DHT", NO_DHT)


def in_flight():
    """Probes in progress."""
    return series("Probes under way", "By source.",
                  [("{{source}}", f"sum by (source) ({one('seedwatch_probes_in_flight')})")],
                  empty=q.NOT_SCRAPED)


def rejected():
    """Rejected peers."""
    return series(
        "Rejected peers",
        "Rejected peers per hour: not routable (bogon), port 0, our own entry, unreadable.",
        [("{{reason}}", "3600 * " + rate("seedwatch_peers_rejected_total", "reason"))], unit=q.PER_HOUR,
        empty=q.NOT_SCRAPED,
    )


def nodes():
    """Nodes in the node table."""
    return series("Nodes we know", "DHT nodes that answered lately.",
                  [("{{family}}", q.of("dht_nodes", by="family"))], empty=NO_DHT)


def size():
    """The estimated size of the DHT."""
    return series("Nodes in the whole DHT", "Estimated from the distances that lookups find.",
                  [("{{family}}", q.of("dht_estimated_nodes", by="family"))], empty=NO_DHT)


def queries():
    """DHT queries."""
    return series(
        "Queries", "Queries per second over both families (at most dht.max_rate), and those that timed out or failed.",
        [
            ("queries", rate("seedwatch_dht_queries_total", "job")),
            ("timeouts", rate("seedwatch_dht_timeouts_total", "job")),
            ("errors", rate("seedwatch_dht_errors_total", "job")),
        ],
        fill=0, unit="reqps", empty=NO_DHT,
    )


def quantiles(metric):
    """Returns the median and the 95th percentile of a histogram."""
    buckets = f"sum by (le) (rate({metric}_bucket{{{q.OURS}}}[$__rate_interval]))"
    return [
        ("median", f"histogram_quantile(0.5, {buckets})"),
        ("95 %", f"histogram_quantile(0.95, {buckets})"),
    ]


def lookup_times():
    """Durations of lookups."""
    return series("Duration of lookups", "One info-hash in the DHT of one family.",
                  quantiles("seedwatch_dht_lookup_duration_seconds"), fill=0, unit="s",
                  empty=NO_DHT)


def lookup_queries():
    """Queries per lookup."""
    return series("Queries of a lookup", "One info-hash in the DHT of one family.",
                  quantiles("seedwatch_dht_lookup_queries"), fill=0, empty=NO_DHT)


def cpu():
    """CPU time."""
    return series("Processor", "Part of one core.",
                  [("{{instance}}", rate("process_cpu_seconds_total", "instance"))],
                  unit="percentunit", empty=q.NOT_SCRAPED)


def memory():
    """Memory."""
    return series("Memory", "Resident memory.",
                  [("{{instance}}", one("process_resident_memory_bytes"))], unit="bytes",
                  empty=q.NOT_SCRAPED)


def files():
    """File descriptors and threads."""
    result = series(
        "File descriptors and threads",
        "Open descriptors and threads. The limit of descriptors, process_max_fds, is far above them.",
        [
            ("{{instance}} open", one("process_open_fds")),
            ("{{instance}} threads", one("process_threads")),
        ],
        fill=0, empty=q.NOT_SCRAPED,
    )
    # Figures beside these names would be more lines than there is room for.
    result["options"]["legend"] |= {"placement": "bottom", "displayMode": "list", "calcs": []}
    return result


def scrapes():
    """Duration of scrapes."""
    return series("Duration of scrapes", "As Prometheus measures it.",
                  [("{{instance}}", one("scrape_duration_seconds"))], unit="s", empty=q.NOT_SCRAPED)


def samples():
    """Samples per scrape."""
    return series("Samples of a scrape", "Series that seedwatch exposes.",
                  [("{{instance}}", one("scrape_samples_scraped"))], empty=q.NOT_SCRAPED)


def state_failures():
    """Failed saves, for example because the disk is full."""
    return series(
        "Failures to save the state", "Failed saves per hour.",
        [("{{instance}}", "3600 * " + rate("seedwatch_state_save_failures_total", "instance"))],
        unit=q.PER_HOUR, empty="state.path is empty, or seedwatch is not scraped.",
    )
