"""A made-up past of a fleet: every metric of docs/metrics.md, as OpenMetrics text for promtool.

Torrents 0 to 3 are in trouble (dead, at risk, without trackers, unknown), so that no panel that
looks for such is empty; the others breathe with the day. Six hours before the end one country falls.
"""

import hashlib
import itertools
import json
import math
import re

# Seconds between two samples. Prometheus is told to look back a little longer.
STEP = 900
# The same of what graphs of a month read, where that is to be closer: all but other torrents than the
# chosen one.
FINE = None
DAY = 86400
TARGET = {"job": "seedwatch", "instance": "127.0.0.1:16881"}
# Values change by the hour: rounds are rarer than scrapes.
HOUR = 3600

COUNTRIES = ["DE", "US", "RU", "IN", "BR", "unknown"]
REASONS = ["dns", "timeout", "tls", "rejected"]
# With everything that patterns, strings and links could stumble over.
NAMES = [
    "Parler.Videos.(2021).[1080p]", "census & index",
    "The \"Emperor's\" notes (C:\\old) [2021] + more", "debian-13.1.0-amd64-netinst.iso",
]
STATES = ["dead", "at risk", "no tracker", "unknown", "alive"]
SCHEMES = ["udp", "http", "https", "wss", "udp"]


class Fleet:
    """Who is watched where, and how each is."""

    # Of a torrent; a collection has people in all of them.
    TORRENT_COUNTRIES = 8

    def __init__(self, torrents, trackers, countries=COUNTRIES, per_torrent=4, collections=2):
        self.torrents = [f"{NAMES[number % len(NAMES)]}-{number:04}" for number in range(torrents)]
        self.trackers = [
            f"{SCHEMES[number % 5]}://tracker-{number}.example:{6969 + number}"
            for number in range(trackers)
        ]
        self.countries = countries
        self.per_torrent = min(per_torrent, trackers)
        self.collections = [f"collection-{number}" for number in range(collections)]

    def trackers_of(self, torrent):
        """Some of all trackers, always the same."""
        number = self.number(torrent)
        count = len(self.trackers)
        return [self.trackers[(number + step) % count] for step in range(self.per_torrent)]

    def number(self, torrent):
        """The place of a torrent in the list."""
        return int(torrent.rsplit("-", 1)[1])

    def collection_of(self, torrent):
        """Half of the torrents, the dead one among them, belong to one."""
        number = self.number(torrent)
        return self.collections[number // 2 % len(self.collections)] if number % 2 == 0 else None

    def chosen(self):
        """One of each, all in good health: what a viewer may choose."""
        torrent = self.torrents[-2]
        return {
            "torrent": torrent, "tracker": self.trackers[2], "country": "DE",
            "collection": self.collection_of(torrent),
        }

    def labels(self, metric, names):
        """All label sets of a metric with these label names."""
        if metric == "seedwatch_torrent_info":
            for torrent in self.torrents:
                digest = hashlib.sha256(torrent.encode()).hexdigest()
                labels = {"torrent": torrent, "infohash": digest[:40], "infohash_v2": digest}
                if collection := self.collection_of(torrent):
                    labels["collection"] = collection
                yield labels
            return
        pools = {
            "torrent": self.torrents, "tracker": self.trackers, "country": self.countries,
            "collection": self.collections, "family": ["ipv4", "ipv6"],
            "source": ["tracker", "dht"], "window": ["1d", "7d", "30d"],
            "phase": ["resolve", "connect", "tls", "response"], "database": ["country", "asn"],
            "asn": ["AS3320", "AS7922", "AS12389", "other", "unknown"], "reason": REASONS,
            "version": ["1.0.0"], "revision": ["0123abc"], "state": STATES,
        }
        if metric == "seedwatch_peers_rejected_total":
            pools["reason"] = ["bogon", "port", "own", "malformed"]
        for values in itertools.product(*(pools[name] for name in names)):
            labels = dict(zip(names, values))
            if "torrent" in labels and "tracker" in labels:
                if labels["tracker"] not in self.trackers_of(labels["torrent"]):
                    continue
            if "torrent" in labels and "country" in labels:
                if labels["country"] not in self.countries[: self.TORRENT_COUNTRIES]:
                    continue
            yield labels


def rhythm(labels, time):
    """Day and night around one, each series with a phase of its own."""
    phase = sum(map(ord, "".join(labels.values()))) % 24
    return 1 + 0.3 * math.sin(2 * math.pi * (time / DAY + phase / 24))


class Values:
    """What each metric was at a time."""

    def __init__(self, fleet, end):
        self.fleet = fleet
        self.end = end

    def __call__(self, metric, labels, time):
        """The value, or None where there is none."""
        short = metric.removeprefix("seedwatch_")
        number = self.fleet.number(labels["torrent"]) if "torrent" in labels else None
        age = self.end - time
        if number == 3 and age < DAY and short.startswith("torrent_") and short not in (
            "torrent_info", "torrent_trackers", "torrent_trackers_online",
            "torrent_last_peer_seen_timestamp_seconds",
        ):
            return None
        if short.endswith("_timestamp_seconds"):
            return self.timestamp(short, number, time, age)
        if short.endswith("_total"):
            return self.counter(labels, time)
        if short in ("build_info", "torrent_info", "config_last_reload_successful"):
            return 1
        if short in ("announce_success", "torrent_trackers_online"):
            working = number not in (2, 3) or age > 2 * DAY
            if short == "announce_success":
                # One tracker answers and serves nobody.
                return int(working and labels["tracker"] != self.fleet.trackers[1])
            return self.fleet.per_torrent * working
        if short == "torrent_trackers":
            return self.fleet.per_torrent
        if short.endswith("_up") or short.endswith("_success"):
            return self.up(labels, time)
        if short.endswith("_ratio"):
            return round(0.3 * rhythm(labels, time), 3)
        if short.endswith("_seconds"):
            return round(0.2 * rhythm(labels, time), 3)
        if short.startswith("process_"):
            return round(50 * rhythm(labels, time))
        return self.people(short, labels, number, age, time)

    def timestamp(self, short, number, time, age):
        """Seconds since 1970."""
        if short.startswith("tracker_tls"):
            return self.end + 40 * DAY
        if short.startswith("geoip") or short.startswith("process"):
            return self.end - 41 * DAY
        if "last_peer_seen" in short and number == 0:
            return min(time, self.end - 3 * DAY)
        return time - 600

    def counter(self, labels, time):
        """Grows by about ten an hour."""
        start = self.end - 41 * DAY
        return round((time - start) / 360 * (1 + len("".join(labels.values())) % 7))

    def up(self, labels, time):
        """The second family of the third tracker is out in every other six hours."""
        half = labels.get("tracker") == self.fleet.trackers[2] and labels.get("family") == "ipv6"
        return int(not half or self.end - time > 20 * DAY)

    def people(self, short, labels, number, age, time):
        """Counts of peers and all other gauges."""
        if number == 0 and age < 3 * DAY and labels.get("window") != "30d":
            return 0
        if number == 1:
            return 1
        base = 200 if number is None else 20 + number * 7 % 300
        window = {"1d": 3, "7d": 9, "30d": 20}.get(labels.get("window"), 1)
        if "country" in labels:
            base = base / (1 + self.fleet.countries.index(labels["country"]))
            if labels["country"] == "US" and age < 6 * HOUR:
                base *= 0.16
        return max(round(base * window * rhythm(labels, time)), 0)


def catalogue(text):
    """Names, kinds and labels from the table of docs/metrics.md."""
    row = re.compile(r"^\| `([a-z_0-9]+)` \| (\w+) \| ([^|]*) \|", re.MULTILINE)
    return [
        (name, kind, re.findall(r"`([a-z_0-9]+)`", labels))
        for name, kind, labels in row.findall(text)
    ]


def families(metrics):
    """Histograms become their three kinds of series."""
    for name, kind, labels in metrics:
        if kind != "histogram":
            yield name, labels, None
            continue
        yield f"{name}_sum", labels, None
        yield f"{name}_count", labels, None
        yield f"{name}_bucket", labels, ["0.1", "1", "10", "100", "+Inf"]


def recorded(names):
    """What rules make, as the catalogue has it: each names its labels."""
    return [(name, "gauge", [name.split(":")[0]]) for name in sorted(names)]


def is_fine(fleet, labels):
    """Graphs of a month may read all of it."""
    return labels.get("torrent") in (None, fleet.chosen()["torrent"])


def series(fleet, metrics, start, end):
    """Every series: its name, labels, and value at a time."""
    values = Values(fleet, end)
    for name, names, buckets in families(metrics):
        for labels in fleet.labels(name, names):
            if buckets is None:
                counts = name.endswith(("_sum", "_count"))
                named = "x_total" if counts else name
                yield name, labels, lambda t, n=named, l=labels: values(n, l, t)
                continue
            for rank, le in enumerate(buckets):
                yield name, labels | {"le": le}, lambda t, r=rank: (t - start) // 60 * (r + 1)
    yield "up", {}, lambda t: 1
    yield "scrape_duration_seconds", {}, lambda t: 0.01
    yield "scrape_samples_scraped", {}, lambda t: 5000
    for labels in alerts(fleet):
        yield "ALERTS", {"alertstate": "firing"} | labels, lambda t: 1


def alerts(fleet):
    """One of each kind of label."""
    one = fleet.chosen()
    country = {"country": "US", "severity": "warning"}
    yield {"alertname": "TorrentCountryCliff", "torrent": one["torrent"]} | country
    yield {"alertname": "CollectionCountryCliff", "collection": one["collection"]} | country
    yield {"alertname": "TrackerDown", "tracker": one["tracker"], "severity": "warning"}
    yield {"alertname": "SeedwatchStateNotSaved", "severity": "warning"}


def quoted(labels):
    """{a="b",…}"""
    return "{" + ",".join(f"{name}={json.dumps(value)}" for name, value in labels.items()) + "}"


def write(file, fleet, metrics, start, end, last=None):
    """The text from start to end; `last` is the end of the whole story where this is a part."""
    written = 0
    for name, labels, value in series(fleet, metrics, start, last or end):
        head = name + quoted(TARGET | labels)
        step = FINE if FINE and is_fine(fleet, labels) else STEP
        lines = []
        for hour in range(start, end, HOUR):
            now = value(hour)
            if now is not None:
                lines += [f"{head} {now} {t}\n" for t in range(hour, min(hour + HOUR, end), step)]
        file.writelines(lines)
        written += len(lines)
    file.write("# EOF\n")
    return written
