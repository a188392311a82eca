"""seedwatch itself: does it keep up, is it online, is its state safe?"""

from . import queries as q
from .kit import Board
from .panels import UP_DOWN, heatmap, series, stat, steps, timeline, words

NO_DHT = "The DHT is switched off (dht.enabled), or has not been asked yet."


def board():
    """The dashboard."""
    exporter = Board(
        "exporter", "Exporter", "seedwatch itself: does it keep up, is it online, is its state safe?",
    )
    exporter.shelf(4, *zip([2, 2, 3, 3, 3, 3, 5, 3], figures()))
    exporter.shelf(8, (12, reachable()), (12, lag()))
    exporter.row("Probes")
    exporter.shelf(9, (12, tracker_times()), (12, dht_times()))
    exporter.shelf(8, (12, in_flight()), (12, rejected()))
    exporter.row("DHT")
    exporter.shelf(8, (8, nodes()), (8, size()), (8, queries()))
    exporter.shelf(8, (12, lookup_times()), (12, lookup_queries()))
    exporter.row("Process")
    exporter.shelf(8, (8, cpu()), (8, memory()), (8, files()))
    exporter.shelf(8, (8, scrapes()), (8, samples()), (8, state_failures()))
    return exporter


def one(metric):
    """A gauge of each instance."""
    return f"{metric}{{{q.OURS}}}"


def rate(metric, by):
    """A counter's growth a second."""
    return f"sum by ({by}) (rate({metric}{{{q.OURS}}}[$__rate_interval]))"


def figures():
    """The first line: numbers now."""
    age = "time() - {}"
    config = words(_0=("failed", "red"), _1=("loaded", "green"))
    database = f"max by (database) ({one('seedwatch_geoip_database_build_timestamp_seconds')})"
    return [
        stat("Version", "What runs.", f"count by (version) ({one('seedwatch_build_info')})",
             unit="none", empty=q.NOT_SCRAPED, form="table") | {"options": label_only("version")},
        stat("Scraped", "Whether Prometheus reaches it.", [("{{instance}}", one("up"))],
             unit="none", mappings=UP_DOWN, thresholds=steps("red", (1, "green")),
             empty=q.NOT_SCRAPED),
        stat("Runs for", "Time since its start.",
             [("{{instance}}", age.format(one("process_start_time_seconds")))], unit="s",
             empty=q.NOT_SCRAPED),
        stat("Configuration", "The latest attempt to load it.",
             [("{{instance}}", one("seedwatch_config_last_reload_successful"))], unit="none",
             mappings=config, thresholds=steps("red", (1, "green")), empty=q.NOT_SCRAPED),
        stat("Loaded", "Time since the configuration was last loaded.",
             [("{{instance}}",
               age.format(one("seedwatch_config_last_reload_success_timestamp_seconds")))],
             unit="s", empty=q.NOT_SCRAPED),
        stat("State saved", "Time since its state was last written.",
             [("{{instance}}", age.format(one("seedwatch_state_last_save_timestamp_seconds")))],
             unit="s", thresholds=steps("green", (3600, "orange"), (6 * 3600, "red")),
             empty=("Not saved.", "Not saved yet, or state.path is empty.")),
        stat("Tables of places", "Age of the tables of countries and autonomous systems.",
             [("{{database}}", age.format(database))], unit="s",
             thresholds=steps("green", (60 * 86400, "orange")), empty=q.NOT_SCRAPED),
        stat("Late", "How late the most overdue probe is that only our own load holds back.",
             [("{{instance}}", one("seedwatch_scheduler_lag_seconds"))], unit="s",
             thresholds=steps("green", (300, "orange"), (1800, "red")), empty=q.NOT_SCRAPED),
    ]


def label_only(label):
    """A stat panel that shows a label of each series instead of its value."""
    options = stat("", "", "", empty="")["options"]
    reduce = options["reduceOptions"] | {"fields": label, "values": True}
    return options | {"reduceOptions": reduce}


def reachable():
    """Our own network and the DHT."""
    return timeline(
        "Own network and the DHT",
        "While our own network is down nothing is held against trackers and swarms.",
        [
            ("network {{family}}", q.of("network_up", by="family")),
            ("DHT {{family}}", q.of("dht_up", by="family")),
        ],
        UP_DOWN, unit="none", empty="Not known yet.", thresholds=steps("red", (1, "green")),
    )


def lag():
    """Does it keep up?"""
    result = series(
        "Overdue probes", "Probes past due that only our own load holds back, and how late the latest is.",
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
    """A histogram over time."""
    metric = f'seedwatch_probe_duration_seconds_bucket{{{q.OURS},source="{source}"}}'
    return heatmap(
        title, "How long probes take, failed ones included.",
        f"sum by (le) (increase({metric}[$__rate_interval]))", unit="s", empty=empty,
    )


def tracker_times():
    """Trackers."""
    return probe_times("tracker", "Duration of probes: trackers", "No tracker was asked.")


def dht_times():
    """The DHT."""
    return probe_times("dht", "Duration of probes: DHT", NO_DHT)


def in_flight():
    """Load."""
    return series("Probes under way", "By source.",
                  [("{{source}}", f"sum by (source) ({one('seedwatch_probes_in_flight')})")],
                  empty=q.NOT_SCRAPED)


def rejected():
    """Lies and mistakes."""
    return series(
        "Peers thrown away",
        "Claimed peers a second that cannot be: not routable (bogon), port 0, ourselves, unreadable.",
        [("{{reason}}", rate("seedwatch_peers_rejected_total", "reason"))], unit="cps",
        empty=q.NOT_SCRAPED,
    )


def nodes():
    """Our table."""
    return series("Nodes we know", "DHT nodes that answered lately.",
                  [("{{family}}", q.of("dht_nodes", by="family"))], empty=NO_DHT)


def size():
    """The whole."""
    return series("Nodes in the whole DHT", "Estimated from the distances that lookups find.",
                  [("{{family}}", q.of("dht_estimated_nodes", by="family"))], empty=NO_DHT)


def queries():
    """Traffic."""
    return series(
        "Queries", "Queries a second over both families, and those without an answer or with an error.",
        [
            ("queries", rate("seedwatch_dht_queries_total", "job")),
            ("timeouts", rate("seedwatch_dht_timeouts_total", "job")),
            ("errors", rate("seedwatch_dht_errors_total", "job")),
        ],
        fill=0, unit="reqps", empty=NO_DHT,
    )


def quantiles(metric):
    """Half of all, and all but one in twenty."""
    buckets = f"sum by (le) (rate({metric}_bucket{{{q.OURS}}}[$__rate_interval]))"
    return [
        ("median", f"histogram_quantile(0.5, {buckets})"),
        ("95 %", f"histogram_quantile(0.95, {buckets})"),
    ]


def lookup_times():
    """How long."""
    return series("Duration of lookups", "One info-hash in the DHT of one family.",
                  quantiles("seedwatch_dht_lookup_duration_seconds"), fill=0, unit="s",
                  empty=NO_DHT)


def lookup_queries():
    """How much."""
    return series("Queries of a lookup", "One info-hash in the DHT of one family.",
                  quantiles("seedwatch_dht_lookup_queries"), fill=0, empty=NO_DHT)


def cpu():
    """Processor."""
    return series("Processor", "Part of one core.",
                  [("{{instance}}", rate("process_cpu_seconds_total", "instance"))],
                  unit="percentunit", empty=q.NOT_SCRAPED)


def memory():
    """Memory."""
    return series("Memory", "Resident memory.",
                  [("{{instance}}", one("process_resident_memory_bytes"))], unit="bytes",
                  empty=q.NOT_SCRAPED)


def files():
    """Limits of the system."""
    return series(
        "File descriptors and threads", "Open descriptors, their limit, and threads.",
        [
            ("{{instance}} open", one("process_open_fds")),
            ("{{instance}} limit", one("process_max_fds")),
            ("{{instance}} threads", one("process_threads")),
        ],
        fill=0, empty=q.NOT_SCRAPED,
    )


def scrapes():
    """What Prometheus measures."""
    return series("Duration of scrapes", "As Prometheus measures it.",
                  [("{{instance}}", one("scrape_duration_seconds"))], unit="s", empty=q.NOT_SCRAPED)


def samples():
    """How many series."""
    return series("Samples of a scrape", "Series that seedwatch exposes.",
                  [("{{instance}}", one("scrape_samples_scraped"))], empty=q.NOT_SCRAPED)


def state_failures():
    """A full disk, for example."""
    return series(
        "Failures to save the state", "In each step of the graph.",
        [("{{instance}}", f"sum by (instance) (increase(seedwatch_state_save_failures_total{{{q.OURS}}}[$__rate_interval]))")],
        empty="state.path is empty, or nothing answers.",
    )
